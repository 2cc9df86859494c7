import { checksumHeaders } from "../checksums.ts";
import {
  evaluate,
  ifRangeHolds,
  parseRange,
  preconditionFailed,
  rangeNotSatisfiable,
  readConditions,
  resolveRange,
} from "../conditions.ts";
import { encryptionHeaders } from "../encryption.ts";
import { S3Error } from "../errors.ts";
import { expirationHeader } from "../expiration.ts";
import { describeObject, responseOverrides } from "../objectHeaders.ts";
import { checkKey, openBucket, type S3Operation } from "../operation.ts";
import { openReadable } from "../versions.ts";
import { askedPart, notModifiedHeaders, partHeaders } from "./GetObject.ts";

export const HeadObject: S3Operation = async (context) => {
  const { request } = context;
  const bucket = await openBucket(context);
  checkKey(request.key);
  const overrides = responseOverrides(request);
  const meter = { bucketId: bucket.bucketId, requestClass: "read" } as const;
  const partNumber = askedPart(request);
  const object = await openReadable(context, bucket);

  const outcome = evaluate(readConditions(request), object);
  if (outcome === "not_modified")
    return { status: 304, headers: notModifiedHeaders(await describeObject(context, bucket, object)), meter };
  if (outcome !== "pass") throw preconditionFailed(outcome.failed);

  let range: { from: number; to: number } | undefined;
  const ifRange = request.headers.get("if-range");
  const asked = ifRange === undefined || ifRangeHolds(ifRange, object) ? parseRange(request.headers.get("range")) : undefined;
  if (partNumber !== undefined) {
    range = partRange(object.parts, partNumber, object.sizeBytes);
  } else if (asked) {
    range = resolveRange(asked, object.sizeBytes);
    if (!range) throw rangeNotSatisfiable(object.sizeBytes, request.headers.get("range") ?? "");
  }
  const length = range ? range.to - range.from + 1 : object.sizeBytes;
  const partial = range !== undefined && length > 0;
  return {
    status: partial ? 206 : 200,
    headers: {
      ...(await describeObject(context, bucket, object)),
      ...encryptionHeaders(object, request, bucket),
      "Content-Length": length,
      ...(partial ? { "Content-Range": `bytes ${range!.from}-${range!.to}/${object.sizeBytes}` } : {}),
      ...partHeaders(object.parts, partNumber),
      ...(asked || request.headers.get("x-amz-checksum-mode")?.toUpperCase() !== "ENABLED"
        ? {}
        : checksumHeaders(
            (partNumber === undefined ? undefined : object.parts[partNumber - 1]?.checksums) ?? object.checksums,
            object.checksumType,
          )),
      ...(request.query.has("versionId") ? {} : await expirationHeader(context, bucket, object)),
      ...overrides,
    },
    meter,
  };
};

/** Where a part lies in its object. What was not uploaded in parts is its own part 1. */
function partRange(parts: { sizeBytes: number }[], partNumber: number, sizeBytes: number): { from: number; to: number } {
  if (parts.length === 0 && partNumber === 1) return { from: 0, to: sizeBytes - 1 };
  let from = 0;
  for (const [index, part] of parts.entries()) {
    if (index === partNumber - 1) return { from, to: from + part.sizeBytes - 1 };
    from += part.sizeBytes;
  }
  throw new S3Error("InvalidPart");
}
