import { S3Error } from "../errors.ts";
import { openBucket, type S3Operation, xmlHeaders } from "../operation.ts";
import { element, group, xmlDocument } from "../xml.ts";

export const GetBucketOwnershipControls: S3Operation = async (context) => {
  const bucket = await openBucket(context);
  const { ownership } = await context.backend.configuration(bucket);
  if (ownership === undefined)
    throw new S3Error("OwnershipControlsNotFoundError", undefined, { fields: { BucketName: bucket.name } });
  return {
    status: 200,
    headers: xmlHeaders,
    body: xmlDocument("OwnershipControls", group("Rule", element("ObjectOwnership", ownership))),
  };
};
