import { writeCors } from "../corsDocument.ts";
import { S3Error } from "../errors.ts";
import { openBucket, type S3Operation, xmlHeaders } from "../operation.ts";

export const GetBucketCors: S3Operation = async (context) => {
  const bucket = await openBucket(context);
  const { cors } = await context.backend.configuration(bucket);
  if (cors === undefined) throw new S3Error("NoSuchCORSConfiguration", undefined, { fields: { BucketName: bucket.name } });
  return { status: 200, headers: xmlHeaders, body: writeCors(cors) };
};
