import type { Deletion, StoredObject } from "../../driver.ts";
import type { S3Bucket } from "../backend.ts";
import { preconditionFailed, unquote } from "../conditions.ts";
import { invalidArgument, S3Error, toS3Error } from "../errors.ts";
import { bypassAsked } from "../locking.ts";
import { checkKey, openBucket, type S3Context, type S3Operation } from "../operation.ts";
import { askedVersion, versionHeader } from "../versions.ts";

/** What must hold for an object to be deleted, each as the client wrote it. */
export interface DeleteConditions {
  etag?: string | undefined;
  sizeBytes?: string | undefined;
  modifiedAt?: string | undefined;
}

export const DeleteObject: S3Operation = async (context) => {
  const { request } = context;
  const bucket = await openBucket(context);
  checkKey(request.key);
  const asked = askedVersion(request);
  const options = { ...asked, bypassGovernance: await bypassAsked(context, bucket) };
  const deletion = await deleteWhen(context, bucket, request.key, options, {
    etag: request.headers.get("if-match"),
    sizeBytes: request.headers.get("x-amz-if-match-size"),
    modifiedAt: request.headers.get("x-amz-if-match-last-modified-time"),
  });
  return {
    status: 204,
    headers: { ...versionHeader(deletion ?? asked), ...(deletion?.marker && { "x-amz-delete-marker": "true" }) },
  };
};

/** Deletes one object if the conditions hold. There being none is what a deletion wants, so then they do not matter. */
export async function deleteWhen(
  context: S3Context,
  bucket: S3Bucket,
  key: string,
  options: { versionId?: string; bypassGovernance: boolean },
  conditions: DeleteConditions,
): Promise<Deletion | undefined> {
  const { store } = context.backend;
  let ifMatch = conditions.etag === undefined ? undefined : unquote(conditions.etag);
  if (conditions.sizeBytes !== undefined || conditions.modifiedAt !== undefined) {
    const object = await store.head(bucket.bucketId, key, options);
    if (!object) return await nothingThere(context, bucket, key, options, conditions);
    if (ifMatch !== undefined && ifMatch !== "*" && ifMatch !== object.etag) throw preconditionFailed("If-Match");
    checkState(object, conditions);
    // What was looked at is what may be deleted.
    ifMatch = object.etag;
  }
  try {
    return await store.delete(bucket.bucketId, key, {
      ...options,
      ...(ifMatch === undefined ? {} : { ifMatch }),
      meter: { requestClass: "delete" },
    });
  } catch (error) {
    if (toS3Error(error).code !== "NoSuchKey") throw error;
    return await nothingThere(context, bucket, key, options, conditions);
  }
}

/** No object: fine, unless a delete marker is there, which is not what the client saw. */
async function nothingThere(
  { backend }: S3Context,
  bucket: S3Bucket,
  key: string,
  asked: { versionId?: string },
  { etag, sizeBytes, modifiedAt }: DeleteConditions,
): Promise<undefined> {
  if (sizeBytes === undefined && modifiedAt === undefined && etag !== undefined && unquote(etag) === "*") return;
  if ((await backend.store.marker(bucket.bucketId, key, asked)) !== undefined) throw preconditionFailed("If-Match");
}

function checkState(object: StoredObject, { sizeBytes, modifiedAt }: DeleteConditions): void {
  if (sizeBytes !== undefined) {
    if (!/^\d{1,15}$/.test(sizeBytes)) throw invalidArgument("x-amz-if-match-size", sizeBytes, "The size is not a number.");
    if (Number(sizeBytes) !== object.sizeBytes)
      throw new S3Error("PreconditionFailed", undefined, { fields: { Condition: "x-amz-if-match-size" } });
  }
  if (modifiedAt !== undefined) {
    const timeMs = Date.parse(modifiedAt);
    if (Number.isNaN(timeMs)) throw invalidArgument("x-amz-if-match-last-modified-time", modifiedAt, "The time is not a date.");
    // Clients know the time from Last-Modified, in whole seconds.
    if (Math.floor(timeMs / 1000) !== Math.floor(object.modifiedAtMs / 1000))
      throw preconditionFailed("x-amz-if-match-last-modified-time");
  }
}
