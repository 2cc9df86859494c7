import { openBucket, ownerOf, type S3Operation } from "../operation.ts";
import { openObject, versionHeader } from "../versions.ts";
import { requirePrivateAcl } from "./PutBucketAcl.ts";

export const PutObjectAcl: S3Operation = async (context) => {
  const bucket = await openBucket(context, "objects.object.write");
  const object = await openObject(context, bucket);
  await requirePrivateAcl(context, ownerOf(context, bucket));
  return { status: 200, headers: versionHeader(object) };
};
