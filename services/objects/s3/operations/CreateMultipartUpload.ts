import type { ChecksumAlgorithm, ChecksumType } from "../../driver.ts";
import { accessOfNew, besidesOf } from "../access/writing.ts";
import { algorithmName, askedFor, checksumTypeName, implied, parseAlgorithm } from "../checksums.ts";
import { askedEncryption, encryptionHeaders, refuseBlockedKey } from "../encryption.ts";
import { invalidArgument, S3Error } from "../errors.ts";
import { abortHeaders } from "../expiration.ts";
import { lockHeaders } from "../locking.ts";
import { keptHeaders, keptMetadata } from "../objectHeaders.ts";
import { checkKey, openBucket, type S3Operation, xmlHeaders } from "../operation.ts";
import type { S3Request } from "../request.ts";
import { taggingHeader } from "../tagging.ts";
import { refuseUnsupported } from "../unsupported.ts";
import { element, xmlDocument } from "../xml.ts";

export const CreateMultipartUpload: S3Operation = async (context) => {
  const { request, backend } = context;
  const bucket = await openBucket(context, besidesOf(request));
  checkKey(request.key);
  refuseUnsupported(request);
  const checksum = askedChecksum(request);
  const asked = askedFor(checksum);
  const encryption = askedEncryption(request, bucket);
  await refuseBlockedKey(context, bucket);
  const upload = await backend.store.uploadCreate(bucket.bucketId, request.key, {
    ...checksum,
    headers: keptHeaders(request),
    metadata: keptMetadata(request),
    ...(encryption && { encryption }),
    ...taggingHeader(request),
    ...(await lockHeaders(context, bucket)),
    ...(await accessOfNew(context, bucket)),
    meter: { requestClass: "write" },
  });
  return {
    status: 200,
    headers: {
      ...xmlHeaders,
      ...(asked.checksumAlgorithm && { "x-amz-checksum-algorithm": algorithmName(asked.checksumAlgorithm) }),
      ...(asked.checksumType && { "x-amz-checksum-type": checksumTypeName(asked.checksumType) }),
      ...(await abortHeaders(context, bucket, upload)),
      ...encryptionHeaders(upload, request, bucket),
    },
    body: xmlDocument(
      "InitiateMultipartUploadResult",
      element("Bucket", bucket.name),
      element("Key", request.key),
      element("UploadId", upload.uploadId),
    ),
  };
};

/** Which algorithm allows which type: "Checking object integrity", S3 User Guide. */
function askedChecksum(request: S3Request): {
  checksumAlgorithm: ChecksumAlgorithm;
  checksumType: ChecksumType;
  checksumImplied?: boolean;
} {
  const asked = request.headers.get("x-amz-checksum-algorithm");
  const type = request.headers.get("x-amz-checksum-type")?.toUpperCase();
  if (asked === undefined) {
    if (type !== undefined)
      throw new S3Error(
        "InvalidRequest",
        "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.",
      );
    return { checksumAlgorithm: implied.algorithm, checksumType: "full_object", checksumImplied: true };
  }
  const checksumAlgorithm = parseAlgorithm(asked);
  if (type !== undefined && type !== "COMPOSITE" && type !== "FULL_OBJECT")
    throw invalidArgument("x-amz-checksum-type", type, "Value for x-amz-checksum-type header is invalid.");
  const cannotCombine = !checksumAlgorithm.startsWith("crc");
  if ((type === "FULL_OBJECT" && cannotCombine) || (type === "COMPOSITE" && checksumAlgorithm === "crc64nvme"))
    throw new S3Error(
      "InvalidRequest",
      `The ${type} checksum type cannot be used with the ${checksumAlgorithm} checksum algorithm.`,
    );
  const checksumType: ChecksumType = type === "FULL_OBJECT" || checksumAlgorithm === "crc64nvme" ? "full_object" : "composite";
  return { checksumAlgorithm, checksumType };
}
