import { CloudError } from "../../../../kernel/errors.ts";
import type { Id } from "../../../../kernel/ids.ts";
import type { S3Bucket } from "../backend.ts";
import { algorithmName, askedFor, checksumTypeName } from "../checksums.ts";
import { invalidArgument } from "../errors.ts";
import { nameEncoder, ownerElement, passOver, prefixElements } from "../listing.ts";
import { integerParameter, openBucket, ownerOf, type S3Context, type S3Operation, xmlHeaders } from "../operation.ts";
import { element, group, xmlDocument, xmlTime } from "../xml.ts";

export const ListMultipartUploads: S3Operation = async (context) => {
  const { request, backend } = context;
  const { query } = request;
  const bucket = await openBucket(context);
  const encode = nameEncoder(request);
  const limit = integerParameter(request, "max-uploads", { min: 0, max: 1000, otherwise: 1000, clamp: true });
  const prefix = query.get("prefix") ?? "";
  const delimiter = query.get("delimiter") ?? "";
  const keyMarker = query.get("key-marker") ?? "";
  // Without a key marker, an upload id marker counts for nothing (ListMultipartUploads, "upload-id-marker").
  const uploadIdMarker = keyMarker === "" ? "" : (query.get("upload-id-marker") ?? "");
  if (uploadIdMarker !== "") await requireOfKey(context, bucket, uploadIdMarker, keyMarker);
  const after = uploadIdMarker === "" ? passOver(keyMarker, prefix, delimiter) : keyMarker;
  const { uploads, commonPrefixes, next } =
    limit === 0
      ? { uploads: [], commonPrefixes: [], next: undefined }
      : await backend.store.uploadList(bucket.bucketId, {
          limit,
          ...(prefix === "" ? {} : { prefix }),
          ...(delimiter === "" ? {} : { delimiter }),
          ...(after ? { after } : {}),
          ...(uploadIdMarker === "" ? {} : { afterUploadId: uploadIdMarker }),
        });
  const owner = ownerOf(context, bucket);
  const last = uploads.at(-1);
  const body = xmlDocument(
    "ListMultipartUploadsResult",
    element("Bucket", bucket.name),
    element("KeyMarker", encode(keyMarker)),
    element("UploadIdMarker", uploadIdMarker),
    // Told of the last page too.
    element("NextKeyMarker", encode(next?.after ?? last?.key ?? "")),
    element("NextUploadIdMarker", next === undefined ? (last?.uploadId ?? "") : (next.afterUploadId ?? "")),
    element("Prefix", prefix === "" ? undefined : encode(prefix)),
    element("Delimiter", delimiter === "" ? undefined : encode(delimiter)),
    element("EncodingType", query.has("encoding-type") ? "url" : undefined),
    element("MaxUploads", limit),
    element("IsTruncated", next !== undefined),
    ...uploads.map((upload) => {
      const { checksumAlgorithm, checksumType } = askedFor(upload);
      return group(
        "Upload",
        element("Key", encode(upload.key)),
        element("UploadId", upload.uploadId),
        ownerElement("Initiator", upload.access?.owner ?? owner),
        ownerElement("Owner", upload.access?.owner ?? owner),
        element("StorageClass", upload.headers.storageClass ?? "STANDARD"),
        element("Initiated", xmlTime(upload.startedAtMs)),
        element("ChecksumAlgorithm", checksumAlgorithm && algorithmName(checksumAlgorithm)),
        element("ChecksumType", checksumType && checksumTypeName(checksumType)),
      );
    }),
    prefixElements(commonPrefixes, encode),
  );
  return { status: 200, headers: xmlHeaders, body, meter: { bucketId: bucket.bucketId, requestClass: "write" } };
};

/** An upload of another key is no place in the uploads of this one. One that is open no more is. */
async function requireOfKey({ backend }: S3Context, { bucketId }: S3Bucket, marker: string, key: string): Promise<void> {
  const upload = await backend.store.upload(bucketId, marker as Id<"upload">).catch((error: unknown) => {
    if (CloudError.is(error)) return undefined;
    throw error;
  });
  if (upload !== undefined && upload.key !== key) throw invalidArgument("upload-id-marker", marker, "Invalid uploadId marker");
}
