import type { Actor, Role } from "../contract.ts";

/** A role somewhere: without ids at the cloud, with the first at an organisation, with both at a project. */
export interface Binding {
  role: Role;
  organisationId?: string;
  projectId?: string;
  /** Why the organisation is suspended, if it is. */
  suspendedReason?: string;
}

/** Who is calling, resolved once per request with all its bindings. */
export interface Principal {
  kind: "user" | "service_account";
  id: string;
  name: string;
  bindings: readonly Binding[];
  /** Set when an API token is used: patterns of permissions it is limited to. */
  scopes?: readonly string[];
  /** Set when an access key is used: it reaches no other project. */
  projectId?: string;
  readOnly?: boolean;
  sessionId?: string;
  tokenId?: string;
}

/** Where a resource lives; without ids the cloud itself. */
export interface Place {
  organisationId?: string | undefined;
  projectId?: string | undefined;
}

export const actorOf = (principal: Principal | undefined): Actor =>
  principal ? { kind: principal.kind, id: principal.id, name: principal.name } : { kind: "anonymous", name: "anonymous" };

export const systemActor: Actor = { kind: "system", name: "Khmara" };
