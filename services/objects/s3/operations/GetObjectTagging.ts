import { openBucket, type S3Operation, xmlHeaders } from "../operation.ts";
import { writeTagging } from "../tagging.ts";
import { openObject, versionHeader } from "../versions.ts";

export const GetObjectTagging: S3Operation = async (context) => {
  const bucket = await openBucket(context);
  const object = await openObject(context, bucket);
  return { status: 200, headers: { ...xmlHeaders, ...versionHeader(object) }, body: writeTagging(object.tags) };
};
