import type { Binding, Principal } from "../../kernel/auth/principal.ts";
import type { Actor } from "../../kernel/contract.ts";
import { CloudError } from "../../kernel/errors.ts";
import type { Authentication } from "../../kernel/http/server.ts";
import { hashToken } from "../../kernel/secrets.ts";
import type { IdentityService } from "./contract.ts";
import type { Parts } from "./parts.ts";
import { type Bearer, sessionStore } from "./store/sessions.ts";
import { apiTokenStore } from "./store/tokens.ts";

const plainCookie = "khmara_session";
/** Where all is HTTPS no other host, such as that of an app, can set it: RFC 6265bis, 4.1.3.2. */
export const sessionCookie = ({ publicUrl }: Pick<Parts["config"], "publicUrl">): string =>
  publicUrl.startsWith("https:") ? `__Host-${plainCookie}` : plainCookie;

/** The token of a session that a browser brings. `isOld`: by the name of before, which anybody near could have set. */
export function sessionTokenOf(
  config: Pick<Parts["config"], "publicUrl">,
  cookies: Record<string, string>,
): { token: string; isOld: boolean } | undefined {
  const token = cookies[sessionCookie(config)];
  if (token) return { token, isOld: false };
  const old = cookies[plainCookie];
  return old ? { token: old, isOld: true } : undefined;
}

export const tokenPrefix = "khm_";

/** Noting each use would make every reading a writing. */
const noteUseEveryMs = 60_000;

const wrongCredential = (message: string, reason: string) => new CloudError("unauthenticated", message, { details: { reason } });

/** Resolves the session cookie or the bearer token of each request, in one query, so that what was revoked is refused at once. */
export function createAuthentication(parts: Parts) {
  const { database, clock, config, log } = parts;
  let since: Promise<Date> | undefined;
  const renamed = (): Promise<Date> => {
    since ??= database
      .statement((sql) => sessionStore.cookieRenamedAt(sql, new Date(clock.nowMs())))
      .catch((error) => {
        since = undefined;
        throw error;
      });
    return since;
  };

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
    const cookie = sessionTokenOf(config, request.cookies);
    if (cookie === undefined) return undefined;
    // Who was signed in before the cookie got its name stays so; whoever signs in since has the new one.
    const before = sessionCookie(config) === plainCookie ? undefined : await renamed();
    const idleSince = new Date(now.getTime() - config.sessionIdleSeconds * 1000);
    const bearer = await database.statement((sql) =>
      sessionStore.bearer(sql, hashToken(cookie.token), { now, idleSince, before: cookie.isOld ? before : undefined }),
    );
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

/** For work that goes on when its request is long over. */
export const createPrincipalOf =
  ({ database }: Pick<Parts, "database">) =>
  async ({ kind, id, name }: Actor): Promise<Principal> => {
    const isKnown = (kind === "user" || kind === "service_account") && id !== undefined;
    const bearer = isKnown ? await database.statement((sql) => sessionStore.principal(sql, id)) : undefined;
    if (bearer?.state === "active") return principalOf(bearer);
    return { kind: kind === "service_account" ? kind : "user", id: id ?? "", name, bindings: [] };
  };

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
