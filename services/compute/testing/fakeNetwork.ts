import { randomUUID } from "node:crypto";
import { connect as connectSocket } from "node:net";
import { CloudError } from "../../../kernel/errors.ts";
import type { HostNetworkInfo, LoadBalancerMemberState, NetworkDriver, PublishedPool, RouterSpec } from "../driver.ts";
import { type Faults, withFaults } from "./faults.ts";

/** A host's network in memory, and what a test does to it from outside. */
export interface FakeNetwork extends NetworkDriver {
  faults: Faults;
  /** What was applied last, by router. */
  routers: Map<string, RouterSpec>;
  published: PublishedPool[];
  hostInfo: HostNetworkInfo;
  /** Makes the counters of a port or load balancer grow. */
  addTraffic(routerId: string, id: string, receivedBytes: number, sentBytes: number): void;
  setBalancerState(routerId: string, states: LoadBalancerMemberState[]): void;
  /** Where `connect` leads, by address and port: a real listener on 127.0.0.1. */
  listeners: Map<string, number>;
}

export function createFakeNetwork(options: { available?: boolean; reason?: string } = {}): FakeNetwork {
  const routers = new Map<string, RouterSpec>();
  const epochs = new Map<string, string>();
  const counters = new Map<string, Map<string, { id: string; receivedBytes: number; sentBytes: number }>>();
  const balancers = new Map<string, LoadBalancerMemberState[]>();
  const listeners = new Map<string, number>();
  const published: PublishedPool[] = [];
  const hostInfo: HostNetworkInfo = { interfaces: ["eth0"], addresses: ["192.0.2.1"], listening: [], reserved: [] };
  const driver: NetworkDriver = {
    check: async () =>
      options.available === false
        ? { available: false, reason: options.reason ?? "Networks need root on the host." }
        : { available: true },
    host: async () => hostInfo,
    async apply(router) {
      if (!routers.has(router.id)) epochs.set(router.id, randomUUID());
      routers.set(router.id, structuredClone(router));
    },
    async remove(routerId) {
      routers.delete(routerId);
      counters.delete(routerId);
      balancers.delete(routerId);
    },
    list: async () => [...routers.keys()],
    disturbed: async () => [],
    releaseBridges: async () => {},
    async traffic(routerId) {
      if (!routers.has(routerId)) return undefined;
      const found = [...(counters.get(routerId)?.values() ?? [])].map((each) => ({ ...each }));
      return { epoch: epochs.get(routerId) as string, counters: found };
    },
    loadBalancerState: async (routerId) => balancers.get(routerId) ?? [],
    publishPools: async (pools) => void published.splice(0, published.length, ...pools),
    async connect(routerId, ipv4, port) {
      const local = listeners.get(`${ipv4}:${port}`);
      if (!routers.has(routerId) || local === undefined)
        throw new CloudError("unavailable", `Nothing listens at ${ipv4}:${port}.`);
      return connectSocket(local, "127.0.0.1");
    },
    close: async () => {},
  };
  const wrapped = withFaults(driver, ["close"]);
  return Object.assign(wrapped.driver, {
    faults: wrapped.faults,
    routers,
    published,
    hostInfo,
    listeners,
    addTraffic(routerId: string, id: string, receivedBytes: number, sentBytes: number) {
      const all = counters.get(routerId) ?? new Map();
      counters.set(routerId, all);
      const before = all.get(id) ?? { id, receivedBytes: 0, sentBytes: 0 };
      all.set(id, {
        id,
        receivedBytes: before.receivedBytes + receivedBytes,
        sentBytes: before.sentBytes + sentBytes,
      });
    },
    setBalancerState: (routerId: string, states: LoadBalancerMemberState[]) => void balancers.set(routerId, states),
  });
}
