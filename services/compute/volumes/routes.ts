import { CloudError, checkRevision, invalid, nameTaken, notFound, there } from "../../../kernel/errors.ts";
import { decodeCursor, toPage } from "../../../kernel/http/cursor.ts";
import { viewOperation } from "../../../kernel/operations/view.ts";
import { reserveQuota } from "../../../kernel/quota.ts";
import type { Handler } from "../../../kernel/service.ts";
import { actorIn, type ComputeParts, openProject, placeOf } from "../parts.ts";
import { backupStore } from "./backups/store.ts";
import type { volumeRoutes } from "./contract.ts";
import { openVolume, subjectOf } from "./disks.ts";
import { beginOnVolume, createVolume, type VolumeOperations, type VolumeSource } from "./operations.ts";
import { checkRight } from "./rights.ts";
import { snapshotStore } from "./snapshots/store.ts";
import { checkBackup, checkSnapshot, checkVolume } from "./states.ts";
import { brokenConstraint, type VolumeChange, type VolumeRow, volumeStore } from "./store.ts";
import { viewVolume } from "./view.ts";

type Routes = typeof volumeRoutes;
type VolumeKeys =
  | "volumeList"
  | "volumeCreate"
  | "volumeGet"
  | "volumeUpdate"
  | "volumeAttach"
  | "volumeDetach"
  | "volumeResize"
  | "volumeDelete";

export function volumeHandlers(parts: ComputeParts, operations: VolumeOperations): { [K in VolumeKeys]: Handler<Routes[K]> } {
  return {
    async volumeList(context, { query }) {
      const place = await openProject(parts, context, query.project);
      const [after] = decodeCursor(query.cursor, 1) ?? [];
      const rows = await volumeStore.page(context.tx, {
        projectId: place.projectId,
        search: query.search,
        state: query.state,
        instanceId: query.instance,
        after: after === undefined ? undefined : String(after),
        limit: query.limit + 1,
      });
      return toPage(rows, query.limit, viewVolume, ({ name }) => [name]);
    },

    async volumeCreate(context, { body }) {
      const place = await openProject(parts, context, body.project);
      parts.engine();
      if (body.backup !== undefined) checkRight(context, "readObjects", place);
      const { source, atLeast } = await sourceOf(context.tx, place.projectId, body);
      const instance = body.instance === undefined ? undefined : await parts.instances.find(context.tx, body.instance);
      if (body.instance !== undefined && instance?.projectId !== place.projectId) throw notFound("instance");
      const sizeBytes = body.sizeBytes ?? atLeast;
      if (sizeBytes === undefined) throw invalid("body.sizeBytes", "Say how large the volume is to be, in bytes.");
      if (atLeast !== undefined && sizeBytes < atLeast) {
        throw invalid("body.sizeBytes", `The source has ${atLeast} bytes: the new volume has to be as large, or larger.`);
      }
      const { row, operation } = await createVolume(context.tx, operations, {
        place,
        actor: actorIn(context),
        name: body.name,
        description: body.description,
        sizeBytes,
        labels: body.labels,
        protected: body.protected,
        source,
        near: instance?.engineName,
      });
      const { name } = row;
      context.audit({ ...subjectOf("volume", row), after: { name, sizeBytes, source: sourceWords(body), labels: body.labels } });
      return viewOperation(operation);
    },

    async volumeGet(context, { params }) {
      const row = there(await volumeStore.find(context.tx, params.volume), "volume");
      context.authorize(placeOf(row), "volume");
      return viewVolume(row);
    },

    async volumeUpdate(context, { params, body }) {
      const row = await openVolume(context, params.volume);
      checkRevision(context.ifMatch, row, "volume");
      const { name, description, labels } = body;
      const change: VolumeChange = {
        ...(name === undefined ? {} : { name }),
        ...(description === undefined ? {} : { description }),
        ...(labels === undefined ? {} : { labels }),
        ...(body.protected === undefined ? {} : { protected: body.protected }),
      };
      if (Object.keys(change).length === 0) return viewVolume(row);
      if (name !== undefined && name !== row.name) checkVolume(row, "rename");
      const next = await updated(context.tx, row, change);
      const before = Object.fromEntries(Object.keys(change).map((field) => [field, row[field as keyof VolumeRow]]));
      context.audit({ ...subjectOf("volume", next), before, after: change });
      return viewVolume(next);
    },

    async volumeAttach(context, { params, body }) {
      // The instance first, always: one order, no deadlock.
      const instance = await parts.instances.find(context.tx, body.instance, { lock: true });
      const row = await openVolume(context, params.volume);
      parts.engine();
      // Of another project it is as if it were not there.
      if (instance?.projectId !== row.projectId) throw notFound("instance");
      checkVolume(row, "attach");
      parts.instances.checkAction(instance, "attachVolume");
      const others = await volumeStore.ofInstance(context.tx, instance.id);
      const inTheWay = others.find(({ mountPath }) => mountPath !== null && overlap(mountPath, body.path));
      if (inTheWay) {
        throw new CloudError(
          "already_exists",
          `The volume ${inTheWay.name} is attached to ${instance.name} at ${inTheWay.mountPath}: one would hide the other. Choose another path.`,
          { details: { resource: "volume", fields: [{ path: "body.path", message: "Another volume is there." }] } },
        );
      }
      const operation = await beginOnVolume(context.tx, operations.attach, row, {
        input: { volumeId: row.id, instanceId: instance.id, instanceEngineName: instance.engineName, path: body.path },
        actor: actorIn(context),
        change: { state: "attaching", instanceId: instance.id, mountPath: body.path },
      });
      context.audit({ ...subjectOf("volume", row), after: { instance: instance.id, path: body.path } });
      return viewOperation(operation);
    },

    async volumeDetach(context, { params }) {
      const before = await volumeStore.find(context.tx, params.volume);
      const instance = before?.instanceId ? await parts.instances.find(context.tx, before.instanceId, { lock: true }) : undefined;
      const row = await openVolume(context, params.volume);
      parts.engine();
      checkVolume(row, "detach");
      if (!instance || instance.id !== row.instanceId || row.mountPath === null) throw changedNow();
      // What is on the volume can be saved from an instance that is lost.
      if (instance.state !== "error" && instance.state !== "missing") {
        parts.instances.checkAction(instance, "attachVolume");
      }
      const operation = await beginOnVolume(context.tx, operations.detach, row, {
        input: {
          volumeId: row.id,
          instanceId: instance.id,
          instanceEngineName: instance.engineName,
          path: row.mountPath,
        },
        actor: actorIn(context),
        change: { state: "detaching" },
      });
      context.audit({ ...subjectOf("volume", row), before: { instance: instance.id, path: row.mountPath } });
      return viewOperation(operation);
    },

    async volumeResize(context, { params, body }) {
      const row = await openVolume(context, params.volume);
      parts.engine();
      checkVolume(row, "resize");
      if (body.sizeBytes <= row.sizeBytes) {
        throw new CloudError(
          "failed_precondition",
          body.sizeBytes === row.sizeBytes
            ? `The volume ${row.name} has ${row.sizeBytes} bytes already.`
            : `The volume ${row.name} has ${row.sizeBytes} bytes, and a volume only grows. To have a smaller one, make a new volume and copy what you need.`,
          { details: { resource: "volume", reason: "shrinking", sizeBytes: row.sizeBytes } },
        );
      }
      await reserveQuota(context.tx, row, "compute.disk", body.sizeBytes - row.sizeBytes);
      const operation = await beginOnVolume(context.tx, operations.resize, row, {
        input: { volumeId: row.id, fromBytes: row.sizeBytes, toBytes: body.sizeBytes },
        actor: actorIn(context),
        change: { state: "resizing" },
      });
      context.audit({
        ...subjectOf("volume", row),
        before: { sizeBytes: row.sizeBytes },
        after: { sizeBytes: body.sizeBytes },
      });
      return viewOperation(operation);
    },

    async volumeDelete(context, { params, query }) {
      const row = await openVolume(context, params.volume);
      parts.engine();
      checkVolume(row, "delete");
      if (query.confirm !== row.name) {
        throw invalid(
          "query.confirm",
          `Type the name of the volume, ${row.name}, to confirm that everything on it goes for good${row.snapshots > 0 ? `, with its ${row.snapshots} snapshots` : ""}.`,
        );
      }
      const snapshots = await snapshotStore.ofSource(context.tx, row.id, { lock: true });
      const busy = snapshots.find(({ operationId }) => operationId !== null);
      if (busy || (await backupStore.isBeingMade(context.tx, row.id))) {
        const what = busy ? `Its snapshot ${busy.name} is being worked on.` : "A backup of it is being made.";
        throw new CloudError("failed_precondition", `${what} Wait until that is finished, or cancel it.`, {
          details: { resource: "volume", reason: "operation_active", retryAfterSeconds: 5 },
        });
      }
      const operation = await beginOnVolume(context.tx, operations.delete, row, {
        input: { volumeId: row.id },
        actor: actorIn(context),
        change: { state: "deleting" },
      });
      const { name, sizeBytes } = row;
      context.audit({ ...subjectOf("volume", row), before: { name, sizeBytes, snapshots: snapshots.length } });
      return viewOperation(operation);
    },
  };
}

type Body = { snapshot?: string | undefined; backup?: string | undefined; volume?: string | undefined };
const sourceWords = ({ snapshot, backup, volume }: Body): string | undefined => snapshot ?? backup ?? volume;

/** What the new volume is to contain, of the same project, and how large it has to be for that. */
async function sourceOf(
  tx: Parameters<typeof volumeStore.find>[0],
  projectId: string,
  { snapshot, backup, volume }: Body,
): Promise<{ source: VolumeSource; atLeast?: number }> {
  if ([snapshot, backup, volume].filter((each) => each !== undefined).length > 1) {
    throw invalid("body.snapshot", "Give only one of snapshot, backup and volume.");
  }
  if (volume !== undefined) {
    const row = await volumeStore.find(tx, volume, { lock: true });
    if (row?.projectId !== projectId) throw notFound("volume");
    checkVolume(row, "clone");
    return { source: { kind: "volume", volume: row.engineName }, atLeast: row.sizeBytes };
  }
  if (snapshot !== undefined) {
    const row = await snapshotStore.find(tx, snapshot, { lock: true });
    if (row?.projectId !== projectId) throw notFound("snapshot");
    if (row.instanceId) {
      throw invalid("body.snapshot", `The snapshot ${row.name} is of an instance: clone it to an instance (snapshotClone).`);
    }
    checkSnapshot(row, "clone");
    const { engineName, sizeBytes } = there(await volumeStore.find(tx, row.sourceId), "volume");
    // The engine makes a clone as large as the volume is now, not as it was then.
    return { source: { kind: "volume", volume: engineName, snapshot: row.engineName }, atLeast: sizeBytes };
  }
  if (backup !== undefined) {
    const row = await backupStore.find(tx, backup, { lock: true });
    if (row?.projectId !== projectId) throw notFound("backup");
    if (row.sourceKind === "instance") {
      throw invalid("body.backup", `The backup ${row.name} is of an instance: restore it to an instance (backupRestore).`);
    }
    checkBackup(row, "restore");
    return { source: { kind: "backup", backupId: row.id }, atLeast: row.diskBytes };
  }
  return { source: { kind: "empty" } };
}

async function updated(tx: Parameters<typeof volumeStore.find>[0], row: VolumeRow, change: VolumeChange): Promise<VolumeRow> {
  try {
    return await volumeStore.update(tx, row.id, change);
  } catch (error) {
    if (brokenConstraint(error) === "volumes_name") throw nameTaken("volume", "This project", change.name ?? row.name);
    throw error;
  }
}

/** Whether one of two folders lies in the other. */
const overlap = (one: string, other: string): boolean => `${one}/`.startsWith(`${other}/`) || `${other}/`.startsWith(`${one}/`);

const changedNow = (): CloudError =>
  new CloudError("conflict", "The volume was changed at this moment. Try again.", { details: { retryAfterSeconds: 1 } });
