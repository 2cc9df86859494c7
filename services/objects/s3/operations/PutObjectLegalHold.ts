import { readDocument } from "../body.ts";
import { S3Error } from "../errors.ts";
import { requireLock } from "../locking.ts";
import { openBucket, type S3Operation } from "../operation.ts";
import { openObject, versionHeader } from "../versions.ts";
import { parseXml, textOf } from "../xml.ts";

export const PutObjectLegalHold: S3Operation = async (context) => {
  const { request, backend } = context;
  const document = await readDocument(request, context.body, { maxBytes: 64 * 1024 });
  if (document.trim() === "") throw new S3Error("MalformedXML");
  const status = textOf(parseXml(document, "LegalHold"), "Status");
  if (status !== "ON" && status !== "OFF") throw new S3Error("MalformedXML");
  context.given = { requestLock: { "object-lock-legal-hold": status } };
  const bucket = await openBucket(context);
  await requireLock(context, bucket);
  const { versionId } = await openObject(context, bucket);
  const options = { meter: { requestClass: "write" }, ...(versionId !== undefined && { versionId }) } as const;
  const object = await backend.store.mark(bucket.bucketId, request.key, { legalHold: status === "ON" }, options);
  return { status: 200, headers: versionHeader(object) };
};
