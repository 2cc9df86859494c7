import { algorithmName, askedFor, checksumElements, checksumTypeName } from "../checksums.ts";
import { abortHeaders } from "../expiration.ts";
import { ownerElement } from "../listing.ts";
import { quote } from "../objectHeaders.ts";
import { integerParameter, openBucket, ownerOf, type S3Operation, xmlHeaders } from "../operation.ts";
import { element, group, xmlDocument, xmlTime } from "../xml.ts";
import { openMultipart } from "./UploadPart.ts";

export const ListParts: S3Operation = async (context) => {
  const { request, backend } = context;
  const bucket = await openBucket(context);
  const upload = await openMultipart(context, bucket);
  const limit = integerParameter(request, "max-parts", { min: 0, max: 1000, otherwise: 1000, clamp: true });
  const after = integerParameter(request, "part-number-marker", { min: 0, max: 2_147_483_647, otherwise: 0 });
  const { parts, next } =
    limit === 0
      ? { parts: [], next: undefined }
      : await backend.store.partList(bucket.bucketId, upload.uploadId, { limit, ...(after === 0 ? {} : { after }) });
  const { checksumAlgorithm, checksumType } = askedFor(upload);
  const owner = upload.access?.owner ?? ownerOf(context, bucket);
  const body = xmlDocument(
    "ListPartsResult",
    element("Bucket", bucket.name),
    element("Key", request.key),
    element("UploadId", upload.uploadId),
    ownerElement("Initiator", owner),
    ownerElement("Owner", owner),
    element("StorageClass", upload.headers.storageClass ?? "STANDARD"),
    element("PartNumberMarker", after),
    element("NextPartNumberMarker", parts.at(-1)?.number ?? 0),
    element("MaxParts", limit),
    element("IsTruncated", next !== undefined),
    element("ChecksumAlgorithm", checksumAlgorithm && algorithmName(checksumAlgorithm)),
    element("ChecksumType", checksumType && checksumTypeName(checksumType)),
    ...parts.map((part) =>
      group(
        "Part",
        element("PartNumber", part.number),
        element("LastModified", xmlTime(part.modifiedAtMs)),
        element("ETag", quote(part.etag)),
        element("Size", part.sizeBytes),
        // Of an upload without an algorithm they were for the journey.
        checksumAlgorithm === undefined ? "" : checksumElements(part.checksums),
      ),
    ),
  );
  const headers = { ...xmlHeaders, ...(await abortHeaders(context, bucket, upload)) };
  return { status: 200, headers, body, meter: { bucketId: bucket.bucketId, requestClass: "write" } };
};
