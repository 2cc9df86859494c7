import { isoTime } from "../../../kernel/clock.ts";
import type { Id } from "../../../kernel/ids.ts";
import { formatIpv4, parseNetwork } from "../../../kernel/ipv4.ts";
import type { LoadBalancerMemberState } from "../driver.ts";
import type { PortView } from "../parts.ts";
import type { Network, Port, SecurityGroup } from "./contract.ts";
import type { Address, AddressPool, LoadBalancer, PortForward } from "./edge/contract.ts";
import type { ListedAddress, ListedPool } from "./store/addresses.ts";
import type { ListedBalancer, ListedForward } from "./store/edge.ts";
import type { ListedGroup } from "./store/groups.ts";
import type { ListedNetwork, NetworkRow } from "./store/networks.ts";
import type { ListedPort } from "./store/ports.ts";

/** Names on the host: the last digits of an id are random. A bridge's has room for what a tunnel's device adds. */
export const bridgeOf = (networkId: string): string => `khb${networkId.slice(-10)}`;
export const hostDeviceOf = (portId: string): string => `khi${portId.slice(-12)}`;
const deviceOf = (position: number): string => `eth${position}`;

export const gatewayOf = (cidr: string): string => formatIpv4((parseNetwork(cidr)?.first ?? 0) + 1);

export function viewNetwork(row: ListedNetwork): Network {
  const range = parseNetwork(row.cidr);
  // Nothing of it is on the host while nothing is in it.
  const state = row.ports === 0 ? "ready" : row.error !== null ? "error" : row.pending ? "applying" : "ready";
  return {
    id: row.id,
    projectId: row.projectId,
    organisationId: row.organisationId,
    name: row.name,
    description: row.description,
    state,
    ...(state === "error" && row.error !== null ? { stateReason: row.error } : {}),
    cidr: row.cidr,
    gateway: gatewayOf(row.cidr),
    dnsDomain: row.dnsDomain,
    dnsServers: row.dnsServers,
    internet: row.internet,
    routed: row.routed,
    default: row.isDefault,
    ports: row.ports,
    // The network's own address, the gateway and the broadcast address are nobody's.
    capacity: range ? range.last - range.first - 2 : 0,
    createdAt: isoTime(row.createdAt),
    revision: row.revision,
  };
}

/** What of a network an audit entry compares. */
export const termsOfNetwork = ({ name, description, cidr, dnsDomain, dnsServers, internet, routed }: NetworkRow) => ({
  name,
  description,
  cidr,
  dnsDomain,
  dnsServers,
  internet,
  routed,
});

export const viewPort = (row: ListedPort): Port => ({
  id: row.id,
  projectId: row.projectId,
  organisationId: row.organisationId,
  networkId: row.networkId,
  networkName: row.networkName,
  instanceId: row.instanceId,
  instanceName: row.hostName,
  ipv4: row.ipv4,
  macAddress: row.macAddress,
  dnsName: `${row.hostName}.${row.dnsDomain}`,
  securityGroupIds: row.securityGroupIds,
  ...(row.addressId && row.floatingAddress ? { addressId: row.addressId, floatingAddress: row.floatingAddress } : {}),
  createdAt: isoTime(row.createdAt),
  revision: row.revision,
});

/** As the other parts see it. */
export const partPort = (row: ListedPort): PortView => ({
  id: row.id,
  instanceId: row.instanceId,
  networkId: row.networkId,
  networkName: row.networkName,
  ipv4: row.ipv4,
  macAddress: row.macAddress,
  floatingAddress: row.floatingAddress ?? undefined,
  securityGroupIds: row.securityGroupIds,
  interface: {
    device: deviceOf(row.position),
    bridge: bridgeOf(row.networkId),
    macAddress: row.macAddress,
    hostDevice: hostDeviceOf(row.id),
  },
});

export const viewGroup = (row: ListedGroup): SecurityGroup => ({
  id: row.id,
  projectId: row.projectId,
  organisationId: row.organisationId,
  name: row.name,
  description: row.description,
  rules: row.rules,
  default: row.isDefault,
  ports: row.ports,
  createdAt: isoTime(row.createdAt),
  revision: row.revision,
});

export const reachOf = (local: boolean): "local" | "external" => (local ? "local" : "external");

export const viewPool = (row: ListedPool): AddressPool => ({
  id: row.id,
  name: row.name,
  description: row.description,
  range: row.range,
  ...(row.interface === null ? {} : { interface: row.interface }),
  reach: reachOf(row.local),
  total: row.total,
  used: row.used,
  createdAt: isoTime(row.createdAt),
  revision: row.revision,
});

export const viewAddress = (row: ListedAddress): Address => ({
  id: row.id,
  projectId: row.projectId,
  organisationId: row.organisationId,
  address: row.address,
  description: row.description,
  poolId: row.poolId,
  poolName: row.poolName,
  reach: reachOf(row.local),
  ...(row.portId ? { portId: row.portId } : {}),
  ...(row.instanceId ? { instanceId: row.instanceId } : {}),
  ...(row.instanceName ? { instanceName: row.instanceName } : {}),
  loadBalancerIds: row.loadBalancerIds,
  createdAt: isoTime(row.createdAt),
  revision: row.revision,
});

export const viewForward = (row: ListedForward): PortForward => ({
  id: row.id,
  projectId: row.projectId,
  organisationId: row.organisationId,
  description: row.description,
  protocol: row.protocol,
  listenAddress: row.listenAddress,
  listenPort: row.listenPort,
  portId: row.portId,
  instanceId: row.instanceId,
  instanceName: row.instanceName,
  targetAddress: row.targetAddress,
  targetPort: row.targetPort,
  createdAt: isoTime(row.createdAt),
  revision: row.revision,
});

export function viewBalancer(row: ListedBalancer, states: readonly LoadBalancerMemberState[]): LoadBalancer {
  return {
    id: row.id,
    projectId: row.projectId,
    organisationId: row.organisationId,
    name: row.name,
    description: row.description,
    listen: row.addressId ? "address" : row.networkId ? "network" : "host",
    ...(row.addressId ? { addressId: row.addressId } : {}),
    ...(row.networkId ? { networkId: row.networkId } : {}),
    listenAddress: row.listenAddress,
    listenPort: row.listenPort,
    algorithm: row.algorithm,
    members: row.members.map((member) => {
      const state = states.find(
        (each) => each.loadBalancerId === row.id && each.portId === member.portId && each.targetPort === member.targetPort,
      );
      return {
        portId: member.portId as Id<"port">,
        instanceId: member.instanceId,
        instanceName: member.instanceName,
        address: member.address,
        targetPort: member.targetPort,
        weight: member.weight,
        health: state?.health ?? "unknown",
        connections: state?.connections ?? 0,
        totalConnections: state?.totalConnections ?? 0,
        bytesIn: state?.bytesIn ?? 0,
        bytesOut: state?.bytesOut ?? 0,
      };
    }),
    check: { intervalSeconds: row.checkIntervalSeconds, failures: row.checkFailures },
    createdAt: isoTime(row.createdAt),
    revision: row.revision,
  };
}
