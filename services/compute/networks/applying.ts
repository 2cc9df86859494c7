import { CloudError } from "../../../kernel/errors.ts";
import type { RouterSpec } from "../driver.ts";
import type { ComputeParts } from "../parts.ts";
import { createOverlayWork, type OverlayWork } from "./overlays.ts";
import { networkStore } from "./store/networks.ts";
import { type RouterRow, routerStore } from "./store/routers.ts";
import { type RouterRecords, readRouter } from "./store/specification.ts";
import { counterStore } from "./store/traffic.ts";
import { announce, networkSubject } from "./subjects.ts";
import { collectTraffic } from "./traffic.ts";
import { bridgeOf, hostDeviceOf } from "./views.ts";

/** What the records say, as the driver takes it. */
export const specificationOf = (records: RouterRecords): RouterSpec => ({
  id: records.routerId,
  networks: records.networks.map((network) => ({ ...network, bridge: bridgeOf(network.id) })),
  ports: records.ports.map((port) => ({ ...port, hostDevice: hostDeviceOf(port.id) })),
  securityGroups: records.securityGroups.map(({ id, rules }) => ({
    id,
    rules: rules.map(({ direction, protocol, ports, remote }) => ({ direction, protocol, ports, remote })),
  })),
  floatingAddresses: records.floatingAddresses,
  portForwards: records.portForwards,
  loadBalancers: records.loadBalancers,
});

export interface Applying {
  /** See NetworksPart. */
  apply(projectId: string, signal?: AbortSignal): Promise<void>;
  overlays: OverlayWork;
}

/** Brings the host to what the records of a project say. */
export function createApplying(parts: Pick<ComputeParts, "database" | "engine" | "network" | "log">): Applying {
  const { database } = parts;
  const overlays = createOverlayWork(parts);
  /** One at work and one that waits, by project: whoever comes while one waits has their change done by that one. */
  const lines = new Map<string, { working?: Promise<void> | undefined; waiting?: Promise<void> | undefined }>();

  function lineUp(projectId: string): Promise<void> {
    const line = lines.get(projectId) ?? {};
    lines.set(projectId, line);
    if (line.waiting) return line.waiting;
    const begin = (): Promise<void> => {
      line.waiting = undefined;
      const work = applyNow(projectId).finally(() => {
        line.working = undefined;
        if (!line.waiting) lines.delete(projectId);
      });
      line.working = work;
      return work;
    };
    if (!line.working) return begin();
    line.waiting = line.working.catch(() => {}).then(begin);
    return line.waiting;
  }

  async function applyNow(projectId: string): Promise<void> {
    const driver = parts.network();
    const read = await database.transaction("system", async (tx) => {
      const records = await readRouter(tx, projectId);
      return (
        records && {
          records,
          router: (await routerStore.find(tx, projectId)) as RouterRow,
          gone: await counterStore.gone(tx, projectId),
        }
      );
    });
    if (!read) return;
    const { records, router, gone } = read;
    const news = records.wanted > router.applied || router.error !== null;
    try {
      // What the host counted for cards that are taken away now goes with them.
      if (gone.length > 0) await collectTraffic(parts, projectId, records.routerId);
      if (records.ports.length === 0 && records.loadBalancers.length === 0) {
        await driver.remove(records.routerId);
        await overlays.leave(records.routerId, []);
      } else {
        const spec = await overlays.join(driver, specificationOf(records));
        await driver.apply(spec);
        await overlays.leave(
          records.routerId,
          spec.networks.map(({ bridge }) => bridge),
        );
      }
    } catch (error) {
      const message = CloudError.is(error) ? error.message : "The host's network could not be changed; the log says why.";
      await database.transaction("system", async (tx) => {
        if (await routerStore.setError(tx, projectId, message)) await announceNetworks(tx, records);
      });
      throw error;
    }
    if (!news && gone.length === 0) return;
    await database.transaction("system", async (tx) => {
      await routerStore.setApplied(tx, projectId, records.wanted);
      await counterStore.forget(tx, gone);
      if (news) await announceNetworks(tx, records);
    });
  }

  async function announceNetworks(tx: Parameters<typeof announce>[0], records: RouterRecords): Promise<void> {
    for (const { id } of records.networks) {
      const network = await networkStore.find(tx, id);
      if (network) await announce(tx, networkSubject(network));
    }
  }

  return {
    overlays,
    async apply(projectId, signal) {
      signal?.throwIfAborted();
      const work = lineUp(projectId);
      if (!signal) return work;
      // What is under way is others' too, and goes on; only this caller stops waiting for it.
      const aborted = Promise.withResolvers<never>();
      const onAbort = () => aborted.reject(signal.reason);
      signal.addEventListener("abort", onAbort, { once: true });
      try {
        await Promise.race([work, aborted.promise]);
      } finally {
        signal.removeEventListener("abort", onAbort);
        work.catch(() => {});
      }
    },
  };
}
