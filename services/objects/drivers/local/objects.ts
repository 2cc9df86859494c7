import { CloudError, notFound } from "../../../../kernel/errors.ts";
import type { Id } from "../../../../kernel/ids.ts";
import type { DeleteOptions, Deletion, Meter, ObjectMarks, ObjectStore, Preconditions, StoredObject } from "../../driver.ts";
import { book } from "./accounts.ts";
import { encodeBlockSums } from "./blockSums.ts";
import { contentIn, createContent, partsIn } from "./contents.ts";
import type { Transaction } from "./database.ts";
import { objectKey } from "./keys.ts";
import type { Received } from "./receive.ts";
import { encode, isMarker, type MarkerRecord, marksOf, type ObjectRecord, storedObject, type VersionRecord } from "./records.ts";
import {
  checkRetention,
  currentRecord,
  findVersion,
  isVersioned,
  lockOf,
  makeRoom,
  putMarker,
  removeVersion,
  rewriteVersion,
  settingsIn,
} from "./versions.ts";

/** What the transactions that write objects have in common. */
export const recordAt = currentRecord;

/** An object, of a version where one is asked for; a delete marker is none. */
export function objectAt(
  index: Pick<Transaction, "get">,
  bucketId: Id<"bucket">,
  key: string,
  versionId: string | undefined,
): ObjectRecord | undefined {
  if (versionId === undefined) return currentRecord(index, bucketId, key);
  const record = findVersion(index, bucketId, key, versionId)?.record;
  return record === undefined || isMarker(record) ? undefined : record;
}

export function checkPreconditions(
  current: Pick<ObjectRecord, "etag"> | MarkerRecord | undefined,
  { ifMatch, ifNoneMatch }: Preconditions,
): void {
  const etag = current === undefined || "marker" in current ? undefined : current.etag;
  const fails =
    (ifMatch !== undefined && (etag === undefined || (ifMatch !== "*" && ifMatch !== etag))) ||
    (ifNoneMatch !== undefined && etag !== undefined && (ifNoneMatch === "*" || ifNoneMatch === etag));
  if (fails)
    throw new CloudError("precondition_failed", "The object is not in the state that the request asked for.", {
      details: { resource: "object", exists: etag !== undefined },
    });
}

export function checkDeletable(found: VersionRecord | undefined, options: DeleteOptions): void {
  checkPreconditions(found, options);
  if (found !== undefined) checkNotLater(found, options.notAfterMs);
}

function checkNotLater({ modifiedAtMs }: VersionRecord, notAfterMs = Number.POSITIVE_INFINITY): void {
  if (modifiedAtMs > notAfterMs)
    throw new CloudError("precondition_failed", "The object was written again meanwhile.", { details: { resource: "object" } });
}

const dayMs = 24 * 3_600_000;
const daysOf = ({ days, years = 0 }: { days?: number | undefined; years?: number | undefined }): number => days ?? years * 365;

/** What a new version is marked with: what was asked for, and the bucket's retention where none was. */
export function newMarks(transaction: Transaction, bucketId: Id<"bucket">, asked: ObjectMarks): ObjectMarks {
  const standard = settingsIn(transaction, bucketId).lock?.retention;
  return marksOf({
    ...asked,
    ...(asked.retention === undefined &&
      standard !== undefined && {
        retention: { mode: standard.mode, untilMs: transaction.nowMs + daysOf(standard) * dayMs },
      }),
  });
}

/** Makes `record` the current object, and of what was there what the bucket's versioning wants; books the difference. */
export function writeObject(
  transaction: Transaction,
  bucketId: Id<"bucket">,
  key: string,
  record: ObjectRecord,
  booking: { previous: ObjectRecord | undefined; uploadBytes?: number; meter?: Meter | undefined },
): ObjectRecord {
  const { previous } = booking;
  const written = { ...record, ...makeRoom(transaction, bucketId, key, previous) };
  transaction.put("objects", objectKey(bucketId, key), encode(written));
  book(transaction, bucketId, {
    objects: previous === undefined ? 1 : 0,
    sizeBytes: record.sizeBytes - (previous?.sizeBytes ?? 0),
    uploadBytes: booking.uploadBytes ?? 0,
    meter: booking.meter,
  });
  return written;
}

/** Why this cannot be deleted; undefined when it can, or when there is nothing to delete. */
export function refusal(
  transaction: Transaction,
  bucketId: Id<"bucket">,
  key: string,
  { versionId, bypassGovernance = false }: DeleteOptions,
): CloudError | undefined {
  if (versionId === undefined) return undefined;
  const found = findVersion(transaction, bucketId, key, versionId);
  return found && lockOf(found.record, transaction.nowMs, bypassGovernance);
}

export function deleteObject(
  transaction: Transaction,
  bucketId: Id<"bucket">,
  key: string,
  versionId: string | undefined,
): Deletion | undefined {
  const versioned = isVersioned(transaction, bucketId);
  if (versionId === undefined && versioned) {
    const previous = currentRecord(transaction, bucketId, key);
    const marker = putMarker(transaction, bucketId, key, previous);
    if (previous !== undefined) {
      transaction.remove("objects", objectKey(bucketId, key));
      book(transaction, bucketId, { objects: -1, sizeBytes: -previous.sizeBytes });
    }
    return { key, versionId: marker.versionId ?? "null", marker: true };
  }
  const found = findVersion(transaction, bucketId, key, versionId);
  if (found === undefined) return undefined;
  removeVersion(transaction, bucketId, key, found);
  const { record } = found;
  return { key, ...(versioned && { versionId: record.versionId ?? "null" }), marker: isMarker(record) };
}

export function markObject(
  transaction: Transaction,
  bucketId: Id<"bucket">,
  key: string,
  { tags, retention, legalHold, access, storageClass }: Parameters<ObjectStore["mark"]>[2],
  { versionId, bypassGovernance = false, notAfterMs, meter }: NonNullable<Parameters<ObjectStore["mark"]>[3]>,
): StoredObject {
  const found = findVersion(transaction, bucketId, key, versionId);
  if (found === undefined || isMarker(found.record)) throw noObject();
  const { record, isCurrent } = found;
  checkNotLater(record, notAfterMs);
  if (retention !== undefined) checkRetention(record.retention, retention, transaction.nowMs, bypassGovernance);
  const { tags: oldTags, retention: oldRetention, legalHold: oldHold, access: oldAccess, ...rest } = record;
  const shared = access === null ? undefined : (access ?? oldAccess);
  const kept = retention === null ? undefined : (retention ?? oldRetention);
  const hold = legalHold ?? oldHold;
  const marked: ObjectRecord = {
    ...rest,
    ...(storageClass !== undefined && { headers: { ...rest.headers, storageClass } }),
    ...marksOf({
      tags: tags ?? oldTags ?? {},
      ...(hold !== undefined && { legalHold: hold }),
      ...(kept !== undefined && { retention: kept }),
      ...(shared !== undefined && { access: shared }),
    }),
  };
  rewriteVersion(transaction, bucketId, key, { record: marked, isCurrent });
  if (meter !== undefined) book(transaction, bucketId, { meter });
  return storedObject(key, marked, partsIn(contentIn(transaction, marked.content)), isVersioned(transaction, bucketId));
}

export function createReceived(transaction: Transaction, received: Received): void {
  const { contentId, kind, sizeBytes, sums, inline, sealedKey } = received;
  createContent(transaction, contentId, {
    kind,
    sizeBytes,
    crc32: sums.crc32,
    md5: sealedKey === undefined ? sums.md5 : Buffer.alloc(16),
    payload: inline ?? (sums.blocks.length > 0 ? encodeBlockSums(sums.blocks) : Buffer.alloc(0)),
    sealedKey,
  });
}

export const noObject = (): CloudError => notFound("object");
