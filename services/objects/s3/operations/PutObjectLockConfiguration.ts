import { readDocument } from "../body.ts";
import { S3Error } from "../errors.ts";
import { readLockConfiguration } from "../locking.ts";
import { openBucket, type S3Operation } from "../operation.ts";

export const PutObjectLockConfiguration: S3Operation = async (context) => {
  const { request, backend, caller } = context;
  const bucket = await openBucket(context);
  const lock = readLockConfiguration(await readDocument(request, context.body, { maxBytes: 64 * 1024 }));
  if ((await backend.store.settings(bucket.bucketId)).versioning !== "enabled")
    throw new S3Error("InvalidBucketState", "Versioning must be 'Enabled' on the bucket to apply a Object Lock configuration");
  await backend.settingsUpdate(caller, bucket, { lock });
  return { status: 200 };
};
