import {
  continuationToken,
  listPage,
  nameEncoder,
  objectElement,
  parseContinuationToken,
  passOver,
  prefixElements,
} from "../listing.ts";
import { integerParameter, openBucket, ownerOf, type S3Operation, xmlHeaders } from "../operation.ts";
import { element, xmlDocument } from "../xml.ts";

export const ListObjectsV2: S3Operation = async (context) => {
  const { request } = context;
  const { query } = request;
  const bucket = await openBucket(context);
  const encode = nameEncoder(request);
  const limit = integerParameter(request, "max-keys", { min: 0, max: 1000, otherwise: 1000, clamp: true });
  const prefix = query.get("prefix") ?? "";
  const delimiter = query.get("delimiter") ?? "";
  const startAfter = query.get("start-after");
  const token = query.get("continuation-token");
  // A token says where to go on, and start-after no longer counts.
  const after = token ? parseContinuationToken(token) : passOver(startAfter, prefix, delimiter);
  const list = await listPage(context, bucket.bucketId, { prefix, delimiter, limit, after });
  const owner = query.get("fetch-owner") === "true" ? ownerOf(context, bucket) : undefined;
  const body = xmlDocument(
    "ListBucketResult",
    element("Name", bucket.name),
    element("Prefix", encode(prefix)),
    element("ContinuationToken", token),
    element("NextContinuationToken", list.next === undefined ? undefined : continuationToken(list.next)),
    element("StartAfter", startAfter === undefined ? undefined : encode(startAfter)),
    element("KeyCount", list.objects.length + list.commonPrefixes.length),
    element("MaxKeys", limit),
    element("Delimiter", delimiter === "" ? undefined : encode(delimiter)),
    element("EncodingType", query.has("encoding-type") ? "url" : undefined),
    element("IsTruncated", list.next !== undefined),
    ...list.objects.map((object) => objectElement(object, encode, owner)),
    prefixElements(list.commonPrefixes, encode),
  );
  return { status: 200, headers: xmlHeaders, body, meter: { bucketId: bucket.bucketId, requestClass: "write" } };
};
