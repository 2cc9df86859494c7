import type { Tx } from "../../../kernel/db/database.ts";
import { CloudError } from "../../../kernel/errors.ts";
import { newId } from "../../../kernel/ids.ts";
import type { ReleaseProcess, RunningPart } from "../parts.ts";
import type { OneOffs } from "./oneOffs.ts";
import { firstScale } from "./rows.ts";
import type { Runtime } from "./runtime.ts";
import type { Starting } from "./starting.ts";
import type { Stopping } from "./stopping.ts";
import { containerName, containerStore } from "./store/containers.ts";
import { diskStore } from "./store/disks.ts";
import { type ProcessRow, processStore } from "./store/processes.ts";
import { memoryOf, reserveMemory } from "./usage.ts";

const page = 500;

/** Folders that the system itself needs as they are. */
const systemFolders = ["/proc", "/sys", "/dev", "/etc", "/bin", "/sbin", "/lib", "/lib64", "/usr"];

export function checkDiskPath(path: string): void {
  const clean = normalPath(path);
  if (clean === "/" || systemFolders.some((folder) => clean === folder || clean.startsWith(`${folder}/`)))
    throw new CloudError(
      "invalid_argument",
      `A disk cannot lie at ${clean}: the system of the container is there. Choose a folder of its own, such as /data.`,
      { details: { fields: [{ path: "body.path", message: "The system is there." }] } },
    );
}
export const normalPath = (path: string): string => `/${path.split("/").filter(Boolean).join("/")}`;

/** More than one container of a process would write to the same disk. */
export function checkSingle(processes: readonly ProcessRow[]): void {
  const many = processes.find(({ inRelease, count, autoscaleMaximum }) => inRelease && (count > 1 || autoscaleMaximum !== null));
  if (many)
    throw new CloudError(
      "failed_precondition",
      `An app with a disk has one container of each process, and ${many.name} may have more. Scale it to 1 first, by hand.`,
      { details: { reason: "disk_single_writer", process: many.name } },
    );
}

/** With a disk there is one of each, whatever the source asks for: two never write to it. So it is of a preview, which few look at. */
const scaleAtFirst = ({ count, memoryBytes, cpus }: ReleaseProcess, isSingle: boolean) => ({
  count: Math.min(count ?? firstScale.count, isSingle ? 1 : Number.POSITIVE_INFINITY),
  memoryBytes: memoryBytes ?? firstScale.memoryBytes,
  cpus: cpus ?? firstScale.cpus,
});

export function createPart(runtime: Runtime, starting: Starting, stopping: Stopping, oneOffs: OneOffs): RunningPart {
  const { parts } = runtime;

  /** Apps that the gateway may send requests to, with what is live of them. */
  async function reachableApps(tx: Tx): Promise<Map<string, string>> {
    const live = new Map<string, string>();
    for (let after: string | undefined; ; ) {
      const apps = await parts.deploying.list(tx, { limit: page, ...(after === undefined ? {} : { after }) });
      for (const { id, state, liveReleaseId } of apps)
        if (liveReleaseId !== undefined && (state === "running" || state === "failing")) live.set(id, liveReleaseId);
      after = apps.at(-1)?.id;
      if (apps.length < page) return live;
    }
  }

  return {
    start: starting.start,
    awaitHealthy: starting.awaitHealthy,
    retire: stopping.retire,
    discard: stopping.discard,
    remove: stopping.remove,
    runOnce: oneOffs.runOnce,

    async releaseMade(tx, { appId, organisationId, projectId, processes }) {
      const rows = await processStore.ofApp(tx, appId, { lock: true });
      const before = memoryOf(rows);
      const app = await parts.deploying.find(tx, appId);
      const isSingle = app?.parentId !== undefined || (await diskStore.ofApp(tx, appId)).length > 0;
      // Nobody has scaled what never ran: there the source's word still holds.
      const isFirst = app?.liveReleaseId === undefined;
      for (const row of rows) {
        const process = processes[row.name];
        const command = process?.command ?? null;
        if (process === undefined) {
          if (row.inRelease) await processStore.update(tx, appId, row.name, { inRelease: false });
        } else if (isFirst)
          await processStore.update(tx, appId, row.name, { inRelease: true, command, ...scaleAtFirst(process, isSingle) });
        else if (!row.inRelease || row.command !== command)
          await processStore.update(tx, appId, row.name, { inRelease: true, command });
      }
      for (const [name, process] of Object.entries(processes))
        if (!rows.some((row) => row.name === name)) {
          const scale = scaleAtFirst(process, isSingle);
          await processStore.insert(tx, { appId, name, organisationId, projectId, command: process.command ?? null, ...scale });
        }
      await reserveMemory(tx, { organisationId, projectId }, memoryOf(await processStore.ofApp(tx, appId)) - before);
    },

    async ensureDisks(tx, appId, disks) {
      const app = await parts.deploying.find(tx, appId);
      if (!app || disks.length === 0) return;
      const there = await diskStore.ofApp(tx, appId);
      for (const { name, path } of disks) {
        if (there.some((disk) => disk.name === name || disk.path === normalPath(path))) continue;
        checkDiskPath(path);
        if (there.length === 0) checkSingle(await processStore.ofApp(tx, appId, { lock: true }));
        await diskStore.insert(tx, {
          id: newId("appDisk"),
          appId: app.id,
          organisationId: app.organisationId,
          projectId: app.projectId,
          name,
          path: normalPath(path),
          createdAt: new Date(),
          deletingSince: null,
        });
      }
    },

    hasDisks: async (tx, appId) => (await diskStore.ofApp(tx, appId)).length > 0,

    async endpoints(tx) {
      const rows = await containerStore.reachable(tx);
      if (rows.length === 0) return [];
      const live = await reachableApps(tx);
      return rows
        .filter(({ appId, releaseId }) => live.get(appId) === releaseId)
        .map(({ appId, releaseId, process, number, address, port }) => ({
          appId,
          releaseId,
          container: containerName({ process, number }),
          address,
          port,
        }));
    },

    async counts(tx, appIds) {
      const found = new Map<string, { name: string; wanted: number; running: number }[]>();
      if (appIds.length === 0) return found;
      const healthy = await containerStore.healthy(tx, appIds);
      for (const { appId, name, count } of await processStore.ofApps(tx, appIds)) {
        const running = healthy.find((each) => each.appId === appId && each.process === name)?.count ?? 0;
        found.set(appId, [...(found.get(appId) ?? []), { name, wanted: count, running }]);
      }
      return found;
    },
  };
}
