import { CloudError, notFound } from "../../../../kernel/errors.ts";
import type { Id } from "../../../../kernel/ids.ts";
import type { Meter, Preconditions } from "../../driver.ts";
import { book } from "./accounts.ts";
import { createContent, release } from "./contents.ts";
import type { Transaction } from "./database.ts";
import { objectKey, uploadKey } from "./keys.ts";
import type { Received } from "./receive.ts";
import { decode, encode, type ObjectRecord } from "./records.ts";

/** What the transactions that write objects have in common. */
export function recordAt(index: Pick<Transaction, "get">, bucketId: Id<"bucket">, key: string): ObjectRecord | undefined {
  const stored = index.get("objects", objectKey(bucketId, key));
  return stored && decode<ObjectRecord>(stored);
}

export function checkPreconditions(current: ObjectRecord | undefined, { ifMatch, ifNoneMatch }: Preconditions): void {
  const fails =
    (ifMatch !== undefined && (current === undefined || (ifMatch !== "*" && ifMatch !== current.etag))) ||
    (ifNoneMatch !== undefined && current !== undefined && (ifNoneMatch === "*" || ifNoneMatch === current.etag));
  if (fails)
    throw new CloudError("precondition_failed", "The object is not in the state that the request asked for.", {
      details: { resource: "object", exists: current !== undefined },
    });
}

/** Puts `record` in the place of what was there, which goes, and books the difference. */
export function writeObject(
  transaction: Transaction,
  bucketId: Id<"bucket">,
  key: string,
  record: ObjectRecord,
  booking: { previous: ObjectRecord | undefined; uploadBytes?: number; meter?: Meter | undefined },
): void {
  const { previous } = booking;
  if (previous !== undefined) forget(transaction, bucketId, previous);
  transaction.put("objects", objectKey(bucketId, key), encode(record));
  book(transaction, bucketId, {
    objects: previous === undefined ? 1 : 0,
    sizeBytes: record.sizeBytes - (previous?.sizeBytes ?? 0),
    uploadBytes: booking.uploadBytes ?? 0,
    meter: booking.meter,
  });
}

function forget(transaction: Transaction, bucketId: Id<"bucket">, record: ObjectRecord): void {
  release(transaction, record.content);
  if (record.uploadId !== undefined) transaction.remove("completions", uploadKey(bucketId, record.uploadId));
}

/** True when there was one. */
export function removeObject(transaction: Transaction, bucketId: Id<"bucket">, key: string): boolean {
  const previous = recordAt(transaction, bucketId, key);
  if (previous === undefined) return false;
  forget(transaction, bucketId, previous);
  transaction.remove("objects", objectKey(bucketId, key));
  book(transaction, bucketId, { objects: -1, sizeBytes: -previous.sizeBytes });
  return true;
}

export function createReceived(transaction: Transaction, { contentId, sizeBytes, sums, inline }: Received): void {
  createContent(transaction, contentId, {
    kind: inline === undefined ? "file" : "inline",
    sizeBytes,
    crc32: sums.crc32,
    md5: sums.md5,
    payload: inline ?? Buffer.alloc(0),
  });
}

export const noObject = (): CloudError => notFound("object");
