import { invalidArgument, S3Error } from "./errors.ts";
import { queryPairs, type S3Request } from "./request.ts";
import { childrenOf, element, group, parseXml, textOf, xmlDocument } from "./xml.ts";

/** Tags of objects and buckets: S3 User Guide, "Categorizing your objects using tags", with the limits that stand there. */

const mostTags = { object: 10, bucket: 50 } as const;
const longest = { key: 128, value: 256 };
/** Letters, spaces and digits of any script, and these. */
const allowed = /^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$/u;

function checkTags(pairs: [string, string][], of: keyof typeof mostTags): Record<string, string> {
  const invalid = (message: string, key?: string): S3Error =>
    new S3Error("InvalidTag", message, key === undefined ? {} : { fields: { TagKey: key } });
  if (pairs.length > mostTags[of])
    throw invalid(`Tags of ${of === "object" ? "an object" : "a bucket"} cannot be greater than ${mostTags[of]}`);
  const tags = new Map<string, string>();
  for (const [key, value] of pairs) {
    if (key === "" || key.length > longest.key || !allowed.test(key))
      throw invalid("The TagKey you have provided is invalid", key);
    if (key.startsWith("aws:")) throw invalid("System tags cannot be added/updated by requester", key);
    if (value.length > longest.value || !allowed.test(value)) throw invalid("The TagValue you have provided is invalid", key);
    if (tags.has(key)) throw invalid("Cannot provide multiple Tags with the same key", key);
    tags.set(key, value);
  }
  return Object.fromEntries(tags);
}

/** The tags of x-amz-tagging, written as a query. */
export function taggingHeader(request: S3Request): { tags?: Record<string, string> } {
  const header = request.headers.get("x-amz-tagging");
  if (header === undefined) return {};
  try {
    return { tags: checkTags(queryPairs(header), "object") };
  } catch (error) {
    if (error instanceof S3Error && error.code === "InvalidTag") throw error;
    throw invalidArgument(
      "x-amz-tagging",
      header,
      "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag name duplicates.",
    );
  }
}

export function readTagging(document: string, of: keyof typeof mostTags): Record<string, string> {
  const [set] = childrenOf(parseXml(document, "Tagging"), "TagSet");
  if (set === undefined) throw new S3Error("MalformedXML");
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
