import type { StoredObject } from "../driver.ts";
import type { S3Bucket } from "./backend.ts";
import { customerKey, requireKey } from "./encryption.ts";
import { invalidArgument, S3Error } from "./errors.ts";
import type { S3Context } from "./operation.ts";
import type { S3Request } from "./request.ts";

/** Versions on the wire: S3 User Guide, "Retaining multiple versions of objects with S3 Versioning". */

/** The ids that this store gives out. */
export const isVersionId = (text: string): boolean => text === "null" || /^[0-9a-f]{32}$/.test(text);

/** For the store's options: the version that is asked for, or nothing. */
export function checkVersion(versionId: string | undefined): { versionId?: string } {
  if (versionId === undefined) return {};
  if (versionId === "") throw invalidArgument("versionId", "", "Version id cannot be the empty string");
  if (!isVersionId(versionId)) throw invalidArgument("versionId", versionId, "Invalid version id specified");
  return { versionId };
}

export const askedVersion = (request: S3Request): { versionId?: string } => checkVersion(request.query.get("versionId"));

/** What a write answers: the id of the version that it made, if it has one of its own. */
export const writtenVersionHeader = ({ versionId }: Pick<StoredObject, "versionId">): Record<string, string> =>
  versionId === undefined || versionId === "null" ? {} : { "x-amz-version-id": versionId };

/** Nothing while the bucket never had versions. */
export const versionHeader = ({ versionId }: Pick<StoredObject, "versionId">): Record<string, string> =>
  versionId === undefined ? {} : { "x-amz-version-id": versionId };

/**
 * Why there is no object: none, one that a delete marker hides (404), or the marker itself was asked for (405), as it is by who asks for tags or
 * locks (`hidden`).
 */
export async function missing(
  { request, backend }: S3Context,
  bucket: S3Bucket,
  key: string,
  asked: { versionId?: string },
  hidden: "missing" | "marker" = "missing",
): Promise<S3Error> {
  const marker = await backend.store.marker(bucket.bucketId, key, asked);
  const headers: Record<string, string> =
    marker === undefined ? {} : { "x-amz-delete-marker": "true", "x-amz-version-id": marker.versionId };
  if (asked.versionId === undefined && (hidden === "missing" || marker === undefined))
    return new S3Error("NoSuchKey", undefined, { fields: { Key: key }, headers });
  if (marker === undefined)
    return new S3Error("NoSuchVersion", undefined, { fields: { Key: key, VersionId: asked.versionId as string } });
  return new S3Error("MethodNotAllowed", undefined, {
    fields: { Method: request.method, ResourceType: "DeleteMarker" },
    headers: { ...headers, Allow: "DELETE", "Last-Modified": new Date(marker.modifiedAtMs).toUTCString() },
  });
}

/** The object that the request names, of the version that it names. */
export async function openObject(
  context: S3Context,
  bucket: S3Bucket,
  hidden: "missing" | "marker" = "marker",
): Promise<StoredObject> {
  const { request, backend } = context;
  const asked = askedVersion(request);
  const object = await backend.store.head(bucket.bucketId, request.key, asked);
  if (object === undefined) throw await missing(context, bucket, request.key, asked, hidden);
  return object;
}

/** As `openObject`, for who tells of the bytes: of those that are encrypted with a customer's key the request brings that. */
export async function openReadable(context: S3Context, bucket: S3Bucket): Promise<StoredObject> {
  const { request, backend } = context;
  const [asked, key] = [askedVersion(request), customerKey(request)];
  const object = await backend.store.head(bucket.bucketId, request.key, { ...asked, ...key });
  if (object === undefined) throw await missing(context, bucket, request.key, asked);
  requireKey(object, key);
  return object;
}
