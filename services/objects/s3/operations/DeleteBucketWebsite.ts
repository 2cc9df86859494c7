import { openBucket, type S3Operation } from "../operation.ts";

export const DeleteBucketWebsite: S3Operation = async (context) => {
  const bucket = await openBucket(context);
  await context.backend.websiteUpdate(context.caller, bucket, undefined);
  return { status: 204 };
};
