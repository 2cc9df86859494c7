import { lastEntry, listPage, nameEncoder, objectElement, passOver, prefixElements } from "../listing.ts";
import { integerParameter, openBucket, ownerOf, type S3Operation, xmlHeaders } from "../operation.ts";
import { carriedByXml, element, xmlDocument } from "../xml.ts";

export const ListObjects: S3Operation = async (context) => {
  const { request } = context;
  const { query } = request;
  const bucket = await openBucket(context);
  const encode = nameEncoder(request);
  const limit = integerParameter(request, "max-keys", { min: 0, max: 1000, otherwise: 1000, clamp: true });
  const prefix = query.get("prefix") ?? "";
  const delimiter = query.get("delimiter") ?? "";
  const marker = query.get("marker") ?? "";
  const list = await listPage(context, bucket.bucketId, { prefix, delimiter, limit, after: passOver(marker, prefix, delimiter) });
  const truncated = list.next !== undefined;
  // Strangers are not told whose it is.
  const owner = context.caller.anonymous ? undefined : ownerOf(context, bucket);
  const body = xmlDocument(
    "ListBucketResult",
    element("Name", bucket.name),
    // botocore does not decode this one; it is the client's own word, so only what XML cannot carry is encoded.
    element("Prefix", carriedByXml(prefix) ? prefix : encode(prefix)),
    element("Marker", encode(marker)),
    // Without a delimiter the last key is the next marker, and S3 does not repeat it.
    element("NextMarker", truncated && delimiter !== "" ? encode(lastEntry(list) ?? "") : undefined),
    element("MaxKeys", limit),
    element("Delimiter", delimiter === "" ? undefined : encode(delimiter)),
    element("EncodingType", query.has("encoding-type") ? "url" : undefined),
    element("IsTruncated", truncated),
    ...list.objects.map((object) => objectElement(object, encode, owner)),
    prefixElements(list.commonPrefixes, encode),
  );
  return { status: 200, headers: xmlHeaders, body, meter: { bucketId: bucket.bucketId, requestClass: "write" } };
};
