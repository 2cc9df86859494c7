import type { Tx } from "../../../kernel/db/database.ts";
import { CloudError } from "../../../kernel/errors.ts";
import { newId } from "../../../kernel/ids.ts";
import type { HostNetworkInfo } from "../driver.ts";
import type { ComputeParts, ProjectPlace } from "../parts.ts";
import type { SecurityRule } from "./contract.ts";
import { pickCidr } from "./ranges.ts";
import { poolStore } from "./store/addresses.ts";
import { type GroupRow, groupStore } from "./store/groups.ts";
import { type NetworkRow, networkStore } from "./store/networks.ts";
import { announce, groupSubject, networkSubject } from "./subjects.ts";

/**
 * What a project gets that asks for nothing, as other clouds have it: a /24 of its own, and a group that lets its members reach each
 * other and everybody, and everybody reach SSH and ping. It is in no quota, and goes with the project.
 */
export const defaultRules = (groupId: GroupRow["id"]): SecurityRule[] => [
  { direction: "out", protocol: "any", description: "Everything out" },
  { direction: "in", protocol: "any", remote: { securityGroupId: groupId }, description: "Everything from this group" },
  { direction: "in", protocol: "tcp", ports: { from: 22, to: 22 }, description: "SSH" },
  { direction: "in", protocol: "icmp", description: "Ping" },
];

/** Whether this host has networks at all. */
export function hasNetworks(parts: Pick<ComputeParts, "network">): boolean {
  try {
    parts.network();
    return true;
  } catch (error) {
    if (CloudError.is(error, "failed_precondition")) return false;
    throw error;
  }
}

/** Ranges of the host, where there is a driver to ask: records can be made before there is one. */
export const reservedOf = async (parts: Pick<ComputeParts, "network">): Promise<HostNetworkInfo["reserved"]> =>
  hasNetworks(parts) ? (await parts.network().host()).reserved : [];

const names = function* (): Generator<string> {
  yield "default";
  for (let number = 2; ; number++) yield `default-${number}`;
};

/** The caller has touched the project's router: nobody makes another one meanwhile. */
export async function defaultNetwork(tx: Tx, parts: Pick<ComputeParts, "network">, place: ProjectPlace): Promise<NetworkRow> {
  const networks = await networkStore.of(tx, place.projectId);
  const found = networks.find(({ isDefault }) => isDefault);
  if (found) return found;
  const cidr = pickCidr({ networks, pools: await poolStore.all(tx), reserved: await reservedOf(parts) });
  for (const name of names()) {
    const row: NetworkRow = {
      id: newId("network"),
      ...(place as Pick<NetworkRow, "organisationId" | "projectId">),
      name,
      description: "",
      cidr,
      dnsDomain: `${name}.internal`,
      dnsServers: [],
      internet: true,
      routed: true,
      isDefault: true,
      createdAt: new Date(),
      revision: 1,
    };
    if (!(await networkStore.insert(tx, row))) continue;
    await announce(tx, networkSubject(row));
    return row;
  }
  throw new Error("There is always another name.");
}

export async function defaultGroup(tx: Tx, place: ProjectPlace): Promise<GroupRow> {
  const found = await groupStore.default(tx, place.projectId);
  if (found) return found;
  for (const name of names()) {
    const id = newId("securityGroup");
    const row: GroupRow = {
      id,
      ...(place as Pick<GroupRow, "organisationId" | "projectId">),
      name,
      description: "",
      rules: defaultRules(id),
      isDefault: true,
      createdAt: new Date(),
      revision: 1,
    };
    if (!(await groupStore.insert(tx, row))) continue;
    await announce(tx, groupSubject(row));
    return row;
  }
  throw new Error("There is always another name.");
}
