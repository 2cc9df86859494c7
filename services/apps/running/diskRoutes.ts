import { isoTime } from "../../../kernel/clock.ts";
import { CloudError, invalid, notFound } from "../../../kernel/errors.ts";
import { decodeCursor, toPage } from "../../../kernel/http/cursor.ts";
import { newId } from "../../../kernel/ids.ts";
import { type Area, placeOf } from "../parts.ts";
import { openApp } from "../subjects.ts";
import type { AppDisk, runningRoutes } from "./contract.ts";
import { checkDiskPath, checkSingle, normalPath } from "./part.ts";
import type { Runtime } from "./runtime.ts";
import { emitChanged } from "./scaling.ts";
import { volumeName } from "./spec.ts";
import { brokenDiskConstraint, type DiskRow, diskStore } from "./store/disks.ts";
import { processStore } from "./store/processes.ts";

type Routes = Pick<typeof runningRoutes, "appDiskList" | "appDiskCreate" | "appDiskDelete">;

const viewDisk = ({ id, appId, name, path, createdAt }: DiskRow): AppDisk => ({
  id,
  appId,
  name,
  path,
  createdAt: isoTime(createdAt),
});
const subjectOfDisk = (disk: DiskRow) => ({
  organisationId: disk.organisationId,
  projectId: disk.projectId,
  resource: { kind: "app_disk", id: disk.id, name: disk.name },
});

export function diskRoutes(runtime: Runtime): Area<Routes>["handlers"] {
  const { parts } = runtime;
  return {
    async appDiskList(context, { params, query }) {
      const app = await openApp(parts, context, context.tx, params.app);
      const [after] = decodeCursor(query.cursor, 1) ?? [];
      const rows = await diskStore.page(context.tx, {
        appId: app.id,
        after: after === undefined ? undefined : String(after),
        limit: query.limit + 1,
      });
      return toPage(rows, query.limit, viewDisk, ({ name }) => [name]);
    },

    async appDiskCreate(context, { params, body }) {
      const { tx } = context;
      const app = await openApp(parts, context, tx, params.app, { lock: true });
      parts.deploying.checkAction(app, "configure");
      checkDiskPath(body.path);
      checkSingle(await processStore.ofApp(tx, app.id, { lock: true }));
      const disk: DiskRow = {
        id: newId("appDisk"),
        appId: app.id,
        organisationId: app.organisationId,
        projectId: app.projectId,
        name: body.name,
        path: normalPath(body.path),
        createdAt: new Date(),
        deletingSince: null,
      };
      try {
        await diskStore.insert(tx, disk);
      } catch (error) {
        const field = brokenDiskConstraint(error);
        if (field === undefined) throw error;
        const what = field === "name" ? `a disk ${body.name}` : `a disk at ${disk.path}`;
        throw new CloudError("already_exists", `The app ${app.name} has ${what} already. Choose another ${field}.`, {
          details: { fields: [{ path: `body.${field}`, message: "Taken." }] },
        });
      }
      context.audit({ ...subjectOfDisk(disk), after: { app: app.name, name: disk.name, path: disk.path } });
      await emitChanged(tx, app);
      return viewDisk(disk);
    },

    async appDiskDelete(context, { params, query }) {
      const { disk } = await context.transaction(async (tx) => {
        const disk = await diskStore.find(tx, params.disk, { lock: true });
        if (!disk) throw notFound("disk");
        context.authorize(placeOf(disk), "disk");
        if (query.confirm !== disk.name)
          throw invalid("query.confirm", `Give the name of the disk, ${disk.name}, to say that it is meant.`);
        parts.engine();
        if ((await diskStore.users(tx, disk)) > 0)
          throw new CloudError(
            "failed_precondition",
            `Containers of the app have the disk ${disk.name}. Stop the app first; what is on the disk cannot be had back.`,
            { details: { reason: "disk_in_use" } },
          );
        await diskStore.setDeleting(tx, disk.id, new Date());
        return { disk };
      });
      // From here on it goes, whatever becomes of us: the reconciler ends what a process did not live to end.
      await runtime.engine().volumeRemove(volumeName(disk), { signal: AbortSignal.timeout(60_000) });
      await context.transaction(async (tx) => {
        if (!(await diskStore.remove(tx, disk.id))) return;
        context.audit(tx, { ...subjectOfDisk(disk), before: { name: disk.name, path: disk.path } });
        const app = await parts.deploying.find(tx, disk.appId);
        if (app) await emitChanged(tx, app);
      });
      return undefined;
    },
  };
}
