import { S3Error } from "../errors.ts";
import { writeLockConfiguration } from "../locking.ts";
import { openBucket, type S3Operation, xmlHeaders } from "../operation.ts";

export const GetObjectLockConfiguration: S3Operation = async (context) => {
  const bucket = await openBucket(context);
  const { lock } = await context.backend.store.settings(bucket.bucketId);
  if (lock === undefined)
    throw new S3Error("ObjectLockConfigurationNotFoundError", undefined, { fields: { BucketName: bucket.name } });
  return { status: 200, headers: xmlHeaders, body: writeLockConfiguration(lock) };
};
