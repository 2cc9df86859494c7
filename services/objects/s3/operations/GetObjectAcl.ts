import { openBucket, ownerOf, type S3Operation, xmlHeaders } from "../operation.ts";
import { openObject, versionHeader } from "../versions.ts";
import { aclDocument } from "./GetBucketAcl.ts";

export const GetObjectAcl: S3Operation = async (context) => {
  const bucket = await openBucket(context, "objects.object.read");
  const object = await openObject(context, bucket);
  return { status: 200, headers: { ...xmlHeaders, ...versionHeader(object) }, body: aclDocument(ownerOf(context, bucket)) };
};
