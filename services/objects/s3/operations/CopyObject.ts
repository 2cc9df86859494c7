import type { ObjectHeaders, StoredObject } from "../../driver.ts";
import { besides, getObject } from "../access/actions.ts";
import { allow } from "../access/decide.ts";
import { accessOfNew, besidesOf } from "../access/writing.ts";
import type { S3Bucket } from "../backend.ts";
import { maxUploadBytes } from "../body.ts";
import { checksumElements, parseAlgorithm } from "../checksums.ts";
import { evaluate, preconditionFailed, readConditions, writeConditions } from "../conditions.ts";
import { parseSource } from "../copySource.ts";
import {
  askedEncryption,
  encryptionHeaders,
  encryptionOfCopy,
  refuseBlockedKey,
  requireKey,
  sourceCustomerKey,
} from "../encryption.ts";
import { invalidArgument, S3Error, toS3Error } from "../errors.ts";
import { expirationHeader } from "../expiration.ts";
import { lockHeaders } from "../locking.ts";
import { copiedHeaders, keptHeaders, keptMetadata, quote } from "../objectHeaders.ts";
import { checkKey, noteBeside, openBucket, openOther, type S3Context, type S3Operation, xmlHeaders } from "../operation.ts";
import { taggingHeader } from "../tagging.ts";
import { refuseUnsupported } from "../unsupported.ts";
import { checkVersion, missing, versionHeader } from "../versions.ts";
import { element, xmlDocument, xmlTime } from "../xml.ts";

export const CopyObject: S3Operation = async (context) => {
  const { request, backend } = context;
  const replaceTags = directive(context, "x-amz-tagging-directive") === "REPLACE";
  const bucket = await openBucket(context, besidesOf(request, { tagging: replaceTags && request.headers.has("x-amz-tagging") }));
  checkKey(request.key);
  refuseUnsupported(request);
  const range = request.headers.get("range");
  if (range !== undefined) throw invalidArgument("Range", range, "RANGE is not supported in Copy!");
  const replace = directive(context, "x-amz-metadata-directive") === "REPLACE";
  const marks = {
    ...(replaceTags && { tags: {}, ...taggingHeader(request) }),
    ...(await lockHeaders(context, bucket)),
    ...(await accessOfNew(context, bucket)),
  };
  const algorithm = request.headers.get("x-amz-checksum-algorithm");
  const kept = keptHeaders(request);
  const changes =
    replace ||
    askedEncryption(request, bucket) !== undefined ||
    ["x-amz-storage-class", "x-amz-website-redirect-location"].some((name) => request.headers.has(name));
  const source = await openSource(context);
  // Tags that come along are put here, too (CopyObject, x-amz-tagging-directive).
  if (!replaceTags && Object.keys(source.object.tags ?? {}).length > 0)
    await allow(context, bucket, besides.putObjectTagging, { key: request.key });
  if (
    !changes &&
    source.asked.versionId === undefined &&
    source.bucket.bucketId === bucket.bucketId &&
    source.object.key === request.key &&
    // Without a key of the customer's from now on.
    source.object.encryption !== "customer" &&
    // What lies there may be to be encrypted now.
    (await backend.store.settings(bucket.bucketId)).encryption === undefined
  ) {
    throw new S3Error(
      "InvalidRequest",
      "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes.",
    );
  }
  if (source.object.sizeBytes > maxUploadBytes) {
    throw new S3Error(
      "InvalidRequest",
      `The specified copy source is larger than the maximum allowable size for a copy source: ${maxUploadBytes}`,
    );
  }
  const encryption = await encryptionOfCopy(context, bucket);
  await refuseBlockedKey(context, bucket);
  return backend.room(bucket, async (room) => {
    await room.take(source.object.sizeBytes);
    const object = await backend.store.copy(
      { bucketId: source.bucket.bucketId, key: source.object.key, ...source.asked },
      { bucketId: bucket.bucketId, key: request.key },
      {
        ...writeConditions(request),
        // The conditions were looked at on this version, so this version is what must be copied.
        sourceIfMatch: source.object.etag,
        ...(replace
          ? { headers: kept, metadata: keptMetadata(request) }
          : { headers: { ...copiedHeaders(source.object.headers), ...newOnes(kept) } }),
        encryption,
        ...marks,
        ...(algorithm === undefined ? {} : { checksum: parseAlgorithm(algorithm) }),
        meter: { requestClass: "write" },
      },
    );
    return {
      status: 200,
      headers: {
        ...xmlHeaders,
        ...versionHeader(object),
        ...sourceVersionHeader(source.object),
        ...(await expirationHeader(context, bucket, object)),
        ...encryptionHeaders(object, request, bucket),
      },
      body: xmlDocument(
        "CopyObjectResult",
        element("LastModified", xmlTime(object.modifiedAtMs)),
        element("ETag", quote(object.etag)),
        checksumElements(object.checksums, object.checksumType),
      ),
    };
  });
};

/** What a copy is told anew, whatever it keeps of its source. */
const newOnes = ({ storageClass, websiteRedirectLocation }: ObjectHeaders): ObjectHeaders => ({
  ...(storageClass !== undefined && { storageClass }),
  ...(websiteRedirectLocation !== undefined && { websiteRedirectLocation }),
});

function directive(context: S3Context, name: string): string {
  const value = context.request.headers.get(name) ?? "COPY";
  if (value !== "COPY" && value !== "REPLACE")
    throw invalidArgument(
      name,
      value,
      name === "x-amz-metadata-directive" ? "Unknown metadata directive." : "Unknown tagging directive.",
    );
  return value;
}

interface Source {
  bucket: S3Bucket;
  object: StoredObject;
  asked: { versionId?: string; customerKey?: Uint8Array };
  aclRequired: boolean;
}

/** The object named by x-amz-copy-source, readable by the caller and with its conditions met. The log of its bucket tells of it. */
export async function openSource(context: S3Context): Promise<Source> {
  const named = parseSource(context.request.headers.get("x-amz-copy-source") ?? "");
  const operation = context.operation === "CopyObject" ? "REST.COPY.OBJECT_GET" : "REST.COPY.PART_GET";
  try {
    const source = await findSource(context, named);
    const { object, aclRequired } = source;
    noteBeside(context, { operation, ...named, status: 200, objectBytes: object.sizeBytes, aclRequired });
    return source;
  } catch (error) {
    const { status, code } = toS3Error(error);
    noteBeside(context, { operation, ...named, status, errorCode: code });
    throw error;
  }
}

async function findSource(context: S3Context, { bucketName, key, versionId }: ReturnType<typeof parseSource>): Promise<Source> {
  const { request, backend } = context;
  const { bucket, aclRequired } = await openOther(context, bucketName, [getObject], { key, versionId });
  const asked = { ...checkVersion(versionId), ...sourceCustomerKey(request) };
  const object = await backend.store.head(bucket.bucketId, key, asked);
  if (!object) {
    const error = await missing(context, bucket, key, asked);
    throw error.code === "MethodNotAllowed"
      ? new S3Error("InvalidRequest", "The source of a copy request may not specifically refer to a delete marker by version id.")
      : error;
  }
  // Tags go with an object unless others are given.
  const withTags = context.operation === "CopyObject" && request.headers.get("x-amz-tagging-directive") !== "REPLACE";
  if (withTags && Object.keys(object.tags ?? {}).length > 0)
    await allow(context, bucket, besides.getObjectTagging, { key, versionId });
  requireKey(object, asked);
  const conditions = readConditions(request, "x-amz-copy-source-");
  const outcome = evaluate(conditions, object);
  // For a copy there is no "not modified": every condition that does not hold fails it.
  if (outcome === "not_modified")
    throw preconditionFailed(`x-amz-copy-source-${conditions.ifNoneMatch === undefined ? "If-Modified-Since" : "If-None-Match"}`);
  if (outcome !== "pass") throw preconditionFailed(`x-amz-copy-source-${outcome.failed}`);
  return { bucket, object, asked, aclRequired };
}

/** Of a source that has a version of its own. */
const sourceVersionHeader = ({ versionId }: StoredObject): Record<string, string> =>
  versionId === undefined || versionId === "null" ? {} : { "x-amz-copy-source-version-id": versionId };
