import { connect as connectSocket } from "node:net";
import { CloudError } from "../../../kernel/errors.ts";
import type { NetworkDriver, PortTraffic, RouterSpec } from "../driver.ts";
import { type Faults, withFaults } from "./faults.ts";

type BalancerState = Awaited<ReturnType<NetworkDriver["loadBalancerState"]>>[number];

/** A host's network in memory, and what a test does to it from outside. */
export interface FakeNetwork extends NetworkDriver {
  faults: Faults;
  /** What was applied last, by router. */
  routers: Map<string, RouterSpec>;
  published: string[];
  /** Bytes that the next takeTraffic hands over. */
  addTraffic(routerId: string, traffic: PortTraffic): void;
  setBalancerState(routerId: string, states: BalancerState[]): void;
  /** Where `connect` leads, by address and port: a real listener on 127.0.0.1. */
  listeners: Map<string, number>;
}

export function createFakeNetwork(options: { available?: boolean; reason?: string } = {}): FakeNetwork {
  const routers = new Map<string, RouterSpec>();
  const traffic = new Map<string, PortTraffic[]>();
  const balancers = new Map<string, BalancerState[]>();
  const listeners = new Map<string, number>();
  const published: string[] = [];
  const driver: NetworkDriver = {
    check: async () =>
      options.available === false
        ? { available: false, reason: options.reason ?? "Networks need root on the host." }
        : { available: true },
    apply: async (router) => void routers.set(router.id, structuredClone(router)),
    async remove(routerId) {
      routers.delete(routerId);
      traffic.delete(routerId);
      balancers.delete(routerId);
    },
    list: async () => [...routers.keys()],
    async takeTraffic(routerId) {
      const taken = traffic.get(routerId) ?? [];
      traffic.delete(routerId);
      return taken;
    },
    loadBalancerState: async (routerId) => balancers.get(routerId) ?? [],
    publishAddresses: async (addresses) => void published.splice(0, published.length, ...addresses),
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
    listeners,
    addTraffic: (routerId: string, each: PortTraffic) => void traffic.set(routerId, [...(traffic.get(routerId) ?? []), each]),
    setBalancerState: (routerId: string, states: BalancerState[]) => void balancers.set(routerId, states),
  });
}
