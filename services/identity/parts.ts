import type { Principal } from "../../kernel/auth/principal.ts";
import type { Clock } from "../../kernel/clock.ts";
import type { Database, Tx } from "../../kernel/db/database.ts";
import { CloudError } from "../../kernel/errors.ts";
import { emit } from "../../kernel/events.ts";
import type { Log } from "../../kernel/log.ts";
import type { Secrets } from "../../kernel/secrets.ts";
import type { Handlers, RequestContext, StreamContext } from "../../kernel/service.ts";
import contract from "./contract.ts";
import type { Passwords } from "./passwords.ts";
import type { Throttle } from "./throttle.ts";

export interface IdentityConfig {
  version: string;
  /** How people reach the console, without a slash at the end. */
  publicUrl: string;
  s3Url: string;
  region: string;
  /** Where git is spoken over SSH, and the key that the server shows there. */
  ssh?: SshAddress | undefined;
  /** A session ends when nobody uses it for so long, and in any case after its lifetime. */
  sessionIdleSeconds: number;
  sessionLifetimeSeconds: number;
}

export interface SshAddress {
  host: string;
  port: number;
  /** `SHA256:…` */
  fingerprint: string;
  /** `ssh-ed25519 AAAA…` */
  hostKey: string;
}

/** What the use cases work with. */
export interface Parts {
  database: Database;
  secrets: Secrets;
  log: Log;
  clock: Clock;
  config: IdentityConfig;
  passwords: Passwords;
  throttle: Throttle;
}

type All = Handlers<typeof contract>;
/** Some of the service's handlers. */
export type Some<K extends keyof All> = Pick<All, K>;

export type AnyContext = RequestContext<Principal | undefined> | StreamContext<Principal | undefined>;

export const at = (parts: Parts): Date => new Date(parts.clock.nowMs());

/** What only a person has: a password, a second factor, a profile. */
export function requirePerson(principal: Principal): string {
  if (principal.kind === "user") return principal.id;
  throw new CloudError("failed_precondition", "Only a person has this; you use the token of a service account.", {
    details: { reason: "person_needed" },
  });
}

/** For what a stolen token must not be able to do: leave a door open for itself. */
export function requireSession(principal: Principal): { userId: string; sessionId: string } {
  const userId = requirePerson(principal);
  if (principal.sessionId) return { userId, sessionId: principal.sessionId };
  throw new CloudError("failed_precondition", "Sign in to do this; it cannot be done with an API token.", {
    details: { reason: "session_needed" },
  });
}

type EventName = keyof typeof contract.events;

export const tell = (
  tx: Tx,
  event: EventName,
  id: string,
  place: { organisationId?: string | undefined; projectId?: string | undefined },
) => emit(tx, { type: contract.events[event].type, ...place, payload: { id } });

/** Where somebody is a member, their name or state is shown. */
export async function tellMembership(
  tx: Tx,
  principalId: string,
  bindings: readonly { organisationId?: string | null | undefined }[],
) {
  const organisationIds = new Set(bindings.map((binding) => binding.organisationId).filter((each) => each != null));
  for (const organisationId of organisationIds) await tell(tx, "memberChanged", principalId, { organisationId });
}
