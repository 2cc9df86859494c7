import { openBucket, type S3Operation } from "../operation.ts";
import { openMultipart } from "./UploadPart.ts";

export const AbortMultipartUpload: S3Operation = async (context) => {
  const bucket = await openBucket(context);
  const { uploadId } = await openMultipart(context, bucket);
  await context.backend.store.uploadAbort(bucket.bucketId, uploadId, { meter: { requestClass: "delete" } });
  return { status: 204 };
};
