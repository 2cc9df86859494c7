/** Backups by a person's word: the app stops, its disks are copied or replaced, and it goes on. */
import type { Actor } from "../../../kernel/contract.ts";
import type { Tx } from "../../../kernel/db/database.ts";
import { CloudError } from "../../../kernel/errors.ts";
import type { Id } from "../../../kernel/ids.ts";
import { newId } from "../../../kernel/ids.ts";
import {
  defineOperation,
  type OperationDefinition,
  type OperationStep,
  type StepContext,
} from "../../../kernel/operations/definition.ts";
import type { OperationRecord } from "../../../kernel/operations/store.ts";
import { beginOnApp, nextTurn } from "../deploying/queue.ts";
import { type AppRow, appStore } from "../deploying/store/apps.ts";
import { releaseStore } from "../deploying/store/releases.ts";
import type { AppsParts } from "../parts.ts";
import type { Copying } from "./copying.ts";
import { type BackupRow, backupStore } from "./store.ts";

export type BackupInput = { backupId: Id<"appBackup">; appId: Id<"app"> };
export interface BackupOperations {
  create: OperationDefinition<BackupInput>;
  restore: OperationDefinition<BackupInput>;
}
type Context = StepContext<BackupInput>;
const minute = 60;

export function defineBackups(parts: AppsParts, copying: Copying): BackupOperations {
  const find = (context: Context): Promise<AppRow> =>
    context.database.transaction("system", async (tx) => {
      const app = await appStore.find(tx, context.input.appId);
      if (!app || app.state === "deleting") throw new CloudError("cancelled", "The app was deleted.");
      return app;
    });

  async function stop(context: Context): Promise<void> {
    const app = await find(context);
    if (app.liveReleaseId === null || app.state === "stopped") return;
    context.memory["stopped"] = app.liveReleaseId;
    await context.remember();
    await parts.running.retire(app.id, { signal: context.signal });
  }

  /** Healthy or not, it is what there was before; the reconciler looks after it. */
  async function goOn(context: Context): Promise<void> {
    const releaseId = context.memory["stopped"] as string | undefined;
    const { signal } = context;
    if (releaseId === undefined) return;
    await find(context);
    await parts.running.start(releaseId, { signal });
    await parts.running.awaitHealthy(releaseId, { signal }).catch((error: unknown) => {
      if (signal.aborted) throw error;
      context.log.warn({ err: error, app: context.input.appId }, "an app is not healthy after a backup of its disks");
    });
    await parts.routing.apply({ signal });
  }

  const start: OperationStep<BackupInput> = { name: "start", deadlineSeconds: 40 * minute, run: goOn };
  const letGo = async (tx: Tx, appId: string): Promise<void> => {
    const app = await appStore.find(tx, appId, { lock: true });
    if (!app) return;
    await appStore.setOperation(tx, app.id, null);
    await nextTurn(tx, app.id);
  };

  return {
    create: defineOperation<BackupInput>({
      kind: "apps.backup.create",
      long: true,
      steps: [
        {
          name: "copy",
          deadlineSeconds: 6 * 60 * minute,
          async run(context) {
            await stop(context);
            await copying.copy(context.input.backupId, {
              signal: context.signal,
              onLine: (line) => context.progress(0.5, line.replace(/^--> /, "")),
            });
          },
          undo: goOn,
        },
        start,
      ],
      async finish(tx, { input, error }, outcome) {
        const backup = await backupStore.find(tx, input.backupId, { lock: true });
        await letGo(tx, input.appId);
        if (!backup) return undefined;
        await backupStore.setOperation(tx, backup.id, null);
        if (backup.state !== "available") {
          await backupStore.fail(tx, backup.id, error?.message ?? "It was cancelled.");
          tx.afterCommit(() => void copying.erase(backup).catch(() => {}));
        }
        return outcome === "succeeded" ? { appBackupId: backup.id } : undefined;
      },
    }),
    restore: defineOperation<BackupInput>({
      kind: "apps.backup.restore",
      long: true,
      steps: [
        {
          name: "restore",
          deadlineSeconds: 6 * 60 * minute,
          async run(context) {
            await stop(context);
            await copying.putBack(context.input.backupId, context.input.appId, { signal: context.signal });
          },
          undo: goOn,
        },
        start,
      ],
      async finish(tx, { input }) {
        await letGo(tx, input.appId);
        await backupStore.setOperation(tx, input.backupId, null);
        return { appBackupId: input.backupId, appId: input.appId };
      },
    }),
  };
}

/** The record of one that is to be made; whoever calls holds the app's row. */
export async function planBackup(
  tx: Tx,
  app: Pick<AppRow, "id" | "name" | "organisationId" | "projectId" | "liveReleaseId">,
  wanted: { id?: Id<"appBackup">; bucket: { id: string; name: string }; reason: BackupRow["reason"]; actor: Actor },
): Promise<BackupRow> {
  const release = app.liveReleaseId === null ? undefined : await releaseStore.find(tx, app.liveReleaseId);
  const row: BackupRow = {
    id: wanted.id ?? newId("appBackup"),
    organisationId: app.organisationId,
    projectId: app.projectId,
    appId: app.id,
    appName: app.name,
    releaseNumber: release?.number ?? null,
    reason: wanted.reason,
    state: "creating",
    stateReason: null,
    bucketId: wanted.bucket.id as BackupRow["bucketId"],
    bucketName: wanted.bucket.name,
    disks: [],
    operationId: null,
    createdBy: wanted.actor,
    createdAt: new Date(),
    finishedAt: null,
  };
  await backupStore.insert(tx, row);
  return row;
}

/** In the transaction that holds the app's row, of an app at rest. */
export async function beginBackup(
  tx: Tx,
  operations: BackupOperations,
  app: AppRow,
  wanted: Parameters<typeof planBackup>[2],
): Promise<{ row: BackupRow; operation: OperationRecord }> {
  const row = await planBackup(tx, app, wanted);
  const operation = await beginOnApp(tx, operations.create, app, wanted.actor, { backupId: row.id, appId: app.id });
  await backupStore.setOperation(tx, row.id, operation.id);
  return { row, operation };
}
