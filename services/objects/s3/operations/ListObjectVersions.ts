import { invalidArgument } from "../errors.ts";
import { checksumSummary, lastEntry, listPage, nameEncoder, ownerElement, passOver, prefixElements } from "../listing.ts";
import { quote } from "../objectHeaders.ts";
import { integerParameter, openBucket, ownerOf, type S3Operation, xmlHeaders } from "../operation.ts";
import { element, group, xmlDocument, xmlTime } from "../xml.ts";

/** In a bucket without versions, every object is its own latest version. */
export const ListObjectVersions: S3Operation = async (context) => {
  const { request } = context;
  const { query } = request;
  const bucket = await openBucket(context, "objects.object.list");
  const encode = nameEncoder(request);
  const limit = integerParameter(request, "max-keys", { min: 0, max: 1000, otherwise: 1000, clamp: true });
  const prefix = query.get("prefix") ?? "";
  const delimiter = query.get("delimiter") ?? "";
  const keyMarker = query.get("key-marker") ?? "";
  const versionMarker = query.get("version-id-marker") ?? "";
  if (versionMarker !== "" && keyMarker === "")
    throw invalidArgument("version-id-marker", versionMarker, "A version-id marker cannot be specified without a key marker.");
  const list = await listPage(context, bucket.bucketId, {
    prefix,
    delimiter,
    limit,
    after: passOver(keyMarker, prefix, delimiter),
  });
  const truncated = list.next !== undefined;
  const last = truncated ? lastEntry(list) : undefined;
  const owner = ownerOf(context, bucket);
  const body = xmlDocument(
    "ListVersionsResult",
    element("Name", bucket.name),
    element("Prefix", encode(prefix)),
    element("KeyMarker", encode(keyMarker)),
    element("VersionIdMarker", versionMarker),
    element("NextKeyMarker", last === undefined ? undefined : encode(last)),
    element("NextVersionIdMarker", last !== undefined && last === list.objects.at(-1)?.key ? "null" : undefined),
    element("MaxKeys", limit),
    element("Delimiter", delimiter === "" ? undefined : encode(delimiter)),
    element("EncodingType", query.has("encoding-type") ? "url" : undefined),
    element("IsTruncated", truncated),
    ...list.objects.map((object) =>
      group(
        "Version",
        element("Key", encode(object.key)),
        element("VersionId", object.versionId),
        element("IsLatest", true),
        element("LastModified", xmlTime(object.modifiedAtMs)),
        element("ETag", quote(object.etag)),
        checksumSummary(object),
        element("Size", object.sizeBytes),
        ownerElement("Owner", owner),
        element("StorageClass", "STANDARD"),
      ),
    ),
    prefixElements(list.commonPrefixes, encode),
  );
  return { status: 200, headers: xmlHeaders, body, meter: { bucketId: bucket.bucketId, requestClass: "write" } };
};
