import { accessDocument, privateAccess } from "../access/acl.ts";
import { objectAccess } from "../access/decide.ts";
import { openBucket, type S3Operation, xmlHeaders } from "../operation.ts";
import { openObject, versionHeader } from "../versions.ts";

export const GetObjectAcl: S3Operation = async (context) => {
  const bucket = await openBucket(context);
  const object = await openObject(context, bucket, "missing");
  const { ownership } = await context.backend.configuration(bucket);
  const access = ownership === "BucketOwnerEnforced" ? privateAccess(bucket.owner) : objectAccess(bucket, object);
  return { status: 200, headers: { ...xmlHeaders, ...versionHeader(object) }, body: accessDocument(access) };
};
