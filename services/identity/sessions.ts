import type { Principal } from "../../kernel/auth/principal.ts";
import { CloudError, invalid, notFound } from "../../kernel/errors.ts";
import { decodeCursor, toPage } from "../../kernel/http/cursor.ts";
import type { StreamContext } from "../../kernel/service.ts";
import { auditSignIn, describeIdentity, startSession } from "./accounts.ts";
import { sessionCookie } from "./authentication.ts";
import type { Identity } from "./contract.ts";
import { at, type Parts, requirePerson, type Some } from "./parts.ts";
import { verifyPasskey } from "./passkeys.ts";
import { checkSecondFactor } from "./secondFactors.ts";
import { cloudStore } from "./store/cloud.ts";
import { type UserRow, userStore } from "./store/people.ts";
import { type SignInMethod, sessionStore } from "./store/sessions.ts";
import { WrongProof } from "./throttle.ts";
import { sessionView } from "./views.ts";

type Context = StreamContext<Principal | undefined>;

export function sessionHandlers(
  parts: Parts,
): Some<"sessionCreate" | "sessionList" | "sessionDelete" | "sessionClear" | "identityGet"> {
  const { database, config, passwords, throttle } = parts;

  const live = () => {
    const now = at(parts);
    return { now, idleSince: new Date(now.getTime() - config.sessionIdleSeconds * 1000) };
  };

  /** In a transaction of its own, for the request fails. */
  async function auditFailure(
    context: Context,
    user: UserRow | undefined,
    email: string | undefined,
    reason: string,
  ): Promise<void> {
    await cloudStore.asSystem(database, async (tx) =>
      context.audit(tx, {
        action: "identity.session.create",
        actor: { kind: "anonymous", name: "anonymous" },
        // Some type their password into the wrong field: only what looks like an address is kept.
        resource: { kind: "user", id: user?.id ?? "unknown", name: user?.name ?? (email?.includes("@") ? email : "unknown") },
        after: { outcome: "failed", reason },
      }),
    );
  }

  /** Audits a failure, whatever it is, and lets it go on. */
  async function audited<T>(
    context: Context,
    who: () => { user?: UserRow | undefined; email?: string },
    work: () => Promise<T>,
  ): Promise<T> {
    try {
      return await work();
    } catch (error) {
      const reason = CloudError.is(error) ? error.details.reason : undefined;
      // Half a sign-in is none yet, neither good nor bad.
      if (reason && reason !== "second_factor_required") {
        const { user, email } = who();
        await auditFailure(context, user, email, reason);
      }
      throw error;
    }
  }

  function withPassword(
    context: Context,
    given: { email: string; password: string; code?: string | undefined; recoveryCode?: string | undefined },
  ) {
    return throttle.attempt({ account: given.email, address: context.sourceIp }, () => {
      let known: UserRow | undefined;
      return audited(
        context,
        () => ({ user: known, email: given.email }),
        async () => {
          const user = await cloudStore.asSystem(database, (tx) => userStore.findByEmail(tx, given.email));
          known = user;
          const { right, outdated } = await passwords.verify(user?.passwordHash, given.password);
          if (!user || !right) {
            throw new WrongProof("unauthenticated", "wrong_credentials", "The e-mail address or the password is not right.");
          }
          assertNotSuspended(user);
          const newHash = outdated ? await passwords.hash(given.password) : undefined;
          return finish(context, user, async (tx) => {
            const method = await checkSecondFactor(tx, parts, user, given);
            if (newHash) await userStore.setPasswordHash(tx, user.id, newHash);
            return method;
          });
        },
      );
    });
  }

  function withPasskey(context: Context, given: { challengeId: string; response: Record<string, unknown> }) {
    return throttle.attempt({ address: context.sourceIp }, () => {
      let known: UserRow | undefined;
      return audited(
        context,
        () => ({ user: known }),
        async () => {
          const user = await verifyPasskey(parts, context, given);
          known = user;
          assertNotSuspended(user);
          // The device, and the finger or PIN that unlocked it: two factors at once.
          return finish(context, user, async () => "passkey");
        },
      );
    });
  }

  async function finish(
    context: Context,
    user: UserRow,
    method: (tx: Parameters<typeof startSession>[0]) => Promise<SignInMethod>,
  ): Promise<Identity> {
    const { session, identity } = await cloudStore.asSystem(database, async (tx) => {
      const how = await method(tx);
      const started = await startSession(tx, parts, context, user.id, how);
      auditSignIn(context, tx, user, started, how);
      return { session: started, identity: await describeIdentity(tx, { kind: "user", id: user.id, name: user.name }) };
    });
    session.setCookie(context);
    return identity;
  }

  return {
    async sessionCreate(context, { body }) {
      if (body.passkey) return withPasskey(context, body.passkey);
      if (!body.email) throw invalid("body.email", "Enter your e-mail address.");
      if (!body.password) throw invalid("body.password", "Enter your password.");
      return withPassword(context, { ...body, email: body.email, password: body.password });
    },

    async sessionList(context, { query }) {
      const userId = requirePerson(context.principal);
      const cursor = decodeCursor(query.cursor, 1);
      const rows = await sessionStore.list(context.tx, userId, live(), cursor && String(cursor[0]), query.limit + 1);
      return toPage(
        rows,
        query.limit,
        (row) => sessionView(row, context.principal.sessionId, config.sessionIdleSeconds),
        (row) => [row.id],
      );
    },

    async sessionDelete(context, { params }) {
      const id = params.session === "current" ? context.principal.sessionId : params.session;
      if (!id || !(await sessionStore.remove(context.tx, context.principal.id, id))) throw notFound("session");
      if (id === context.principal.sessionId) context.setCookie(sessionCookie(config), "", { maxAgeSeconds: 0 });
      context.audit({ action: "identity.session.delete", resource: { kind: "session", id, name: context.principal.name } });
      return undefined;
    },

    async sessionClear(context) {
      const userId = requirePerson(context.principal);
      const ended = await sessionStore.removeAll(context.tx, userId, context.principal.sessionId);
      context.audit({
        action: "identity.session.clear",
        resource: { kind: "user", id: userId, name: context.principal.name },
        after: { ended },
      });
      return { ended };
    },

    identityGet: (context) => describeIdentity(context.tx, context.principal),
  };
}

/** Only whoever knows the password learns of it. */
function assertNotSuspended(user: UserRow): void {
  if (user.state === "active") return;
  throw new CloudError("permission_denied", `Your account is suspended: ${user.suspendedReason}`, {
    details: { reason: "account_suspended", suspendedReason: user.suspendedReason },
  });
}
