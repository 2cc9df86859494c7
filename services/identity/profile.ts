import type { Principal } from "../../kernel/auth/principal.ts";
import type { StreamContext } from "../../kernel/service.ts";
import { type Parts, requirePerson, type Some, tellMembership } from "./parts.ts";
import { passwordResetStore } from "./store/links.ts";
import { type UserRow, userStore } from "./store/people.ts";
import { sessionStore } from "./store/sessions.ts";
import { WrongProof } from "./throttle.ts";
import { userView } from "./views.ts";

/** Asks for the password once more, before what somebody at an unlocked screen must not be able to do. */
export async function reauthenticate(parts: Parts, context: StreamContext<Principal>, currentPassword: string): Promise<UserRow> {
  const userId = requirePerson(context.principal);
  const { user, hash } = await context.transaction(async (tx) => ({
    user: (await userStore.find(tx, userId)) as UserRow,
    hash: await userStore.passwordHash(tx, userId),
  }));
  await parts.throttle.attempt({ account: user.email, address: context.sourceIp }, async () => {
    const { right } = await parts.passwords.verify(hash, currentPassword);
    if (!right) throw new WrongProof("invalid_argument", "wrong_password", "This is not your password.", "body.currentPassword");
  });
  return user;
}

export function profileHandlers(parts: Parts): Some<"profileUpdate" | "passwordUpdate"> {
  return {
    async profileUpdate(context, { body }) {
      const userId = requirePerson(context.principal);
      const before = (await userStore.find(context.tx, userId, true)) as UserRow;
      const change = { name: body.name ?? before.name, locale: body.locale ?? before.locale };
      await userStore.update(context.tx, userId, change);
      await tellMembership(context.tx, userId, context.principal.bindings);
      context.audit({
        action: "identity.profile.update",
        resource: { kind: "user", id: userId, name: change.name },
        before: { name: before.name, locale: before.locale },
        after: change,
      });
      return userView((await userStore.find(context.tx, userId)) as UserRow);
    },

    async passwordUpdate(context, { body }) {
      const user = await reauthenticate(parts, context, body.currentPassword);
      const hash = await parts.passwords.hash(body.newPassword);
      await context.transaction(async (tx) => {
        await userStore.setPasswordHash(tx, user.id, hash);
        const endedSessions = await sessionStore.removeAll(tx, user.id, context.principal.sessionId);
        await passwordResetStore.removeOf(tx, user.id);
        context.audit(tx, {
          action: "identity.password.update",
          resource: { kind: "user", id: user.id, name: user.name },
          after: { endedSessions },
        });
      });
      return undefined;
    },
  };
}
