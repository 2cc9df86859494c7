import { S3Error } from "../errors.ts";
import { openBucket, type S3Operation, xmlHeaders } from "../operation.ts";
import { writeWebsite } from "../websiteDocument.ts";

export const GetBucketWebsite: S3Operation = async (context) => {
  const bucket = await openBucket(context);
  const website = await context.backend.website(bucket);
  if (website === undefined)
    throw new S3Error("NoSuchWebsiteConfiguration", undefined, { fields: { BucketName: context.request.bucketName } });
  return { status: 200, headers: xmlHeaders, body: writeWebsite(website) };
};
