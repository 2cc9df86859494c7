import { readDocument } from "../body.ts";
import { openBucket, type S3Context, type S3Operation, type S3Response } from "../operation.ts";
import { readTagging } from "../tagging.ts";
import { openObject, versionHeader } from "../versions.ts";

export const PutObjectTagging: S3Operation = async (context) => {
  const tags = readTagging(await readDocument(context.request, context.body, { maxBytes: 128 * 1024 }), "object");
  context.given = { requestTags: tags };
  return replaceTags(context, tags, 200);
};

export async function replaceTags(context: S3Context, tags: Record<string, string>, status: number): Promise<S3Response> {
  const { request, backend } = context;
  const bucket = await openBucket(context);
  const { versionId } = await openObject(context, bucket);
  const options = { meter: { requestClass: "write" }, ...(versionId !== undefined && { versionId }) } as const;
  const object = await backend.store.mark(bucket.bucketId, request.key, { tags }, options);
  return { status, headers: versionHeader(object) };
}
