import type { StoredObject } from "../../driver.ts";
import { getObject } from "../access/actions.ts";
import { checksumElements } from "../checksums.ts";
import { evaluate, preconditionFailed, readConditions } from "../conditions.ts";
import { encryptionHeaders } from "../encryption.ts";
import { invalidArgument, S3Error } from "../errors.ts";
import { quote } from "../objectHeaders.ts";
import { checkKey, openBucket, type S3Operation, xmlHeaders } from "../operation.ts";
import { openReadable, versionHeader } from "../versions.ts";
import { element, group, xmlDocument } from "../xml.ts";

const known = ["ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize"];

export const GetObjectAttributes: S3Operation = async (context) => {
  const { request } = context;
  const bucket = await openBucket(context, [getObject]);
  checkKey(request.key);
  if (!request.headers.get("x-amz-object-attributes")?.trim())
    throw new S3Error(
      "InvalidRequest",
      "The x-amz-object-attributes header specifying the attributes to be retrieved is either missing or empty",
    );
  const asked = (request.headers.get("x-amz-object-attributes") ?? "").split(",").map((name) => name.trim());
  for (const name of asked)
    if (!known.includes(name)) throw invalidArgument("x-amz-object-attributes", name, "Invalid attribute name specified.");
  const object = await openReadable(context, bucket);
  const outcome = evaluate(readConditions(request), object);
  const meter = { bucketId: bucket.bucketId, requestClass: "read" } as const;
  const headers = {
    ...xmlHeaders,
    ...versionHeader(object),
    ...encryptionHeaders(object, request, bucket),
    "Last-Modified": new Date(object.modifiedAtMs).toUTCString(),
  };
  if (outcome === "not_modified")
    return { status: 304, headers: { ETag: quote(object.etag), "Last-Modified": headers["Last-Modified"] }, meter };
  if (outcome !== "pass") throw preconditionFailed(outcome.failed);

  const checksums = checksumElements(withoutCounts(object.checksums), object.checksumType);
  const body = xmlDocument(
    "GetObjectAttributesResponse",
    // Alone among all documents, this one has the tag without quotes.
    asked.includes("ETag") ? element("ETag", object.etag) : "",
    asked.includes("Checksum") && checksums !== "" ? group("Checksum", checksums) : "",
    asked.includes("ObjectParts") && object.parts.length > 0 ? partsElement(object, request.headers) : "",
    asked.includes("StorageClass") ? element("StorageClass", object.headers.storageClass ?? "STANDARD") : "",
    asked.includes("ObjectSize") ? element("ObjectSize", object.sizeBytes) : "",
  );
  return { status: 200, headers, body, meter };
};

/** Here S3 leaves out the number of parts, which headers and listings have behind a checksum of checksums. */
const withoutCounts = (checksums: StoredObject["checksums"]): StoredObject["checksums"] =>
  Object.fromEntries(Object.entries(checksums).map(([algorithm, value]) => [algorithm, value.replace(/-\d+$/, "")]));

function partsElement(object: StoredObject, headers: Map<string, string>): string {
  const marker = count(headers, "x-amz-part-number-marker", 0);
  const limit = Math.min(count(headers, "x-amz-max-parts", 1000), 1000);
  const rest = object.parts.filter((part) => part.number > marker);
  const page = rest.slice(0, limit);
  return group(
    "ObjectParts",
    element("PartsCount", object.parts.length),
    element("PartNumberMarker", marker),
    element("NextPartNumberMarker", page.at(-1)?.number ?? 0),
    element("MaxParts", limit),
    element("IsTruncated", page.length < rest.length),
    ...page.map((part) =>
      group("Part", element("PartNumber", part.number), element("Size", part.sizeBytes), checksumElements(part.checksums)),
    ),
  );
}

function count(headers: Map<string, string>, name: string, otherwise: number): number {
  const text = headers.get(name);
  if (text === undefined) return otherwise;
  if (!/^\d{1,9}$/.test(text)) throw invalidArgument(name, text, `Provided ${name} not an integer or within integer range`);
  return Number(text);
}
