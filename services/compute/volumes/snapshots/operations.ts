import { isoTime } from "../../../../kernel/clock.ts";
import type { Actor } from "../../../../kernel/contract.ts";
import type { Database, Tx } from "../../../../kernel/db/database.ts";
import { CloudError, nameTaken, notFound } from "../../../../kernel/errors.ts";
import { type Id, newId } from "../../../../kernel/ids.ts";
import { defineOperation, type OperationDefinition, type StepContext } from "../../../../kernel/operations/definition.ts";
import { beginOperation, type OperationRecord } from "../../../../kernel/operations/store.ts";
import { reserveQuota } from "../../../../kernel/quota.ts";
import type { ComputeDriver } from "../../driver.ts";
import type { ComputeParts } from "../../parts.ts";
import { type Disk, engineNameOf, subjectOf } from "../disks.ts";
import { restingState } from "../operations.ts";
import { scheduleEnded } from "../schedules/outcome.ts";
import { volumeStore } from "../store.ts";
import { type SnapshotRow, snapshotStore } from "./store.ts";

type SnapshotInput = { snapshotId: string };
type RestoreInput = SnapshotInput & {
  /** The one whose disk it is, or that has the volume. */
  instance: { id: string; engineName: string } | null;
  /** Whether it runs, so has to be stopped and started again. */
  running: boolean;
};

export type SnapshotOperations = ReturnType<typeof defineSnapshotOperations>;

const day = 24 * 3600;
const stopSeconds = 30;

async function readSnapshot(database: Database, id: string): Promise<SnapshotRow> {
  const row = await database.transaction("system", (tx) => snapshotStore.find(tx, id));
  if (!row) throw notFound("snapshot");
  return row;
}

/** Whether the engine has it now. */
async function isThere(driver: ComputeDriver, row: SnapshotRow, signal: AbortSignal): Promise<boolean> {
  try {
    const list = row.instanceId
      ? await driver.instanceSnapshotList(row.sourceEngineName, { signal })
      : await driver.volumeSnapshotList(row.sourceEngineName, { signal });
    return list.some(({ name }) => name === row.engineName);
  } catch (error) {
    if (CloudError.is(error, "not_found")) return false;
    throw error;
  }
}

const drop = (driver: ComputeDriver, row: SnapshotRow, signal: AbortSignal): Promise<void> =>
  row.instanceId
    ? driver.instanceSnapshotDelete(row.sourceEngineName, row.engineName, { signal })
    : driver.volumeSnapshotDelete(row.sourceEngineName, row.engineName, { signal });

export function defineSnapshotOperations(parts: Pick<ComputeParts, "engine" | "instances">): {
  create: OperationDefinition<SnapshotInput>;
  restore: OperationDefinition<RestoreInput>;
  delete: OperationDefinition<SnapshotInput>;
} {
  const create = defineOperation<SnapshotInput>({
    kind: "compute.snapshot.create",
    steps: [
      {
        name: "snapshot",
        deadlineSeconds: 3600,
        async run({ input, database, signal }) {
          const row = await readSnapshot(database, input.snapshotId);
          const driver = parts.engine();
          if (row.instanceId) await driver.instanceSnapshot(row.sourceEngineName, row.engineName, { signal });
          else await driver.volumeSnapshot(row.sourceEngineName, row.engineName, { signal });
        },
        async undo({ input, database, signal }) {
          const row = await database.transaction("system", (tx) => snapshotStore.find(tx, input.snapshotId));
          // With its source it is gone already.
          if (row) await drop(parts.engine(), row, signal);
        },
      },
    ],
    async finish(tx, { input, error }, outcome) {
      const row = await snapshotStore.find(tx, input.snapshotId, { lock: true });
      if (!row) return undefined;
      if (row.scheduleId) await scheduleEnded(tx, row.scheduleId, error);
      if (outcome === "succeeded") {
        await snapshotStore.update(tx, row.id, { state: "available", operationId: null });
        return { snapshotId: row.id };
      }
      await forgetSnapshot(tx, row);
      return undefined;
    },
  });

  const restore = defineOperation<RestoreInput>({
    kind: "compute.snapshot.restore",
    steps: [
      {
        name: "stop",
        deadlineSeconds: 300,
        async run({ input, database, signal }) {
          if (!input.instance || !input.running) return;
          await parts.engine().instanceStop(input.instance.engineName, { timeoutSeconds: stopSeconds, signal });
          await writeDown(input.instance.id, database);
        },
        undo: (context) => startAgain(context),
      },
      {
        name: "restore",
        deadlineSeconds: day,
        async run({ input, database, signal, progress }) {
          const row = await readSnapshot(database, input.snapshotId);
          const driver = parts.engine();
          if (row.instanceId) await driver.instanceRestore(row.sourceEngineName, row.engineName, { signal, progress });
          else await driver.volumeRestore(row.sourceEngineName, row.engineName, { signal, progress });
        },
      },
      { name: "start", deadlineSeconds: 300, run: (context) => startAgain(context) },
    ],
    async finish(tx, { input }, outcome) {
      const { instance, running } = input;
      const now = instance && (await parts.instances.find(tx, instance.id, { lock: true }));
      if (now) {
        await parts.instances.setState(tx, now.id, running ? "running" : "stopped");
        // The engine knows it better.
        tx.afterCommit(() => void parts.instances.refresh(now.id).catch(() => {}));
      }
      const row = await snapshotStore.find(tx, input.snapshotId, { lock: true });
      if (!row) return undefined;
      await snapshotStore.update(tx, row.id, { state: "available", operationId: null });
      if (row.volumeId) {
        const volume = await volumeStore.find(tx, row.volumeId, { lock: true });
        if (volume?.state === "restoring") {
          await volumeStore.update(tx, volume.id, { state: restingState(volume), operationId: null });
        }
      }
      // What was written between these two is lost.
      return outcome === "succeeded"
        ? { snapshotId: row.id, lostFrom: isoTime(row.createdAt), lostTo: isoTime(Date.now()) }
        : undefined;
    },
  });

  async function startAgain({ input, database, signal }: StepContext<RestoreInput>): Promise<void> {
    const { instance, running } = input;
    if (!instance || !running) return;
    const now = await database.transaction("system", (tx) => parts.instances.find(tx, instance.id));
    // One that is being deleted meanwhile stays off.
    if (!now || now.state === "deleting") return;
    await parts.engine().instanceStart(instance.engineName, { signal });
    await writeDown(instance.id, database);
  }

  /** What it holds from now on is written down as the engine says it; the state stays the one of this work. */
  async function writeDown(instanceId: string, database: Database): Promise<void> {
    await parts.instances.refresh(instanceId);
    await database.transaction("system", (tx) => parts.instances.setState(tx, instanceId, "restoring"));
  }

  const remove = defineOperation<SnapshotInput>({
    kind: "compute.snapshot.delete",
    steps: [
      {
        name: "delete",
        deadlineSeconds: 3600,
        async run({ input, database, signal }) {
          await drop(parts.engine(), await readSnapshot(database, input.snapshotId), signal);
        },
        /** Nothing brings it back: only whether it is still there counts. */
        async undo({ input, database, memory, signal }) {
          const row = await database.transaction("system", (tx) => snapshotStore.find(tx, input.snapshotId));
          memory["gone"] = !row || !(await isThere(parts.engine(), row, signal));
        },
      },
    ],
    async finish(tx, { input, memory, error }, outcome) {
      const row = await snapshotStore.find(tx, input.snapshotId, { lock: true });
      if (!row) return undefined;
      if (outcome === "succeeded" || memory["gone"] === true) {
        await forgetSnapshot(tx, row);
        return { snapshotId: row.id };
      }
      await snapshotStore.update(tx, row.id, {
        operationId: null,
        ...(outcome === "cancelled"
          ? { state: "available" }
          : { state: "error", stateReason: `It could not be deleted: ${error?.message ?? "the log says why."}` }),
      });
      return undefined;
    },
  });

  return { create, restore, delete: remove };
}

/** The record goes, and what it held with it. */
export async function forgetSnapshot(tx: Tx, row: SnapshotRow): Promise<void> {
  await snapshotStore.delete(tx, row);
  await reserveQuota(tx, row, "compute.snapshots", -1);
}

/** In the caller's transaction, which has the disk locked and its state checked: quota, record, operation. */
export async function takeSnapshot(
  tx: Tx,
  operations: SnapshotOperations,
  wanted: {
    disk: Disk;
    actor: Actor;
    name: string;
    description: string;
    scheduleId?: Id<"snapshotSchedule"> | undefined;
  },
): Promise<{ row: SnapshotRow; operation: OperationRecord }> {
  const { disk, actor, name, description } = wanted;
  await reserveQuota(tx, disk, "compute.snapshots", 1);
  const id = newId("snapshot");
  const row: SnapshotRow = {
    id,
    organisationId: disk.organisationId as Id<"organisation">,
    projectId: disk.projectId as Id<"project">,
    instanceId: disk.kind === "instance" ? disk.instance.id : null,
    volumeId: disk.kind === "volume" ? disk.volume.id : null,
    sourceId: disk.id,
    sourceName: disk.name,
    sourceEngineName: disk.engineName,
    name,
    engineName: engineNameOf(id),
    description,
    state: "creating",
    stateReason: null,
    diskBytes: disk.sizeBytes,
    usedBytes: null,
    scheduleId: wanted.scheduleId ?? null,
    operationId: null,
    createdAt: new Date(),
    revision: 1,
  };
  const operation = await beginOperation(tx, operations.create, {
    input: { snapshotId: id },
    actor,
    ...subjectOf("snapshot", row),
  });
  row.operationId = operation.id;
  if (!(await snapshotStore.insert(tx, row))) throw nameTaken("snapshot", `The ${disk.kind} ${disk.name}`, name);
  return { row, operation };
}

/** In the caller's transaction, which has the snapshot locked and its state checked. */
export async function beginSnapshotDelete(
  tx: Tx,
  operations: SnapshotOperations,
  row: SnapshotRow,
  actor: Actor,
): Promise<OperationRecord> {
  const operation = await beginOperation(tx, operations.delete, {
    input: { snapshotId: row.id },
    actor,
    ...subjectOf("snapshot", row),
  });
  await snapshotStore.update(tx, row.id, { state: "deleting", stateReason: null, operationId: operation.id });
  return operation;
}
