import { CloudError } from "../../../kernel/errors.ts";
import type { NetworkDriver, Overlay, OverlayWaiting, RouterSpec } from "../driver.ts";
import type { ComputeParts } from "../parts.ts";

type Parts = Pick<ComputeParts, "engine" | "log">;

/** An engine that takes longer keeps nobody from changing a router, */
const answerMs = 60_000;
/** and one that failed is not asked about each router again. */
const believedMs = 30_000;

export interface OverlayWork {
  /**
   * Where the engine is a cluster, a project's networks are on all its members. What cannot be joined now works here alone, and is tried
   * again with everything else every minute.
   */
  join(network: NetworkDriver, spec: RouterSpec): Promise<RouterSpec>;
  /** After the router is as it is to be, with these bridges: what it had besides goes from all members. */
  leave(routerId: string, bridges: readonly string[]): Promise<void>;
  /** What other processes left. `bridgesOf`: what a router has now. */
  sweep(bridgesOf: (routerId: string) => Promise<string[]>): Promise<void>;
}

export function createOverlayWork(parts: Parts): OverlayWork {
  const { log } = parts;
  const had = new Map<string, string[]>();
  let failedAt = Number.NEGATIVE_INFINITY;

  async function ensured(network: NetworkDriver, routerId: string, bridges: readonly string[]) {
    if (performance.now() - failedAt < believedMs) throw new CloudError("unavailable", "The engine did not answer a moment ago.");
    const engine = parts.engine();
    const options = { signal: AbortSignal.timeout(answerMs) };
    const first = await inTime(engine.overlayEnsure(routerId, bridges, options), options.signal);
    // Of a time when the engine was one machine, or a member was offline.
    const own = first.waiting.flatMap(({ bridge, reason }) => (reason === "bridge_exists" ? [bridge] : []));
    if (own.length === 0) return first;
    await network.releaseBridges(routerId, own);
    return inTime(engine.overlayEnsure(routerId, bridges, options), options.signal);
  }

  return {
    async join(network, spec) {
      let found: { ready: Overlay[]; waiting: OverlayWaiting[] };
      try {
        found = await ensured(
          network,
          spec.id,
          spec.networks.map(({ bridge }) => bridge),
        );
      } catch (error) {
        if (CloudError.is(error, "failed_precondition") && error.details.reason === "engine_missing") return spec;
        failedAt = performance.now();
        log.debug({ err: error, routerId: spec.id }, "how networks are joined with other members of a cluster stays as it is");
        const networks = spec.networks.map((each) => ({ ...each, overlay: "as_before" as const }));
        return { ...spec, networks };
      }
      for (const { bridge, why } of found.waiting)
        log.warn({ routerId: spec.id, bridge }, `a network is on this member of the cluster alone, as ${why}`);
      if (found.ready.length === 0) return spec;
      const byBridge = new Map(found.ready.map((overlay) => [overlay.bridge, overlay]));
      had.set(spec.id, [...new Set([...(had.get(spec.id) ?? []), ...byBridge.keys()])]);
      const networks = spec.networks.map((each) => ({ ...each, overlay: byBridge.get(each.bridge) }));
      return { ...spec, networks };
    },

    async leave(routerId, bridges) {
      if ((had.get(routerId) ?? []).every((bridge) => bridges.includes(bridge))) return;
      try {
        await parts.engine().overlayRemove(routerId, bridges);
        if (bridges.length === 0) had.delete(routerId);
        else had.set(routerId, [...bridges]);
      } catch (error) {
        log.warn({ err: error, routerId }, "a network is still on other members of the cluster; it is taken away later");
      }
    },

    async sweep(bridgesOf) {
      try {
        const engine = parts.engine();
        for (const routerId of await engine.overlayOwners()) await engine.overlayRemove(routerId, await bridgesOf(routerId));
      } catch (error) {
        if (!CloudError.is(error, "failed_precondition") && !CloudError.is(error, "unavailable"))
          log.warn({ err: error }, "networks on other members of the cluster could not be looked after");
      }
    },
  };
}

/** An engine that is not there yet may not hear the signal. */
function inTime<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const late = Promise.withResolvers<never>();
  const onAbort = () => late.reject(new CloudError("deadline_exceeded", "The engine took too long to join networks."));
  signal.addEventListener("abort", onAbort, { once: true });
  work.catch(() => {});
  return Promise.race([work, late.promise]).finally(() => signal.removeEventListener("abort", onAbort));
}
