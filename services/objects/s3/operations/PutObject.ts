import { openUpload } from "../body.ts";
import { checksumHeaders } from "../checksums.ts";
import { writeConditions } from "../conditions.ts";
import { keptHeaders, keptMetadata, quote } from "../objectHeaders.ts";
import { checkKey, openBucket, type S3Operation } from "../operation.ts";
import { refuseUnsupported } from "../unsupported.ts";

export const PutObject: S3Operation = async (context) => {
  const { request, backend } = context;
  const bucket = await openBucket(context, "objects.object.write");
  checkKey(request.key);
  refuseUnsupported(request);
  const headers = keptHeaders(request);
  const metadata = keptMetadata(request);
  return backend.room(bucket, async (room) => {
    const upload = await openUpload(request, context.body, room);
    const object = await backend.store.put(bucket.bucketId, request.key, upload.stream, {
      ...upload.options,
      ...writeConditions(request),
      headers,
      metadata,
      meter: { requestClass: "write", receivedBytes: upload.sizeBytes ?? 0 },
    });
    return { status: 200, headers: { ETag: quote(object.etag), ...checksumHeaders(object.checksums, object.checksumType) } };
  });
};
