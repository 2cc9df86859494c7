import type { Tx } from "../../../kernel/db/database.ts";
import type { InstanceSpec } from "../driver.ts";
import type { ComputeParts } from "../parts.ts";
import { vendorData } from "./cloudInit.ts";
import { type InstanceRow, instanceStore } from "./store/instances.ts";

/** Its name in the engine: ours, and never another's. */
export const engineNameOf = (id: string): string => `kh-${id.slice(-12)}`;

/** What the engine keeps at it, for people who look there, and for the reconciler. */
export const labelsOf = (row: Pick<InstanceRow, "id" | "projectId" | "organisationId">): Record<string, string> => ({
  instance: row.id,
  project: row.projectId,
  organisation: row.organisationId,
});

const userDataPurpose = (instanceId: string): string => `compute.instance.user_data:${instanceId}`;

export const sealUserData = (parts: Pick<ComputeParts, "secrets">, instanceId: string, userData: string): Buffer =>
  parts.secrets.encrypt(userDataPurpose(instanceId), userData);

export async function cloudInitOf(
  tx: Tx,
  parts: Pick<ComputeParts, "secrets">,
  row: InstanceRow,
  defaultUser: string,
): Promise<InstanceSpec["cloudInit"]> {
  const sealed = await instanceStore.userData(tx, row.id);
  return {
    vendorData: vendorData({ defaultUser, sshKeys: row.sshPublicKeys }),
    sshKeys: row.sshPublicKeys,
    ...(sealed ? { userData: parts.secrets.decrypt(userDataPurpose(row.id), sealed).toString() } : {}),
  };
}

/** All that the engine has to know of a new instance, but its image. */
export async function specOf(
  tx: Tx,
  parts: Pick<ComputeParts, "secrets" | "networks">,
  row: InstanceRow,
  defaultUser: string,
): Promise<Omit<InstanceSpec, "image">> {
  const ports = (await parts.networks.ports(tx, [row.id])).get(row.id) ?? [];
  return {
    name: row.engineName,
    kind: row.kind,
    size: { vcpus: row.vcpus, memoryBytes: row.memoryBytes, diskBytes: row.diskBytes },
    hostName: row.name,
    cloudInit: await cloudInitOf(tx, parts, row, defaultUser),
    interfaces: ports.map((port) => port.interface),
    autoRestart: row.autoRestart,
    labels: labelsOf(row),
    ...(row.member === null ? {} : { member: row.member }),
  };
}
