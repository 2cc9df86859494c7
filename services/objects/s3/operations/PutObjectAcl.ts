import { objectAccess } from "../access/decide.ts";
import { readAccess } from "../access/writing.ts";
import { openBucket, type S3Operation } from "../operation.ts";
import { openObject, versionHeader } from "../versions.ts";

export const PutObjectAcl: S3Operation = async (context) => {
  const { request, backend } = context;
  const bucket = await openBucket(context);
  const before = await openObject(context, bucket);
  const access = await readAccess(context, bucket, "object", objectAccess(bucket, before));
  const { versionId } = before;
  const options = { meter: { requestClass: "write" }, ...(versionId !== undefined && { versionId }) } as const;
  const object = await backend.store.mark(bucket.bucketId, request.key, { access }, options);
  return { status: 200, headers: versionHeader(object) };
};
