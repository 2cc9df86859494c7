import type { BucketConfiguration } from "../configuration.ts";
import type { StoredObject, Upload } from "../driver.ts";
import { abortOf, expiryOf } from "../lifecycle/rules.ts";
import type { S3Bucket } from "./backend.ts";
import type { S3Context } from "./operation.ts";

/** When a lifecycle rule will take the current object, and which (GetObject, x-amz-expiration); nothing when none will. */
export async function expirationHeader(
  { backend }: S3Context,
  bucket: S3Bucket,
  object: StoredObject,
): Promise<Record<string, string>> {
  // The object is stored or open by now: a bucket that vanishes at this moment must not make a failure of that.
  const { lifecycle }: BucketConfiguration = await backend.configuration(bucket).catch(() => ({}));
  const expiry = lifecycle && expiryOf(lifecycle, object);
  if (expiry === undefined) return {};
  const date = new Date(expiry.atMs).toUTCString();
  return { "x-amz-expiration": `expiry-date="${date}", rule-id="${encodeURIComponent(expiry.ruleId)}"` };
}

/** When a lifecycle rule will give up the upload, and which (CreateMultipartUpload, x-amz-abort-date). */
export async function abortHeaders({ backend }: S3Context, bucket: S3Bucket, upload: Upload): Promise<Record<string, string>> {
  const { lifecycle }: BucketConfiguration = await backend.configuration(bucket).catch(() => ({}));
  const abort = lifecycle && abortOf(lifecycle, upload);
  if (abort === undefined) return {};
  return {
    "x-amz-abort-date": new Date(abort.atMs).toUTCString(),
    "x-amz-abort-rule-id": encodeURIComponent(abort.ruleId),
  };
}
