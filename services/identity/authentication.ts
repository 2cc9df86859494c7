import type { Binding, Principal } from "../../kernel/auth/principal.ts";
import { CloudError } from "../../kernel/errors.ts";
import type { Authentication } from "../../kernel/http/server.ts";
import { hashToken } from "../../kernel/secrets.ts";
import type { IdentityService } from "./contract.ts";
import type { Parts } from "./parts.ts";
import { type Bearer, sessionStore } from "./store/sessions.ts";
import { apiTokenStore } from "./store/tokens.ts";

export const sessionCookie = "khmara_session";
export const tokenPrefix = "khm_";

/** Noting each use would make every reading a writing. */
const noteUseEveryMs = 60_000;

const wrongCredential = (message: string, reason: string) => new CloudError("unauthenticated", message, { details: { reason } });

/** Resolves the session cookie or the bearer token of each request, in one query, so that what was revoked is refused at once. */
export function createAuthentication(parts: Parts) {
  const { database, clock, config, log } = parts;

  return async (request: {
    cookies: Record<string, string>;
    authorization: string | undefined;
  }): Promise<Authentication | undefined> => {
    const now = new Date(clock.nowMs());
    if (request.authorization !== undefined) {
      const token = /^Bearer +(\S+) *$/i.exec(request.authorization)?.[1];
      const bearer = token?.startsWith(tokenPrefix)
        ? await database.statement((sql) => apiTokenStore.bearer(sql, hashToken(token), now))
        : undefined;
      if (!bearer)
        throw wrongCredential("This API token is not valid: it was revoked, has expired, or is mistyped.", "token_invalid");
      assertActive(bearer);
      if (isStale(bearer, now)) apiTokenStore.used(database.sql, bearer.id, now).catch(unnoted);
      return { principal: { ...principalOf(bearer), scopes: bearer.scopes, tokenId: bearer.id }, ambient: false };
    }
    const cookie = request.cookies[sessionCookie];
    if (!cookie) return undefined;
    const idleSince = new Date(now.getTime() - config.sessionIdleSeconds * 1000);
    const bearer = await database.statement((sql) => sessionStore.bearer(sql, hashToken(cookie), { now, idleSince }));
    if (!bearer) throw wrongCredential("Your session has ended. Sign in again.", "session_ended");
    assertActive(bearer);
    if (isStale(bearer, now)) await sessionStore.seen(database.sql, bearer.id, now).catch(unnoted);
    return { principal: { ...principalOf(bearer), sessionId: bearer.id }, ambient: true };
  };

  function unnoted(error: unknown): void {
    log.debug({ err: error }, "the use of a credential was not noted");
  }
}

/** Whoever uses what a session has let them into uses the session. */
export function createSessionOf(parts: Pick<Parts, "database" | "clock" | "config" | "log">): IdentityService["sessionOf"] {
  const { database, clock, config, log } = parts;
  return async (sessionId) => {
    const now = new Date(clock.nowMs());
    const idleSince = new Date(now.getTime() - config.sessionIdleSeconds * 1000);
    const bearer = await database.statement((sql) => sessionStore.bearerById(sql, sessionId, { now, idleSince }));
    if (bearer?.state !== "active") return undefined;
    if (isStale(bearer, now))
      await sessionStore
        .seen(database.sql, bearer.id, now)
        .catch((error) => log.debug({ err: error }, "the use of a session was not noted"));
    return { principal: { ...principalOf(bearer), sessionId: bearer.id }, email: bearer.email };
  };
}

export const isStale = (bearer: Bearer, now: Date): boolean =>
  bearer.lastAt === null || now.getTime() - bearer.lastAt.getTime() >= noteUseEveryMs;

function assertActive(bearer: Bearer): void {
  if (bearer.state === "active") return;
  throw wrongCredential(
    bearer.suspendedReason ? `Your account is suspended: ${bearer.suspendedReason}` : "This service account is suspended.",
    "account_suspended",
  );
}

export const principalOf = (bearer: Bearer): Principal => ({
  kind: bearer.kind,
  id: bearer.principalId,
  name: bearer.name,
  bindings: bearer.bindings.map(bindingOf),
});

export const bindingOf = (row: Bearer["bindings"][number]): Binding => ({
  role: row.role,
  ...(row.organisationId === null ? {} : { organisationId: row.organisationId }),
  ...(row.projectId === null ? {} : { projectId: row.projectId }),
  ...(row.suspendedReason === null ? {} : { suspendedReason: row.suspendedReason }),
});
