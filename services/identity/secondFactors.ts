import type { Principal } from "../../kernel/auth/principal.ts";
import type { Tx } from "../../kernel/db/database.ts";
import { CloudError } from "../../kernel/errors.ts";
import type { StreamContext } from "../../kernel/service.ts";
import { at, type Parts, requirePerson, type Some, tellMembership } from "./parts.ts";
import { reauthenticate } from "./profile.ts";
import { cloudStore } from "./store/cloud.ts";
import { type UserRow, userStore } from "./store/people.ts";
import { passkeyStore, recoveryCodeStore, totpStore } from "./store/secondFactors.ts";
import type { SignInMethod } from "./store/sessions.ts";
import { WrongProof } from "./throttle.ts";
import { newRecoveryCodes, newTotp, normalRecoveryCode, totpStep } from "./totp.ts";

const totpPurpose = (userId: string): string => `identity.totp:${userId}`;
const hashRecoveryCode = (parts: Parts, userId: string, code: string): string =>
  parts.secrets.fingerprint(`identity.recovery_code:${userId}`, normalRecoveryCode(code));

/** New ones; the old ones no longer work. */
export async function replaceRecoveryCodes(tx: Tx, parts: Parts, userId: string): Promise<string[]> {
  const codes = newRecoveryCodes();
  await recoveryCodeStore.replace(
    tx,
    userId,
    codes.map((code) => hashRecoveryCode(parts, userId, code)),
  );
  return codes;
}

/** Without a second factor there is nothing to recover. */
export async function dropRecoveryCodesWhenBare(tx: Tx, userId: string): Promise<void> {
  const user = await userStore.find(tx, userId);
  if (user && !user.totpEnabled && user.passkeyCount === 0) await recoveryCodeStore.replace(tx, userId, []);
}

/** After the right password: the second factor, where there is one. It is used up in this transaction. */
export async function checkSecondFactor(
  tx: Tx,
  parts: Parts,
  user: UserRow,
  given: { code?: string | undefined; recoveryCode?: string | undefined },
): Promise<SignInMethod> {
  if (!user.totpEnabled && user.passkeyCount === 0) return "password";
  if (given.code !== undefined && user.totpEnabled) {
    await takeTotpCode(tx, parts, user.id, given.code, "unauthenticated");
    return "password_totp";
  }
  if (given.recoveryCode !== undefined) {
    if (await recoveryCodeStore.take(tx, user.id, hashRecoveryCode(parts, user.id, given.recoveryCode)))
      return "password_recovery_code";
    throw new WrongProof(
      "unauthenticated",
      "wrong_recovery_code",
      "This recovery code is not right, or was used before.",
      "body.recoveryCode",
    );
  }
  throw new CloudError(
    "unauthenticated",
    user.totpEnabled ? "Enter the code from your authenticator app." : "Use your passkey, or one of your recovery codes.",
    {
      details: {
        reason: "second_factor_required",
        factors: [...(user.totpEnabled ? ["code"] : []), ...(user.passkeyCount > 0 ? ["passkey"] : []), "recoveryCode"],
      },
    },
  );
}

async function takeTotpCode(
  tx: Tx,
  parts: Parts,
  userId: string,
  code: string,
  errorCode: "unauthenticated" | "invalid_argument",
) {
  const totp = await totpStore.find(tx, userId);
  const step = totp && totpStep(parts.secrets.decrypt(totpPurpose(userId), totp.secret).toString(), code, parts.clock.nowMs());
  if (step === undefined || !(await totpStore.takeStep(tx, userId, step))) {
    throw new WrongProof(
      errorCode,
      "wrong_code",
      "This code is not right, or was used before. Wait for the next one.",
      "body.code",
    );
  }
}

export function secondFactorHandlers(parts: Parts): Some<"totpCreate" | "totpConfirm" | "totpDelete" | "recoveryCodeCreate"> {
  const { secrets, throttle } = parts;

  const record = (context: StreamContext<Principal>, tx: Tx, action: string, user: UserRow) => {
    context.audit(tx, { action: `identity.${action}`, resource: { kind: "user", id: user.id, name: user.name } });
    // Members see who has a second factor.
    return tellMembership(tx, user.id, context.principal.bindings);
  };

  return {
    async totpCreate(context, { body }) {
      const user = await reauthenticate(parts, context, body.currentPassword);
      if (user.totpEnabled) throw alreadyEnabled();
      return context.transaction(async (tx) => {
        const { name } = await cloudStore.settings(tx);
        const totp = newTotp(name, user.email);
        await totpStore.begin(tx, user.id, secrets.encrypt(totpPurpose(user.id), totp.secret), at(parts));
        return totp;
      });
    },

    async totpConfirm(context, { body }) {
      const userId = requirePerson(context.principal);
      const user = (await context.transaction((tx) => userStore.find(tx, userId))) as UserRow;
      return throttle.attempt({ account: user.email, address: context.sourceIp }, () =>
        context.transaction(async (tx) => {
          const totp = await totpStore.find(tx, userId);
          if (totp?.confirmed) throw alreadyEnabled();
          if (!totp) {
            throw new CloudError("failed_precondition", "Begin adding the authenticator app first.", {
              details: { reason: "totp_not_begun" },
            });
          }
          await takeTotpCode(tx, parts, userId, body.code, "invalid_argument");
          await totpStore.confirm(tx, userId, at(parts));
          await record(context, tx, "totp.create", user);
          return { recoveryCodes: await replaceRecoveryCodes(tx, parts, userId) };
        }),
      );
    },

    async totpDelete(context, { body }) {
      const user = await reauthenticate(parts, context, body.currentPassword);
      if (!user.totpEnabled) {
        throw new CloudError("failed_precondition", "There is no authenticator app to remove.", {
          details: { reason: "totp_not_enabled" },
        });
      }
      await context.transaction(async (tx) => {
        await totpStore.remove(tx, user.id);
        await dropRecoveryCodesWhenBare(tx, user.id);
        await record(context, tx, "totp.delete", user);
      });
      return undefined;
    },

    async recoveryCodeCreate(context, { body }) {
      const user = await reauthenticate(parts, context, body.currentPassword);
      if (!user.totpEnabled && user.passkeyCount === 0) {
        throw new CloudError(
          "failed_precondition",
          "Add an authenticator app or a passkey first; recovery codes stand in for them.",
          {
            details: { reason: "no_second_factor" },
          },
        );
      }
      return context.transaction(async (tx) => {
        await record(context, tx, "recovery_code.create", user);
        return { recoveryCodes: await replaceRecoveryCodes(tx, parts, user.id) };
      });
    },
  };
}

/** When all else is lost, for whoever holds the server itself. */
export async function removeSecondFactors(tx: Tx, userId: string): Promise<void> {
  await totpStore.remove(tx, userId);
  await passkeyStore.removeAll(tx, userId);
  await recoveryCodeStore.replace(tx, userId, []);
}

const alreadyEnabled = () =>
  new CloudError("failed_precondition", "There is an authenticator app already. Remove it first, then add another one.", {
    details: { reason: "totp_enabled" },
  });
