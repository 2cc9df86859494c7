import type { ObjectList, StoredObject } from "../driver.ts";
import type { S3Caller } from "./backend.ts";
import { algorithmName, checksumTypeName } from "./checksums.ts";
import { invalidArgument } from "./errors.ts";
import type { S3Context } from "./operation.ts";
import type { S3Request } from "./request.ts";
import { uriEncode } from "./signature.ts";
import { element, group, xmlTime } from "./xml.ts";

/** What the listings of objects, versions and uploads have in common. */

/** How names are written: percent-encoded when the client asked so, since XML cannot hold every key. */
export type NameEncoder = (name: string) => string;

export function nameEncoder(request: S3Request): NameEncoder {
  const encoding = request.query.get("encoding-type");
  if (encoding === undefined) return (name) => name;
  if (encoding.toLowerCase() !== "url")
    throw invalidArgument("encoding-type", encoding, "Invalid Encoding Method specified in Request");
  return (name) => uriEncode(name).replaceAll("%2F", "/");
}

export const ownerElement = (name: "Owner" | "Initiator", owner: Pick<S3Caller, "canonicalId" | "displayName">): string =>
  group(name, element("ID", owner.canonicalId), element("DisplayName", owner.displayName));

export function objectElement(
  object: StoredObject,
  encode: NameEncoder,
  owner?: Pick<S3Caller, "canonicalId" | "displayName">,
): string {
  // A thousand times for one answer: what holds nothing to escape is written as it is.
  const tag = `<ETag>&quot;${object.etag}&quot;</ETag>`;
  const times = `<LastModified>${xmlTime(object.modifiedAtMs)}</LastModified>`;
  const place = `<Size>${object.sizeBytes}</Size>${owner ? ownerElement("Owner", object.access?.owner ?? owner) : ""}`;
  const storageClass = element("StorageClass", object.headers.storageClass ?? "STANDARD");
  return `<Contents>${element("Key", encode(object.key))}${times}${tag}${checksumSummary(object)}${place}${storageClass}</Contents>`;
}

/** Listings name the algorithms, not the values. */
export function checksumSummary(object: Pick<StoredObject, "checksums" | "checksumType">): string {
  let text = "";
  for (const algorithm in object.checksums)
    text += element("ChecksumAlgorithm", algorithmName(algorithm as keyof StoredObject["checksums"]));
  return text === "" ? "" : text + element("ChecksumType", checksumTypeName(object.checksumType));
}

export const prefixElements = (prefixes: string[], encode: NameEncoder): string =>
  prefixes.map((prefix) => group("CommonPrefixes", element("Prefix", encode(prefix)))).join("");

/** Beyond every key that begins with this prefix, in UTF-8 byte order: U+10FFFF has the largest encoding there is. */
const beyond = (prefix: string): string => `${prefix}\u{10ffff}`;

/**
 * A marker excludes every entry up to and with itself, and a rolled-up prefix is one entry: when the marker lies inside
 * of one, that prefix sorts before it and the whole of it is passed over.
 */
export function passOver(marker: string | undefined, prefix: string, delimiter: string): string | undefined {
  if (!marker || delimiter === "" || !marker.startsWith(prefix)) return marker;
  const at = marker.indexOf(delimiter, prefix.length);
  return at < 0 ? marker : beyond(marker.slice(0, at + delimiter.length));
}

/** The last entry of a page, for clients that go on with it as the marker; in UTF-8 byte order. */
export function lastEntry(list: ObjectList): string | undefined {
  const key = list.objects.at(-1)?.key;
  const prefix = list.commonPrefixes.at(-1);
  if (key === undefined || prefix === undefined) return key ?? prefix;
  return Buffer.compare(Buffer.from(key), Buffer.from(prefix)) > 0 ? key : prefix;
}

/** One page of objects; the store is not asked for nothing (max-keys=0). */
export async function listPage(
  context: S3Context,
  bucketId: Parameters<S3Context["backend"]["store"]["list"]>[0],
  options: { prefix: string; delimiter: string; after: string | undefined; limit: number },
): Promise<ObjectList> {
  if (options.limit === 0) return { objects: [], commonPrefixes: [] };
  return context.backend.store.list(bucketId, {
    limit: options.limit,
    ...(options.prefix === "" ? {} : { prefix: options.prefix }),
    ...(options.delimiter === "" ? {} : { delimiter: options.delimiter }),
    ...(options.after ? { after: options.after } : {}),
  });
}

/** Opaque to clients; the version lets a later form be told apart. */
export const continuationToken = (after: string): string => Buffer.from(`1${after}`).toString("base64url");

export function parseContinuationToken(token: string): string {
  const text = Buffer.from(token, "base64url").toString("utf8");
  if (!text.startsWith("1") || continuationToken(text.slice(1)) !== token)
    throw invalidArgument("continuation-token", token, "The continuation token provided is incorrect");
  return text.slice(1);
}
