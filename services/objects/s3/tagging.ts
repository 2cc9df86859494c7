import { invalidArgument, S3Error } from "./errors.ts";
import { queryPairs, type S3Request } from "./request.ts";
import { childrenOf, element, group, parseXml, textOf, type XmlNode, xmlDocument } from "./xml.ts";

/** Tags of objects and buckets: S3 User Guide, "Categorizing your objects using tags", with the limits that stand there. */

const mostTags = { object: 10, bucket: 50, newBucket: 50 } as const;
const longest = { key: 128, value: 256 };
/** Letters, spaces and digits of any script, and these. */
const allowed = /^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$/u;

/** What S3 says of the keys that it keeps for itself. */
const reserved = {
  object: "Your TagKey cannot be prefixed with aws:",
  bucket: "System tags cannot be added/updated by requester",
  newBucket:
    'User-defined tag keys can\'t start with "aws:". This prefix is reserved for system tags. Remove "aws:" from your tag keys and try again.',
} as const;

function checkTags(pairs: [string, string][], of: keyof typeof mostTags): Record<string, string> {
  const invalid = (message: string, key?: string, value?: string): S3Error =>
    new S3Error("InvalidTag", message, {
      fields: { ...(key !== undefined && { TagKey: key }), ...(value !== undefined && { TagValue: value }) },
    });
  if (pairs.length > mostTags[of])
    throw invalid(`Tags of ${of === "object" ? "an object" : "a bucket"} cannot be greater than ${mostTags[of]}`);
  const tags = new Map<string, string>();
  for (const [key, value] of pairs) {
    if (key === "" || key.length > longest.key || !allowed.test(key))
      throw invalid("The TagKey you have provided is invalid", key);
    if (key.startsWith("aws:")) throw invalid(reserved[of], key);
    if (value.length > longest.value || !allowed.test(value))
      throw invalid("The TagValue you have provided is invalid", key, value);
    if (tags.has(key)) throw invalid("Cannot provide multiple Tags with the same key", key);
    tags.set(key, value);
  }
  return Object.fromEntries(tags);
}

/** The tags of x-amz-tagging, written as a query. */
export function taggingHeader(request: S3Request): { tags?: Record<string, string> } {
  const header = request.headers.get("x-amz-tagging");
  if (header === undefined) return {};
  const pairs = pairsOf(header);
  if (pairs === undefined)
    throw invalidArgument(
      "x-amz-tagging",
      header,
      "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag name duplicates.",
    );
  return { tags: checkTags(pairs, "object") };
}

/** Undefined where this is no list of tags at all. */
function pairsOf(header: string): [string, string][] | undefined {
  try {
    const pairs = queryPairs(header);
    const isList =
      new Set(pairs.map(([key]) => key)).size === pairs.length && !header.split("&").some((pair) => /^=|=.*=/.test(pair));
    return isList && pairs.every((pair) => pair.every((text) => allowed.test(text))) ? pairs : undefined;
  } catch {
    return undefined;
  }
}

/** A document without a set has no tags. */
export function readTagging(document: string, of: keyof typeof mostTags): Record<string, string> {
  const [set] = childrenOf(parseXml(document, "Tagging"), "TagSet");
  return set === undefined ? {} : readTags(set, of);
}

/** The tags in an element: a TagSet, or the Tags of a new bucket. */
export function readTags(set: XmlNode, of: keyof typeof mostTags): Record<string, string> {
  const pairs = childrenOf(set, "Tag").map((tag): [string, string] => {
    const [key, value] = [textOf(tag, "Key"), textOf(tag, "Value")];
    if (key === undefined || value === undefined) throw new S3Error("MalformedXML");
    return [key, value];
  });
  return checkTags(pairs, of);
}

export const tagElement = (key: string, value: string): string => group("Tag", element("Key", key), element("Value", value));

export const writeTagging = (tags: Record<string, string> | undefined): string =>
  xmlDocument(
    "Tagging",
    group(
      "TagSet",
      // In the order of their keys, however they were put.
      ...Object.entries(tags ?? {})
        .sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
        .map(([key, value]) => tagElement(key, value)),
    ),
  );
