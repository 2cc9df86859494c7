import { S3Error } from "../errors.ts";
import { smallestTransition, writeLifecycle } from "../lifecycleDocument.ts";
import { openBucket, type S3Operation, xmlHeaders } from "../operation.ts";

export const GetBucketLifecycleConfiguration: S3Operation = async (context) => {
  const bucket = await openBucket(context);
  const { lifecycle, smallestTransition: smallest } = await context.backend.configuration(bucket);
  if (lifecycle === undefined)
    throw new S3Error("NoSuchLifecycleConfiguration", undefined, { fields: { BucketName: bucket.name } });
  return { status: 200, headers: { ...xmlHeaders, ...smallestTransition(smallest) }, body: writeLifecycle(lifecycle) };
};
