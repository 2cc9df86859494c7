import type { Deletion } from "../../driver.ts";
import { besides } from "../access/actions.ts";
import { allow, requirePayer } from "../access/decide.ts";
import { readDocument } from "../body.ts";
import { S3Error, toS3Error } from "../errors.ts";
import { mayBypass } from "../locking.ts";
import { findBucket, noteBeside, type S3Operation, xmlHeaders } from "../operation.ts";
import { isVersionId } from "../versions.ts";
import { childrenOf, element, group, parseXml, textOf, type XmlNode, xmlDocument } from "../xml.ts";
import { type DeleteConditions, deleteWhen } from "./DeleteObject.ts";

interface Entry {
  key: string;
  versionId: string | undefined;
  conditions: DeleteConditions | undefined;
}

export const DeleteObjects: S3Operation = async (context) => {
  const { request, body, backend } = context;
  const bucket = await findBucket(context, request.bucketName, "x-amz-expected-bucket-owner");
  const document = parseXml(await readDocument(request, body, { maxBytes: 4 * 1024 ** 2, digestRequired: true }), "Delete");
  const entries = childrenOf(document, "Object").map(parseEntry);
  if (entries.length === 0 || entries.length > 1000) throw new S3Error("MalformedXML");
  const quiet = textOf(document, "Quiet")?.trim().toLowerCase() === "true";

  // Plain entries go in one transaction; those with conditions one by one, since each may fail alone.
  const outcomes = new Map<Entry, Deletion | S3Error | undefined>();
  const plain = new Map<boolean, Entry[]>();
  const byList = new Set<Entry>();
  for (const entry of entries) {
    const { key, versionId } = entry;
    try {
      if (versionId !== undefined && !isVersionId(versionId)) throw new S3Error("NoSuchVersion");
      if (Buffer.byteLength(key) > 1024) throw new S3Error("KeyTooLongError");
      if ((await allow(context, bucket, besides.deleteObject, { key, versionId })) === "acl") byList.add(entry);
    } catch (error) {
      outcomes.set(entry, toS3Error(error));
    }
  }
  // Of the whole request, and before anything goes.
  await requirePayer(context, bucket);
  for (const entry of entries) {
    const { key, versionId, conditions } = entry;
    if (outcomes.has(entry)) continue;
    try {
      const bypassGovernance = await mayBypass(context, bucket, { key, versionId });
      const options = { bypassGovernance, ...(versionId !== undefined && { versionId }) };
      if (conditions) outcomes.set(entry, await deleteWhen(context, bucket, key, options, conditions));
      else {
        const together = plain.get(bypassGovernance) ?? [];
        plain.set(bypassGovernance, together);
        together.push(entry);
      }
    } catch (error) {
      outcomes.set(entry, toS3Error(error));
    }
  }
  for (const [bypassGovernance, together] of plain) {
    const names = together.map(({ key, versionId }) => ({ key, ...(versionId !== undefined && { versionId }) }));
    const results = await backend.store.deleteMany(bucket.bucketId, names, {
      bypassGovernance,
      meter: { requestClass: "delete" },
    });
    for (const [index, { deletion, refused }] of results.entries())
      outcomes.set(together[index]!, refused === undefined ? deletion : toS3Error(refused));
  }
  const results = entries.map((entry) => {
    const outcome = outcomes.get(entry);
    const { status, code } = outcome instanceof S3Error ? outcome : { status: 204 };
    noteBeside(context, {
      ...{ operation: "BATCH.DELETE.OBJECT", bucketName: bucket.name, key: entry.key, versionId: entry.versionId },
      ...{ status, errorCode: code, aclRequired: byList.has(entry) },
    });
    if (outcome instanceof S3Error) return failed(entry, outcome);
    return quiet ? "" : deleted(entry, outcome);
  });
  return { status: 200, headers: xmlHeaders, body: xmlDocument("DeleteResult", ...results) };
};

const deleted = ({ key, versionId }: Entry, deletion: Deletion | undefined): string =>
  group(
    "Deleted",
    element("Key", key),
    element("VersionId", versionId),
    ...(deletion?.marker ? [element("DeleteMarker", true), element("DeleteMarkerVersionId", deletion.versionId)] : []),
  );

function parseEntry(object: XmlNode): Entry {
  const key = textOf(object, "Key");
  if (!key) throw new S3Error("MalformedXML");
  const etag = textOf(object, "ETag");
  const sizeBytes = textOf(object, "Size");
  const modifiedAt = textOf(object, "LastModifiedTime");
  const conditional = etag !== undefined || sizeBytes !== undefined || modifiedAt !== undefined;
  return {
    key,
    versionId: textOf(object, "VersionId") || undefined,
    conditions: conditional ? { etag, sizeBytes, modifiedAt } : undefined,
  };
}

const failed = (entry: Entry, error: S3Error): string =>
  group(
    "Error",
    element("Key", entry.key),
    element("VersionId", entry.versionId),
    element("Code", error.code),
    element("Message", error.message),
  );
