import { type Cipheriv, createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes, timingSafeEqual } from "node:crypto";
import { CloudError } from "../../../../kernel/errors.ts";
import type { Secrets } from "../../../../kernel/secrets.ts";
import type { Encryption } from "../../driver.ts";

/**
 * Every encrypted content has a key of its own, and its bytes are AES-256-CTR under it (NIST SP 800-38A, 6.5), so that a file is as long
 * as what it holds and can be read from anywhere. The key lies in the index, sealed by the master key or by the customer's
 * (AES-256-GCM), bound to the content's id. That the bytes are what was stored, their CRC-32 tells.
 */

/** What a record says of its encryption. Of a customer's key there is only what it takes to recognise it. */
export type EncryptionRecord = { kind: "server"; managed?: true } | { kind: "customer"; salt: string; check: string };

const dataKeyBytes = 32;
const saltBytes = 16;
const blockBytes = 16;
/** First byte of a sealed key. */
const sealedBy = { server: 1, customer: 2 } as const;
/** A key that wraps one other key, once, needs no other nonce. */
const onlyNonce = Buffer.alloc(12);

const purposeOf = (contentId: string): string => `objects.content:${contentId}`;
const checkOf = (key: Uint8Array, salt: string): Buffer =>
  createHmac("sha256", key).update(`objects.customer_key:${salt}`).digest();

export function newEncryptionRecord(encryption: Encryption): EncryptionRecord | undefined {
  if (encryption.kind === "none") return undefined;
  if (encryption.kind === "server") return { kind: "server", ...(encryption.managed && { managed: true }) };
  const salt = randomBytes(saltBytes).toString("base64");
  return { kind: "customer", salt, check: checkOf(encryption.key, salt).toString("base64") };
}

const refused = (code: "invalid_argument" | "permission_denied", reason: string, message: string): CloudError =>
  new CloudError(code, message, { details: { resource: "object", reason } });

/** Whether this is the key that the record was made with: a customer's needs one, and others take none. */
export function checkCustomerKey(record: EncryptionRecord | undefined, key: Uint8Array | undefined): void {
  if (record?.kind !== "customer") {
    if (key === undefined) return;
    throw refused(
      "invalid_argument",
      "customer_key_unexpected",
      "This object is not encrypted with a key of yours: ask for it without one.",
    );
  }
  if (key === undefined)
    throw refused(
      "invalid_argument",
      "customer_key_missing",
      "This object is encrypted with a key that is not kept here. Give the key that it was stored with (S3: SSE-C headers).",
    );
  if (!timingSafeEqual(checkOf(key, record.salt), Buffer.from(record.check, "base64")))
    throw refused("permission_denied", "customer_key_wrong", "This is not the key that the object was stored with.");
}

/** Makes the key of one content. */
export type NewKey = (contentId: string) => { key: Buffer; sealed: Buffer };

/** How what belongs to this record is encrypted: parts as their upload. */
export function encryptionOf(record: EncryptionRecord | undefined, customerKey: Uint8Array | undefined): Encryption {
  checkCustomerKey(record, customerKey);
  return customerKey === undefined ? { kind: record === undefined ? "none" : "server" } : { kind: "customer", key: customerKey };
}

export const isManaged = (record: EncryptionRecord | undefined): boolean => record?.kind === "server" && record.managed === true;

/** What is told of it. */
export const describeEncryption = (
  record: EncryptionRecord | undefined,
): { encryption?: EncryptionRecord["kind"]; managedKey?: boolean } => ({
  ...(record && { encryption: record.kind }),
  ...(isManaged(record) && { managedKey: true }),
});

/** So that a copy may share the bytes, and the record. */
export function isEncryptedSo(record: EncryptionRecord | undefined, asked: Encryption): boolean {
  if (asked.kind === "server") return record?.kind === "server" && isManaged(record) === (asked.managed ?? false);
  if (asked.kind !== "customer" || record?.kind !== "customer") return (record?.kind ?? "none") === asked.kind;
  return timingSafeEqual(checkOf(asked.key, record.salt), Buffer.from(record.check, "base64"));
}

/** With a customer's key the MD5 of the bytes, which would tell of them to others, is hashed with that: sent again they have the same tag. */
export const etagFor = (encryption: Encryption, md5: Buffer): string =>
  encryption.kind === "customer"
    ? createHmac("sha256", encryption.key).update("objects.etag:").update(md5).digest("hex").slice(0, 32)
    : md5.toString("hex");

/** Makes and opens the keys of contents. */
export class DataKeys {
  readonly #secrets: Secrets | undefined;

  constructor(secrets: Secrets | undefined) {
    this.#secrets = secrets;
  }

  /** A new key, and what the index keeps of it. */
  create(contentId: string, encryption: Exclude<Encryption, { kind: "none" }>): { key: Buffer; sealed: Buffer } {
    const key = randomBytes(dataKeyBytes);
    if (encryption.kind === "server")
      return { key, sealed: Buffer.concat([Buffer.of(sealedBy.server), this.#master().encrypt(purposeOf(contentId), key)]) };
    const salt = randomBytes(saltBytes);
    const cipher = createCipheriv("aes-256-gcm", wrappingKey(encryption.key, salt, contentId), onlyNonce);
    const wrapped = Buffer.concat([cipher.update(key), cipher.final(), cipher.getAuthTag()]);
    return { key, sealed: Buffer.concat([Buffer.of(sealedBy.customer), salt, wrapped]) };
  }

  open(contentId: string, sealed: Buffer, customerKey: Uint8Array | undefined): Buffer {
    if (sealed[0] === sealedBy.server) return this.#master().decrypt(purposeOf(contentId), sealed.subarray(1));
    if (customerKey === undefined) throw new CloudError("internal", "The bytes are sealed with a key that was not given.");
    const salt = sealed.subarray(1, 1 + saltBytes);
    const decipher = createDecipheriv("aes-256-gcm", wrappingKey(customerKey, salt, contentId), onlyNonce);
    decipher.setAuthTag(sealed.subarray(-16));
    try {
      return Buffer.concat([decipher.update(sealed.subarray(1 + saltBytes, -16)), decipher.final()]);
    } catch (error) {
      throw new CloudError("internal", "The key of these bytes is damaged in the index.", { cause: error });
    }
  }

  #master(): Secrets {
    if (this.#secrets === undefined)
      throw new CloudError("failed_precondition", "This store was opened without a master key: it can keep nothing encrypted.");
    return this.#secrets;
  }
}

const wrappingKey = (customerKey: Uint8Array, salt: Uint8Array, contentId: string): Buffer =>
  Buffer.from(hkdfSync("sha256", customerKey, salt, purposeOf(contentId), dataKeyBytes));

/** The cipher of a content from this byte on: in counter mode it encrypts and decrypts alike. */
export function cipherFrom(key: Uint8Array, fromByte: number): Cipheriv {
  const counter = Buffer.alloc(blockBytes);
  counter.writeBigUInt64BE(BigInt(Math.floor(fromByte / blockBytes)), 8);
  const cipher = createCipheriv("aes-256-ctr", key, counter);
  const skipped = fromByte % blockBytes;
  if (skipped > 0) cipher.update(Buffer.alloc(skipped));
  return cipher;
}
