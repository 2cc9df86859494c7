import { CloudError } from "../../../../kernel/errors.ts";
import type { ObjectRead } from "../../driver.ts";
import type { S3Bucket } from "../backend.ts";
import { checksumHeaders } from "../checksums.ts";
import { evaluate, ifRangeHolds, parseRange, preconditionFailed, rangeNotSatisfiable, readConditions } from "../conditions.ts";
import { customerKey, encryptionHeaders, keyMissing } from "../encryption.ts";
import { invalidArgument, S3Error } from "../errors.ts";
import { expirationHeader } from "../expiration.ts";
import { describeObject, responseOverrides } from "../objectHeaders.ts";
import { checkKey, openBucket, type S3Context, type S3Operation } from "../operation.ts";
import type { S3Request } from "../request.ts";
import { askedVersion, missing, openReadable } from "../versions.ts";

export const GetObject: S3Operation = async (context) => {
  const { request, backend } = context;
  const bucket = await openBucket(context);
  checkKey(request.key);
  const asked = { ...askedVersion(request), ...customerKey(request) };
  const overrides = responseOverrides(request);
  const meter = { bucketId: bucket.bucketId, requestClass: "read" } as const;
  const partNumber = askedPart(request);
  let range = partNumber === undefined ? parseRange(request.headers.get("range")) : undefined;
  const ifRange = request.headers.get("if-range");
  if (range && ifRange !== undefined) {
    const object = await backend.store.head(bucket.bucketId, request.key, asked);
    if (object && !ifRangeHolds(ifRange, object)) range = undefined;
  }

  let read: ObjectRead;
  try {
    read = await backend.store.get(bucket.bucketId, request.key, {
      ...asked,
      ...(range ? { range } : {}),
      ...(partNumber === undefined ? {} : { partNumber }),
    });
  } catch (error) {
    if (CloudError.is(error) && error.details.reason === "customer_key_missing")
      throw await withoutKey(context, bucket, partNumber);
    if (CloudError.is(error, "not_found")) throw await missing(context, bucket, request.key, asked);
    if (!CloudError.is(error, "range_not_satisfiable")) throw error;
    return await outOfRange(context, bucket, partNumber, error);
  }

  const { object, bytes } = read;
  const outcome = evaluate(readConditions(request), object);
  if (outcome !== "pass") {
    if (bytes === undefined) read.body.destroy();
    if (outcome !== "not_modified") throw preconditionFailed(outcome.failed);
    return { status: 304, headers: notModifiedHeaders(await describeObject(context, bucket, object)), meter };
  }

  const length = object.sizeBytes === 0 ? 0 : read.range.to - read.range.from + 1;
  const isPiece = range !== undefined && length < object.sizeBytes;
  const partial = (range !== undefined || partNumber !== undefined) && length > 0;
  return {
    status: partial ? 206 : 200,
    headers: {
      ...(await describeObject(context, bucket, object)),
      ...encryptionHeaders(object, request, bucket),
      "Content-Length": length,
      ...(partial ? { "Content-Range": `bytes ${read.range.from}-${read.range.to}/${object.sizeBytes}` } : {}),
      ...partHeaders(object.parts, partNumber),
      // The checksum of the whole says nothing about a piece of it.
      ...(isPiece || request.headers.get("x-amz-checksum-mode")?.toUpperCase() !== "ENABLED"
        ? {}
        : checksumHeaders(
            (partNumber === undefined ? undefined : object.parts[partNumber - 1]?.checksums) ?? object.checksums,
            object.checksumType,
          )),
      ...(asked.versionId === undefined && (await expirationHeader(context, bucket, object))),
      ...overrides,
    },
    body: bytes ?? read.body,
    recycle: read.recycle,
    meter,
  };
};

/** A part that is not there is told as such, whoever asks. */
async function withoutKey({ request, backend }: S3Context, bucket: S3Bucket, partNumber: number | undefined): Promise<S3Error> {
  const object = await backend.store.head(bucket.bucketId, request.key, askedVersion(request));
  const count = object?.parts.length ?? 0;
  return partNumber !== undefined && count > 0 && partNumber > count ? new S3Error("InvalidPart") : keyMissing();
}

/** A failed condition outranks a range that cannot be met (RFC 9110, 13.2.2). */
async function outOfRange(context: S3Context, bucket: S3Bucket, partNumber: number | undefined, cause: unknown) {
  const { request } = context;
  const object = await openReadable(context, bucket);
  const outcome = evaluate(readConditions(request), object);
  if (outcome === "not_modified")
    return { status: 304, headers: notModifiedHeaders(await describeObject(context, bucket, object)) };
  if (outcome !== "pass") throw preconditionFailed(outcome.failed);
  if (partNumber !== undefined) throw new S3Error("InvalidPart", undefined, { cause });
  throw rangeNotSatisfiable(object.sizeBytes, request.headers.get("range") ?? "");
}

/** The part that a client wants alone, counted from 1 whatever numbers they were uploaded by; not together with a range. */
export function askedPart(request: S3Request): number | undefined {
  const text = request.query.get("partNumber");
  if (text === undefined) return undefined;
  if (request.headers.has("range"))
    throw new S3Error("InvalidRequest", "Cannot specify both Range header and partNumber query parameter");
  const number = /^\d{1,6}$/.test(text) ? Number(text) : 0;
  if (number < 1 || number > 10_000)
    throw invalidArgument("partNumber", text, "Part number must be an integer between 1 and 10000, inclusive");
  return number;
}

export const partHeaders = (parts: unknown[], partNumber: number | undefined): Record<string, number> =>
  partNumber === undefined || parts.length === 0 ? {} : { "x-amz-mp-parts-count": parts.length };

/** A 304 repeats the validators and what caches go by, not what describes the body that is not there (RFC 9110, 15.4.5). */
export function notModifiedHeaders(headers: Record<string, string | number>): Record<string, string | number> {
  const { "Content-Type": _type, "Content-Encoding": _encoding, "Content-Language": _language, ...kept } = headers;
  return kept;
}
