import { randomUUID } from "node:crypto";
import { isIP } from "node:net";
import type { AuthenticationResponseJSON, AuthenticatorTransport, RegistrationResponseJSON } from "@simplewebauthn/server";
import { CloudError, notFound } from "../../kernel/errors.ts";
import { decodeCursor, toPage } from "../../kernel/http/cursor.ts";
import { newId } from "../../kernel/ids.ts";
import { type AnyContext, at, type Parts, requirePerson, requireSession, type Some, tellMembership } from "./parts.ts";
import { dropRecoveryCodesWhenBare, replaceRecoveryCodes } from "./secondFactors.ts";
import { cloudStore } from "./store/cloud.ts";
import { type UserRow, userStore } from "./store/people.ts";
import { challengeStore, type PasskeyRow, passkeyStore } from "./store/secondFactors.ts";
import { WrongProof } from "./throttle.ts";
import { passkeyView } from "./views.ts";

// Few ever use it, and it is large: loaded when the first one does.
const webauthn = () => import("@simplewebauthn/server");

/** COSE: EdDSA, ES256, RS256. What every authenticator has one of. */
const algorithms = [-8, -7, -257];
const challengeLifeMs = 5 * 60_000;

/**
 * WebAuthn Level 3, 13.4.9: a passkey belongs to one name (its RP id), and only pages of that name may use it. The name is the one that
 * the browser used for us; what it signs contains the origin that it really is at, so a made-up Host leads nowhere.
 */
function relyingParty(host: string, publicUrl: string): { id: string; origins: string[] } {
  const id = URL.parse(`http://${host}`)?.hostname ?? "";
  if (id === "" || isIP(id.replace(/^\[|\]$/g, "")) !== 0) {
    const port = URL.parse(publicUrl)?.port;
    throw new CloudError(
      "failed_precondition",
      `Passkeys belong to a name, and this address is a number. Open the console by its name instead, on this machine http://localhost${port ? `:${port}` : ""}.`,
      { details: { reason: "passkey_needs_name" } },
    );
  }
  const isLocal = id === "localhost" || id.endsWith(".localhost");
  const own = URL.parse(publicUrl);
  // A proxy may be reached on another port than it asks us for.
  return {
    id,
    origins: [`https://${host}`, ...(isLocal ? [`http://${host}`] : []), ...(own?.hostname === id ? [own.origin] : [])],
  };
}

const rejected = (cause?: unknown): WrongProof => {
  const error = new WrongProof(
    "unauthenticated",
    "wrong_passkey",
    "The passkey could not be verified. Try again, or sign in with your password.",
  );
  if (cause) error.cause = cause;
  return error;
};

const base64urlOf = (text: string): string => Buffer.from(text).toString("base64url");

/** Who signed in: the passkey tells it, nobody typed anything. The challenge is used up whatever comes of it. */
export async function verifyPasskey(
  parts: Parts,
  context: Pick<AnyContext, "host">,
  given: { challengeId: string; response: Record<string, unknown> },
): Promise<UserRow> {
  const { database, config } = parts;
  const challenge = await cloudStore.asSystem(database, (tx) => challengeStore.take(tx, given.challengeId, null, at(parts)));
  if (!challenge) throw rejected();
  const response = given.response as unknown as AuthenticationResponseJSON;
  const { verifyAuthenticationResponse } = await webauthn();
  return cloudStore.asSystem(database, async (tx) => {
    const passkey = typeof response.id === "string" ? await passkeyStore.lockByCredential(tx, response.id) : undefined;
    // 7.2, step 6: the authenticator says whose credential it is; it must be the one that we have it from.
    if (!passkey || response.response?.userHandle !== base64urlOf(passkey.userId)) throw rejected();
    let counter: number;
    try {
      const { verified, authenticationInfo } = await verifyAuthenticationResponse({
        response,
        expectedChallenge: challenge.challenge,
        expectedOrigin: relyingParty(context.host, config.publicUrl).origins,
        expectedRPID: challenge.rpId,
        credential: {
          id: passkey.credentialId,
          publicKey: new Uint8Array(passkey.publicKey),
          counter: passkey.counter,
          transports: passkey.transports as AuthenticatorTransport[],
        },
        requireUserVerification: true,
      });
      if (!verified) throw new Error("not verified");
      counter = authenticationInfo.newCounter;
    } catch (error) {
      throw rejected(error);
    }
    await passkeyStore.used(tx, passkey.id, counter, at(parts));
    return (await userStore.find(tx, passkey.userId)) as UserRow;
  });
}

export function passkeyHandlers(
  parts: Parts,
): Some<"passkeyChallengeCreate" | "passkeyList" | "passkeyRegister" | "passkeyCreate" | "passkeyUpdate" | "passkeyDelete"> {
  const { config, throttle, database } = parts;
  const newChallenge = (challenge: string, userId: string | null, rpId: string) => ({
    id: randomUUID(),
    challenge,
    userId,
    rpId,
    expiresAt: new Date(parts.clock.nowMs() + challengeLifeMs),
  });

  async function own(context: AnyContext & { tx: Parameters<typeof passkeyStore.find>[0] }, id: string): Promise<PasskeyRow> {
    const row = await passkeyStore.find(context.tx, context.principal?.id ?? "", id);
    if (!row) throw notFound("passkey");
    return row;
  }

  return {
    async passkeyChallengeCreate(context) {
      const rp = relyingParty(context.host, config.publicUrl);
      return throttle.count({ challenge: context.sourceIp }, async () => {
        const { generateAuthenticationOptions } = await webauthn();
        // No list of credentials: the browser offers those that it has, and we tell nobody who has which.
        const options = await generateAuthenticationOptions({
          rpID: rp.id,
          userVerification: "required",
          timeout: challengeLifeMs,
        });
        const challenge = newChallenge(options.challenge, null, rp.id);
        await cloudStore.asSystem(database, (tx) => challengeStore.insert(tx, challenge));
        return { challengeId: challenge.id, options: { ...options } };
      });
    },

    async passkeyList(context, { query }) {
      const cursor = decodeCursor(query.cursor, 1);
      const userId = requirePerson(context.principal);
      const rows = await passkeyStore.list(context.tx, userId, cursor && String(cursor[0]), query.limit + 1);
      return toPage(rows, query.limit, passkeyView, (row) => [row.id]);
    },

    async passkeyRegister(context) {
      const { userId } = requireSession(context.principal);
      const rp = relyingParty(context.host, config.publicUrl);
      const user = (await userStore.find(context.tx, userId)) as UserRow;
      const { name } = await cloudStore.settings(context.tx);
      const existing = await passkeyStore.list(context.tx, userId, undefined, 100);
      const { generateRegistrationOptions } = await webauthn();
      const options = await generateRegistrationOptions({
        rpName: name,
        rpID: rp.id,
        userID: new Uint8Array(Buffer.from(userId)),
        userName: user.email,
        userDisplayName: user.name,
        timeout: challengeLifeMs,
        attestationType: "none",
        supportedAlgorithmIDs: algorithms,
        excludeCredentials: existing.map((row) => ({
          id: row.credentialId,
          transports: row.transports as AuthenticatorTransport[],
        })),
        authenticatorSelection: { residentKey: "required", userVerification: "required" },
      });
      const challenge = newChallenge(options.challenge, userId, rp.id);
      await challengeStore.insert(context.tx, challenge);
      return { challengeId: challenge.id, options: { ...options } };
    },

    async passkeyCreate(context, { body }) {
      const { userId } = requireSession(context.principal);
      const challenge = await context.transaction((tx) => challengeStore.take(tx, body.challengeId, userId, at(parts)));
      if (!challenge) {
        throw new CloudError("failed_precondition", "That took longer than five minutes. Begin again.", {
          details: { reason: "challenge_expired" },
        });
      }
      const { verifyRegistrationResponse } = await webauthn();
      const { registrationInfo } = await verifyRegistrationResponse({
        response: body.response as unknown as RegistrationResponseJSON,
        expectedChallenge: challenge.challenge,
        expectedOrigin: relyingParty(context.host, config.publicUrl).origins,
        expectedRPID: challenge.rpId,
        requireUserVerification: true,
        supportedAlgorithmIDs: algorithms,
      }).catch((error: unknown) => {
        throw new CloudError("invalid_argument", "The passkey could not be verified. Begin again.", {
          cause: error,
          details: { reason: "wrong_passkey" },
        });
      });
      if (!registrationInfo) {
        throw new CloudError("invalid_argument", "The passkey could not be verified. Begin again.", {
          details: { reason: "wrong_passkey" },
        });
      }
      const { credential } = registrationInfo;
      return context.transaction(async (tx) => {
        const user = (await userStore.find(tx, userId, true)) as UserRow;
        const row = {
          id: newId("passkey", parts.clock.nowMs()),
          userId,
          credentialId: credential.id,
          publicKey: Buffer.from(credential.publicKey),
          counter: credential.counter,
          transports: credential.transports ?? [],
          rpId: challenge.rpId,
          name: body.name,
          createdAt: at(parts),
        };
        if (!(await passkeyStore.insert(tx, row))) {
          throw new CloudError("failed_precondition", "This passkey is registered already.", {
            details: { reason: "passkey_exists" },
          });
        }
        const isFirst = !user.totpEnabled && user.passkeyCount === 0;
        await tellMembership(tx, userId, context.principal.bindings);
        context.audit(tx, {
          action: "identity.passkey.create",
          resource: { kind: "passkey", id: row.id, name: row.name },
          after: { name: row.name, rpId: row.rpId },
        });
        return {
          ...passkeyView({ ...row, lastUsedAt: null }),
          ...(isFirst ? { recoveryCodes: await replaceRecoveryCodes(tx, parts, userId) } : {}),
        };
      });
    },

    async passkeyUpdate(context, { params, body }) {
      requireSession(context.principal);
      const row = await own(context, params.passkey);
      await passkeyStore.rename(context.tx, row.id, body.name);
      context.audit({
        action: "identity.passkey.update",
        resource: { kind: "passkey", id: row.id, name: body.name },
        before: { name: row.name },
        after: { name: body.name },
      });
      return passkeyView({ ...row, name: body.name });
    },

    async passkeyDelete(context, { params }) {
      const { userId } = requireSession(context.principal);
      const row = await own(context, params.passkey);
      await passkeyStore.remove(context.tx, row.id);
      await dropRecoveryCodesWhenBare(context.tx, userId);
      await tellMembership(context.tx, userId, context.principal.bindings);
      context.audit({
        action: "identity.passkey.delete",
        resource: { kind: "passkey", id: row.id, name: row.name },
        before: { name: row.name },
      });
      return undefined;
    },
  };
}
