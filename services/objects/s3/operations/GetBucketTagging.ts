import { S3Error } from "../errors.ts";
import { openBucket, type S3Operation, xmlHeaders } from "../operation.ts";
import { writeTagging } from "../tagging.ts";

export const GetBucketTagging: S3Operation = async (context) => {
  const bucket = await openBucket(context);
  const { tags } = await context.backend.configuration(bucket);
  if (tags === undefined) throw new S3Error("NoSuchTagSet", undefined, { fields: { BucketName: bucket.name } });
  return { status: 200, headers: xmlHeaders, body: writeTagging(tags) };
};
