import type { VersionEntry } from "../../driver.ts";
import { invalidArgument } from "../errors.ts";
import { checksumSummary, nameEncoder, ownerElement, passOver, prefixElements } from "../listing.ts";
import { quote } from "../objectHeaders.ts";
import { integerParameter, openBucket, ownerOf, type S3Operation, xmlHeaders } from "../operation.ts";
import { checkVersion } from "../versions.ts";
import { element, group, xmlDocument, xmlTime } from "../xml.ts";

export const ListObjectVersions: S3Operation = async (context) => {
  const { request, backend } = context;
  const { query } = request;
  const bucket = await openBucket(context);
  const encode = nameEncoder(request);
  const limit = integerParameter(request, "max-keys", { min: 0, max: 1000, otherwise: 1000, clamp: true });
  const prefix = query.get("prefix") ?? "";
  const delimiter = query.get("delimiter") ?? "";
  const keyMarker = query.get("key-marker") ?? "";
  const versionMarker = query.get("version-id-marker") ?? "";
  const marked = versionMarker === "" ? {} : checkVersion(versionMarker);
  if (versionMarker !== "" && keyMarker === "")
    throw invalidArgument("version-id-marker", versionMarker, "A version-id marker cannot be specified without a key marker.");
  const key = passOver(keyMarker, prefix, delimiter);
  const version = key === keyMarker ? marked : {};
  const list =
    limit === 0
      ? { versions: [], commonPrefixes: [] }
      : await backend.store.versionList(bucket.bucketId, {
          prefix,
          delimiter,
          limit,
          ...(key && { after: { key, ...version } }),
        });
  const owner = ownerElement("Owner", ownerOf(context, bucket));
  const body = xmlDocument(
    "ListVersionsResult",
    element("Name", bucket.name),
    element("Prefix", encode(prefix)),
    element("KeyMarker", encode(keyMarker)),
    element("VersionIdMarker", versionMarker),
    element("NextKeyMarker", list.next && encode(list.next.key)),
    element("NextVersionIdMarker", list.next?.versionId),
    element("MaxKeys", limit),
    element("Delimiter", delimiter === "" ? undefined : encode(delimiter)),
    element("EncodingType", query.has("encoding-type") ? "url" : undefined),
    element("IsTruncated", list.next !== undefined),
    ...list.versions.map((entry) => versionElement(entry, encode, owner)),
    prefixElements(list.commonPrefixes, encode),
  );
  return { status: 200, headers: xmlHeaders, body, meter: { bucketId: bucket.bucketId, requestClass: "write" } };
};

function versionElement({ isLatest, object, marker }: VersionEntry, encode: (name: string) => string, owner: string): string {
  const { key, versionId = "null", modifiedAtMs } = object ?? marker;
  return group(
    object ? "Version" : "DeleteMarker",
    element("Key", encode(key)),
    element("VersionId", versionId),
    element("IsLatest", isLatest),
    element("LastModified", xmlTime(modifiedAtMs)),
    object ? element("ETag", quote(object.etag)) + checksumSummary(object) + element("Size", object.sizeBytes) : "",
    owner,
    object ? element("StorageClass", object.headers.storageClass ?? "STANDARD") : "",
  );
}
