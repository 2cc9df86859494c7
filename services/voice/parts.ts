import { actorOf, type Place, type Principal } from "../../kernel/auth/principal.ts";
import type { Actor } from "../../kernel/contract.ts";
import type { Database } from "../../kernel/db/database.ts";
import type { Log } from "../../kernel/log.ts";
import type { Secrets } from "../../kernel/secrets.ts";
import type { MailSending } from "../apps/mailAccounts/contract.ts";
import type { IdentityService } from "../identity/contract.ts";
import type { ObjectsService } from "../objects/contract.ts";

export type { Area } from "../../kernel/service.ts";

/** What every part of the service works with. */
export interface VoiceParts {
  database: Database;
  identity: IdentityService;
  objects: ObjectsService;
  secrets: Secrets;
  mail: MailSending;
  log: Log;
  /** Of the whole cloud; ours is `voice` in it. */
  dataDirectory: string;
  /** Where people reach the console: `https://cloud.example.org`. */
  publicUrl: string;
  /** Where phones reach the voice process; absent: only browsers have phones. */
  sip?: SipAddress | undefined;
  /** Where browsers find TURN; absent: there is none. */
  turn?: { host: string; port: number } | undefined;
}

export interface SipAddress {
  /** A name or an address. */
  host: string;
  /** UDP and TCP; absent: neither. */
  port?: number | undefined;
  tlsPort?: number | undefined;
  /** Its ports are those of its SRV records (RFC 3263 section 4.2), which lead to all voice processes. */
  bySrv?: boolean;
}

export const placeOf = ({ organisationId, projectId }: { organisationId: string; projectId: string }): Place => ({
  organisationId,
  projectId,
});

export const actorIn = (context: { principal: Principal }): Actor => actorOf(context.principal);

/** The place and name of a thing of a phone system, for audit. */
export const subjectOf = (kind: string, row: { id: string; organisationId: string; projectId: string }, name: string) => ({
  organisationId: row.organisationId,
  projectId: row.projectId,
  resource: { kind, id: row.id, name },
});
