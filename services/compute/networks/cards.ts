import { randomBytes } from "node:crypto";
import type { Tx } from "../../../kernel/db/database.ts";
import { CloudError, invalid } from "../../../kernel/errors.ts";
import { type Id, newId } from "../../../kernel/ids.ts";
import { reserveQuota } from "../../../kernel/quota.ts";
import type { ComputeParts, ProjectPlace } from "../parts.ts";
import { defaultGroup, defaultNetwork } from "./defaults.ts";
import { checkInside } from "./ranges.ts";
import { addressStore } from "./store/addresses.ts";
import { balancerStore, forwardStore, hostPortStore } from "./store/edge.ts";
import { groupStore } from "./store/groups.ts";
import { type NetworkRow, networkStore } from "./store/networks.ts";
import { type PortRow, portStore } from "./store/ports.ts";
import { routerStore } from "./store/routers.ts";
import { counterStore } from "./store/traffic.ts";
import { addressSubject, announce, balancerSubject, forwardSubject, portSubject } from "./subjects.ts";

/** Locally administered (IEEE 802, U/L bit), 40 random bits. */
const newMacAddress = (): string => ["02", ...(randomBytes(5).toString("hex").match(/../g) as string[])].join(":");

export interface NewCard {
  place: ProjectPlace;
  instanceId: string;
  hostName: string;
  networkId: string;
  securityGroupIds: readonly string[];
  ipv4?: string | undefined;
  /** See NetworksPart.createPorts. */
  usageOf?: { kind: string; id: string; name: string } | null | undefined;
}

/** A port of an instance in a network of its project. The caller has touched the router. */
export async function insertCard(tx: Tx, network: NetworkRow, position: number, card: NewCard): Promise<PortRow> {
  if (card.ipv4 !== undefined) {
    checkInside(network.cidr, card.ipv4);
    if (await networkStore.addressTaken(tx, network.id, card.ipv4))
      throw new CloudError("already_exists", `${card.ipv4} is taken in the network ${network.name}. Choose another address.`, {
        details: {
          resource: "port",
          reason: "address_taken",
          fields: [{ path: "body.ipv4", message: "This address is taken." }],
        },
      });
  }
  const ipv4 = card.ipv4 ?? (await networkStore.freeAddress(tx, network));
  if (ipv4 === undefined)
    throw new CloudError(
      "failed_precondition",
      `All addresses of the network ${network.name} (${network.cidr}) are taken. Delete instances in it, or use another network.`,
      { details: { resource: "network", reason: "network_full" } },
    );
  const row: PortRow = {
    id: newId("port"),
    organisationId: network.organisationId,
    projectId: network.projectId,
    networkId: network.id,
    instanceId: card.instanceId as Id<"instance">,
    hostName: card.hostName,
    ipv4,
    macAddress: newMacAddress(),
    position,
    securityGroupIds: [...card.securityGroupIds] as Id<"securityGroup">[],
    leaving: false,
    createdAt: new Date(),
    revision: 1,
  };
  await portStore.insert(tx, row);
  const payer = card.usageOf === undefined ? { kind: "instance", id: card.instanceId, name: card.hostName } : card.usageOf;
  if (payer)
    await counterStore.insert(tx, {
      id: row.id,
      ...card.place,
      resourceKind: payer.kind,
      resourceId: payer.id,
      resourceName: payer.name,
    });
  await announce(tx, portSubject(row));
  return row;
}

/** Those that were given, of the project; the default one where none was. */
export async function resolveNetworks(
  tx: Tx,
  parts: Pick<ComputeParts, "network">,
  place: ProjectPlace,
  networkIds: readonly string[],
): Promise<NetworkRow[]> {
  if (networkIds.length === 0) return [await defaultNetwork(tx, parts, place)];
  const known = await networkStore.of(tx, place.projectId);
  return networkIds.map((id, index) => {
    const network = known.find((each) => each.id === id);
    if (!network) throw invalid("body.networks", `There is no network ${id} in this project.`);
    if (networkIds.indexOf(id) !== index) throw invalid("body.networks", `The network ${network.name} is given twice.`);
    return network;
  });
}

export async function resolveGroups(tx: Tx, place: ProjectPlace, groupIds: readonly string[]): Promise<Id<"securityGroup">[]> {
  if (groupIds.length === 0) return [(await defaultGroup(tx, place)).id];
  await checkGroups(tx, place, groupIds);
  return [...new Set(groupIds)] as Id<"securityGroup">[];
}

export async function checkGroups(tx: Tx, place: ProjectPlace, groupIds: readonly string[]): Promise<void> {
  const known = await groupStore.known(tx, place.projectId, groupIds);
  const missing = groupIds.find((id) => !known.has(id));
  if (missing) throw invalid("body.securityGroups", `There is no security group ${missing} in this project.`);
}

/** The card with all that leads to it; the caller has touched the router. */
export async function removeCard(tx: Tx, port: PortRow): Promise<void> {
  for (const address of await addressStore.ofPort(tx, port.id)) {
    await addressStore.update(tx, address.id, { portId: null });
    await announce(tx, addressSubject(address));
  }
  for (const forward of await forwardStore.ofPort(tx, port.id)) await removeForward(tx, forward);
  const balancers = await balancerStore.withMember(tx, port.id);
  await portStore.delete(tx, port.id);
  for (const balancer of balancers) await announce(tx, balancerSubject(balancer));
  await counterStore.markGone(tx, port.id);
  await announce(tx, portSubject(port), "deleted");
}

export async function removeForward(
  tx: Tx,
  forward: ProjectPlace & { id: string; protocol: string; listenPort: number },
): Promise<void> {
  await forwardStore.delete(tx, forward.id);
  await hostPortStore.release(tx, forward.id);
  await reserveQuota(tx, forward, "compute.port_forwards", -1);
  await announce(tx, forwardSubject(forward), "deleted");
}

/** Nobody else changes the project's network until the commit. */
export const touch = (tx: Tx, place: ProjectPlace) => routerStore.touch(tx, place);
