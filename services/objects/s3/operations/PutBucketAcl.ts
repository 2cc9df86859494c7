import { bucketAccess } from "../access/decide.ts";
import { readAccess } from "../access/writing.ts";
import { openBucket, type S3Operation } from "../operation.ts";

export const PutBucketAcl: S3Operation = async (context) => {
  const { backend, caller } = context;
  const bucket = await openBucket(context);
  const before = bucketAccess(bucket, await backend.configuration(bucket));
  const acl = await readAccess(context, bucket, "bucket", before);
  await backend.configurationUpdate(caller, bucket, { acl });
  return { status: 200 };
};
