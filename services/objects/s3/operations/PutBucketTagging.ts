import { readDocument } from "../body.ts";
import { openBucket, type S3Operation } from "../operation.ts";
import { readTagging } from "../tagging.ts";

export const PutBucketTagging: S3Operation = async (context) => {
  const { request, backend, caller } = context;
  const bucket = await openBucket(context);
  const tags = readTagging(await readDocument(request, context.body, { maxBytes: 128 * 1024 }), "bucket");
  await backend.configurationUpdate(caller, bucket, { tags: Object.keys(tags).length > 0 ? tags : null });
  return { status: 204 };
};
