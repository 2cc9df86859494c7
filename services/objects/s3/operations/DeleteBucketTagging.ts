import { openBucket, type S3Operation } from "../operation.ts";

export const DeleteBucketTagging: S3Operation = async (context) => {
  const bucket = await openBucket(context);
  await context.backend.configurationUpdate(context.caller, bucket, { tags: null });
  return { status: 204 };
};
