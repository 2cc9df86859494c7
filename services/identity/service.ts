import { defineService, type ServiceDefinition } from "../../kernel/service.ts";
import { accessKeyHandlers } from "./accessKeys.ts";
import { apiTokenHandlers } from "./apiTokens.ts";
import { cloudHandlers } from "./cloud.ts";
import contract from "./contract.ts";
import { invitationHandlers } from "./invitations.ts";
import { memberHandlers } from "./members.ts";
import { organisationHandlers } from "./organisations.ts";
import type { Parts } from "./parts.ts";
import { passkeyHandlers } from "./passkeys.ts";
import { personSshKeyHandlers } from "./personSshKeys.ts";
import { profileHandlers } from "./profile.ts";
import { projectHandlers } from "./projects.ts";
import { quotaHandlers } from "./quotas.ts";
import { secondFactorHandlers } from "./secondFactors.ts";
import { serviceAccountHandlers } from "./serviceAccounts.ts";
import { sessionHandlers } from "./sessions.ts";
import { attemptStore } from "./store/attempts.ts";
import { invitationStore, passwordResetStore } from "./store/links.ts";
import { challengeStore } from "./store/secondFactors.ts";
import { sessionStore } from "./store/sessions.ts";
import { apiTokenStore } from "./store/tokens.ts";
import { attemptMemoryMs } from "./throttle.ts";
import { userHandlers } from "./users.ts";

const day = 24 * 3600_000;

export const identityService = (parts: Parts, stop: () => Promise<void>): ServiceDefinition<typeof contract> =>
  defineService<typeof contract>({
    contract,
    migrations: new URL("./migrations/", import.meta.url),
    handlers: {
      ...cloudHandlers(parts),
      ...sessionHandlers(parts),
      ...profileHandlers(parts),
      ...secondFactorHandlers(parts),
      ...passkeyHandlers(parts),
      ...personSshKeyHandlers(parts),
      ...userHandlers(parts),
      ...organisationHandlers(parts),
      ...projectHandlers(parts),
      ...memberHandlers(parts),
      ...invitationHandlers(parts),
      ...serviceAccountHandlers(parts),
      ...apiTokenHandlers(parts),
      ...accessKeyHandlers(parts),
      ...quotaHandlers(),
    },
    workers: [{ name: "identity.cleanup", everySeconds: 600, run: () => cleanUp(parts) }],
    stop,
  });

/** What has run out is refused without this; here it is removed. */
async function cleanUp({ database: { sql }, clock, config }: Parts): Promise<void> {
  const now = new Date(clock.nowMs());
  const ago = (ms: number) => new Date(now.getTime() - ms);
  await sessionStore.removeExpired(sql, { now, idleSince: ago(config.sessionIdleSeconds * 1000) });
  await challengeStore.removeExpired(sql, now);
  await passwordResetStore.removeExpired(sql, now);
  await attemptStore.removeOld(sql, ago(attemptMemoryMs));
  // For a while their owners see what became of them.
  await invitationStore.removeOld(sql, ago(30 * day));
  await apiTokenStore.removeExpired(sql, ago(30 * day));
}
