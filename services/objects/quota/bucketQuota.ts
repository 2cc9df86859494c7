import { CloudError } from "../../../kernel/errors.ts";
import type { ObjectStore } from "../driver.ts";
import type { BucketRow } from "../store.ts";

/** What a bucket may hold at the most; absent: no limit of its own. */
export interface BucketQuota {
  bytes?: number;
  objects?: number;
}

/** All that is kept for a bucket, its trash too. */
export async function heldIn(store: ObjectStore, bucket: Pick<BucketRow, "id" | "trashBucketId">) {
  const both = await Promise.all([store.totals(bucket.id), store.totals(bucket.trashBucketId)]);
  return {
    bytes: both.reduce((sum, each) => sum + each.sizeBytes + each.versionBytes + each.uploadBytes, 0),
    objects: both.reduce((sum, each) => sum + each.objects + each.versions, 0),
  };
}

/**
 * quota_exceeded when that many bytes more, or one object, do not fit besides what is held. Objects on their way are not counted, as the parts
 * of one are many.
 */
export function checkBucketQuota(
  { name, configuration }: Pick<BucketRow, "name" | "configuration">,
  held: { bytes: number; objects: number },
  more: number,
): void {
  const { bytes = Number.POSITIVE_INFINITY, objects = Number.POSITIVE_INFINITY } = configuration?.quota ?? {};
  const advice = "Delete what is not needed, its trash and old versions too, or ask for a higher limit.";
  if (held.bytes + more > bytes)
    throw full(bytes, `The bucket ${name} may hold ${bytes} bytes and has ${held.bytes}: ${more} more do not fit. ${advice}`);
  if (held.objects >= objects)
    throw full(objects, `The bucket ${name} may hold ${objects} objects and has ${held.objects}: no more fits. ${advice}`);
}

const full = (limit: number, message: string): CloudError =>
  new CloudError("quota_exceeded", message, { details: { quota: "objects.bucket", limit, scope: "bucket" } });
