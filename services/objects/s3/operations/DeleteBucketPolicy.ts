import { openBucket, type S3Operation } from "../operation.ts";

export const DeleteBucketPolicy: S3Operation = async (context) => {
  const bucket = await openBucket(context);
  await context.backend.configurationUpdate(context.caller, bucket, { policy: null });
  return { status: 204 };
};
