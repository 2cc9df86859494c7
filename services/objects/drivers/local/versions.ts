import { CloudError } from "../../../../kernel/errors.ts";
import type { Id } from "../../../../kernel/ids.ts";
import { randomPiece } from "../../../../kernel/randomPiece.ts";
import { type BucketSettings, type DeleteMarker, type Retention, withChange } from "../../driver.ts";
import { book } from "./accounts.ts";
import { release } from "./contents.ts";
import type { Transaction } from "./database.ts";
import { afterPrefix, objectKey, uploadKey, versionKey, versionsOf } from "./keys.ts";
import { decode, encode, isMarker, type MarkerRecord, type ObjectRecord, type VersionRecord } from "./records.ts";

/**
 * Versions of objects. What the listing shows is in the table "objects" and is the newest version of its key; older ones are in
 * "versions", and so are all delete markers. Hence a key without a record in "objects" has no version, or a marker as its newest.
 */

type View = Pick<Transaction, "get" | "range">;

const unversioned: BucketSettings = { versioning: "never" };

export function settingsIn(index: Pick<Transaction, "get">, bucketId: Id<"bucket">): BucketSettings {
  const stored = index.get("settings", Buffer.from(bucketId));
  return stored ? decode<BucketSettings>(stored) : unversioned;
}

export const isVersioned = (index: Pick<Transaction, "get">, bucketId: Id<"bucket">): boolean =>
  settingsIn(index, bucketId).versioning !== "never";

export function changeSettings(
  transaction: Transaction,
  bucketId: Id<"bucket">,
  change: Parameters<typeof withChange>[1],
): BucketSettings {
  const settings = withChange(settingsIn(transaction, bucketId), change);
  transaction.put("settings", Buffer.from(bucketId), encode(settings));
  return settings;
}

/** A millisecond has room for so many versions of one key before they borrow from the next. */
const ordersPerMs = 1024;
export const orderOf = (record: VersionRecord): number => record.order ?? record.modifiedAtMs * ordersPerMs;

/** Its order, so that it is found by its id, and random bytes, so that no id is given twice. */
function newVersionId(order: number): string {
  const id = Buffer.alloc(16);
  id.writeBigUInt64BE(BigInt(order));
  randomPiece(8).copy(id, 8);
  return id.toString("hex");
}
const versionIdForm = /^00[0-9a-f]{30}$/;
export const orderIn = (versionId: string): number | undefined =>
  versionIdForm.test(versionId) ? Number(BigInt(`0x${versionId.slice(0, 16)}`)) : undefined;

export function currentRecord(index: Pick<Transaction, "get">, bucketId: Id<"bucket">, key: string): ObjectRecord | undefined {
  const stored = index.get("objects", objectKey(bucketId, key));
  return stored && decode<ObjectRecord>(stored);
}

/** The newest of the versions that are not in the listing. */
function newestAside(index: View, bucketId: Id<"bucket">, key: string): VersionRecord | undefined {
  const start = versionsOf(bucketId, key);
  const [newest] = index.range("versions", start, afterPrefix(start), 1);
  return newest && decode<VersionRecord>(newest.value);
}

export const nullOrder = (index: Pick<Transaction, "get">, bucketId: Id<"bucket">, key: string): number | undefined => {
  const stored = index.get("nullVersions", objectKey(bucketId, key));
  return stored && decode<number>(stored);
};

/** A version by its id, "null", or without one the current object. */
export function findVersion(
  index: Pick<Transaction, "get">,
  bucketId: Id<"bucket">,
  key: string,
  versionId: string | undefined,
): { record: VersionRecord; isCurrent: boolean } | undefined {
  const current = currentRecord(index, bucketId, key);
  if (current !== undefined && (versionId === undefined || versionId === (current.versionId ?? "null")))
    return { record: current, isCurrent: true };
  if (versionId === undefined) return undefined;
  const order = versionId === "null" ? nullOrder(index, bucketId, key) : orderIn(versionId);
  const stored = order === undefined ? undefined : index.get("versions", versionKey(bucketId, key, order));
  const record = stored && decode<VersionRecord>(stored);
  return record && (record.versionId ?? "null") === versionId ? { record, isCurrent: false } : undefined;
}

export function findMarker(
  index: View,
  bucketId: Id<"bucket">,
  key: string,
  versionId: string | undefined,
): DeleteMarker | undefined {
  const hidden = versionId === undefined && currentRecord(index, bucketId, key) === undefined;
  const record = hidden ? newestAside(index, bucketId, key) : findVersion(index, bucketId, key, versionId)?.record;
  return record && isMarker(record) ? markerOf(key, record) : undefined;
}

export const markerOf = (key: string, { versionId = "null", modifiedAtMs }: MarkerRecord): DeleteMarker => ({
  key,
  versionId,
  modifiedAtMs,
});

const sizeOf = (record: VersionRecord): number => (isMarker(record) ? 0 : record.sizeBytes);

function putAside(transaction: Transaction, bucketId: Id<"bucket">, key: string, record: VersionRecord): void {
  const order = orderOf(record);
  transaction.put("versions", versionKey(bucketId, key, order), encode({ ...record, order }));
  if (record.versionId === undefined) transaction.put("nullVersions", objectKey(bucketId, key), encode(order));
  book(transaction, bucketId, { versions: 1, versionBytes: sizeOf(record) });
}

function takeAside(transaction: Transaction, bucketId: Id<"bucket">, key: string, record: VersionRecord): void {
  transaction.remove("versions", versionKey(bucketId, key, orderOf(record)));
  if (record.versionId === undefined) transaction.remove("nullVersions", objectKey(bucketId, key));
  book(transaction, bucketId, { versions: -1, versionBytes: -sizeOf(record) });
}

/** The bytes of a version that is in no table any more. */
export function forget(transaction: Transaction, bucketId: Id<"bucket">, record: VersionRecord): void {
  if (isMarker(record)) return;
  release(transaction, record.content);
  if (record.uploadId !== undefined) transaction.remove("completions", uploadKey(bucketId, record.uploadId));
}

/**
 * Makes room for a new version, as the bucket's setting wants it: what was current is kept as a version, or goes. The caller has
 * taken it out of the listing's totals. Answers what makes the new one its version.
 */
export function makeRoom(
  transaction: Transaction,
  bucketId: Id<"bucket">,
  key: string,
  previous: ObjectRecord | undefined,
): { versionId?: string; order?: number } {
  const { versioning } = settingsIn(transaction, bucketId);
  if (versioning === "never") {
    if (previous !== undefined) forget(transaction, bucketId, previous);
    return {};
  }
  const newest = previous ?? newestAside(transaction, bucketId, key);
  const order = Math.max(transaction.nowMs * ordersPerMs, newest === undefined ? 0 : orderOf(newest) + 1);
  if (versioning === "enabled") {
    if (previous !== undefined) putAside(transaction, bucketId, key, previous);
    return { versionId: newVersionId(order), order };
  }
  if (previous !== undefined && previous.versionId === undefined) forget(transaction, bucketId, previous);
  else {
    const older = findVersion(transaction, bucketId, key, "null");
    if (older !== undefined) {
      takeAside(transaction, bucketId, key, older.record);
      forget(transaction, bucketId, older.record);
    }
    if (previous !== undefined) putAside(transaction, bucketId, key, previous);
  }
  return { order };
}

export function putMarker(
  transaction: Transaction,
  bucketId: Id<"bucket">,
  key: string,
  previous: ObjectRecord | undefined,
): MarkerRecord {
  const { order = 0, versionId } = makeRoom(transaction, bucketId, key, previous);
  const marker: MarkerRecord = {
    marker: true,
    modifiedAtMs: transaction.nowMs,
    order,
    ...(versionId !== undefined && { versionId }),
  };
  putAside(transaction, bucketId, key, marker);
  return marker;
}

/** Takes one version away for good. What is then the newest becomes the current object, if it is one. */
export function removeVersion(
  transaction: Transaction,
  bucketId: Id<"bucket">,
  key: string,
  { record, isCurrent }: { record: VersionRecord; isCurrent: boolean },
): void {
  if (isCurrent) {
    transaction.remove("objects", objectKey(bucketId, key));
    book(transaction, bucketId, { objects: -1, sizeBytes: -sizeOf(record) });
  } else takeAside(transaction, bucketId, key, record);
  forget(transaction, bucketId, record);
  if (!isCurrent && currentRecord(transaction, bucketId, key) !== undefined) return;
  const newest = newestAside(transaction, bucketId, key);
  if (newest === undefined || isMarker(newest)) return;
  takeAside(transaction, bucketId, key, newest);
  transaction.put("objects", objectKey(bucketId, key), encode(newest));
  book(transaction, bucketId, { objects: 1, sizeBytes: newest.sizeBytes });
}

export function rewriteVersion(
  transaction: Transaction,
  bucketId: Id<"bucket">,
  key: string,
  { record, isCurrent }: { record: ObjectRecord; isCurrent: boolean },
): void {
  if (isCurrent) transaction.put("objects", objectKey(bucketId, key), encode(record));
  else transaction.put("versions", versionKey(bucketId, key, orderOf(record)), encode(record));
}

const locked = (why: string): CloudError =>
  new CloudError("permission_denied", `This version is locked: ${why}.`, {
    details: { resource: "object", reason: "object_locked" },
  });

/** Why a version must stay; undefined when it may go. */
export function lockOf(record: VersionRecord, nowMs: number, bypassGovernance: boolean): CloudError | undefined {
  if (isMarker(record)) return undefined;
  if (record.legalHold) return locked("it is under legal hold. End that first");
  const { retention } = record;
  if (retention === undefined || retention.untilMs <= nowMs) return undefined;
  const until = new Date(retention.untilMs).toISOString();
  if (retention.mode === "compliance") return locked(`it is retained until ${until}, and nobody can shorten that`);
  return bypassGovernance ? undefined : locked(`it is retained until ${until}, but for who may bypass governance retention`);
}

/** A retention may always become longer; shorter or weaker only where one may bypass it. */
export function checkRetention(
  before: Retention | undefined,
  after: Retention | null,
  nowMs: number,
  bypassGovernance: boolean,
): void {
  if (before === undefined || before.untilMs <= nowMs) return;
  const keeps = after !== null && after.untilMs >= before.untilMs && after.mode === before.mode;
  if (keeps || (before.mode === "governance" && bypassGovernance)) return;
  throw locked(`its retention until ${new Date(before.untilMs).toISOString()} can only be made longer`);
}
