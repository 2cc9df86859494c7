import { z } from "zod";
import type { Principal } from "../../kernel/auth/principal.ts";
import { type Actor, contract, event } from "../../kernel/contract.ts";
import type { Tx } from "../../kernel/db/database.ts";
import type { Authentication } from "../../kernel/http/server.ts";
import { credentialRoutes } from "./contract/credentials.ts";
import { organisationRoutes } from "./contract/organisations.ts";
import { peopleRoutes } from "./contract/people.ts";

export * from "./contract/resources.ts";

export default contract({
  name: "identity",
  title: "Identity",
  routes: { ...peopleRoutes, ...organisationRoutes, ...credentialRoutes },
  events: {
    organisationChanged: event({ type: "identity.organisation.changed", payload: z.object({ id: z.string() }) }),
    projectChanged: event({ type: "identity.project.changed", payload: z.object({ id: z.string() }) }),
    memberChanged: event({ type: "identity.member.changed", payload: z.object({ id: z.string() }) }),
    credentialChanged: event({ type: "identity.credential.changed", payload: z.object({ id: z.string() }) }),
  },
  quotas: {
    "identity.projects": { unit: "count", summary: "Projects", default: 50 },
    "identity.access_keys": { unit: "count", summary: "S3 access keys", default: 200 },
  },
});

/** What other services and the doors ask of identity inside the process. */
export interface IdentityService {
  /** Resolves the session cookie or the bearer token of a request; undefined without one, unauthenticated (thrown) with a wrong one. */
  authenticate(request: {
    cookies: Record<string, string>;
    authorization: string | undefined;
    sourceIp: string;
    userAgent: string;
  }): Promise<Authentication | undefined>;
  /** The person of a session, by its id, with the rights of now; undefined when it has ended or they are suspended. */
  sessionOf(sessionId: string): Promise<{ principal: Principal; email: string } | undefined>;
  /** Whether an organisation may be used: a suspended one serves nothing, to nobody. */
  organisationActive(tx: Tx, organisationId: string): Promise<boolean>;
  /** Where a project lives; undefined when there is none that this transaction may see. */
  projectPlace(
    tx: Tx,
    projectId: string,
  ): Promise<{ organisationId: string; projectId: string; name: string; slug: string } | undefined>;
  /**
   * The secret and the rights behind an S3 access key; undefined when there is none or it (or its owner) is disabled. Cached for some
   * seconds, emptied by a notification when a credential, role or suspension changes; goes on answering while the database restarts.
   */
  accessKey(accessKeyId: string): Promise<
    | {
        secretAccessKey: string;
        principal: Principal;
        organisationId: string;
        projectId: string;
        /** The only bucket that it reaches; absent: all of the project. */
        bucketId?: string;
      }
    | undefined
  >;
  /** Access keys that belong to an app, each for one bucket of its project. Whoever asks has checked that the person may. */
  appKeys: {
    make(
      tx: Tx,
      request: {
        organisationId: string;
        projectId: string;
        bucketId: string;
        /** What it is for; the name is for people: "app shop". */
        holder: { id: string; name: string };
        readOnly: boolean;
      },
    ): Promise<{ id: string; accessKeyId: string; secretAccessKey: string }>;
    /** No request is let in with it from the commit on. One that is not there is removed already. */
    remove(tx: Tx, id: string): Promise<void>;
  };
  /** Who asked for something earlier, with the roles of now; without any for those who are suspended or gone, and for the cloud itself. */
  principalOf(actor: Actor): Promise<Principal>;
  /**
   * Who stands behind a person's SSH key, by its fingerprint (`SHA256:…`): with the person's roles, limited to what git needs. undefined when it is
   * nobody's, or its owner is suspended. `used`: it is noted as its last use.
   */
  sshKey(fingerprint: string, options?: { used?: boolean }): Promise<{ principal: Principal; publicKey: string } | undefined>;
}
