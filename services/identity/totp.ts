import { randomBytes } from "node:crypto";
import { Secret, TOTP } from "otpauth";

const periodSeconds = 30;

/** RFC 6238 with what every authenticator app takes: SHA-1, 6 digits, 30 seconds; 160 random bits (RFC 4226, 4, R6). */
export function newTotp(issuer: string, account: string): { secret: string; uri: string } {
  const secret = Secret.fromHex(randomBytes(20).toString("hex"));
  const totp = new TOTP({ issuer, label: account, secret, algorithm: "SHA1", digits: 6, period: periodSeconds });
  return { secret: secret.base32, uri: totp.toString() };
}

/** The time step that a code belongs to; undefined when it is wrong. One step to either side is let through for clocks that differ. */
export function totpStep(secret: string, code: string, nowMs: number): number | undefined {
  const totp = new TOTP({ secret: Secret.fromBase32(secret), algorithm: "SHA1", digits: 6, period: periodSeconds });
  const delta = totp.validate({ token: code, timestamp: nowMs, window: 1 });
  return delta === null ? undefined : Math.floor(nowMs / 1000 / periodSeconds) + delta;
}

const recoveryCodes = 10;
// Crockford's base 32: nothing in it is mistaken for something else.
const alphabet = "0123456789abcdefghjkmnpqrstvwxyz";

/** 50 random bits each, in two groups to read and type. */
export const newRecoveryCodes = (): string[] =>
  Array.from({ length: recoveryCodes }, () => {
    const letters = [...randomBytes(10)].map((byte) => alphabet[byte & 31]).join("");
    return `${letters.slice(0, 5)}-${letters.slice(5)}`;
  });

/** As it is hashed: however it was typed. */
export const normalRecoveryCode = (typed: string): string =>
  typed
    .toLowerCase()
    .replace(/[^a-z0-9]/g, "")
    .replace(/o/g, "0")
    .replace(/[il]/g, "1");
