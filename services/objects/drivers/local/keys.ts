import { CloudError } from "../../../../kernel/errors.ts";
import type { Id } from "../../../../kernel/ids.ts";

/**
 * Keys of the index. Everything of a bucket starts with its id and a zero byte; LMDB orders keys by their bytes, which is
 * the order that S3 lists in. At most 36 + 1 + 1024 + 38 bytes, below LMDB's limit of 1978 (pages of 4 KiB).
 */
const zero = Buffer.alloc(1);
/** S3: "The name for a key is a sequence of Unicode characters whose UTF-8 encoding is up to 1,024 bytes long." */
const longestKeyBytes = 1024;
const longestIndexKeyBytes = 1978;
/** Each takes two bytes where keys are followed by something; no client has a reason for so many. */
const mostZeros = 800;

export const bucketKey = (bucketId: Id<"bucket">): Buffer => Buffer.from(`${bucketId}\0`);

/** Key of an object, checked. */
export function objectKey(bucketId: Id<"bucket">, key: string): Buffer {
  if (key === "" || !key.isWellFormed())
    throw new CloudError("invalid_argument", "A key is at least one character of valid Unicode.", {
      details: { reason: "key_invalid" },
    });
  const zeros = key.includes("\0") ? key.split("\0").length - 1 : 0;
  if (Buffer.byteLength(key) > longestKeyBytes || zeros > mostZeros)
    throw new CloudError("invalid_argument", `A key is at most ${longestKeyBytes} bytes long in UTF-8.`, {
      details: { reason: "key_too_long" },
    });
  return Buffer.from(`${bucketId}\0${key}`);
}

export const uploadKey = (bucketId: Id<"bucket">, uploadId: string): Buffer => Buffer.from(`${bucketId}\0${uploadId}`);

export function partKey(bucketId: Id<"bucket">, uploadId: string, number: number): Buffer {
  const suffix = Buffer.alloc(3);
  suffix.writeUInt16BE(number, 1);
  return Buffer.concat([uploadKey(bucketId, uploadId), suffix]);
}

export const partNumberOf = (key: Uint8Array): number => (key.at(-2) as number) * 256 + (key.at(-1) as number);

/**
 * Uploads in the order of their keys, then of their ids: the key, two zero bytes, the id. A zero byte inside a key becomes
 * 00 01, so that no key can reach into the next one's place.
 */
export const escapeZeros = (text: string): Buffer => Buffer.from(text.includes("\0") ? text.replaceAll("\0", "\0\x01") : text);
export const unescapeZeros = (bytes: Buffer): string => bytes.toString().replaceAll("\0\x01", "\0");
/** "upl_" and 32 hex digits, after two zero bytes. */
export const uploadTrailerBytes = 38;

export function uploadOrderKey(bucketId: Id<"bucket">, key: string, uploadId: string): Buffer {
  const out = Buffer.concat([bucketKey(bucketId), escapeZeros(key), zero, zero, Buffer.from(uploadId)]);
  if (out.length > longestIndexKeyBytes)
    throw new CloudError("invalid_argument", "A key with this many zero bytes cannot be uploaded in parts.", {
      details: { reason: "key_too_long" },
    });
  return out;
}

/** Two zero bytes and the order. */
export const versionTrailerBytes = 10;

/** Before all versions of a key that are not its object in the listing. */
export const versionsOf = (bucketId: Id<"bucket">, key: string): Buffer =>
  Buffer.concat([bucketKey(bucketId), escapeZeros(key), zero, zero]);

/** The greater the order, the smaller the key: the newest comes first. */
export function versionKey(bucketId: Id<"bucket">, key: string, order: number): Buffer {
  const inverted = Buffer.alloc(8);
  inverted.writeBigUInt64BE(BigInt(Number.MAX_SAFE_INTEGER - order));
  return Buffer.concat([versionsOf(bucketId, key), inverted]);
}

export function factKey(bucketId: string, fromMs: number, sequence: number): Buffer {
  const time = Buffer.alloc(16);
  time.writeBigUInt64BE(BigInt(fromMs), 0);
  time.writeBigUInt64BE(BigInt(sequence), 8);
  return Buffer.concat([time, Buffer.from(bucketId)]);
}

/** The smallest key greater than `key`. */
export const after = (key: Buffer): Buffer => Buffer.concat([key, zero]);

/** The smallest key greater than all that start with `prefix`; UTF-8 never ends in 0xff, so there is always one. */
export function afterPrefix(prefix: Buffer): Buffer {
  const out = Buffer.from(prefix);
  out[out.length - 1] = (out.at(-1) as number) + 1;
  return out;
}
