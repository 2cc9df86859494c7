import { createHash } from "node:crypto";
import { Transform } from "node:stream";
import type { Actor } from "../../../../kernel/contract.ts";
import type { Database, Tx } from "../../../../kernel/db/database.ts";
import { CloudError, notFound } from "../../../../kernel/errors.ts";
import { type Id, newId } from "../../../../kernel/ids.ts";
import { defineOperation, type OperationDefinition } from "../../../../kernel/operations/definition.ts";
import { beginOperation, type OperationRecord } from "../../../../kernel/operations/store.ts";
import type { ComputeParts } from "../../parts.ts";
import { type Disk, subjectOf } from "../disks.ts";
import { scheduleEnded } from "../schedules/outcome.ts";
import { scheduleStore } from "../schedules/store.ts";
import { beginDrill, type DrillOperation } from "./drill.ts";
import { type BackupRow, backupStore } from "./store.ts";

type CreateInput = { backupId: string; sourceEngineName: string };
type DeleteInput = { backupId: string };

export type BackupOperations = ReturnType<typeof defineBackupOperations>;

const day = 24 * 3600;

async function readBackup(database: Database, id: string): Promise<BackupRow> {
  const row = await database.transaction("system", (tx) => backupStore.find(tx, id));
  if (!row) throw notFound("backup");
  return row;
}

export function defineBackupOperations(
  parts: Pick<ComputeParts, "engine" | "objects">,
  drill: DrillOperation,
): { create: OperationDefinition<CreateInput>; delete: OperationDefinition<DeleteInput>; verify: DrillOperation } {
  const create = defineOperation<CreateInput>({
    kind: "compute.backup.create",
    long: true,
    steps: [
      {
        name: "export",
        deadlineSeconds: day,
        async run({ input, database, memory, signal, progress }) {
          const row = await readBackup(database, input.backupId);
          const driver = parts.engine();
          const { content, sizeBytes } =
            row.sourceKind === "instance"
              ? await driver.instanceExport(input.sourceEngineName, { signal })
              : await driver.volumeExport(input.sourceEngineName, { signal });
          const hash = createHash("sha256");
          let bytes = 0;
          const counter = new Transform({
            transform(piece: Buffer, _encoding, done) {
              hash.update(piece);
              bytes += piece.length;
              // Of what the disk may hold, where the engine does not say how much comes.
              progress(Math.min(0.99, bytes / Math.max(1, sizeBytes ?? row.diskBytes)), `${bytes} bytes`);
              done(null, piece);
            },
          });
          content.once("error", (error) => counter.destroy(error));
          counter.once("close", () => content.destroy());
          try {
            await parts.objects.write({
              bucketId: row.bucketId,
              key: row.key,
              content: content.pipe(counter),
              contentType: "application/x-tar",
              metadata: {
                "khmara-backup": row.id,
                "khmara-source": row.sourceId,
                "khmara-kind": row.sourceKind,
              },
              signal,
            });
          } catch (error) {
            throw aboutBucket(error, row);
          }
          memory["sizeBytes"] = bytes;
          memory["sha256"] = hash.digest("hex");
        },
        async undo({ input, database }) {
          const row = await readBackup(database, input.backupId);
          await parts.objects.delete({ bucketId: row.bucketId, key: row.key });
        },
      },
    ],
    async finish(tx, { input, memory, actor, error }, outcome) {
      const row = await backupStore.find(tx, input.backupId, { lock: true });
      if (!row) return undefined;
      if (row.scheduleId) await scheduleEnded(tx, row.scheduleId, error);
      if (outcome !== "succeeded") {
        await backupStore.delete(tx, row);
        return undefined;
      }
      const made = await backupStore.update(tx, row.id, {
        state: "available",
        operationId: null,
        sizeBytes: memory["sizeBytes"] as number,
        sha256: memory["sha256"] as string,
      });
      const schedule = row.scheduleId ? await scheduleStore.find(tx, row.scheduleId, { lock: true }) : undefined;
      if (schedule?.verify === "each") {
        await beginDrill(tx, drill, made, { command: schedule.verifyCommand ?? undefined, actor });
        await scheduleStore.update(tx, schedule.id, { verifiedAt: new Date() });
      }
      return { backupId: row.id, sizeBytes: made.sizeBytes, sha256: made.sha256 };
    },
  });

  const remove = defineOperation<DeleteInput>({
    kind: "compute.backup.delete",
    steps: [
      {
        name: "delete",
        deadlineSeconds: 600,
        async run({ input, database }) {
          const row = await readBackup(database, input.backupId);
          await parts.objects.delete({ bucketId: row.bucketId, key: row.key });
        },
      },
    ],
    async finish(tx, { input, error }, outcome) {
      const row = await backupStore.find(tx, input.backupId, { lock: true });
      if (!row) return undefined;
      if (outcome === "succeeded") {
        await backupStore.delete(tx, row);
        return { backupId: row.id };
      }
      await backupStore.update(tx, row.id, {
        operationId: null,
        state: "error",
        stateReason: `It could not be deleted: ${error?.message ?? "the log says why."}`,
      });
      return undefined;
    },
  });

  return { create, delete: remove, verify: drill };
}

function aboutBucket(error: unknown, row: BackupRow): unknown {
  if (!CloudError.is(error, "not_found")) return error;
  return new CloudError(
    "failed_precondition",
    `The bucket ${row.bucketName} does not exist any more. Make it again, or choose another one.`,
    { details: { resource: "bucket", reason: "bucket_missing" }, cause: error },
  );
}

/** In the caller's transaction, which has the disk locked and its state checked. */
export async function makeBackup(
  tx: Tx,
  operations: BackupOperations,
  wanted: {
    disk: Disk;
    actor: Actor;
    bucket: { id: string; name: string };
    name: string;
    description: string;
    prefix: string;
    scheduleId?: Id<"snapshotSchedule"> | undefined;
  },
): Promise<{ row: BackupRow; operation: OperationRecord }> {
  const { disk, bucket } = wanted;
  const id = newId("backup");
  const createdAt = new Date();
  // The last word of the id makes it unique; the time lets people and lists find it.
  const moment = createdAt.toISOString().slice(0, 19).replace(/[-:]/g, "").replace("T", "-");
  const row: BackupRow = {
    id,
    organisationId: disk.organisationId as Id<"organisation">,
    projectId: disk.projectId as Id<"project">,
    sourceKind: disk.kind,
    sourceId: disk.id,
    sourceName: disk.name,
    name: wanted.name,
    description: wanted.description,
    state: "creating",
    stateReason: null,
    bucketId: bucket.id as Id<"bucket">,
    bucketName: bucket.name,
    key: `${wanted.prefix}${disk.name}/${moment}-${id.slice(-6)}.tar`,
    sizeBytes: null,
    sha256: null,
    diskBytes: disk.sizeBytes,
    instance: disk.kind === "instance" ? ((await backupStore.instanceNow(tx, disk.id)) ?? null) : null,
    scheduleId: wanted.scheduleId ?? null,
    verification: null,
    verifiedAt: null,
    verificationMessage: null,
    operationId: null,
    createdAt,
    revision: 1,
  };
  const operation = await beginOperation(tx, operations.create, {
    input: { backupId: id, sourceEngineName: disk.engineName },
    actor: wanted.actor,
    ...subjectOf("backup", row),
  });
  row.operationId = operation.id;
  await backupStore.insert(tx, row);
  return { row, operation };
}

/** In the caller's transaction, which has the backup locked and its state checked. */
export async function beginBackupDelete(
  tx: Tx,
  operations: BackupOperations,
  row: BackupRow,
  actor: Actor,
): Promise<OperationRecord> {
  const operation = await beginOperation(tx, operations.delete, {
    input: { backupId: row.id },
    actor,
    ...subjectOf("backup", row),
  });
  await backupStore.update(tx, row.id, { state: "deleting", stateReason: null, operationId: operation.id });
  return operation;
}
