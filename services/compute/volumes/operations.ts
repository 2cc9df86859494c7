import type { Actor } from "../../../kernel/contract.ts";
import type { Database, Tx } from "../../../kernel/db/database.ts";
import { CloudError, nameTaken, notFound } from "../../../kernel/errors.ts";
import { type Id, newId } from "../../../kernel/ids.ts";
import { defineOperation, type OperationDefinition } from "../../../kernel/operations/definition.ts";
import { beginOperation, type OperationRecord } from "../../../kernel/operations/store.ts";
import { reserveQuota } from "../../../kernel/quota.ts";
import type { ComputeDriver, VolumeReport, VolumeSpec } from "../driver.ts";
import type { ComputeParts, ProjectPlace } from "../parts.ts";
import type { BackupContents } from "./backups/content.ts";
import { engineNameOf, subjectOf, volumeLabels } from "./disks.ts";
import { scheduleStore } from "./schedules/store.ts";
import { snapshotStore } from "./snapshots/store.ts";
import { holdVolume, releaseVolume, type VolumeRow, volumeStore } from "./store.ts";

/** Where the content of a new volume comes from; names are the engine's. */
export type VolumeSource =
  | { kind: "empty" }
  | { kind: "volume"; volume: string; snapshot?: string }
  | { kind: "backup"; backupId: string };

type CreateInput = {
  volumeId: string;
  source: VolumeSource;
  /** The engine's name of the instance that it is for. */
  near: string | null;
};
type AttachInput = {
  volumeId: string;
  instanceId: string;
  instanceEngineName: string;
  path: string;
};
type ResizeInput = { volumeId: string; fromBytes: number; toBytes: number };
type DeleteInput = { volumeId: string };

export type VolumeOperations = ReturnType<typeof defineVolumeOperations>;

const day = 24 * 3600;

/** The state of a volume that nothing is done with. */
export const restingState = (row: Pick<VolumeRow, "instanceId">): "attached" | "available" =>
  row.instanceId ? "attached" : "available";

export async function readVolume(database: Database, id: string): Promise<VolumeRow> {
  const row = await database.transaction("system", (tx) => volumeStore.find(tx, id));
  if (!row) throw notFound("volume");
  return row;
}

export function defineVolumeOperations(
  parts: Pick<ComputeParts, "engine">,
  contents: BackupContents,
): {
  create: OperationDefinition<CreateInput>;
  import: OperationDefinition<CreateInput>;
  attach: OperationDefinition<AttachInput>;
  detach: OperationDefinition<AttachInput>;
  resize: OperationDefinition<ResizeInput>;
  delete: OperationDefinition<DeleteInput>;
} {
  /** From a backup it may take hours, so that is a kind of its own. */
  const making = (kind: string, long?: true) =>
    defineOperation<CreateInput>({
      kind,
      ...(long ? { long } : {}),
      steps: [
        {
          name: "create",
          deadlineSeconds: day,
          async run({ input, memory, database, signal, progress, attempt }) {
            const row = await readVolume(database, input.volumeId);
            const driver = parts.engine();
            const { pool, clustered } = await driver.info({ signal });
            if (pool.totalBytes > 0 && row.sizeBytes > pool.totalBytes) {
              throw new CloudError(
                "storage_full",
                `The engine's disk has ${gibibytes(pool.totalBytes)} in all: a volume of ${gibibytes(row.sizeBytes)} does not fit. Ask for a smaller one, or give the engine a larger disk.`,
                { details: { resource: "volume", totalBytes: pool.totalBytes } },
              );
            }
            memory["left"] = true;
            const member = clustered && input.near ? (await driver.instanceGet(input.near, { signal }))?.member : undefined;
            const spec = specOf(row, member);
            const { source } = input;
            if (source.kind === "empty") return driver.volumeCreate(spec, { signal });
            if (source.kind === "volume") {
              const { volume, snapshot } = source;
              await driver.volumeClone(spec.name, { volume, snapshot }, spec.labels, { signal, progress });
            } else {
              // What a process that died has brought in is whole or not: nobody knows.
              if (attempt > 1) await driver.volumeDelete(spec.name, { signal });
              await contents.read(source.backupId, { signal, progress }, (content) =>
                driver.volumeImport(spec, content, { signal }),
              );
            }
            await driver.volumeResize(spec.name, spec.sizeBytes, { signal });
          },
          async undo({ input, memory, database, signal }) {
            const row = await readVolume(database, input.volumeId);
            await parts.engine().volumeDelete(row.engineName, { signal });
            memory["left"] = false;
          },
        },
      ],
      async finish(tx, { input, memory, error }, outcome) {
        const row = await volumeStore.find(tx, input.volumeId, { lock: true });
        if (!row) return undefined;
        if (outcome === "succeeded") {
          await volumeStore.update(tx, row.id, { state: "available", operationId: null });
          await holdVolume(tx, row, new Date());
          return { volumeId: row.id };
        }
        if (memory["left"] === true) {
          const reason = `It could not be created, and what there is of it could not be removed; delete it. ${error?.message ?? "It was cancelled."}`;
          await volumeStore.update(tx, row.id, { state: "error", stateReason: reason, operationId: null });
          return undefined;
        }
        await giveBack(tx, row);
        await volumeStore.delete(tx, row);
        return undefined;
      },
    });

  const attach = defineOperation<AttachInput>({
    kind: "compute.volume.attach",
    steps: [
      {
        name: "attach",
        deadlineSeconds: 300,
        async run({ input, database, signal }) {
          const row = await readVolume(database, input.volumeId);
          const driver = parts.engine();
          await bringToMember(driver, row, input.instanceEngineName, signal);
          await driver.volumeAttach(row.engineName, input.instanceEngineName, input.path, { signal });
        },
        async undo({ input, database, signal }) {
          const row = await readVolume(database, input.volumeId);
          const driver = parts.engine();
          await ignoringGone(driver.volumeDetach(row.engineName, input.instanceEngineName, { signal }));
          // On its way from one member to another it may be on none.
          if (row.pristine && !(await findReport(driver, row, signal))) await driver.volumeCreate(specOf(row), { signal });
        },
      },
    ],
    async finish(tx, { input }, outcome) {
      const row = await volumeStore.find(tx, input.volumeId, { lock: true });
      if (!row) return undefined;
      const kept = outcome === "succeeded" && row.instanceId === input.instanceId;
      await volumeStore.update(tx, row.id, {
        state: kept ? "attached" : "available",
        operationId: null,
        ...(kept ? { pristine: false } : { instanceId: null, mountPath: null }),
      });
      return kept ? { volumeId: row.id, instanceId: input.instanceId, path: input.path } : undefined;
    },
  });

  const detach = defineOperation<AttachInput>({
    kind: "compute.volume.detach",
    steps: [
      {
        name: "detach",
        deadlineSeconds: 300,
        async run({ input, database, signal }) {
          const row = await readVolume(database, input.volumeId);
          await ignoringGone(parts.engine().volumeDetach(row.engineName, input.instanceEngineName, { signal }));
        },
        async undo({ input, database, signal }) {
          const row = await readVolume(database, input.volumeId);
          if (row.instanceId === input.instanceId) {
            await parts.engine().volumeAttach(row.engineName, input.instanceEngineName, input.path, { signal });
          }
        },
      },
    ],
    async finish(tx, { input }, outcome) {
      const row = await volumeStore.find(tx, input.volumeId, { lock: true });
      if (!row) return undefined;
      const gone = outcome === "succeeded" || row.instanceId !== input.instanceId;
      await volumeStore.update(tx, row.id, {
        state: gone ? "available" : "attached",
        operationId: null,
        ...(gone ? { instanceId: null, mountPath: null } : {}),
      });
      return { volumeId: row.id };
    },
  });

  const resize = defineOperation<ResizeInput>({
    kind: "compute.volume.resize",
    steps: [
      {
        name: "resize",
        deadlineSeconds: 600,
        async run({ input, database, signal }) {
          const row = await readVolume(database, input.volumeId);
          await parts.engine().volumeResize(row.engineName, input.toBytes, { signal });
        },
        /** A disk does not shrink: what the engine has done stays, and the record says so. */
        async undo({ input, database, memory, signal }) {
          const row = await readVolume(database, input.volumeId);
          const report = await findReport(parts.engine(), row, signal);
          memory["grown"] = report !== undefined && report.sizeBytes >= input.toBytes;
        },
      },
    ],
    async finish(tx, { input, memory }, outcome) {
      const row = await volumeStore.find(tx, input.volumeId, { lock: true });
      if (!row) return undefined;
      const grown = outcome === "succeeded" || memory["grown"] === true;
      const sizeBytes = grown ? input.toBytes : row.sizeBytes;
      const next = await volumeStore.update(tx, row.id, { state: restingState(row), operationId: null, sizeBytes });
      if (!grown) {
        await reserveQuota(tx, row, "compute.disk", input.fromBytes - input.toBytes);
        return undefined;
      }
      const now = new Date();
      await releaseVolume(tx, row.id, now);
      await holdVolume(tx, next, now);
      return { volumeId: row.id, sizeBytes };
    },
  });

  const remove = defineOperation<DeleteInput>({
    kind: "compute.volume.delete",
    steps: [
      {
        name: "delete",
        deadlineSeconds: 3600,
        async run({ input, database, signal }) {
          const row = await readVolume(database, input.volumeId);
          await parts.engine().volumeDelete(row.engineName, { signal });
        },
        /** Nothing brings it back: only whether it is still there counts. */
        async undo({ input, database, memory, signal }) {
          const row = await readVolume(database, input.volumeId);
          memory["gone"] = (await findReport(parts.engine(), row, signal)) === undefined;
        },
      },
    ],
    async finish(tx, { input, memory, error }, outcome) {
      const row = await volumeStore.find(tx, input.volumeId, { lock: true });
      if (!row) return undefined;
      if (outcome === "succeeded" || memory["gone"] === true) {
        await forgetVolume(tx, row);
        return { volumeId: row.id };
      }
      await volumeStore.update(tx, row.id, {
        operationId: null,
        ...(outcome === "cancelled"
          ? { state: "available" }
          : { state: "error", stateReason: `It could not be deleted: ${error?.message ?? "the log says why."}` }),
      });
      return undefined;
    },
  });

  return {
    create: making("compute.volume.create"),
    import: making("compute.volume.import", true),
    attach,
    detach,
    resize,
    delete: remove,
  };
}

const specOf = (row: VolumeRow, member?: string): VolumeSpec => ({
  name: row.engineName,
  sizeBytes: row.sizeBytes,
  labels: volumeLabels(row),
  ...(member === undefined ? {} : { member }),
});

const findReport = async (driver: ComputeDriver, row: VolumeRow, signal: AbortSignal): Promise<VolumeReport | undefined> =>
  (await driver.volumeList({ signal })).find(({ name }) => name === row.engineName);

/** Where members do not share their disks, a volume has to be where its instance is. An empty one is just made there. */
async function bringToMember(driver: ComputeDriver, row: VolumeRow, instance: string, signal: AbortSignal): Promise<void> {
  if (!(await driver.info({ signal })).clustered) return;
  const [report, target] = await Promise.all([findReport(driver, row, signal), driver.instanceGet(instance, { signal })]);
  if (!target || target.member === report?.member || (report && report.member === undefined)) return;
  if (!row.pristine || row.snapshots > 0) {
    throw new CloudError(
      "failed_precondition",
      `The volume ${row.name} is on the member ${report?.member} and the instance on ${target.member}, and these do not share their disks. Ask an administrator to move the instance there, or make a new volume for it from a backup of this one.`,
      { details: { resource: "volume", reason: "other_member" } },
    );
  }
  await driver.volumeDelete(row.engineName, { signal });
  await driver.volumeCreate(specOf(row, target.member), { signal });
}

/** The record goes, and with it what hangs on it and what it held. */
export async function forgetVolume(tx: Tx, row: VolumeRow): Promise<void> {
  const snapshots = await snapshotStore.ofSource(tx, row.id, { lock: true });
  for (const snapshot of snapshots) await snapshotStore.delete(tx, snapshot);
  if (snapshots.length > 0) await reserveQuota(tx, row, "compute.snapshots", -snapshots.length);
  await scheduleStore.deleteOfSource(tx, row.id);
  await releaseVolume(tx, row.id, new Date());
  await giveBack(tx, row);
  await volumeStore.delete(tx, row);
}

async function giveBack(tx: Tx, row: VolumeRow): Promise<void> {
  await reserveQuota(tx, row, "compute.volumes", -1);
  await reserveQuota(tx, row, "compute.disk", -row.sizeBytes);
}

/** In the caller's transaction: quota, record, operation. */
export async function createVolume(
  tx: Tx,
  operations: VolumeOperations,
  wanted: {
    place: ProjectPlace;
    actor: Actor;
    name: string;
    description: string;
    sizeBytes: number;
    labels: Record<string, string>;
    protected: boolean;
    source: VolumeSource;
    near?: string | undefined;
  },
): Promise<{ row: VolumeRow; operation: OperationRecord }> {
  const { place, actor, source, name, description, sizeBytes, labels } = wanted;
  await reserveQuota(tx, place, "compute.volumes", 1);
  await reserveQuota(tx, place, "compute.disk", sizeBytes);
  const id = newId("volume");
  const row: VolumeRow = {
    id,
    organisationId: place.organisationId as Id<"organisation">,
    projectId: place.projectId as Id<"project">,
    name,
    engineName: engineNameOf(id),
    description,
    sizeBytes,
    usedBytes: null,
    state: "creating",
    stateReason: null,
    labels,
    protected: wanted.protected,
    pristine: source.kind === "empty",
    instanceId: null,
    instanceName: null,
    mountPath: null,
    operationId: null,
    snapshots: 0,
    createdAt: new Date(),
    revision: 1,
  };
  const definition = source.kind === "backup" ? operations.import : operations.create;
  const operation = await beginOperation(tx, definition, {
    input: { volumeId: id, source, near: wanted.near ?? null },
    actor,
    ...subjectOf("volume", row),
  });
  row.operationId = operation.id;
  if (!(await volumeStore.insert(tx, row))) throw nameTaken("volume", "This project", name);
  return { row, operation };
}

/** Sets the state that goes with an operation, and begins it. */
export async function beginOnVolume<Input extends Record<string, unknown>>(
  tx: Tx,
  definition: OperationDefinition<Input>,
  row: VolumeRow,
  request: { input: Input; actor: Actor; change: Parameters<typeof volumeStore.update>[2] },
): Promise<OperationRecord> {
  const operation = await beginOperation(tx, definition, {
    input: request.input,
    actor: request.actor,
    ...subjectOf("volume", row),
  });
  await volumeStore.update(tx, row.id, { stateReason: null, ...request.change, operationId: operation.id });
  return operation;
}

/** What is not there any more needs no detaching. */
async function ignoringGone(work: Promise<void>): Promise<void> {
  try {
    await work;
  } catch (error) {
    if (!CloudError.is(error, "not_found")) throw error;
  }
}

const gibibytes = (bytes: number): string => `${Math.round((bytes / 1024 ** 3) * 10) / 10} GiB`;
