import { S3Error } from "../errors.ts";
import { openBucket, type S3Operation } from "../operation.ts";

export const GetBucketPolicy: S3Operation = async (context) => {
  const bucket = await openBucket(context);
  const { policy } = await context.backend.configuration(bucket);
  if (policy === undefined) throw new S3Error("NoSuchBucketPolicy", undefined, { fields: { BucketName: bucket.name } });
  return { status: 200, headers: { "Content-Type": "application/json" }, body: policy.text };
};
