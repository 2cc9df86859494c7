import { isoTime } from "../../../kernel/clock.ts";
import type { Tx } from "../../../kernel/db/database.ts";
import { CloudError } from "../../../kernel/errors.ts";
import type { Id } from "../../../kernel/ids.ts";
import { activeOperations } from "../../../kernel/operations/store.ts";
import type { ComputeParts, InstanceView, PortView } from "../parts.ts";
import type { Instance, Size } from "./contract.ts";
import { configureKind } from "./operations/configure.ts";
import { allowedActions } from "./states.ts";
import type { InstanceRow } from "./store/instances.ts";
import type { SizeRow } from "./store/sizes.ts";

/** As the other parts see it. */
export const partView = (row: InstanceRow): InstanceView => ({
  id: row.id,
  organisationId: row.organisationId,
  projectId: row.projectId,
  name: row.name,
  engineName: row.engineName,
  state: row.state,
  kind: row.kind,
  member: row.member ?? undefined,
  imageId: row.imageId ?? undefined,
});

/** What the audit log and operations need to know of it. */
export const subjectOf = (row: Pick<InstanceRow, "id" | "name" | "organisationId" | "projectId">) => ({
  organisationId: row.organisationId,
  projectId: row.projectId,
  resource: { kind: "instance", id: row.id, name: row.name },
});

/** The work under way that keeps other work off it, by instance. */
export async function workOn(tx: Tx, ids: readonly string[]): Promise<Map<string, Id<"operation">>> {
  const found = new Map<string, Id<"operation">>();
  for (const [id, operations] of await activeOperations(tx, ids)) {
    const first = operations.find(({ kind }) => kind !== configureKind);
    if (first) found.set(id, first.id);
  }
  return found;
}

/** Throws while an operation is at work on it. */
export async function checkIdle(tx: Tx, row: Pick<InstanceRow, "id" | "name">): Promise<void> {
  const operationId = (await workOn(tx, [row.id])).get(row.id);
  if (operationId === undefined) return;
  throw new CloudError(
    "failed_precondition",
    `Work on the instance ${row.name} is under way. Wait until it is finished, or cancel it.`,
    { details: { resource: "instance", reason: "operation_active", operationId, retryAfterSeconds: 5 } },
  );
}

/** As the API shows them: their ports and the work under way on them, in one query each. */
export async function viewInstances(
  tx: Tx,
  parts: Pick<ComputeParts, "networks">,
  rows: readonly InstanceRow[],
): Promise<Instance[]> {
  const ids = rows.map((row) => row.id);
  const ports = await parts.networks.ports(tx, ids);
  const work = await workOn(tx, ids);
  return rows.map((row) => view(row, ports.get(row.id) ?? [], work.get(row.id)));
}

export const viewInstance = async (tx: Tx, parts: Pick<ComputeParts, "networks">, row: InstanceRow): Promise<Instance> =>
  (await viewInstances(tx, parts, [row]))[0] as Instance;

const view = (row: InstanceRow, ports: readonly PortView[], operationId: Id<"operation"> | undefined): Instance => ({
  id: row.id,
  projectId: row.projectId,
  organisationId: row.organisationId,
  name: row.name,
  description: row.description,
  kind: row.kind,
  state: row.state,
  stateReason: row.stateReason ?? undefined,
  allowedActions: allowedActions(row.state, operationId !== undefined),
  operationId,
  sizeId: row.sizeId ?? undefined,
  sizeName: row.sizeName,
  vcpus: row.vcpus,
  memoryBytes: row.memoryBytes,
  diskBytes: row.diskBytes,
  imageId: row.imageId ?? undefined,
  imageName: row.imageName,
  ports: ports.map((port) => ({
    id: port.id,
    networkId: port.networkId,
    networkName: port.networkName,
    ipv4: port.ipv4,
    macAddress: port.macAddress,
    floatingAddress: port.floatingAddress,
    securityGroupIds: port.securityGroupIds,
  })),
  groupId: row.groupId ?? undefined,
  labels: row.labels,
  protected: row.protected,
  autoRestart: row.autoRestart,
  restartNeeded: row.restartNeeded,
  member: row.member ?? undefined,
  sshKeyIds: row.sshKeyIds,
  createdAt: isoTime(row.createdAt),
  startedAt: row.startedAt ? isoTime(row.startedAt) : undefined,
  revision: row.revision,
});

export const viewSize = (row: SizeRow): Size => row;
