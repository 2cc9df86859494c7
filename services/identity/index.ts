import { authorize } from "../../kernel/auth/authorize.ts";
import { type Clock, systemClock } from "../../kernel/clock.ts";
import type { OwnerConfig } from "../../kernel/config.ts";
import type { Database, Tx } from "../../kernel/db/database.ts";
import { CloudError } from "../../kernel/errors.ts";
import type { Log } from "../../kernel/log.ts";
import type { Secrets } from "../../kernel/secrets.ts";
import { createAccessKeyCache } from "./accessKeyCache.ts";
import { createAppKeys } from "./appKeys.ts";
import { createAuthentication, createPrincipalOf, createSessionOf } from "./authentication.ts";
import { ensureOwner, setupToken } from "./cloud.ts";
import type { IdentityService } from "./contract.ts";
import type { IdentityConfig, Parts } from "./parts.ts";
import { type Argon2Parameters, createPasswords } from "./passwords.ts";
import { createSshKeys } from "./personSshKeys.ts";
import { identityService } from "./service.ts";
import { organisationStore, projectStore } from "./store/tenancy.ts";
import { createThrottle } from "./throttle.ts";
import { passwordResetLinkFor } from "./users.ts";

const day = 24 * 3600;

export interface IdentityOptions extends Omit<IdentityConfig, "sessionIdleSeconds" | "sessionLifetimeSeconds"> {
  database: Database;
  secrets: Secrets;
  log: Log;
  clock?: Clock;
  sessionIdleSeconds?: number;
  sessionLifetimeSeconds?: number;
  argon2?: Argon2Parameters;
}

export type { SshAddress } from "./parts.ts";
export type IdentityWiring = ReturnType<typeof createIdentity>;

/** Touches no database: every process may make its own before the migrations have run. */
export function createIdentity(options: IdentityOptions) {
  const { database, secrets, log, clock = systemClock } = options;
  const parts: Parts = {
    database,
    secrets,
    log,
    clock,
    config: {
      version: options.version,
      publicUrl: options.publicUrl,
      s3Url: options.s3Url,
      region: options.region,
      ssh: options.ssh,
      sessionIdleSeconds: options.sessionIdleSeconds ?? 3 * day,
      sessionLifetimeSeconds: options.sessionLifetimeSeconds ?? 30 * day,
    },
    passwords: createPasswords(options.argon2),
    throttle: createThrottle({ database, secrets, clock }),
  };
  const accessKeys = createAccessKeyCache(parts);
  const authenticate = createAuthentication(parts);

  const identity: IdentityService = {
    authenticate,
    accessKey: accessKeys.accessKey,
    appKeys: createAppKeys(parts),
    sshKey: createSshKeys(parts),
    sessionOf: createSessionOf(parts),
    principalOf: createPrincipalOf(parts),
    organisationActive: async (tx: Tx, organisationId: string) =>
      (await organisationStore.find(tx, organisationId))?.state === "active",
    async projectPlace(tx: Tx, projectId: string) {
      const row = await projectStore.find(tx, projectId);
      return row && { organisationId: row.organisationId, projectId: row.id, name: row.name, slug: row.slug };
    },
  };

  return {
    service: identityService(parts, accessKeys.close),
    identity,
    ensureOwner: (owner: { email: string; password: string }) => ensureOwner(parts, owner),
    setupToken: () => setupToken(parts),
    passwordResetLinkFor: (email: string, how?: { removeSecondFactor?: boolean }) => passwordResetLinkFor(parts, email, how),

    /** Makes the owner of an unattended start, or tells how to become the owner, or to sign in. */
    async firstStart(owner?: OwnerConfig): Promise<string[]> {
      if (owner?.email && owner.password && (await ensureOwner(parts, { email: owner.email, password: owner.password }))) {
        return [`Sign in as the owner, ${owner.email}.`];
      }
      const token = await setupToken(parts);
      return token ? [`Become its owner: ${options.publicUrl}/setup#${token}`] : [];
    },

    /** /metrics tells much of the cloud: to programs on this machine, and to those with a token of somebody who may see the whole cloud. */
    async admitToMetrics(sourceIp: string, authorization: string | undefined): Promise<void> {
      if (/^(::1|(::ffff:)?127\.\d+\.\d+\.\d+)$/.test(sourceIp) && authorization === undefined) return;
      const caller = await authenticate({ cookies: {}, authorization });
      if (!caller) throw new CloudError("unauthenticated", "Send an API token as `Authorization: Bearer …`.");
      authorize(caller.principal, "identity.cloud.read", ["viewer"], {}, "cloud");
    },
  };
}
