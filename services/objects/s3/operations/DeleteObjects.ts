import type { S3Bucket } from "../backend.ts";
import { readDocument } from "../body.ts";
import { unquote } from "../conditions.ts";
import { S3Error, toS3Error } from "../errors.ts";
import { openBucket, type S3Context, type S3Operation, xmlHeaders } from "../operation.ts";
import { childrenOf, element, group, parseXml, textOf, xmlDocument } from "../xml.ts";

interface Entry {
  key: string;
  versionId?: string;
  ifMatch?: string;
}

export const DeleteObjects: S3Operation = async (context) => {
  const { request, body, backend } = context;
  const bucket = await openBucket(context, "objects.object.delete");
  const document = parseXml(await readDocument(request, body, { maxBytes: 4 * 1024 ** 2, digestRequired: true }), "Delete");
  const entries = childrenOf(document, "Object").map((object): Entry => {
    const key = textOf(object, "Key");
    if (!key) throw new S3Error("MalformedXML");
    const versionId = textOf(object, "VersionId");
    const ifMatch = textOf(object, "ETag");
    if (childrenOf(object, "LastModifiedTime").length > 0 || childrenOf(object, "Size").length > 0)
      throw new S3Error("NotImplemented", "Conditions on the time and size of an object that is deleted are not implemented.");
    return {
      key,
      ...(versionId === undefined ? {} : { versionId }),
      ...(ifMatch === undefined ? {} : { ifMatch: unquote(ifMatch) }),
    };
  });
  if (entries.length === 0 || entries.length > 1000) throw new S3Error("MalformedXML");
  const quiet = textOf(document, "Quiet")?.trim() === "true";

  // Plain entries go in one transaction; those with conditions one by one, since each may fail alone.
  const results = new Map<Entry, string>();
  const plain: Entry[] = [];
  for (const entry of entries) {
    if (entry.versionId !== undefined && entry.versionId !== "null" && entry.versionId !== "")
      results.set(entry, failed(entry, new S3Error("NoSuchVersion")));
    else if (Buffer.byteLength(entry.key) > 1024) results.set(entry, failed(entry, new S3Error("KeyTooLongError")));
    else if (entry.ifMatch === undefined) plain.push(entry);
    else results.set(entry, await deleteMatching(context, bucket, entry, quiet));
  }
  if (plain.length > 0) {
    const keys = [...new Set(plain.map((entry) => entry.key))];
    await backend.store.deleteMany(bucket.bucketId, keys, { meter: { requestClass: "delete" } });
    for (const entry of plain) results.set(entry, quiet ? "" : deleted(entry));
  }
  return {
    status: 200,
    headers: xmlHeaders,
    body: xmlDocument("DeleteResult", ...entries.map((entry) => results.get(entry) ?? "")),
  };
};

async function deleteMatching(context: S3Context, bucket: S3Bucket, entry: Entry, quiet: boolean): Promise<string> {
  try {
    await context.backend.store.delete(bucket.bucketId, entry.key, {
      ifMatch: entry.ifMatch!,
      meter: { requestClass: "delete" },
    });
    return quiet ? "" : deleted(entry);
  } catch (error) {
    return failed(entry, toS3Error(error));
  }
}

const deleted = (entry: Entry): string =>
  group("Deleted", element("Key", entry.key), element("VersionId", entry.versionId || undefined));

const failed = (entry: Entry, error: S3Error): string =>
  group(
    "Error",
    element("Key", entry.key),
    element("VersionId", entry.versionId),
    element("Code", error.code),
    element("Message", error.message),
  );
