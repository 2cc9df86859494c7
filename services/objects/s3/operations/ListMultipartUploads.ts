import { algorithmName, checksumTypeName } from "../checksums.ts";
import { nameEncoder, ownerElement, passOver, prefixElements } from "../listing.ts";
import { integerParameter, openBucket, ownerOf, type S3Operation, xmlHeaders } from "../operation.ts";
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
  const body = xmlDocument(
    "ListMultipartUploadsResult",
    element("Bucket", bucket.name),
    element("KeyMarker", encode(keyMarker)),
    element("UploadIdMarker", uploadIdMarker),
    element("NextKeyMarker", next === undefined ? undefined : encode(next.after)),
    element("NextUploadIdMarker", next?.afterUploadId),
    element("Prefix", encode(prefix)),
    element("Delimiter", delimiter === "" ? undefined : encode(delimiter)),
    element("EncodingType", query.has("encoding-type") ? "url" : undefined),
    element("MaxUploads", limit),
    element("IsTruncated", next !== undefined),
    ...uploads.map((upload) =>
      group(
        "Upload",
        element("Key", encode(upload.key)),
        element("UploadId", upload.uploadId),
        ownerElement("Initiator", upload.access?.owner ?? owner),
        ownerElement("Owner", upload.access?.owner ?? owner),
        element("StorageClass", upload.headers.storageClass ?? "STANDARD"),
        element("Initiated", xmlTime(upload.startedAtMs)),
        element("ChecksumAlgorithm", upload.checksumAlgorithm && algorithmName(upload.checksumAlgorithm)),
        element("ChecksumType", upload.checksumType && checksumTypeName(upload.checksumType)),
      ),
    ),
    prefixElements(commonPrefixes, encode),
  );
  return { status: 200, headers: xmlHeaders, body, meter: { bucketId: bucket.bucketId, requestClass: "write" } };
};
