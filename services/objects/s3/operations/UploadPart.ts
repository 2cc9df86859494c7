import { CloudError } from "../../../../kernel/errors.ts";
import type { Id } from "../../../../kernel/ids.ts";
import type { Upload } from "../../driver.ts";
import type { S3Bucket } from "../backend.ts";
import { openUpload } from "../body.ts";
import { askedFor, checksumHeaders, sentChecksum } from "../checksums.ts";
import {
  customerKey,
  encryptionHeaders,
  partKeyMismatch,
  refuseBlockedKey,
  requirePartKey,
  sentCustomerKey,
} from "../encryption.ts";
import { invalidArgument, S3Error } from "../errors.ts";
import { quote } from "../objectHeaders.ts";
import { checkKey, openBucket, type S3Context, type S3Operation } from "../operation.ts";

export const UploadPart: S3Operation = async (context) => {
  const { request, backend } = context;
  const bucket = await openBucket(context);
  const number = partNumber(context);
  const multipart = await openMultipart(context, bucket);
  const key = customerKey(request);
  requirePartKey(multipart, key);
  await refuseBlockedKey(context, bucket);
  return backend.room(bucket, async (room) => {
    const upload = await openUpload(request, context.body, room);
    const given = upload.options.checksum;
    const { checksumAlgorithm: expected, checksumType } = askedFor(multipart);
    const missing = given === undefined && checksumType === "composite";
    if (expected && (missing || (given && given.algorithm !== expected))) {
      throw new S3Error(
        "InvalidRequest",
        `Checksum Type mismatch occurred, expected checksum Type: ${expected}, actual checksum Type: ${given?.algorithm ?? "null"}`,
      );
    }
    const part = await backend.store.partPut(bucket.bucketId, multipart.uploadId, number, upload.stream, {
      ...upload.options,
      ...key,
      meter: { requestClass: "write", receivedBytes: upload.sizeBytes ?? 0 },
    });
    const sums = given === undefined && expected !== undefined ? part.checksums : given && sentChecksum(given);
    const headers = { ...checksumHeaders(sums ?? {}), ...encryptionHeaders(multipart, request, bucket) };
    return { status: 200, headers: { ETag: quote(part.etag), ...headers } };
  });
};

export function partNumber({ request }: S3Context): number {
  const text = request.query.get("partNumber") ?? "";
  const number = /^\d{1,6}$/.test(text) ? Number(text) : 0;
  if (number < 1 || number > 10_000)
    throw invalidArgument("partNumber", text, "Part number must be an integer between 1 and 10000, inclusive");
  return number;
}

export const uploadIdOf = ({ request }: S3Context): Id<"upload"> => (request.query.get("uploadId") ?? "") as Id<"upload">;

/** The multipart upload of this key: another key's is not found. */
export async function openMultipart(context: S3Context, bucket: S3Bucket): Promise<Upload> {
  checkKey(context.request.key);
  const upload = await context.backend.store
    .upload(bucket.bucketId, uploadIdOf(context), sentCustomerKey(context.request))
    .catch((error: unknown) => {
      // An upload without a key of the customer's is told of like one whose parts lack theirs.
      if (CloudError.is(error) && error.details.reason === "customer_key_unexpected") throw partKeyMismatch();
      throw CloudError.is(error) && error.details.reason === "customer_key_wrong"
        ? new S3Error("InvalidRequest", "The provided encryption parameters did not match the ones used originally.", {
            cause: error,
          })
        : error;
    });
  if (upload.key !== context.request.key) throw new S3Error("NoSuchUpload");
  return upload;
}
