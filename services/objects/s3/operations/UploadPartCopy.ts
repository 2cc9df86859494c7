import { maxUploadBytes } from "../body.ts";
import { checksumElements } from "../checksums.ts";
import { customerKey, encryptionHeaders, refuseBlockedKey, requirePartKey } from "../encryption.ts";
import { invalidArgument, S3Error } from "../errors.ts";
import { quote } from "../objectHeaders.ts";
import { openBucket, type S3Operation, xmlHeaders } from "../operation.ts";
import { element, xmlDocument, xmlTime } from "../xml.ts";
import { openSource } from "./CopyObject.ts";
import { openMultipart, partNumber } from "./UploadPart.ts";

export const UploadPartCopy: S3Operation = async (context) => {
  const { request, backend } = context;
  const bucket = await openBucket(context);
  const number = partNumber(context);
  const multipart = await openMultipart(context, bucket);
  const key = customerKey(request);
  requirePartKey(multipart, key);
  await refuseBlockedKey(context, bucket);
  const source = await openSource(context);
  const range = sourceRange(request.headers.get("x-amz-copy-source-range"), source.object.sizeBytes);
  const sizeBytes = range ? range.to - range.from + 1 : source.object.sizeBytes;
  if (sizeBytes > maxUploadBytes)
    throw new S3Error(
      "InvalidRequest",
      `The specified copy source is larger than the maximum allowable size for a copy source: ${maxUploadBytes}`,
    );
  return backend.room(bucket, async (room) => {
    await room.take(sizeBytes);
    const read = await backend.store.get(source.bucket.bucketId, source.object.key, {
      ...source.asked,
      ...(range ? { range } : {}),
    });
    // The source may have been replaced since its conditions were looked at.
    if (read.object.etag !== source.object.etag) {
      read.body.destroy();
      throw new S3Error("PreconditionFailed");
    }
    try {
      const part = await backend.store.partPut(bucket.bucketId, multipart.uploadId, number, read.body, {
        sizeBytes,
        ...key,
        meter: { requestClass: "write" },
      });
      return {
        status: 200,
        headers: {
          ...xmlHeaders,
          // "null" too, of which a copy of the whole tells nothing.
          ...(source.object.versionId !== undefined && { "x-amz-copy-source-version-id": source.object.versionId }),
          ...encryptionHeaders(multipart, request, bucket),
        },
        body: xmlDocument(
          "CopyPartResult",
          element("LastModified", xmlTime(part.modifiedAtMs)),
          element("ETag", quote(part.etag)),
          multipart.checksumImplied ? "" : checksumElements(part.checksums),
        ),
      };
    } finally {
      read.body.destroy();
    }
  });
};

/** Both ends must be given and lie within the source (UploadPartCopy, x-amz-copy-source-range). */
function sourceRange(header: string | undefined, sizeBytes: number): { from: number; to: number } | undefined {
  if (header === undefined) return undefined;
  const match = /^bytes=(\d{1,15})-(\d{1,15})$/.exec(header);
  if (!match || Number(match[2]) < Number(match[1])) {
    throw invalidArgument(
      "x-amz-copy-source-range",
      header,
      "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the zero-based offsets of the first and last bytes to copy",
    );
  }
  const [from, to] = [Number(match[1]), Number(match[2])];
  if (from >= sizeBytes) throw new S3Error("InvalidRequest", "The specified copy range is invalid for the source object size");
  if (to >= sizeBytes)
    throw invalidArgument(
      "x-amz-copy-source-range",
      header,
      `Range specified is not valid for source object of size: ${sizeBytes}`,
    );
  return { from, to };
}
