import { createHash, randomBytes } from "node:crypto";
import type { Secrets } from "../../../kernel/secrets.ts";

const passwordPurpose = (userName: string): string => `voice.device.password:${userName}`;

/** Nobody guesses one of the other: both are made, not chosen. */
export const newUserName = (): string => randomBytes(8).toString("hex");
/** One that is not is nobody's: that saves asking the database for each number of a caller. */
export const mayBeUserName = (text: string): boolean => /^[0-9a-f]{16}$/.test(text);
export const newSipPassword = (): string => randomBytes(18).toString("base64url");

export const sealPassword = (secrets: Secrets, userName: string, password: string): Uint8Array =>
  secrets.encrypt(passwordPurpose(userName), password);
export const openPassword = (secrets: Secrets, credential: { userName: string; password: Uint8Array }): string =>
  Buffer.from(secrets.decrypt(passwordPurpose(credential.userName), credential.password)).toString("utf8");

export type DigestAlgorithm = "MD5" | "SHA-256";

/**
 * H(user:realm:password) of RFC 7616, section 3.4.2, in hex. The password is what is sealed: phones take it in their configuration, and a
 * domain that changes makes no device deaf.
 */
export const ha1Of = (
  secrets: Secrets,
  credential: { userName: string; password: Uint8Array },
  realm: string,
  algorithm: DigestAlgorithm,
): string =>
  createHash(algorithm === "MD5" ? "md5" : "sha256")
    .update(`${credential.userName}:${realm}:${openPassword(secrets, credential)}`)
    .digest("hex");
