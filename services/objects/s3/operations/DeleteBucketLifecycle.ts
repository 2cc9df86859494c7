import { openBucket, type S3Operation } from "../operation.ts";

export const DeleteBucketLifecycle: S3Operation = async (context) => {
  const bucket = await openBucket(context);
  await context.backend.configurationUpdate(context.caller, bucket, { lifecycle: null, smallestTransition: null });
  return { status: 204 };
};
