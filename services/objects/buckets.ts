import type { Place } from "../../kernel/auth/principal.ts";
import { isoTime } from "../../kernel/clock.ts";
import type { Tx } from "../../kernel/db/database.ts";
import { CloudError, notFound } from "../../kernel/errors.ts";
import { type Id, newId } from "../../kernel/ids.ts";
import { hasActiveOperation } from "../../kernel/operations/store.ts";
import { reserveQuota } from "../../kernel/quota.ts";
import { publicReach } from "./access/reach.ts";
import type { Bucket } from "./contract.ts";
import type { ObjectStore } from "./driver.ts";
import { announceBucket, type BucketRow, bucketStore, holdStore } from "./store.ts";

export const placeOf = (bucket: BucketRow): Place => ({ organisationId: bucket.organisationId, projectId: bucket.projectId });

export const resourceOf = (bucket: BucketRow) => ({ kind: "bucket", id: bucket.id, name: bucket.name });

/** What the audit log and operations need to know of a bucket. */
export const subjectOf = (bucket: BucketRow) => ({
  organisationId: bucket.organisationId,
  projectId: bucket.projectId,
  resource: resourceOf(bucket),
});

/** In the request's transaction: the quota, the row, the event. The store makes its bucket with the first object. */
export async function createBucket(
  tx: Tx,
  place: { organisationId: string; projectId: string },
  name: string,
): Promise<BucketRow> {
  await reserveQuota(tx, place, "objects.buckets", 1);
  const bucket: BucketRow = {
    id: newId("bucket"),
    organisationId: place.organisationId as Id<"organisation">,
    projectId: place.projectId as Id<"project">,
    name,
    trashBucketId: newId("bucket"),
    state: "active",
    createdAt: new Date(),
    revision: 1,
  };
  if (await bucketStore.insert(tx, bucket)) return bucket;
  const there = await bucketStore.find(tx, name);
  const own = there?.projectId === place.projectId;
  throw new CloudError(
    "already_exists",
    own
      ? `This project has a bucket ${name} already.`
      : `The name ${name} is taken. Names of buckets are unique in the whole cloud: choose another.`,
    { details: { resource: "bucket", reason: own ? "bucket_owned_by_you" : "bucket_name_taken" } },
  );
}

const notEmpty = (reason: string, message: string, details: { trash?: true } = {}): CloudError =>
  new CloudError("failed_precondition", message, { details: { resource: "bucket", reason, ...details } });

/**
 * In a transaction of its own or the request's. The store drops its part as the last thing before the commit: a crash in between
 * leaves an empty bucket that is still there, never bytes that nobody owns.
 */
export async function deleteBucket(tx: Tx, store: ObjectStore, id: string): Promise<BucketRow> {
  const bucket = await bucketStore.lock(tx, id);
  if (!bucket) throw notFound("bucket");
  await checkHolds(tx, bucket);
  if (bucket.state !== "active" || (await hasActiveOperation(tx, bucket.id))) throw underWay();
  const [held, trash] = await Promise.all([store.totals(bucket.id), store.totals(bucket.trashBucketId)]);
  if (held.objects > 0) {
    throw notEmpty(
      "bucket_not_empty",
      `The bucket ${bucket.name} is not empty: it holds ${held.objects} objects. Empty it first.`,
    );
  }
  if (held.versions > 0) {
    throw notEmpty(
      "bucket_not_empty",
      `The bucket ${bucket.name} is not empty: it holds ${held.versions} old versions and delete markers. Empty it first.`,
    );
  }
  if (trash.objects > 0) {
    throw notEmpty(
      "bucket_not_empty",
      `The trash of the bucket ${bucket.name} still holds ${trash.objects} objects. Empty the bucket, which deletes them for good, in the console or with: khmara bucket empty ${bucket.name}`,
      { trash: true },
    );
  }
  await removeBucket(tx, store, bucket);
  return bucket;
}

/** failed_precondition with the names of whoever needs it. In the transaction that has locked the bucket. */
export async function checkHolds(tx: Tx, bucket: Pick<BucketRow, "id" | "name">): Promise<void> {
  const holders = await holdStore.names(tx, bucket.id);
  if (holders.length === 0) return;
  const shown = holders.length > 3 ? `${holders.slice(0, 3).join(", ")} and ${holders.length - 3} more` : holders.join(", ");
  throw new CloudError(
    "failed_precondition",
    `The bucket ${bucket.name} is in use: ${shown}. Take it away from there first (an app has it among its links), then delete it.`,
    { details: { resource: "bucket", reason: "bucket_held", holders } },
  );
}

/** Last before the commit, like all that the store does. */
export async function changeSettings(
  tx: Tx,
  store: ObjectStore,
  id: string,
  change: Parameters<ObjectStore["settingsUpdate"]>[1],
): Promise<BucketRow> {
  const bucket = await bucketStore.lock(tx, id);
  if (!bucket || bucket.state === "deleting") throw notFound("bucket");
  await announceBucket(tx, bucket);
  tx.beforeCommit(async () => {
    await store.settingsUpdate(bucket.id, change);
  });
  return bucket;
}

/** The rest of the deletion, once it is sure. */
export async function removeBucket(tx: Tx, store: ObjectStore, bucket: BucketRow): Promise<void> {
  await bucketStore.delete(tx, bucket);
  await reserveQuota(tx, bucket, "objects.buckets", -1);
  tx.beforeCommit(async () => {
    await store.bucketDrop(bucket.id);
    await store.bucketDrop(bucket.trashBucketId);
  });
}

export const underWay = (): CloudError =>
  new CloudError("failed_precondition", "Work on this bucket is under way. Wait until it is finished, or cancel it.", {
    details: { resource: "bucket", reason: "operation_active", retryAfterSeconds: 5 },
  });

/** A bucket that is being emptied takes no changes; one that is being deleted is gone for whoever writes. */
export function checkWritable(bucket: BucketRow): void {
  if (bucket.state === "deleting") throw notFound("bucket");
  if (bucket.state === "emptying") throw underWay();
}

export async function viewBucket(store: ObjectStore, bucket: BucketRow): Promise<Bucket> {
  const [held, trash] = await Promise.all([store.totals(bucket.id), store.totals(bucket.trashBucketId)]);
  return {
    id: bucket.id,
    projectId: bucket.projectId,
    organisationId: bucket.organisationId,
    name: bucket.name,
    objects: held.objects,
    sizeBytes: held.sizeBytes,
    versions: held.versions,
    versionBytes: held.versionBytes,
    uploadBytes: held.uploadBytes,
    trashObjects: trash.objects,
    trashBytes: trash.sizeBytes,
    publicReach: publicReach(bucket),
    createdAt: isoTime(bucket.createdAt),
    revision: bucket.revision,
  };
}
