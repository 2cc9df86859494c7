import { S3Error } from "../errors.ts";
import { checkVersion, openBucket, ownerOf, type S3Operation, xmlHeaders } from "../operation.ts";
import { aclDocument } from "./GetBucketAcl.ts";

export const GetObjectAcl: S3Operation = async (context) => {
  const { request, backend } = context;
  const bucket = await openBucket(context, "objects.object.read");
  checkVersion(request.query.get("versionId"));
  if (!(await backend.store.head(bucket.bucketId, request.key))) throw new S3Error("NoSuchKey");
  return { status: 200, headers: xmlHeaders, body: aclDocument(ownerOf(context, bucket)) };
};
