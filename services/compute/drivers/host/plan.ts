import { CloudError } from "../../../../kernel/errors.ts";
import { contains, formatIpv4, type Ipv4Network, overlaps, parseIpv4, parseNetwork } from "../../../../kernel/ipv4.ts";
import type { LoadBalancerSpec, Overlay, RouterNetwork, RouterPort, RouterSpec } from "../../driver.ts";
import { inner, innerMacAddress, type Names } from "./names.ts";
import type { Transit } from "./transit.ts";

export interface PlannedNetwork extends RouterNetwork {
  overlay?: Overlay | undefined;
  range: Ipv4Network;
  gateway: string;
  /** The router's card on the bridge: the host's end, and its own. */
  peer: string;
  inner: string;
  macAddress: string;
}

export interface PlannedPort extends RouterPort {
  network: PlannedNetwork;
}

/** From a port of the host to the router (`relayPort`), and from there on to the instance. */
export interface PlannedForward {
  protocol: "tcp" | "udp";
  listenAddress: string;
  listenPort: number;
  relayPort: number;
  /** Absent: a load balancer listens there, inside the router. */
  target?: { address: string; port: number };
}

export interface PlannedBalancer extends LoadBalancerSpec {
  /** Where it binds, inside the router. */
  bind: { address: string; port: number };
  listens: "address" | "host" | "network";
  backends: { portId: string; address: string; port: number; weight: number }[];
}

/** A specification with everything looked up and checked: what rules and files are written from. */
export interface RouterPlan {
  id: string;
  namespace: string;
  uplink: string;
  transit: Transit;
  networks: PlannedNetwork[];
  ports: PlannedPort[];
  securityGroups: RouterSpec["securityGroups"];
  floating: { address: string; target: string }[];
  forwards: PlannedForward[];
  balancers: PlannedBalancer[];
}

const bad = (message: string): CloudError => new CloudError("invalid_argument", message);

/** `known`: what the overlays were, by bridge. */
export function planRouter(
  spec: RouterSpec,
  names: Names,
  transit: Transit,
  known: Readonly<Record<string, Overlay>> = {},
): RouterPlan {
  if (!/^[0-9a-f]{8}$/.test(spec.id)) throw bad(`${spec.id} is no router's id: 8 hex digits.`);
  const networks = spec.networks.map((network): PlannedNetwork => {
    const range = parseNetwork(network.cidr);
    if (!range || range.prefix > 30) throw bad(`${network.cidr} is no range for a network.`);
    if (!/^[a-z][a-z0-9]{0,14}$/.test(network.bridge)) throw bad(`${network.bridge} is no name for a bridge.`);
    const overlay = network.overlay === "as_before" ? known[network.bridge] : network.overlay;
    if (overlay) checkOverlay(overlay);
    return {
      ...network,
      overlay,
      range,
      gateway: formatIpv4(range.first + 1),
      peer: names.peer(network.bridge),
      inner: inner(network.bridge),
      macAddress: innerMacAddress(network.bridge),
    };
  });
  networks.forEach((network, index) => {
    const other = networks.slice(0, index).find(({ range }) => overlaps(range, network.range));
    if (other) throw bad(`The networks ${other.cidr} and ${network.cidr} overlap.`);
  });
  const networkById = new Map(networks.map((network) => [network.id, network]));
  const groups = new Set(spec.securityGroups.map(({ id }) => id));
  const taken = new Set(networks.map(({ gateway }) => gateway));
  const ports = spec.ports.map((port): PlannedPort => {
    const network = networkById.get(port.networkId);
    if (!network) throw bad(`The port ${port.id} is in a network that is not there: ${port.networkId}.`);
    if (!/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/.test(port.macAddress)) throw bad(`${port.macAddress} is no MAC address.`);
    if (!/^[a-zA-Z0-9]{1,15}$/.test(port.hostDevice)) throw bad(`${port.hostDevice} is no name for an interface.`);
    if (!inside(network.range, port.ipv4)) throw bad(`${port.ipv4} is not in ${network.cidr}.`);
    if (taken.has(port.ipv4)) throw bad(`The address ${port.ipv4} is given twice.`);
    taken.add(port.ipv4);
    const unknown = port.securityGroupIds.find((id) => !groups.has(id));
    if (unknown) throw bad(`The port ${port.id} has a security group that is not there: ${unknown}.`);
    return { ...port, network };
  });
  const portById = new Map(ports.map((port) => [port.id, port]));
  const portOf = (id: string): PlannedPort => {
    const port = portById.get(id);
    if (!port) throw bad(`Something leads to a port that is not there: ${id}.`);
    return port;
  };

  const floating = spec.floatingAddresses.map(({ address, portId }) => {
    if (parseIpv4(address) === undefined) throw bad(`${address} is no address.`);
    return { address, target: portOf(portId).ipv4 };
  });
  const balancers = spec.loadBalancers.map((balancer): PlannedBalancer => {
    const within = networks.some(({ range }) => inside(range, balancer.listenAddress));
    const listens = balancer.listenAddress === "0.0.0.0" ? "host" : within ? "network" : "address";
    return {
      ...balancer,
      listens,
      // The relay port of one on the host is known when all forwards are numbered.
      bind: { address: listens === "host" ? transit.address : balancer.listenAddress, port: balancer.listenPort },
      backends: balancer.members.map(({ portId, targetPort, weight }) => ({
        portId,
        address: portOf(portId).ipv4,
        port: targetPort,
        weight,
      })),
    };
  });

  const forwards: PlannedForward[] = [];
  const relays = new Set<string>();
  // The same port of two addresses of the host: only one of them can keep its number on the way to the router.
  const relay = (protocol: string, wanted: number): number => {
    let relayPort = wanted;
    while (relays.has(`${protocol} ${relayPort}`)) relayPort = relayPort >= 65_535 ? 1024 : relayPort + 1;
    relays.add(`${protocol} ${relayPort}`);
    return relayPort;
  };
  for (const balancer of balancers) {
    if (balancer.listens !== "host") continue;
    const relayPort = relay("tcp", balancer.listenPort);
    balancer.bind.port = relayPort;
    forwards.push({ protocol: "tcp", listenAddress: "0.0.0.0", listenPort: balancer.listenPort, relayPort });
  }
  for (const { protocol, listenAddress, listenPort, portId, targetPort } of spec.portForwards) {
    forwards.push({
      protocol,
      listenAddress,
      listenPort,
      relayPort: relay(protocol, listenPort),
      target: { address: portOf(portId).ipv4, port: targetPort },
    });
  }
  return {
    id: spec.id,
    namespace: names.namespace(spec.id),
    uplink: names.uplink(spec.id),
    transit,
    networks,
    ports,
    securityGroups: spec.securityGroups,
    floating,
    forwards,
    balancers,
  };
}

/** They become parts of scripts and rules. */
function checkOverlay({ device, vni, port, mtu, address, members }: Overlay): void {
  const numbers = [vni, port, mtu].every(Number.isInteger);
  if (!numbers || !/^[a-z][a-z0-9-]{0,14}$/.test(device) || [address, ...members].some((each) => parseIpv4(each) === undefined))
    throw bad(`The tunnels of the device ${device} are not as they can be.`);
}

const inside = (range: Ipv4Network, address: string): boolean => {
  const value = parseIpv4(address);
  return value !== undefined && contains(range, { first: value, last: value });
};

/** Floating addresses that the router itself has, as a load balancer listens on them. */
export const ownAddresses = (plan: RouterPlan): string[] => [
  ...new Set(plan.balancers.filter(({ listens }) => listens === "address").map(({ bind }) => bind.address)),
];
