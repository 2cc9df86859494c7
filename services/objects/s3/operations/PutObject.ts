import { accessOfNew, besidesOf } from "../access/writing.ts";
import { openUpload } from "../body.ts";
import { checksumHeaders, implied } from "../checksums.ts";
import { writeConditions } from "../conditions.ts";
import { askedEncryption, encryptionHeaders, refuseBlockedKey } from "../encryption.ts";
import { expirationHeader } from "../expiration.ts";
import { lockHeaders } from "../locking.ts";
import { keptHeaders, keptMetadata, quote } from "../objectHeaders.ts";
import { checkKey, openBucket, type S3Operation } from "../operation.ts";
import { taggingHeader } from "../tagging.ts";
import { refuseUnsupported } from "../unsupported.ts";
import { writtenVersionHeader } from "../versions.ts";

export const PutObject: S3Operation = async (context) => {
  const { request, backend } = context;
  const bucket = await openBucket(context, besidesOf(request));
  checkKey(request.key);
  refuseUnsupported(request);
  const kept = keptHeaders(request);
  const metadata = keptMetadata(request);
  const encryption = askedEncryption(request, bucket);
  await refuseBlockedKey(context, bucket);
  const marks = { ...taggingHeader(request), ...(await lockHeaders(context, bucket)), ...(await accessOfNew(context, bucket)) };
  return backend.room(bucket, async (room) => {
    const upload = await openUpload(request, context.body, room);
    const object = await backend.store.put(bucket.bucketId, request.key, upload.stream, {
      checksum: implied,
      ...upload.options,
      ...writeConditions(request),
      headers: kept,
      metadata,
      ...(encryption && { encryption }),
      ...marks,
      meter: { requestClass: "write", receivedBytes: upload.sizeBytes ?? 0 },
    });
    const expiration = await expirationHeader(context, bucket, object);
    const headers = { ...writtenVersionHeader(object), ...expiration, ...checksumHeaders(object.checksums, object.checksumType) };
    return { status: 200, headers: { ETag: quote(object.etag), ...headers, ...encryptionHeaders(object, request, bucket) } };
  });
};
