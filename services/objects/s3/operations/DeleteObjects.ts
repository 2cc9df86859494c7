import { readDocument } from "../body.ts";
import { S3Error, toS3Error } from "../errors.ts";
import { openBucket, type S3Operation, xmlHeaders } from "../operation.ts";
import { childrenOf, element, group, parseXml, textOf, type XmlNode, xmlDocument } from "../xml.ts";
import { type DeleteConditions, deleteWhen } from "./DeleteObject.ts";

interface Entry {
  key: string;
  versionId: string | undefined;
  conditions: DeleteConditions | undefined;
}

export const DeleteObjects: S3Operation = async (context) => {
  const { request, body, backend } = context;
  const bucket = await openBucket(context, "objects.object.delete");
  const document = parseXml(await readDocument(request, body, { maxBytes: 4 * 1024 ** 2, digestRequired: true }), "Delete");
  const entries = childrenOf(document, "Object").map(parseEntry);
  if (entries.length === 0 || entries.length > 1000) throw new S3Error("MalformedXML");
  const quiet = textOf(document, "Quiet")?.trim().toLowerCase() === "true";

  // Plain entries go in one transaction; those with conditions one by one, since each may fail alone.
  const errors = new Map<Entry, S3Error>();
  const plain: Entry[] = [];
  for (const entry of entries) {
    const { key, versionId, conditions } = entry;
    try {
      if (versionId && versionId !== "null") throw new S3Error("NoSuchVersion");
      if (Buffer.byteLength(key) > 1024) throw new S3Error("KeyTooLongError");
      if (conditions) await deleteWhen(context, bucket, key, conditions);
      else plain.push(entry);
    } catch (error) {
      errors.set(entry, toS3Error(error));
    }
  }
  if (plain.length > 0) {
    const keys = [...new Set(plain.map((entry) => entry.key))];
    await backend.store.deleteMany(
      bucket.bucketId,
      keys.map((key) => ({ key })),
      { meter: { requestClass: "delete" } },
    );
  }
  const results = entries.map((entry) => {
    const error = errors.get(entry);
    if (error) return failed(entry, error);
    return quiet ? "" : group("Deleted", element("Key", entry.key), element("VersionId", entry.versionId || undefined));
  });
  return { status: 200, headers: xmlHeaders, body: xmlDocument("DeleteResult", ...results) };
};

function parseEntry(object: XmlNode): Entry {
  const key = textOf(object, "Key");
  if (!key) throw new S3Error("MalformedXML");
  const etag = textOf(object, "ETag");
  const sizeBytes = textOf(object, "Size");
  const modifiedAt = textOf(object, "LastModifiedTime");
  const conditional = etag !== undefined || sizeBytes !== undefined || modifiedAt !== undefined;
  return { key, versionId: textOf(object, "VersionId"), conditions: conditional ? { etag, sizeBytes, modifiedAt } : undefined };
}

const failed = (entry: Entry, error: S3Error): string =>
  group(
    "Error",
    element("Key", entry.key),
    element("VersionId", entry.versionId || undefined),
    element("Code", error.code),
    element("Message", error.message),
  );
