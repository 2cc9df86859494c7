import { createHash } from "node:crypto";
import { Readable, Transform } from "node:stream";
import type { Actor } from "../../kernel/contract.ts";
import type { Tx } from "../../kernel/db/database.ts";
import { CloudError, there } from "../../kernel/errors.ts";
import { newId } from "../../kernel/ids.ts";
import { defineOperation, type OperationDefinition } from "../../kernel/operations/definition.ts";
import { beginOperation, type OperationRecord } from "../../kernel/operations/store.ts";
import { readDatabase } from "./creation.ts";
import type { ServerSpec } from "./driver.ts";
import { aboutBucket, baseKey, labelKey, pruneLog, shipLog, storedLog } from "./log.ts";
import { restoreSource } from "./operations.ts";
import { containerOf, type DatabasesParts, drillOf, prefixOf, subjectOf } from "./parts.ts";
import { type BackupRow, backupStore, type DatabaseRow } from "./store.ts";

type CreateInput = { backupId: string; databaseId: string };
type OnBackup = { backupId: string };
type VerifyInput = { backupId: string; before: { verification: "passed" | "failed" | null; message: string | null } };

const hour = 3600;
const day = 24 * hour;

export type BackupOperations = ReturnType<typeof defineBackupOperations>;

export function defineBackupOperations(parts: DatabasesParts): {
  create: OperationDefinition<CreateInput>;
  verify: OperationDefinition<VerifyInput>;
  delete: OperationDefinition<OnBackup>;
} {
  const read = async (id: string): Promise<BackupRow> =>
    there(await parts.database.transaction("system", (tx) => backupStore.find(tx, id)), "backup");

  /** A server of its own, which nobody reaches and which hands nothing over. */
  const drillSpec = (backup: BackupRow): ServerSpec => ({
    name: drillOf(backup),
    volume: drillOf(backup),
    version: backup.version,
    labels: { kind: "database-drill", backup: backup.id, project: backup.projectId, organisation: backup.organisationId },
    memoryBytes: Math.min(backup.memoryBytes, 1024 ** 3),
    cpus: 1,
    diskBytes: backup.diskBytes,
    archive: false,
    readOnly: false,
  });
  async function takeAwayDrill(backupId: string, signal: AbortSignal): Promise<void> {
    const spec = drillSpec(await read(backupId));
    await parts.driver().remove(spec.name, { signal });
    await parts.driver().discard(spec.volume, { signal });
  }

  const verify = defineOperation<VerifyInput>({
    kind: "databases.backup.verify",
    long: true,
    steps: [
      {
        name: "restore",
        deadlineSeconds: day,
        // One that does not come up is what is to be found out.
        attempts: 1,
        async run({ input, signal, progress }) {
          const backup = await read(input.backupId);
          await parts.driver().prepare(backup.version, { signal, progress });
          await takeAwayDrill(input.backupId, signal);
          const source = await restoreSource(parts, backup, "earliest", signal);
          const base = async () => checkedBytes(await source.base(), backup);
          await parts.driver().restore(drillSpec(backup), { ...source, base }, { signal });
        },
        undo: ({ input, signal }) => takeAwayDrill(input.backupId, signal),
      },
      {
        name: "check",
        deadlineSeconds: day,
        attempts: 1,
        async run({ input, memory, signal }) {
          memory["words"] = await parts.driver().check(drillSpec(await read(input.backupId)).name, { signal });
        },
      },
      { name: "clean", deadlineSeconds: hour, run: ({ input, signal }) => takeAwayDrill(input.backupId, signal) },
    ],
    async finish(tx, { input, memory, error }, outcome) {
      const row = await backupStore.find(tx, input.backupId, { lock: true });
      if (!row) return undefined;
      const { before } = input;
      await backupStore.update(tx, row.id, {
        operationId: null,
        ...(outcome === "cancelled"
          ? { verification: before.verification, verificationMessage: before.message }
          : {
              verification: outcome === "succeeded" ? "passed" : "failed",
              verificationMessage:
                outcome === "succeeded" ? (memory["words"] as string) : (error?.message ?? "The log says why."),
              verifiedAt: new Date(),
            }),
      });
      return outcome === "succeeded" ? { databaseBackupId: row.id, message: memory["words"] } : undefined;
    },
  });

  const create = defineOperation<CreateInput>({
    kind: "databases.backup.create",
    long: true,
    steps: [
      {
        name: "copy",
        deadlineSeconds: day,
        async run({ input, memory, signal, progress }) {
          const backup = await read(input.backupId);
          const database = await readDatabase(parts, input.databaseId);
          const expected = database.usedBytes ?? database.diskBytes;
          const base = await parts.driver().backup(
            containerOf(database),
            async (content) => {
              const hash = createHash("sha256");
              let bytes = 0;
              const counter = new Transform({
                transform(piece: Buffer, _encoding, done) {
                  hash.update(piece);
                  bytes += piece.length;
                  progress(Math.min(0.95, bytes / Math.max(1, expected)), `${bytes} bytes`);
                  done(null, piece);
                },
              });
              content.once("error", (error) => counter.destroy(error));
              counter.once("close", () => content.destroy());
              await write(backup, baseKey(backup), content.pipe(counter), signal);
              memory["sizeBytes"] = bytes;
              memory["sha256"] = hash.digest("hex");
            },
            { signal },
          );
          await write(backup, labelKey(backup), Readable.from([Buffer.from(base.label)]), signal);
          memory["firstLog"] = base.firstLog;
          memory["lastLog"] = base.lastLog;
        },
        async undo({ input }) {
          const backup = await read(input.backupId);
          for (const key of [baseKey(backup), labelKey(backup)]) await parts.objects.delete({ bucketId: backup.bucketId, key });
        },
      },
      {
        name: "log",
        deadlineSeconds: hour,
        async run({ input, memory, signal }) {
          const backup = await read(input.backupId);
          await shipLog(parts, await readDatabase(parts, input.databaseId), signal);
          const stored = await storedLog(parts, backup);
          if (!stored.includes(memory["lastLog"] as string))
            throw new CloudError("unavailable", "The log that the backup needs is not in the bucket yet. Try again.", {
              details: { retryAfterSeconds: 10 },
            });
        },
      },
    ],
    async finish(tx, { input, memory, actor }, outcome) {
      const row = await backupStore.find(tx, input.backupId, { lock: true });
      if (!row) return undefined;
      if (outcome !== "succeeded") {
        await backupStore.delete(tx, row);
        return undefined;
      }
      const made = await backupStore.update(tx, row.id, {
        state: "available",
        operationId: null,
        sizeBytes: memory["sizeBytes"] as number,
        sha256: memory["sha256"] as string,
        firstLog: memory["firstLog"] as string,
        lastLog: memory["lastLog"] as string,
        finishedAt: new Date(),
      });
      // A backup that nobody looks at is proven without being asked.
      if (made.automatic) await beginVerify(tx, verify, made, actor);
      return { databaseBackupId: row.id, sizeBytes: made.sizeBytes };
    },
  });

  const write = async (backup: BackupRow, key: string, content: Readable, signal: AbortSignal): Promise<void> => {
    try {
      await parts.objects.write({
        bucketId: backup.bucketId,
        key,
        content,
        contentType: "application/octet-stream",
        metadata: { "khmara-database": backup.databaseId, "khmara-backup": backup.id },
        signal,
      });
    } catch (error) {
      throw aboutBucket(error, backup.bucketName);
    }
  };

  const remove = defineOperation<OnBackup>({
    kind: "databases.backup.delete",
    steps: [
      {
        name: "delete",
        deadlineSeconds: hour,
        async run({ input }) {
          const backup = await read(input.backupId);
          for (const key of [baseKey(backup), labelKey(backup)]) await parts.objects.delete({ bucketId: backup.bucketId, key });
        },
      },
      {
        name: "log",
        deadlineSeconds: hour,
        async run({ input, log }) {
          await pruneLog(parts, await read(input.backupId)).catch((error) => {
            if (!CloudError.is(error, "not_found")) throw error;
            log.info({ backup: input.backupId }, "the bucket of a deleted backup is gone");
          });
        },
      },
    ],
    async finish(tx, { input, error }, outcome) {
      const row = await backupStore.find(tx, input.backupId, { lock: true });
      if (!row) return undefined;
      if (outcome === "succeeded") {
        await backupStore.delete(tx, row);
        return { databaseBackupId: row.id };
      }
      await backupStore.update(tx, row.id, {
        operationId: null,
        state: "error",
        stateReason: `It could not be deleted: ${error?.message ?? "it was cancelled."}`,
      });
      return undefined;
    },
  });

  return { create, verify, delete: remove };
}

/** Fails at its end when these are not the bytes that were written. */
function checkedBytes(content: Readable, { sha256, sizeBytes }: BackupRow): Readable {
  const hash = createHash("sha256");
  let bytes = 0;
  const checked = new Transform({
    transform(piece: Buffer, _encoding, done) {
      hash.update(piece);
      bytes += piece.length;
      done(null, piece);
    },
    flush(done) {
      if (bytes === sizeBytes && hash.digest("hex") === sha256) return done();
      done(
        new CloudError(
          "failed_precondition",
          "The object of this backup is damaged: its bytes are not those that were written.",
          {
            details: { resource: "backup", reason: "object_damaged" },
          },
        ),
      );
    },
  });
  content.once("error", (error) => checked.destroy(error));
  checked.once("close", () => content.destroy());
  return content.pipe(checked);
}

/** In the caller's transaction, which has the database locked and its state checked. */
export async function makeBackup(
  tx: Tx,
  operations: BackupOperations,
  database: DatabaseRow,
  actor: Actor,
  automatic: boolean,
): Promise<{ row: BackupRow; operation: OperationRecord }> {
  if (database.bucketId === null || database.bucketName === null) throw new Error("A database without a bucket has no backups.");
  if (await backupStore.isBeingMade(tx, database.id))
    throw new CloudError(
      "failed_precondition",
      `A backup of ${database.name} is being made already. Wait until that is finished.`,
      {
        details: { resource: "database", reason: "operation_active", retryAfterSeconds: 10 },
      },
    );
  const row: BackupRow = {
    id: newId("databaseBackup"),
    organisationId: database.organisationId,
    projectId: database.projectId,
    databaseId: database.id,
    databaseName: database.name,
    innerName: database.databaseName,
    ownerName: database.ownerName,
    version: database.version,
    memoryBytes: database.memoryBytes,
    cpus: database.cpus,
    diskBytes: database.diskBytes,
    state: "creating",
    stateReason: null,
    bucketId: database.bucketId,
    bucketName: database.bucketName,
    prefix: prefixOf(database),
    sizeBytes: null,
    sha256: null,
    firstLog: null,
    lastLog: null,
    automatic,
    verification: null,
    verificationMessage: null,
    verifiedAt: null,
    operationId: null,
    createdAt: new Date(),
    finishedAt: null,
  };
  const operation = await beginOperation(tx, operations.create, {
    input: { backupId: row.id, databaseId: database.id },
    actor,
    ...subjectOf("databaseBackup", row, database.name),
  });
  row.operationId = operation.id;
  await backupStore.insert(tx, row);
  return { row, operation };
}

/** In the caller's transaction, which has the backup locked and its state checked. */
export async function beginVerify(
  tx: Tx,
  definition: OperationDefinition<VerifyInput>,
  row: BackupRow,
  actor: Actor,
): Promise<OperationRecord> {
  if (row.operationId !== null)
    throw new CloudError("failed_precondition", "This backup is being worked on. Wait until that is finished.", {
      details: { resource: "backup", reason: "operation_active", retryAfterSeconds: 10 },
    });
  const before = row.verification === "running" ? null : row.verification;
  const operation = await beginOperation(tx, definition, {
    input: { backupId: row.id, before: { verification: before, message: row.verificationMessage } },
    actor,
    ...subjectOf("databaseBackup", row, row.databaseName),
  });
  await backupStore.update(tx, row.id, { verification: "running", operationId: operation.id });
  return operation;
}

/** In the caller's transaction, which has the backup locked and its state checked. */
export async function beginBackupDelete(
  tx: Tx,
  operations: BackupOperations,
  row: BackupRow,
  actor: Actor,
): Promise<OperationRecord> {
  if (row.operationId !== null)
    throw new CloudError("failed_precondition", "This backup is being worked on. Wait until that is finished.", {
      details: { resource: "backup", reason: "operation_active", retryAfterSeconds: 10 },
    });
  const operation = await beginOperation(tx, operations.delete, {
    input: { backupId: row.id },
    actor,
    ...subjectOf("databaseBackup", row, row.databaseName),
  });
  await backupStore.update(tx, row.id, { state: "deleting", stateReason: null, operationId: operation.id });
  return operation;
}
