import { readPublicAccessBlock } from "../access/publicAccess.ts";
import { readDocument } from "../body.ts";
import { openBucket, type S3Operation } from "../operation.ts";

export const PutPublicAccessBlock: S3Operation = async (context) => {
  const { request, backend, caller } = context;
  const bucket = await openBucket(context);
  const publicAccessBlock = readPublicAccessBlock(await readDocument(request, context.body, { maxBytes: 64 * 1024 }));
  await backend.configurationUpdate(caller, bucket, { publicAccessBlock });
  return { status: 200 };
};
