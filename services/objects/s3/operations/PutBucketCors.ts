import { readDocument } from "../body.ts";
import { corsDocumentBytes, readCors } from "../corsDocument.ts";
import { openBucket, type S3Operation } from "../operation.ts";

export const PutBucketCors: S3Operation = async (context) => {
  const { request, backend, caller } = context;
  const bucket = await openBucket(context);
  const cors = readCors(await readDocument(request, context.body, { maxBytes: corsDocumentBytes }));
  await backend.configurationUpdate(caller, bucket, { cors });
  return { status: 200 };
};
