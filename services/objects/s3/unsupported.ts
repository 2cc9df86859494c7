import { invalidArgument, S3Error } from "./errors.ts";
import type { S3Request } from "./request.ts";

/**
 * Headers that ask for what this store does not do. Taking them silently would promise an encryption or a
 * visibility that is not there, so each is refused; what asks for the state of things as they are is taken.
 */
export function refuseUnsupported(request: S3Request): void {
  const { headers } = request;
  for (const name of headers.keys()) {
    if (name.startsWith("x-amz-server-side-encryption")) throw notImplemented(name);
    if (name.startsWith("x-amz-copy-source-server-side-encryption")) throw notImplemented(name);
  }
  if (headers.get("x-amz-website-redirect-location")) throw notImplemented("x-amz-website-redirect-location");
  if (headers.has("x-amz-write-offset-bytes")) throw notImplemented("x-amz-write-offset-bytes");
  const storageClass = headers.get("x-amz-storage-class");
  if (storageClass !== undefined && storageClass !== "STANDARD") throw new S3Error("InvalidStorageClass");
  refuseAcl(request);
}

const cannedAcls = [
  "private",
  "public-read",
  "public-read-write",
  "authenticated-read",
  "aws-exec-read",
  "log-delivery-write",
  "bucket-owner-read",
  "bucket-owner-full-control",
];

/** The owner alone decides, as in a bucket of S3 with "bucket owner enforced": only the ACLs that say this are taken. */
export function refuseAcl(request: S3Request): void {
  for (const name of request.headers.keys())
    if (name.startsWith("x-amz-grant-")) throw new S3Error("AccessControlListNotSupported", "The bucket does not allow ACLs");
  const acl = request.headers.get("x-amz-acl");
  if (acl === undefined || acl === "private" || acl === "bucket-owner-full-control") return;
  if (!cannedAcls.includes(acl)) throw invalidArgument("x-amz-acl", acl, "");
  throw new S3Error("AccessControlListNotSupported", "The bucket does not allow ACLs");
}

const notImplemented = (header: string): S3Error => new S3Error("NotImplemented", undefined, { fields: { Header: header } });
