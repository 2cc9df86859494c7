import type { Actor } from "../../../kernel/contract.ts";
import type { Tx } from "../../../kernel/db/database.ts";
import { CloudError, there } from "../../../kernel/errors.ts";
import { type Id, newId } from "../../../kernel/ids.ts";
import { defineOperation, type OperationDefinition, type StepContext } from "../../../kernel/operations/definition.ts";
import { beginOperation, hasActiveOperation, type OperationRecord } from "../../../kernel/operations/store.ts";
import { checkWritable, resourceOf, underWay } from "../buckets.ts";
import { type Changes, watchStore } from "../changes.ts";
import type { ObjectStore } from "../driver.ts";
import type { StorageQuota } from "../storageQuota.ts";
import { type BucketRow, bucketStore } from "../store.ts";
import { type Line, LocalManifest, manifestOf, type Summary, settingsOf, summaryOf, writeManifest } from "./manifest.ts";
import { noTarget, openPlace, type PlaceParts } from "./place.ts";
import type { RemoteBucket } from "./remote.ts";
import { nothingRestored, type Restored, restoreObjects } from "./restore.ts";
import { type Sent, sendObjects } from "./send.ts";
import { fetchSettings, restoreConfiguration, restoreStoreSettings, sendSettings } from "./settings.ts";
import { type BackupRow, backupStore, targetStore } from "./store.ts";
import { checkContents, sweep } from "./upkeep.ts";

export type BackupInput = { backupId: string; bucketId: Id<"bucket"> };
export type VerifyInput = BackupInput;
export type RestoreInput = BackupInput & { toBucketId: Id<"bucket">; prefix: string; overwrite: boolean; settings?: boolean };
export type DeleteInput = { backupIds: string[]; bucketId: Id<"bucket"> };

// A bucket may hold millions of objects; what has no end is stopped by cancelling it.
const deadlineSeconds = 7 * 24 * 3600;

export type BackupOperations = ReturnType<typeof defineBackupOperations>;

export interface BackupParts extends PlaceParts {
  store: ObjectStore;
  quota: StorageQuota;
  changes: Changes;
}

export function defineBackupOperations(parts: BackupParts) {
  const { database, store, quota, changes } = parts;
  const backupRow = async (id: string): Promise<BackupRow> =>
    there(await database.transaction("system", (tx) => backupStore.find(tx, id)), "bucketBackup");
  const bucketRow = async (id: string): Promise<BucketRow> => {
    const bucket = there(await database.transaction("system", (tx) => bucketStore.find(tx, id)), "bucket");
    checkWritable(bucket);
    return bucket;
  };

  async function atPlace<T>(bucketId: string, signal: AbortSignal, work: (remote: RemoteBucket) => Promise<T>): Promise<T> {
    const remote = await openPlace(parts, bucketId, signal);
    try {
      return await work(remote);
    } finally {
      remote.close();
    }
  }

  /** The list of the backup before; one that was found incomplete, or is damaged, says nothing. */
  async function listBefore(remote: RemoteBucket, bucketId: string): Promise<LocalManifest | undefined> {
    const [last] = await database.transaction("system", (tx) => backupStore.available(tx, bucketId));
    if (!last || last.verification === "failed") return undefined;
    try {
      return await LocalManifest.fetch(remote, last.manifest);
    } catch (error) {
      if (CloudError.is(error, "not_found")) return undefined;
      throw error;
    }
  }

  async function send({ input, signal, memory, progress }: StepContext<BackupInput>): Promise<void> {
    const [row, bucket] = [await backupRow(input.backupId), await bucketRow(input.bucketId)];
    const sent: Sent = { objects: 0, sizeBytes: 0, newObjects: 0, sentBytes: 0 };
    // What earlier attempts have sent was sent for this one.
    const earlier = Number(memory["sentBytes"] ?? 0);
    const { objects: total, sizeBytes: totalBytes } = await store.totals(bucket.id);
    await atPlace(bucket.id, signal, async (remote) => {
      await remote.abortUploads();
      const before = await listBefore(remote, bucket.id);
      try {
        const lines = sendObjects({ store, remote }, bucket.id, {
          before: before ? before.entries() : none(),
          sent,
          signal,
          onProgress() {
            memory["sentBytes"] = earlier + sent.sentBytes;
            const share = (sent.objects / Math.max(1, total) + sent.sizeBytes / Math.max(1, totalBytes)) / 2;
            progress(Math.min(0.99, share), `${sent.objects} / ${total}, ${earlier + sent.sentBytes} bytes`);
          },
        });
        const { id: bucketId, name: bucketName, projectId } = bucket;
        const head = { format: 1, bucketId, bucketName, projectId, madeAt: row.createdAt.toISOString() } as const;
        const { bytes, totals } = writeManifest(head, lines);
        await remote.upload(manifestOf(row.manifest), bytes, { sizeBytes: 0 });
        // A list of a bucket that was emptied or deleted meanwhile would be no backup.
        await sendSettings({ store, remote }, await bucketRow(bucketId), row.manifest);
        const summary: Summary = { ...head, ...totals, automatic: row.automatic };
        await remote.put(summaryOf(row.manifest), Buffer.from(`${JSON.stringify(summary)}\n`));
        Object.assign(memory, { totals, sentObjects: sent.newObjects, sentBytes: earlier + sent.sentBytes });
      } finally {
        await before?.close();
      }
    });
  }

  const create = defineOperation<BackupInput>({
    kind: "objects.backup.create",
    long: true,
    steps: [{ name: "send", deadlineSeconds, run: send }],
    async finish(tx, { input, memory, error }, outcome) {
      const row = await backupStore.find(tx, input.backupId, { lock: true });
      if (!row) return undefined;
      if (outcome === "cancelled") {
        await backupStore.remove(tx, row);
        return undefined;
      }
      if (outcome === "failed") {
        const stateReason = error?.message ?? "The log says why.";
        await backupStore.update(tx, row, { state: "failed", stateReason, operationId: null, finishedAt: new Date() });
        return undefined;
      }
      const { objects, sizeBytes, leftOut } = memory["totals"] as { objects: number; sizeBytes: number; leftOut: number };
      const [sentObjects, sentBytes] = [memory["sentObjects"] as number, memory["sentBytes"] as number];
      const counts = { objects, sizeBytes, leftOut, sentObjects, sentBytes };
      await backupStore.forgetFailed(tx, row.bucketId);
      await backupStore.update(tx, row, { ...counts, state: "available", operationId: null, finishedAt: new Date() });
      return { bucketBackupId: row.id, ...counts };
    },
  });

  const verify = defineOperation<VerifyInput>({
    kind: "objects.backup.verify",
    long: true,
    steps: [
      {
        name: "check",
        deadlineSeconds,
        async run({ input, memory, signal, progress }) {
          const row = await backupRow(input.backupId);
          await atPlace(input.bucketId, signal, async (remote) => {
            const manifest = await LocalManifest.fetch(remote, row.manifest);
            try {
              memory["checked"] = await checkContents(remote, manifest, {
                signal,
                onProgress: (objects) =>
                  progress(objects / Math.max(1, row.objects ?? 1), `${objects} / ${row.objects ?? objects}`),
              });
            } finally {
              await manifest.close();
            }
          });
        },
      },
    ],
    async finish(tx, { input, memory, error }, outcome) {
      const row = await backupStore.find(tx, input.backupId, { lock: true });
      if (!row) return undefined;
      const checked = memory["checked"] as { objects: number; missing: number; missingKeys: string[] } | undefined;
      if (outcome === "cancelled" || (outcome === "failed" && error?.code === "unavailable")) {
        await backupStore.update(tx, row, { verification: null, verificationMessage: null, operationId: null });
        return undefined;
      }
      const isWhole = checked?.missing === 0;
      await backupStore.update(tx, row, {
        operationId: null,
        verification: isWhole ? "passed" : "failed",
        verificationMessage: checked
          ? isWhole
            ? `All ${checked.objects} objects are there.`
            : `${checked.missing} of ${checked.objects} objects are not there any more.`
          : (error?.message ?? "The log says why."),
        verifiedAt: new Date(),
      });
      return checked && { bucketBackupId: row.id, ...checked };
    },
  });

  async function restore({ input, signal, memory, progress }: StepContext<RestoreInput>): Promise<void> {
    const row = await backupRow(input.backupId);
    const bucket = await bucketRow(input.toBucketId);
    const counts: Restored = nothingRestored();
    const watched = watchStore(store, (_, keys) => {
      for (const key of keys) changes.note(bucket, key);
    });
    await atPlace(input.bucketId, signal, async (remote) => {
      const manifest = await LocalManifest.fetch(remote, row.manifest);
      try {
        const { projectId } = await manifest.head();
        const sameProject = projectId === bucket.projectId;
        const settings = input.settings ? await fetchSettings(remote, row.manifest) : undefined;
        const unset = settings ? await restoreStoreSettings(store, bucket, settings, { sameProject }) : [];
        const { lock } = await store.settings(bucket.id);
        await quota.room(bucket, (room) =>
          restoreObjects(
            { store: watched, remote, room },
            manifest.entries(),
            {
              bucketId: bucket.id,
              overwrite: input.overwrite,
              locks: lock !== undefined,
              sameProject,
            },
            {
              prefix: input.prefix,
              counts,
              signal,
              async onPage(looked) {
                progress(
                  looked / Math.max(1, row.objects ?? 1),
                  `${looked} / ${row.objects ?? looked}, ${counts.restoredBytes} bytes`,
                );
                await bucketRow(bucket.id);
              },
            },
          ),
        );
        if (settings) {
          const { set, leftOut } = await database.transaction("system", (tx) =>
            restoreConfiguration(tx, bucket.id, settings, { sameProject }),
          );
          memory["settings"] = { settings: set, settingsLeftOut: [...unset, ...leftOut] };
        }
      } finally {
        await manifest.close();
      }
    });
    memory["counts"] = counts;
  }

  const bringBack = defineOperation<RestoreInput>({
    kind: "objects.backup.restore",
    long: true,
    steps: [{ name: "write", deadlineSeconds, run: restore }],
    /** Cancelled in the middle, what is restored stays; the same restore again does the rest. */
    async finish(tx, { input, memory }, outcome) {
      const row = await backupStore.find(tx, input.backupId, { lock: true });
      if (row) await backupStore.update(tx, row, { operationId: null });
      return outcome === "succeeded"
        ? { bucketId: input.toBucketId, ...(memory["counts"] as Restored), ...(memory["settings"] as object | undefined) }
        : undefined;
    },
  });

  const remove = defineOperation<DeleteInput>({
    kind: "objects.backup.delete",
    long: true,
    steps: [
      {
        name: "list",
        deadlineSeconds: 3600,
        run: ({ input, signal, memory }) =>
          atPlace(input.bucketId, signal, async (remote) => {
            for (const id of input.backupIds) {
              const { manifest } = await backupRow(id);
              await remote.remove(summaryOf(manifest));
              await remote.remove(settingsOf(manifest));
              await remote.remove(manifestOf(manifest));
            }
            memory["listsGone"] = true;
          }),
      },
      {
        name: "contents",
        deadlineSeconds,
        run: ({ input, signal, memory, progress }) =>
          atPlace(input.bucketId, signal, async (remote) => {
            memory["contents"] = await sweep(remote, { signal, onProgress: () => progress(0.5) });
          }),
      },
    ],
    /** Without its list a backup is none, whatever became of its contents: the next deletion takes those. */
    async finish(tx, { input, memory, error }, outcome) {
      for (const id of input.backupIds) {
        const row = await backupStore.find(tx, id, { lock: true });
        if (!row) continue;
        if (memory["listsGone"]) await backupStore.remove(tx, row);
        else {
          const stateReason = `It could not be deleted: ${error?.message ?? "it was cancelled."}`;
          // One that was never finished has no size.
          const state = row.sizeBytes === null ? "failed" : "available";
          await backupStore.update(tx, row, { state, stateReason, operationId: null });
        }
      }
      return outcome === "succeeded" ? { backups: input.backupIds.length, contents: memory["contents"] } : undefined;
    },
  });

  return { create, verify, restore: bringBack, delete: remove };
}

async function* none(): AsyncGenerator<Line> {}

/** In the caller's transaction, which has the bucket locked: one thing at a time is done with the place of its backups. */
export async function checkFree(tx: Tx, bucketId: string): Promise<void> {
  if (await backupStore.isBusy(tx, bucketId))
    throw new CloudError(
      "failed_precondition",
      "Work on a backup of this bucket is under way. Wait until it is finished, or cancel it.",
      {
        details: { resource: "bucketBackup", reason: "operation_active", retryAfterSeconds: 10 },
      },
    );
}

/** The same for work that writes or reads a whole bucket. */
export async function checkIdle(tx: Tx, bucket: BucketRow): Promise<void> {
  checkWritable(bucket);
  if (await hasActiveOperation(tx, bucket.id)) throw underWay();
}

const about = ({ organisationId, projectId }: BackupRow, bucket: BucketRow) => ({
  organisationId,
  projectId,
  resource: resourceOf(bucket),
});

/** In the caller's transaction, which has the bucket locked. */
export async function beginBackup(
  tx: Tx,
  operations: BackupOperations,
  bucket: BucketRow,
  { actor, automatic }: { actor: Actor; automatic: boolean },
): Promise<{ row: BackupRow; operation: OperationRecord }> {
  if (!(await targetStore.find(tx, bucket.id))) throw noTarget();
  await checkFree(tx, bucket.id);
  await checkIdle(tx, bucket);
  const id = newId("bucketBackup");
  const row = newRow(bucket, { id, manifest: id, automatic, createdAt: new Date() });
  const operation = await beginOperation(tx, operations.create, {
    input: { backupId: id, bucketId: bucket.id },
    actor,
    ...about(row, bucket),
  });
  row.operationId = operation.id;
  await backupStore.insert(tx, row);
  return { row, operation };
}

export const newRow = (
  bucket: BucketRow,
  known: Pick<BackupRow, "id" | "manifest" | "automatic" | "createdAt"> & Partial<BackupRow>,
): BackupRow => ({
  bucketId: bucket.id,
  organisationId: bucket.organisationId,
  projectId: bucket.projectId,
  state: "creating",
  stateReason: null,
  objects: null,
  sizeBytes: null,
  sentObjects: null,
  sentBytes: null,
  leftOut: null,
  verification: null,
  verificationMessage: null,
  verifiedAt: null,
  operationId: null,
  finishedAt: null,
  ...known,
});

/** In the caller's transaction, which has the bucket locked: work on backups that are there, of one bucket. */
export async function beginOnBackups<Input extends Record<string, unknown>>(
  tx: Tx,
  definition: OperationDefinition<Input>,
  rows: BackupRow[],
  request: {
    input: Input;
    actor: Actor;
    resource: { kind: string; id: string; name?: string };
    change?: Partial<BackupRow>;
    from?: BackupRow["state"][];
  },
): Promise<OperationRecord> {
  const [first] = rows;
  if (!first) throw new Error("There is nothing to work on.");
  await checkFree(tx, first.bucketId);
  const { from = ["available"] } = request;
  for (const { state } of rows)
    if (!from.includes(state))
      throw new CloudError("failed_precondition", `This backup is ${state}: only one that is available can be used.`, {
        details: { resource: "bucketBackup", reason: "backup_not_available", state },
      });
  const { organisationId, projectId } = first;
  const { input, actor, resource, change } = request;
  const operation = await beginOperation(tx, definition, { input, actor, organisationId, projectId, resource });
  for (const row of rows) await backupStore.update(tx, row, { ...change, operationId: operation.id });
  return operation;
}
