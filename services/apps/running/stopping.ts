import { CloudError } from "../../../kernel/errors.ts";
import type { CallOptions, RunningPart } from "../parts.ts";
import { projectNetwork } from "./contract.ts";
import { eachOf, type Runtime } from "./runtime.ts";
import { volumeName } from "./spec.ts";
import { engineAtOnce } from "./starting.ts";
import { type ContainerRow, containerName, containerStore } from "./store/containers.ts";
import { diskStore } from "./store/disks.ts";
import { oneOffStore } from "./store/oneOffs.ts";
import { processStore } from "./store/processes.ts";
import { sampleStore } from "./store/samples.ts";
import { usageStore } from "./store/usage.ts";
import { holdUsage, memoryOf, reserveMemory } from "./usage.ts";

export interface Stopping extends Pick<RunningPart, "retire" | "discard" | "remove"> {
  /** Drains (or not), stops and removes them, and then their rows. Harmless to repeat. */
  takeDown(rows: readonly ContainerRow[], options?: CallOptions & { atOnce?: boolean }): Promise<void>;
}

export function createStopping(runtime: Runtime): Stopping {
  const { parts, times } = runtime;
  const { database } = parts;

  async function takeDown(
    rows: readonly ContainerRow[],
    { signal, onLine, atOnce = false }: CallOptions & { atOnce?: boolean } = {},
  ): Promise<void> {
    if (rows.length === 0) return;
    const engine = runtime.engine();
    const now = new Date();
    for (const { engineName } of rows) runtime.leaving.add(engineName);
    try {
      await database.transaction("system", async (tx) => {
        await containerStore.drain(
          tx,
          rows.map(({ engineName }) => engineName),
          now,
        );
        for (const appId of new Set(rows.map((row) => row.appId))) {
          await usageStore.lock(tx, appId);
          const app = await parts.deploying.find(tx, appId);
          const { organisationId, projectId } = rows.find((row) => row.appId === appId) as ContainerRow;
          await holdUsage(tx, app ?? { id: appId, name: appId, organisationId, projectId });
        }
      });
      const web = rows.some(({ process }) => process === "web");
      if (web) await parts.routing.apply({ signal });
      await eachOf(rows, atOnce ? engineAtOnce : 16, async (row) => {
        signal?.throwIfAborted();
        const name = containerName(row);
        if (row.process === "web" && !atOnce && row.state !== "starting")
          await parts.routing.drain(row.appId, name, { deadlineMs: times.drainMs, signal });
        try {
          if (atOnce) await engine.containerKill(row.engineName, { signal });
          else await engine.containerStop(row.engineName, { signal });
        } catch (error) {
          if (!CloudError.is(error, "not_found")) throw error;
        }
        await runtime.logs.finish(row.engineName);
        await engine.containerRemove(row.engineName, { signal });
        await database.transaction("system", (tx) => containerStore.remove(tx, row.engineName));
        onLine?.(`Stopped ${name}.`);
      });
    } finally {
      for (const { engineName } of rows) runtime.leaving.delete(engineName);
    }
  }

  return {
    takeDown,

    async retire(appId, { keepReleaseId, ...options } = {}) {
      const rows = await database.transaction("system", async (tx) => {
        // From now on nothing of it is made by itself.
        await containerStore.endReleases(tx, { appId, keepReleaseId });
        return (await containerStore.list(tx, { appId })).filter(({ releaseId }) => releaseId !== keepReleaseId);
      });
      await takeDown(rows, options);
    },

    async discard(releaseId, options = {}) {
      const { rows, runs } = await database.transaction("system", async (tx) => {
        await containerStore.endReleases(tx, { releaseId });
        return { rows: await containerStore.list(tx, { releaseId }), runs: await oneOffStore.list(tx, { releaseId }) };
      });
      await takeDown(rows, { ...options, atOnce: true });
      for (const { engineName } of runs) {
        await runtime.engine().containerRemove(engineName, { signal: options.signal });
        await database.transaction("system", (tx) => oneOffStore.remove(tx, engineName));
      }
    },

    async remove(appId, options = {}) {
      const { signal } = options;
      const { rows, runs, disks, app } = await database.transaction("system", async (tx) => {
        await containerStore.endReleases(tx, { appId });
        return {
          rows: await containerStore.list(tx, { appId }),
          runs: await oneOffStore.list(tx, { appId }),
          disks: await diskStore.allOfApp(tx, appId),
          app: await parts.deploying.find(tx, appId),
        };
      });
      await takeDown(rows, { ...options, atOnce: true });
      if (runs.length > 0 || disks.length > 0) {
        const engine = runtime.engine();
        for (const { engineName } of runs) await engine.containerRemove(engineName, { signal });
        for (const disk of disks) await engine.volumeRemove(volumeName(disk), { signal });
      }
      await runtime.logs.remove(appId);
      await database.transaction("system", async (tx) => {
        const processes = await processStore.ofApp(tx, appId, { lock: true });
        const place = processes[0];
        if (place) await reserveMemory(tx, place, -memoryOf(processes));
        for (const { engineName } of runs) {
          const run = await oneOffStore.remove(tx, engineName);
          if (run) await reserveMemory(tx, run, -run.memoryBytes);
        }
        for (const { id } of disks) await diskStore.remove(tx, id);
        await processStore.remove(tx, appId);
        await sampleStore.remove(tx, appId);
      });
      if (app) await removeNetwork(app.id, app.projectId, signal);
    },
  };

  /** With the last app of a project; databases may still be in it, and then it stays. */
  async function removeNetwork(appId: string, projectId: string, signal: AbortSignal | undefined): Promise<void> {
    const left = await database.transaction("system", (tx) => parts.deploying.list(tx, { projectId, limit: 2 }));
    if (left.some(({ id }) => id !== appId)) return;
    try {
      await runtime.engine().networkRemove(projectNetwork(projectId).name, { signal });
    } catch (error) {
      const reason = CloudError.is(error) ? error.details.reason : undefined;
      // An app that never ran has left nothing, on whatever engine.
      if (reason !== "engine_in_use" && reason !== "engine_missing") throw error;
    }
  }
}
