import { audit } from "../../kernel/audit.ts";
import { systemActor } from "../../kernel/auth/principal.ts";
import { isoTime } from "../../kernel/clock.ts";
import type { Tx } from "../../kernel/db/database.ts";
import { CloudError, notFound } from "../../kernel/errors.ts";
import { decodeCursor, toPage } from "../../kernel/http/cursor.ts";
import { hashToken, newToken } from "../../kernel/secrets.ts";
import type { RequestContext } from "../../kernel/service.ts";
import { at, type Parts, type Some, tellMembership } from "./parts.ts";
import { assertHolds, placeOf } from "./roles.ts";
import { removeSecondFactors } from "./secondFactors.ts";
import { accessKeyStore } from "./store/accessKeys.ts";
import { type BindingRow, bindingStore } from "./store/bindings.ts";
import { cloudStore } from "./store/cloud.ts";
import { invitationStore, passwordResetStore } from "./store/links.ts";
import { type UserRow, userStore } from "./store/people.ts";
import { sessionStore } from "./store/sessions.ts";
import { WrongProof } from "./throttle.ts";
import { userView } from "./views.ts";

const resetLifeMs = 24 * 3600_000;

/** People belong to the cloud: its administrators manage them. Whom one shares no organisation with, one does not know of. */
async function authorized(context: RequestContext, id: string): Promise<UserRow> {
  const { principal, tx } = context;
  const user = await userStore.find(tx, id, true);
  const organisationIds = principal.bindings.map((binding) => binding.organisationId);
  const known =
    id === principal.id ||
    organisationIds.includes(undefined) ||
    (user && (await bindingStore.sharesOrganisation(tx, id, organisationIds as string[])));
  if (!known) throw notFound("user");
  context.authorize({}, "user");
  if (!user) throw notFound("user");
  return user;
}

/** An administrator of the cloud must not become its owner by way of an owner's account. */
async function assertNotAbove(context: RequestContext, user: UserRow, what: string): Promise<BindingRow[]> {
  const bindings = await bindingStore.ofPrincipal(context.tx, user.id);
  const atCloud = bindings.filter((row) => row.organisationId === null);
  assertHolds(
    context.principal,
    atCloud.map((row) => ({ role: row.role, place: placeOf(row) })),
    what,
  );
  return bindings;
}

const precondition = (reason: string, message: string) => new CloudError("failed_precondition", message, { details: { reason } });

async function makeResetLink(
  tx: Tx,
  parts: Parts,
  userId: string,
  removesSecondFactor: boolean,
): Promise<{ link: string; expiresAt: string }> {
  const token = newToken("");
  const createdAt = at(parts);
  const expiresAt = new Date(createdAt.getTime() + resetLifeMs);
  await passwordResetStore.insert(tx, { tokenHash: hashToken(token), userId, removesSecondFactor, expiresAt, createdAt });
  return { link: `${parts.config.publicUrl}/password-reset#${token}`, expiresAt: isoTime(expiresAt) };
}

/**
 * The way back in for whoever is locked out and has the server itself: a link that sets a new password and, when asked for, removes
 * the second factor.
 */
export const passwordResetLinkFor = (
  parts: Parts,
  email: string,
  options: { removeSecondFactor?: boolean } = {},
): Promise<{ link: string; expiresAt: string }> =>
  cloudStore.asSystem(parts.database, async (tx) => {
    const user = await userStore.findByEmail(tx, email.trim().toLowerCase());
    if (!user)
      throw new CloudError("not_found", `Nobody here has the e-mail address ${email}.`, { details: { resource: "user" } });
    audit(tx, {
      action: "identity.user.reset_password",
      actor: systemActor,
      resource: { kind: "user", id: user.id, name: user.name },
      after: { removesSecondFactor: options.removeSecondFactor ?? false },
    });
    return makeResetLink(tx, parts, user.id, options.removeSecondFactor ?? false);
  });

export function userHandlers(
  parts: Parts,
): Some<"userList" | "userGet" | "userSuspend" | "userResume" | "passwordResetCreate" | "passwordResetComplete"> {
  const { database, passwords, throttle } = parts;

  return {
    async userList(context, { query }) {
      context.authorize({}, "user");
      const after = decodeCursor(query.cursor, 2);
      const rows = await userStore.list(context.tx, query.state, { search: query.search, after, limit: query.limit + 1 });
      return toPage(rows, query.limit, userView, (row) => [row.sortName, row.id]);
    },

    async userGet(context, { params }) {
      return userView(await authorized(context, params.user));
    },

    async userSuspend(context, { params, body }) {
      const user = await authorized(context, params.user);
      const { tx } = context;
      if (user.id === context.principal.id) throw precondition("own_account", "You cannot suspend yourself.");
      if (user.state === "suspended") throw precondition("already_suspended", "This person is suspended already.");
      const bindings = await assertNotAbove(context, user, "Suspending this person");
      const isOwner = bindings.some((row) => row.organisationId === null && row.role === "owner");
      if (isOwner && (await bindingStore.lockOwners(tx, undefined)).every((id) => id === user.id)) {
        throw precondition("last_owner", "The last owner of the cloud cannot be suspended.");
      }
      await userStore.setSuspended(tx, user.id, body.reason);
      await sessionStore.removeAll(tx, user.id);
      await passwordResetStore.removeOf(tx, user.id);
      await invitationStore.revokeOf(tx, user.id, undefined);
      await accessKeyStore.tellChanged(tx);
      await tellMembership(tx, user.id, bindings);
      context.audit({
        resource: { kind: "user", id: user.id, name: user.name },
        before: { state: "active" },
        after: { state: "suspended", reason: body.reason },
      });
      return userView((await userStore.find(tx, user.id)) as UserRow);
    },

    async userResume(context, { params }) {
      const user = await authorized(context, params.user);
      const { tx } = context;
      if (user.state === "active") throw precondition("not_suspended", "This person is not suspended.");
      const bindings = await assertNotAbove(context, user, "Resuming this person");
      await userStore.setSuspended(tx, user.id, null);
      await accessKeyStore.tellChanged(tx);
      await tellMembership(tx, user.id, bindings);
      context.audit({
        resource: { kind: "user", id: user.id, name: user.name },
        before: { state: "suspended", reason: user.suspendedReason },
        after: { state: "active" },
      });
      return userView((await userStore.find(tx, user.id)) as UserRow);
    },

    async passwordResetCreate(context, { params }) {
      const user = await authorized(context, params.user);
      if (user.id === context.principal.id) {
        // Else whoever finds an unlocked screen would need no password to change it.
        throw new CloudError("permission_denied", "Change your own password in your profile.", {
          details: { reason: "own_account" },
        });
      }
      await assertNotAbove(context, user, "Resetting this person's password");
      context.audit({ resource: { kind: "user", id: user.id, name: user.name } });
      return makeResetLink(context.tx, parts, user.id, false);
    },

    async passwordResetComplete(context, { body }) {
      const tokenHash = hashToken(body.token);
      const gone = () =>
        new WrongProof("failed_precondition", "link_invalid", "This link was used before or has expired. Ask for a new one.");
      await throttle.attempt({ link: context.sourceIp }, async () => {
        if (!(await cloudStore.asSystem(database, (tx) => passwordResetStore.exists(tx, tokenHash)))) throw gone();
        const hash = await passwords.hash(body.password);
        await cloudStore.asSystem(database, async (tx) => {
          const reset = await passwordResetStore.take(tx, tokenHash, at(parts));
          if (!reset) throw gone();
          const user = (await userStore.find(tx, reset.userId, true)) as UserRow;
          await userStore.setPasswordHash(tx, user.id, hash);
          if (reset.removesSecondFactor) await removeSecondFactors(tx, user.id);
          const endedSessions = await sessionStore.removeAll(tx, user.id);
          await passwordResetStore.removeOf(tx, user.id);
          context.audit(tx, {
            action: "identity.password.reset",
            actor: { kind: "user", id: user.id, name: user.name },
            resource: { kind: "user", id: user.id, name: user.name },
            after: { endedSessions, removedSecondFactor: reset.removesSecondFactor },
          });
        });
      });
      return undefined;
    },
  };
}
