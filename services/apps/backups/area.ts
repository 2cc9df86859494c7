import { actorOf } from "../../../kernel/auth/principal.ts";
import { isoTime } from "../../../kernel/clock.ts";
import { CloudError, invalid, notFound } from "../../../kernel/errors.ts";
import { decodeCursor, toPage } from "../../../kernel/http/cursor.ts";
import { viewOperation } from "../../../kernel/operations/view.ts";
import type { RequestContext } from "../../../kernel/service.ts";
import objects from "../../objects/contract.ts";
import { beginOnApp, checkIdle } from "../deploying/queue.ts";
import { checkAction } from "../deploying/states.ts";
import { type AppRow, appStore } from "../deploying/store/apps.ts";
import { type AppsParts, type Area, placeOf } from "../parts.ts";
import { diskStore } from "../running/store/disks.ts";
import { subjectOf } from "../subjects.ts";
import type { AppBackup, backupRoutes } from "./contract.ts";
import { type Copying, createCopying } from "./copying.ts";
import { type BackupOperations, beginBackup, defineBackups } from "./operations.ts";
import { type BackupRow, backupStore } from "./store.ts";

/** After so long a deletion is one whose process is gone. */
const leftMs = 10 * 60_000;

export interface Backups extends Area<typeof backupRoutes> {
  copying: Copying;
  definitions: BackupOperations;
}

export const viewBackup = (row: BackupRow): AppBackup => ({
  id: row.id,
  projectId: row.projectId,
  appId: row.appId,
  appName: row.appName,
  ...(row.releaseNumber === null ? {} : { releaseNumber: row.releaseNumber }),
  reason: row.reason,
  state: row.state,
  ...(row.stateReason === null ? {} : { stateReason: row.stateReason }),
  bucket: { id: row.bucketId, name: row.bucketName },
  disks: row.disks,
  sizeBytes: row.disks.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
  ...(row.operationId === null ? {} : { operationId: row.operationId }),
  createdBy: row.createdBy,
  createdAt: isoTime(row.createdAt),
  ...(row.finishedAt === null ? {} : { finishedAt: isoTime(row.finishedAt) }),
});

/** A bucket of the project by id or name, once it is sure that the caller may put objects into it. */
export async function bucketFor(
  parts: Pick<AppsParts, "objects">,
  context: Pick<RequestContext, "allows" | "tx">,
  app: { organisationId: string; projectId: string },
  wanted: string,
): Promise<{ id: string; name: string }> {
  const bucket = await parts.objects.findBucket(context.tx, app.projectId, wanted);
  if (!bucket) throw notFound("bucket");
  allowed(context, "objectUpload", app, "For this you have to be allowed to write objects: backups are some.");
  return bucket;
}

function allowed(
  context: Pick<RequestContext, "allows">,
  route: "objectUpload" | "objectDownload",
  place: { organisationId: string; projectId: string },
  words: string,
): void {
  const { permission, roles } = objects.routes[route];
  if (!context.allows(permission, roles, { organisationId: place.organisationId, projectId: place.projectId }))
    throw new CloudError("permission_denied", words, { details: { permission, roles: [...roles] } });
}

export function createBackups(parts: AppsParts): Backups {
  const copying = createCopying(parts);
  const definitions = defineBackups(parts, copying);
  const subject = (row: BackupRow) => ({
    organisationId: row.organisationId,
    projectId: row.projectId,
    resource: { kind: "app_backup", id: row.id, name: row.appName },
  });

  /** Locked, and doing nothing else. */
  async function openApp(context: RequestContext, id: string): Promise<AppRow> {
    const app = await appStore.find(context.tx, id, { lock: true });
    if (!app) throw notFound("app");
    context.authorize(placeOf(app), "app");
    parts.engine();
    checkAction(app, "configure");
    await checkIdle(context.tx, app);
    return app;
  }

  async function take(row: BackupRow, transaction: (work: (tx: RequestContext["tx"]) => Promise<void>) => Promise<void>) {
    await copying.erase(row);
    await transaction(async (tx) => void (await backupStore.remove(tx, row.id)));
  }

  return {
    copying,
    definitions,
    operations: [definitions.create, definitions.restore],
    workers: [
      {
        name: "apps.backups",
        everySeconds: 600,
        async run(signal) {
          const left = await parts.database.transaction("system", (tx) => backupStore.left(tx, new Date(Date.now() - leftMs)));
          for (const row of left) {
            signal.throwIfAborted();
            await take(row, (work) => parts.database.transaction("system", work));
          }
        },
      },
    ],
    handlers: {
      async appBackupList(context, { query }) {
        const place = await parts.identity.projectPlace(context.tx, query.project);
        if (!place) throw notFound("project");
        context.authorize(place, "project");
        const [below] = decodeCursor(query.cursor, 1) ?? [];
        const rows = await backupStore.page(context.tx, {
          projectId: query.project,
          appId: query.app,
          below: below === undefined ? undefined : String(below),
          limit: query.limit + 1,
        });
        return toPage(rows, query.limit, viewBackup, ({ id }) => [id]);
      },

      async appBackupCreate(context, { params, body }) {
        const app = await openApp(context, params.app);
        const bucket = await bucketFor(parts, context, app, body.bucket);
        if ((await diskStore.ofApp(context.tx, app.id)).length === 0)
          throw new CloudError("failed_precondition", `The app ${app.name} has no disks: there is nothing to back up.`, {
            details: { resource: "app", reason: "no_disks" },
          });
        const actor = actorOf(context.principal);
        const { row, operation } = await beginBackup(context.tx, definitions, app, { bucket, reason: "person", actor });
        context.audit({ ...subject(row), after: { app: app.name, bucket: bucket.name } });
        return viewOperation(operation);
      },

      async appBackupGet(context, { params }) {
        const row = await backupStore.find(context.tx, params.appBackup);
        if (!row) throw notFound("backup");
        context.authorize(placeOf(row), "backup");
        return viewBackup(row);
      },

      async appBackupRestore(context, { params, body }) {
        const row = await backupStore.find(context.tx, params.appBackup, { lock: true });
        if (!row) throw notFound("backup");
        context.authorize(placeOf(row), "backup");
        allowed(context, "objectDownload", row, "For this you have to be allowed to read objects: a backup is one.");
        const app = await openApp(context, body.app ?? row.appId);
        if (app.projectId !== row.projectId) throw invalid("body.app", "It is in another project than the backup.");
        if (body.confirm !== app.name)
          throw invalid(
            "body.confirm",
            `Give the name of the app, ${app.name}, to say that what is on its disks is to be replaced.`,
          );
        if (row.state !== "available" || row.operationId !== null)
          throw new CloudError(
            "failed_precondition",
            `This backup is ${row.state === "available" ? "being restored" : row.state}.`,
            {
              details: { resource: "backup", reason: "backup_state", state: row.state },
            },
          );
        const operation = await beginOnApp(context.tx, definitions.restore, app, actorOf(context.principal), {
          backupId: row.id,
          appId: app.id,
        });
        await backupStore.setOperation(context.tx, row.id, operation.id);
        context.audit({ ...subjectOf(app), after: { backup: row.id, madeAt: isoTime(row.createdAt) } });
        return viewOperation(operation);
      },

      async appBackupDelete(context, { params }) {
        const row = await context.transaction(async (tx) => {
          const found = await backupStore.find(tx, params.appBackup, { lock: true });
          if (!found) throw notFound("backup");
          context.authorize(placeOf(found), "backup");
          if (found.operationId !== null || found.state === "creating")
            throw new CloudError("failed_precondition", "This backup is being made or restored. Wait until that has ended.", {
              details: { resource: "backup", reason: "backup_state", state: found.state },
            });
          await backupStore.setDeleting(tx, found.id);
          context.audit(tx, { ...subject(found), before: { app: found.appName, bucket: found.bucketName } });
          return found;
        });
        // From here on it goes, whatever becomes of us: a worker ends what a process did not live to end.
        await take(row, (work) => context.transaction(work));
        return undefined;
      },
    },
  };
}
