import type { ObjectHeaders, StoredObject } from "../driver.ts";
import { type Requirement, requirements } from "./access/actions.ts";
import { mayDo } from "./access/decide.ts";
import type { S3Bucket } from "./backend.ts";
import { decodeWords, encodeWords } from "./encodedWords.ts";
import { invalidArgument, S3Error } from "./errors.ts";
import { describeHold, describeRetention } from "./locking.ts";
import type { S3Context } from "./operation.ts";
import type { S3Request } from "./request.ts";
import { versionHeader } from "./versions.ts";

/** Names in the port, and on the wire. */
const wireNames = {
  contentType: "Content-Type",
  cacheControl: "Cache-Control",
  contentDisposition: "Content-Disposition",
  contentEncoding: "Content-Encoding",
  contentLanguage: "Content-Language",
  expires: "Expires",
  storageClass: "x-amz-storage-class",
  websiteRedirectLocation: "x-amz-website-redirect-location",
} as const satisfies Record<keyof ObjectHeaders, string>;

const fields = Object.entries(wireNames) as [keyof ObjectHeaders, string][];

/** What S3 says when a client said nothing. */
const defaultContentType = "binary/octet-stream";

const maxMetadataBytes = 2048;

/** The headers that are kept with the object. */
export function keptHeaders(request: S3Request): ObjectHeaders {
  const kept: ObjectHeaders = {};
  for (const [field, name] of fields) {
    let value = request.headers.get(name.toLowerCase());
    // aws-chunked is how the body travelled, no property of the object.
    if (field === "contentEncoding" && value !== undefined) value = withoutChunked(value);
    if (field === "websiteRedirectLocation" && value !== undefined) checkRedirect(value);
    // What every object is that says nothing.
    if (field === "storageClass" && value === "STANDARD") value = undefined;
    if (value !== undefined) kept[field] = value;
  }
  return kept;
}

/** What is left is as it was sent. */
function withoutChunked(encoding: string): string | undefined {
  const codings = encoding.split(",");
  const left = codings.filter((coding) => coding.trim().toLowerCase() !== "aws-chunked");
  const rest = left.length === codings.length ? encoding : left.join(",").trim();
  return rest.trim() === "" ? undefined : rest;
}

/** "Redirect requests for an object", S3 User Guide. */
function checkRedirect(location: string): void {
  const wrong = (message: string): S3Error => new S3Error("InvalidRedirectLocation", message, { fields: { Location: location } });
  if (!/^(https?:\/\/|\/)/.test(location))
    throw wrong("The website redirect location must have a prefix of 'http://' or 'https://' or '/'.");
  if (location.length > 2048) throw wrong("The length of website redirect location cannot exceed 2,048 characters.");
}

/** What a copy takes along of its source's headers: neither the storage class nor the redirection (CopyObject). */
export const copiedHeaders = ({ storageClass: _, websiteRedirectLocation: _to, ...rest }: ObjectHeaders): ObjectHeaders => rest;

/** x-amz-meta-*, decoded, at most 2 KB in all, counted in UTF-8 ("Working with object metadata"). */
export function keptMetadata(request: S3Request): Record<string, string> {
  const metadata: Record<string, string> = {};
  let size = 0;
  for (const [name, value] of request.headers) {
    if (!name.startsWith("x-amz-meta-")) continue;
    const key = name.slice("x-amz-meta-".length);
    const text = decodeWords(value);
    size += key.length + Buffer.byteLength(text);
    metadata[key] = text;
  }
  if (size > maxMetadataBytes) {
    throw new S3Error("MetadataTooLarge", undefined, {
      fields: { Size: String(size), MaxSizeAllowed: String(maxMetadataBytes) },
    });
  }
  return metadata;
}

export const quote = (etag: string): string => `"${etag}"`;

/** The headers of an answer to GET or HEAD, but for those of length and range. */
export async function describeObject(
  context: S3Context,
  bucket: S3Bucket,
  object: StoredObject,
): Promise<Record<string, string | number>> {
  const headers: Record<string, string | number> = {
    "Last-Modified": new Date(object.modifiedAtMs).toUTCString(),
    ETag: quote(object.etag),
    "Accept-Ranges": "bytes",
    "Content-Type": defaultContentType,
  };
  for (const [field, name] of fields) {
    const value = object.headers[field];
    if (value !== undefined && value !== "") headers[name] = wireText(value);
  }
  Object.assign(headers, versionHeader(object), await describeMarks(context, bucket, object));
  for (const name in object.metadata) headers[`x-amz-meta-${name}`] = encodeWords(object.metadata[name]!);
  return headers;
}

/** Each is told to who may ask for it by its own operation (GetObject, "Response Elements"), which is asked only where there is something. */
async function describeMarks(
  context: S3Context,
  bucket: S3Bucket,
  { tags = {}, retention, legalHold }: StoredObject,
): Promise<Record<string, string | number>> {
  const count = Object.keys(tags).length;
  const { key, query } = context.request;
  const may = (operation: string): Promise<boolean> =>
    mayDo(context, bucket, requirements[operation] as Requirement, { key, versionId: query.get("versionId") });
  return {
    ...(count > 0 && (await may("GetObjectTagging")) && { "x-amz-tagging-count": count }),
    ...(retention && (await may("GetObjectRetention")) && describeRetention(retention)),
    ...(legalHold !== undefined && (await may("GetObjectLegalHold")) && describeHold(legalHold)),
  };
}

/** A header carries bytes. Text that did not come through this door may be more than Latin-1: it goes out as UTF-8. */
const wireText = (text: string): string => (/[\u0100-\uffff]/.test(text) ? Buffer.from(text).toString("latin1") : text);

/** response-content-type and its kin replace what was kept (GetObject, "Overriding response header values"); not for strangers (server.ts). */
export function responseOverrides(request: S3Request): Record<string, string> {
  const overrides: Record<string, string> = {};
  for (const [field, name] of fields) {
    if (field === "storageClass" || field === "websiteRedirectLocation") continue;
    const parameter = `response-${name.toLowerCase()}`;
    const value = request.query.get(parameter);
    if (value === undefined) continue;
    const text = wireText(value);
    if (/[^\t\x20-\x7e\x80-\xff]/.test(text))
      throw invalidArgument(parameter, value, "Header values may not hold control characters.");
    overrides[name] = text;
  }
  return overrides;
}
