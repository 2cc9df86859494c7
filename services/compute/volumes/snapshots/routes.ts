import { isoTime } from "../../../../kernel/clock.ts";
import type { Tx } from "../../../../kernel/db/database.ts";
import { CloudError, checkRevision, invalid, nameTaken, there } from "../../../../kernel/errors.ts";
import { decodeCursor, toPage } from "../../../../kernel/http/cursor.ts";
import { beginOperation } from "../../../../kernel/operations/store.ts";
import { viewOperation } from "../../../../kernel/operations/view.ts";
import type { Handler, RequestContext } from "../../../../kernel/service.ts";
import { actorIn, type ComputeParts, type InstanceView, openProject, placeOf } from "../../parts.ts";
import { backupStore } from "../backups/store.ts";
import { findDisk, openDisk, subjectOf } from "../disks.ts";
import { likeInstance } from "../likeInstance.ts";
import { createVolume, type VolumeOperations } from "../operations.ts";
import { checkSnapshot, checkVolume } from "../states.ts";
import { brokenConstraint, findOperation, volumeStore } from "../store.ts";
import type { snapshotRoutes } from "./contract.ts";
import { beginSnapshotDelete, type SnapshotOperations, takeSnapshot } from "./operations.ts";
import { type SnapshotRow, snapshotStore } from "./store.ts";
import { viewSnapshot } from "./view.ts";

type Routes = typeof snapshotRoutes;

export function snapshotHandlers(
  parts: ComputeParts,
  operations: { volumes: VolumeOperations; snapshots: SnapshotOperations },
): { [K in keyof Routes]: Handler<Routes[K]> } {
  return {
    async snapshotList(context, { query }) {
      const place = await openProject(parts, context, query.project);
      const [before] = decodeCursor(query.cursor, 1) ?? [];
      const rows = await snapshotStore.page(context.tx, {
        projectId: place.projectId,
        sourceId: query.instance ?? query.volume,
        before: before === undefined ? undefined : String(before),
        limit: query.limit + 1,
      });
      return toPage(rows, query.limit, viewSnapshot, ({ id }) => [id]);
    },

    async snapshotCreate(context, { body }) {
      const disk = await openDisk(parts, context, body);
      parts.engine();
      if (disk.kind === "instance") parts.instances.checkAction(disk.instance, "snapshot");
      else checkVolume(disk.volume, "snapshot");
      const { row, operation } = await takeSnapshot(context.tx, operations.snapshots, {
        disk,
        actor: actorIn(context),
        name: body.name ?? nameOfNow(),
        description: body.description,
      });
      context.audit({ ...subjectOf("snapshot", row), after: { name: row.name, source: row.sourceId } });
      return viewOperation(operation);
    },

    async snapshotGet(context, { params }) {
      const row = there(await snapshotStore.find(context.tx, params.snapshot), "snapshot");
      context.authorize(placeOf(row), "snapshot");
      return viewSnapshot(row);
    },

    async snapshotUpdate(context, { params, body }) {
      const row = await openSnapshot(context, params.snapshot);
      checkRevision(context.ifMatch, row, "snapshot");
      const change = {
        ...(body.name === undefined ? {} : { name: body.name }),
        ...(body.description === undefined ? {} : { description: body.description }),
      };
      if (Object.keys(change).length === 0) return viewSnapshot(row);
      checkSnapshot(row, "rename");
      const next = await renamed(context.tx, row, change);
      const { name, description } = row;
      context.audit({ ...subjectOf("snapshot", next), before: { name, description }, after: change });
      return viewSnapshot(next);
    },

    async snapshotRestore(context, { params, body }) {
      const { disk, row, instance } = await openWithDisk(parts, context, params.snapshot);
      parts.engine();
      checkSnapshot(row, "restore");
      if (disk.kind === "volume") checkVolume(disk.volume, "restore");
      if (instance) parts.instances.checkAction(instance, "restore");
      if (body.confirm !== disk.name) {
        throw invalid(
          "body.confirm",
          `Type the name of the ${disk.kind}, ${disk.name}, to confirm: whatever was written to ${disk.kind === "instance" ? "its root disk" : "it"} since ${isoTime(row.createdAt)} is lost.`,
        );
      }
      const running = instance?.state === "running";
      if (running && !body.stopFirst) {
        throw new CloudError(
          "failed_precondition",
          `The instance ${instance.name} is running. Stop it first, or ask for that with stopFirst: it is started again afterwards.`,
          { details: { resource: "instance", reason: "instance_running" } },
        );
      }
      const operation = await beginOperation(context.tx, operations.snapshots.restore, {
        input: {
          snapshotId: row.id,
          instance: instance ? { id: instance.id, engineName: instance.engineName } : null,
          running,
        },
        actor: actorIn(context),
        // Of the instance, whoever's disk it is: nothing else is done with it meanwhile.
        ...(instance ? subjectOf("instance", instance) : subjectOf(disk.kind, disk)),
      });
      await snapshotStore.update(context.tx, row.id, { state: "restoring", operationId: operation.id });
      if (disk.kind === "volume") {
        await volumeStore.update(context.tx, disk.volume.id, { state: "restoring", operationId: operation.id });
      }
      if (instance) await parts.instances.setState(context.tx, instance.id, "restoring");
      context.audit({
        ...subjectOf("snapshot", row),
        after: { restored: disk.id, lostFrom: isoTime(row.createdAt), stopFirst: running },
      });
      return viewOperation(operation);
    },

    async snapshotClone(context, { params, body }) {
      const { disk, row } = await openWithDisk(parts, context, params.snapshot);
      parts.engine();
      checkSnapshot(row, "clone");
      const actor = actorIn(context);
      if (disk.kind === "volume") {
        const made = await createVolume(context.tx, operations.volumes, {
          place: row,
          actor,
          name: body.name,
          description: "",
          sizeBytes: disk.sizeBytes,
          labels: {},
          protected: false,
          source: { kind: "volume", volume: disk.engineName, snapshot: row.engineName },
        });
        context.audit({ ...subjectOf("volume", made.row), after: { name: body.name, source: row.id } });
        return viewOperation(made.operation);
      }
      const now = there(await backupStore.instanceNow(context.tx, disk.id), "instance");
      const diskBytes = Math.max(now.diskBytes, row.diskBytes);
      const made = await parts.instances.create(context.tx, {
        ...(await likeInstance(context.tx, { ...now, diskBytes }, body)),
        place: { organisationId: row.organisationId, projectId: row.projectId },
        actor,
        source: { kind: "clone", instance: disk.engineName, snapshot: row.engineName },
      });
      context.audit({ ...subjectOf("instance", made.instance), after: { name: body.name, source: row.id } });
      return viewOperation(await findOperation(context.tx, made.operationId));
    },

    async snapshotDelete(context, { params }) {
      const row = await openSnapshot(context, params.snapshot);
      parts.engine();
      checkSnapshot(row, "delete");
      const operation = await beginSnapshotDelete(context.tx, operations.snapshots, row, actorIn(context));
      context.audit({ ...subjectOf("snapshot", row), before: { name: row.name, source: row.sourceId } });
      return viewOperation(operation);
    },
  };
}

/** 2026-03-01 12:30:05 UTC: unique enough, and what people look for. */
export const nameOfNow = (): string => `${new Date().toISOString().slice(0, 19).replace("T", " ")} UTC`;

async function openSnapshot(context: Pick<RequestContext, "authorize" | "tx">, id: string): Promise<SnapshotRow> {
  const row = there(await snapshotStore.find(context.tx, id, { lock: true }), "snapshot");
  context.authorize(placeOf(row), "snapshot");
  return row;
}

/** The snapshot, what it is of, and the instance that has it, all locked: the instance first, then the volume, then the snapshot. */
async function openWithDisk(parts: ComputeParts, context: Pick<RequestContext, "authorize" | "tx">, id: string) {
  const { tx } = context;
  const seen = there(await snapshotStore.find(tx, id), "snapshot");
  context.authorize(placeOf(seen), "snapshot");
  const volume = seen.volumeId ? await volumeStore.find(tx, seen.volumeId) : undefined;
  const attachedTo = volume?.instanceId ?? null;
  let instance: InstanceView | undefined;
  if (attachedTo) instance = await parts.instances.find(tx, attachedTo, { lock: true });
  const disk = there(await findDisk(parts, tx, seen), seen.instanceId ? "instance" : "volume");
  if (disk.kind === "instance") instance = disk.instance;
  else if (disk.volume.instanceId !== attachedTo) {
    throw new CloudError("conflict", "The volume was changed at this moment. Try again.", { details: { retryAfterSeconds: 1 } });
  }
  const row = there(await snapshotStore.find(tx, id, { lock: true }), "snapshot");
  return { disk, row, instance };
}

async function renamed(tx: Tx, row: SnapshotRow, change: Parameters<typeof snapshotStore.update>[2]): Promise<SnapshotRow> {
  try {
    return await snapshotStore.update(tx, row.id, change);
  } catch (error) {
    if (brokenConstraint(error) === "snapshots_name") {
      throw nameTaken("snapshot", `The ${row.instanceId ? "instance" : "volume"} ${row.sourceName}`, change.name ?? row.name);
    }
    throw error;
  }
}
