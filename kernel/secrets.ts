import { createCipheriv, createDecipheriv, createHash, createHmac, hkdfSync, randomBytes, timingSafeEqual } from "node:crypto";
import { readFileSync } from "node:fs";
import { CloudError } from "./errors.ts";

/** Encryption at rest with keys derived from the cloud's master key (HKDF, RFC 5869; AES-256-GCM, NIST SP 800-38D). */
export interface Secrets {
  /** `purpose` binds the ciphertext to its place (`identity.access_key:key_…`): elsewhere it does not open. */
  encrypt(purpose: string, plaintext: string | Uint8Array): Buffer;
  /** internal when the ciphertext was damaged, or made with another master key or for another purpose. */
  decrypt(purpose: string, ciphertext: Uint8Array): Buffer;
  /** Keyed hash (HMAC-SHA-256, hex): for what must be looked up and is guessable, like an e-mail address. */
  fingerprint(purpose: string, value: string): string;
}

export const masterKeyBytes = 32;

export function openSecrets(masterKey: Uint8Array): Secrets {
  if (masterKey.length !== masterKeyBytes)
    throw new CloudError("internal", `The master key must have ${masterKeyBytes} bytes; it has ${masterKey.length}.`);
  const derived = (label: string) => Buffer.from(hkdfSync("sha256", masterKey, "khmara", label, 32));
  const encryptionKey = derived("encryption 1");
  const fingerprintKey = derived("fingerprint 1");
  return {
    encrypt(purpose, plaintext) {
      const nonce = randomBytes(12);
      const cipher = createCipheriv("aes-256-gcm", encryptionKey, nonce).setAAD(Buffer.from(purpose));
      const body = Buffer.concat([cipher.update(plaintext as string, "utf8"), cipher.final()]);
      // The first byte is the version of the format, for the day when keys are rotated.
      return Buffer.concat([Buffer.of(1), nonce, body, cipher.getAuthTag()]);
    },
    decrypt(purpose, ciphertext) {
      try {
        const bytes = Buffer.from(ciphertext);
        if (bytes[0] !== 1) throw new Error("unknown version");
        const decipher = createDecipheriv("aes-256-gcm", encryptionKey, bytes.subarray(1, 13))
          .setAAD(Buffer.from(purpose))
          .setAuthTag(bytes.subarray(-16));
        return Buffer.concat([decipher.update(bytes.subarray(13, -16)), decipher.final()]);
      } catch (error) {
        throw new CloudError(
          "internal",
          "A stored secret cannot be opened: it is damaged, or the master key is not the one it was made with.",
          { cause: error },
        );
      }
    },
    fingerprint: (purpose, value) => createHmac("sha256", fingerprintKey).update(`${purpose}\0${value}`).digest("hex"),
  };
}

export const readMasterKey = (file: string): Buffer => readFileSync(file);

/** 256 random bits, URL-safe, behind a prefix by which leaked tokens can be found (`khm_…`). */
export const newToken = (prefix: string): string => `${prefix}${randomBytes(32).toString("base64url")}`;

/** For tokens of 128 random bits and more a plain SHA-256 is a one-way function that needs no salt. */
export const hashToken = (token: string): string => createHash("sha256").update(token).digest("hex");

/** Equal, without telling through the time it takes where the difference is. */
export function sameSecret(a: string | Uint8Array, b: string | Uint8Array): boolean {
  const left = createHash("sha256").update(a).digest();
  const right = createHash("sha256").update(b).digest();
  return timingSafeEqual(left, right);
}
