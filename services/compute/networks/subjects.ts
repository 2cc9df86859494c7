import type { Tx } from "../../../kernel/db/database.ts";
import { CloudError } from "../../../kernel/errors.ts";
import { emit } from "../../../kernel/events.ts";
import type { ProjectPlace } from "../parts.ts";
import type { networkEvents } from "./contract.ts";

type Payloads = {
  [K in keyof typeof networkEvents as (typeof networkEvents)[K]["type"]]: keyof (typeof networkEvents)[K]["payload"]["shape"];
};
type EventType = keyof Payloads;

/** What the audit log, operations and events call the things of this part; `name` is what people call them. */
export interface Subject extends Partial<ProjectPlace> {
  kind: "network" | "port" | "security_group" | "address_pool" | "address" | "port_forward" | "load_balancer";
  id: string;
  name: string;
}

export type ProjectSubject = Subject & ProjectPlace;

const idField: Record<Subject["kind"], string> = {
  network: "networkId",
  port: "portId",
  security_group: "securityGroupId",
  address_pool: "addressPoolId",
  address: "addressId",
  port_forward: "portForwardId",
  load_balancer: "loadBalancerId",
};

const named =
  (kind: Subject["kind"]) =>
  (row: ProjectPlace & { id: string; name: string }): ProjectSubject => ({
    kind,
    id: row.id,
    name: row.name,
    organisationId: row.organisationId,
    projectId: row.projectId,
  });

export const networkSubject = named("network");
export const groupSubject = named("security_group");
export const balancerSubject = named("load_balancer");
export const portSubject = (row: ProjectPlace & { id: string; hostName: string }): ProjectSubject =>
  named("port")({ ...row, name: row.hostName });
export const addressSubject = (row: ProjectPlace & { id: string; address: string }): ProjectSubject =>
  named("address")({ ...row, name: row.address });
export const forwardSubject = (row: ProjectPlace & { id: string; protocol: string; listenPort: number }): ProjectSubject =>
  named("port_forward")({ ...row, name: `${row.protocol} ${row.listenPort}` });
export const poolSubject = ({ id, name }: { id: string; name: string }): Subject => ({ kind: "address_pool", id, name });

/** The subject as the audit log and operations have it. */
export const auditOf = ({ kind, id, name, organisationId, projectId }: Subject) => ({
  organisationId,
  projectId,
  resource: { kind, id, name },
});

export const announce = (tx: Tx, subject: Subject, state: "changed" | "deleted" = "changed"): Promise<void> =>
  emit(tx, {
    type: `compute.${subject.kind}.changed` satisfies EventType,
    organisationId: subject.organisationId,
    projectId: subject.projectId,
    payload: { [idField[subject.kind]]: subject.id, name: subject.name, state },
  });

export const refused = (resource: string, reason: string, message: string): CloudError =>
  new CloudError("failed_precondition", message, { details: { resource, reason } });
