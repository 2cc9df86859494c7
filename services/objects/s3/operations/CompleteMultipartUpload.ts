import { CloudError } from "../../../../kernel/errors.ts";
import { type ChecksumAlgorithm, type CompletePart, checksumAlgorithms, type ObjectStore, type Upload } from "../../driver.ts";
import type { S3Bucket } from "../backend.ts";
import { readDocument } from "../body.ts";
import { algorithmName, askedFor, checksumElements, invalidChecksum, isChecksum } from "../checksums.ts";
import { unquote, writeConditions } from "../conditions.ts";
import { encryptionHeaders, requirePartKey, sentCustomerKey } from "../encryption.ts";
import { invalidArgument, S3Error } from "../errors.ts";
import { expirationHeader } from "../expiration.ts";
import { quote } from "../objectHeaders.ts";
import { openBucket, type S3Context, type S3Operation, xmlHeaders } from "../operation.ts";
import { type S3Request, schemeOf } from "../request.ts";
import { writtenVersionHeader } from "../versions.ts";
import { childrenOf, element, parseXml, textOf, type XmlNode, xmlDocument } from "../xml.ts";
import { openMultipart, uploadIdOf } from "./UploadPart.ts";

export const CompleteMultipartUpload: S3Operation = async (context) => {
  const { request, backend } = context;
  const bucket = await openBucket(context);
  // A client that did not hear the answer asks again; the store knows what it completed.
  const upload = await openMultipart(context, bucket).catch((error: unknown) => {
    if (CloudError.is(error, "not_found")) return undefined;
    throw error;
  });
  // "Only when the object was created using a checksum algorithm" (API Reference): that tells of the bytes.
  if (upload && askedFor(upload).checksumAlgorithm !== undefined) requirePartKey(upload, sentCustomerKey(request));
  // 10,000 parts with the longest checksum each are about 2 MB. What the headers say of checksums is about the object,
  // not about this document, so it is read without them.
  const document = await readDocument({ ...request, headers: withoutChecksums(request.headers) }, context.body, {
    maxBytes: 4 * 1024 ** 2,
  });
  // Here no document at all is a malformed one, unlike elsewhere.
  if (document.trim() === "") throw new S3Error(upload === undefined ? "NoSuchUpload" : "MalformedXML");
  const parts = withoutRepeats(childrenOf(parseXml(document, "CompleteMultipartUpload"), "Part").map(parsePart));
  if (parts.length === 0 || parts.length > 10_000) throw new S3Error("MalformedXML");
  for (let i = 1; i < parts.length; i++) if (parts[i]!.number <= parts[i - 1]!.number) throw new S3Error("InvalidPartOrder");
  if (upload) {
    requireType(request, upload);
    requirePartSums(upload, parts);
    await requireUntouched(context, bucket, upload);
  }

  const object = await backend.store
    .uploadComplete(bucket.bucketId, uploadIdOf(context), parts, {
      ...writeConditions(request),
      ...wholeObject(request, parts.length, upload),
      meter: { requestClass: "write" },
    })
    .catch((error: unknown) => {
      const otherSize = CloudError.is(error) && error.details.reason === "incomplete_body";
      throw otherSize
        ? new S3Error(
            "InvalidRequest",
            `The provided 'x-amz-mp-object-size' header value ${request.headers.get("x-amz-mp-object-size")} does not match what was computed: ${error.details["sizeBytes"]}`,
            { cause: error },
          )
        : error;
    });
  if (object.key !== request.key) throw new S3Error("NoSuchUpload");
  const expiration = await expirationHeader(context, bucket, object);
  return {
    status: 200,
    headers: { ...xmlHeaders, ...writtenVersionHeader(object), ...expiration, ...encryptionHeaders(object, request, bucket) },
    body: xmlDocument(
      "CompleteMultipartUploadResult",
      element("Location", `${schemeOf(request)}://${request.host}${request.rawPath}`),
      element("Bucket", bucket.name),
      element("Key", request.key),
      element("ETag", quote(object.etag)),
      checksumElements(object.checksums, object.checksumType),
    ),
  };
};

/** If-Match tells of the object that was seen; who wrote it since the upload began has not seen the upload, nor the upload that (CompleteMultipartUpload, "If-Match"). */
async function requireUntouched({ request, backend }: S3Context, { bucketId }: S3Bucket, upload: Upload): Promise<void> {
  const { ifMatch } = writeConditions(request);
  if (ifMatch === undefined) return;
  const object = await backend.store.head(bucketId, request.key);
  if (object?.etag === ifMatch && object.modifiedAtMs > upload.startedAtMs)
    throw new S3Error("ConditionalRequestConflict", undefined, { fields: { Condition: "If-Match", Key: request.key } });
}

/** A part that was sent twice may be named twice; the last one counts. */
const withoutRepeats = (parts: CompletePart[]): CompletePart[] =>
  parts.filter((part, index) => part.number !== parts[index + 1]?.number);

type CompleteOptions = NonNullable<Parameters<ObjectStore["uploadComplete"]>[3]>;

function parsePart(node: XmlNode): CompletePart {
  const number = textOf(node, "PartNumber")?.trim() ?? "";
  const etag = textOf(node, "ETag");
  if (!/^-?\d{1,9}$/.test(number) || etag === undefined) throw new S3Error("MalformedXML");
  if (Number(number) < 1 || Number(number) > 10_000)
    throw invalidArgument("PartNumber", number, "PartNumber must be >= 1 and <= 10000");
  return { number: Number(number), etag: unquote(etag), checksums: partSums(node) };
}

/** At most one checksum, which may be one. */
function partSums(node: XmlNode): Partial<Record<ChecksumAlgorithm, string>> {
  const checksums: [ChecksumAlgorithm, string][] = [];
  for (const algorithm of checksumAlgorithms) {
    const value = textOf(node, `Checksum${algorithmName(algorithm)}`);
    if (value !== undefined) checksums.push([algorithm, value.trim()]);
  }
  const [first] = checksums;
  if (first && (checksums.length > 1 || !isChecksum(...first))) {
    const given =
      checksums.length > 1 ? checksums.map(([algorithm, value]) => `${algorithmName(algorithm)}:${value};`).join("") : first[1];
    throw invalidArgument("Checksum", given, "Invalid Base64 or multiple checksums present in request");
  }
  return Object.fromEntries(checksums);
}

/** Who says of which kind the checksum is must say what the upload was begun with. */
function requireType({ headers }: S3Request, upload: Upload): void {
  const asked = headers.get("x-amz-checksum-type")?.toLowerCase();
  const { checksumType: begunWith } = askedFor(upload);
  if (asked !== undefined && asked !== begunWith)
    throw new S3Error(
      "InvalidRequest",
      `The upload was created using the ${begunWith?.toUpperCase() ?? "null"} checksum mode. The complete request must use the same checksum mode.`,
    );
}

/** A checksum over those of the parts wants them all named again; what the upload does not sum cannot fit. */
function requirePartSums(upload: Upload, parts: CompletePart[]): void {
  const { checksumAlgorithm, checksumType } = askedFor(upload);
  for (const { number, checksums = {} } of parts) {
    const [other] = Object.keys(checksums).filter((algorithm) => algorithm !== checksumAlgorithm);
    if (other && checksumAlgorithm)
      throw new S3Error("BadDigest", `The ${other} you specified for part ${number} did not match what we received.`);
    if (checksumAlgorithm && checksumType === "composite" && checksums[checksumAlgorithm] === undefined)
      throw new S3Error(
        "InvalidRequest",
        `The upload was created using a ${checksumAlgorithm} checksum. The complete request must include the checksum for each part. It was missing for part ${number} in the request.`,
      );
  }
}

/** What the client says of the object that its parts make (CompleteMultipartUpload, x-amz-checksum-*, x-amz-mp-object-size). */
function wholeObject(
  request: S3Request,
  partCount: number,
  upload: Upload | undefined,
): Pick<CompleteOptions, "sizeBytes" | "checksums"> {
  const size = request.headers.get("x-amz-mp-object-size");
  if (size !== undefined && !/^\d{1,15}$/.test(size))
    throw new S3Error("InvalidRequest", `Value for x-amz-mp-object-size header is invalid: '${size}'`);
  const type = upload?.checksumType;
  const checksums: NonNullable<CompleteOptions["checksums"]> = {};
  for (const algorithm of checksumAlgorithms) {
    const value = request.headers.get(`x-amz-checksum-${algorithm}`);
    // AWS takes no notice of others than its own where none was asked for.
    if (value === undefined || (upload?.checksumImplied && algorithm !== upload.checksumAlgorithm)) continue;
    // A composite checksum ends with the number of parts; some clients leave that to us. Of what was completed before we know no type.
    const composite = type === "composite" || (upload === undefined && value.includes("-"));
    const [sum = "", count = String(partCount), ...more] = composite ? value.split("-") : [value];
    if (!isChecksum(algorithm, sum) || !/^\d{1,5}$/.test(count) || more.length > 0)
      throw invalidChecksum(`x-amz-checksum-${algorithm}`);
    checksums[algorithm] = composite ? `${sum}-${count}` : sum;
  }
  return {
    ...(size === undefined ? {} : { sizeBytes: Number(size) }),
    ...(Object.keys(checksums).length === 0 ? {} : { checksums }),
  };
}

const withoutChecksums = (headers: Map<string, string>): Map<string, string> =>
  new Map([...headers].filter(([name]) => !name.startsWith("x-amz-checksum-") && name !== "x-amz-sdk-checksum-algorithm"));
