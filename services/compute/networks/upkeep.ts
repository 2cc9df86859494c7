import type { Worker } from "../../../kernel/service.ts";
import type { ComputeParts } from "../parts.ts";
import { type Applying, specificationOf } from "./applying.ts";
import { hasNetworks } from "./defaults.ts";
import { publishPools } from "./pools.ts";
import { routerStore } from "./store/routers.ts";
import { readRouter } from "./store/specification.ts";
import { collectTraffic } from "./traffic.ts";

/** How often all of the host is compared with the records; between, only what waits is tried again. */
const everythingMs = 60_000;

export function networkWorkers(parts: ComputeParts, applying: Applying): Worker[] {
  const { database, log } = parts;
  let comparedAt = Number.NEGATIVE_INFINITY;

  const tried = (projectId: string, signal: AbortSignal) =>
    applying
      .apply(projectId, signal)
      .catch((error) =>
        log.warn({ err: error, projectId }, "the network of a project is not as its records say; it is tried again"),
      );

  return [
    {
      // The first round comes soon after the start: a host that was restarted has nothing left of its networks.
      name: "compute.networks",
      everySeconds: 5,
      async run(signal) {
        if (!hasNetworks(parts)) return;
        const network = parts.network();
        const everything = performance.now() - comparedAt >= everythingMs;
        if (!everything) {
          for (const projectId of await database.transaction("system", routerStore.waiting)) {
            if (signal.aborted) return;
            await tried(projectId, signal);
          }
          const disturbed = new Set(await network.disturbed());
          if (disturbed.size === 0) return;
          for (const { projectId, routerId } of await database.transaction("system", routerStore.all)) {
            if (!disturbed.has(routerId)) continue;
            if (signal.aborted) return;
            log.info({ projectId }, "the engine has made bridges or tunnels of a project anew");
            await tried(projectId, signal);
          }
          return;
        }
        await publishPools(parts).catch((error) => log.warn({ err: error }, "the pools of addresses could not be published"));
        const routers = await database.transaction("system", routerStore.all);
        const there = new Set(await network.list());
        for (const { projectId, routerId, inUse } of routers) {
          if (signal.aborted) return;
          if (inUse || there.has(routerId)) await tried(projectId, signal);
        }
        const known = new Set(routers.map(({ routerId }) => routerId));
        for (const routerId of there) {
          if (known.has(routerId) || signal.aborted) continue;
          log.warn({ routerId }, "removing a router that belongs to no project");
          await network.remove(routerId);
        }
        await applying.overlays.sweep(async (routerId) => {
          const projectId = routers.find((router) => router.routerId === routerId)?.projectId;
          const records = projectId && (await database.transaction("system", (tx) => readRouter(tx, projectId)));
          return records ? specificationOf(records).networks.map(({ bridge }) => bridge) : [];
        });
        comparedAt = performance.now();
      },
    },
    {
      name: "compute.networks.traffic",
      everySeconds: 60,
      async run(signal) {
        if (!hasNetworks(parts)) return;
        for (const { projectId, routerId, inUse } of await database.transaction("system", routerStore.all)) {
          if (signal.aborted) return;
          if (!inUse) continue;
          await collectTraffic(parts, projectId, routerId).catch((error) =>
            log.warn({ err: error, projectId }, "the traffic of a project was not counted; the next round does"),
          );
        }
      },
    },
  ];
}
