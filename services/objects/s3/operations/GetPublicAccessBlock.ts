import { blockIn, writePublicAccessBlock } from "../access/publicAccess.ts";
import { S3Error } from "../errors.ts";
import { openBucket, type S3Operation, xmlHeaders } from "../operation.ts";

export const GetPublicAccessBlock: S3Operation = async (context) => {
  const bucket = await openBucket(context);
  const configuration = await context.backend.configuration(bucket);
  if (configuration.publicAccessBlock === undefined && !configuration.publicForbidden)
    throw new S3Error("NoSuchPublicAccessBlockConfiguration", undefined, { fields: { BucketName: bucket.name } });
  return { status: 200, headers: xmlHeaders, body: writePublicAccessBlock(blockIn(configuration)) };
};
