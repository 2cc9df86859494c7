import { accessDocument, privateAccess } from "../access/acl.ts";
import { bucketAccess } from "../access/decide.ts";
import { openBucket, type S3Operation, xmlHeaders } from "../operation.ts";

export const GetBucketAcl: S3Operation = async (context) => {
  const bucket = await openBucket(context);
  const configuration = await context.backend.configuration(bucket);
  const counts = configuration.ownership !== "BucketOwnerEnforced";
  const access = counts ? bucketAccess(bucket, configuration) : privateAccess(bucket.owner);
  return { status: 200, headers: xmlHeaders, body: accessDocument(access) };
};
