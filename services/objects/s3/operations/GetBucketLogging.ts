import { writeLogging } from "../loggingDocument.ts";
import { openBucket, type S3Operation, xmlHeaders } from "../operation.ts";

export const GetBucketLogging: S3Operation = async (context) => {
  const bucket = await openBucket(context);
  const { logging } = await context.backend.configuration(bucket);
  return { status: 200, headers: xmlHeaders, body: writeLogging(logging) };
};
