import { S3Error } from "./errors.ts";
import type { S3Request } from "./request.ts";

/**
 * Headers that ask for what this store does not do. Taking them silently would promise an encryption or a
 * visibility that is not there, so each is refused; what asks for the state of things as they are is taken.
 */
export function refuseUnsupported(request: S3Request): void {
  const { headers } = request;
  if (headers.has("x-amz-write-offset-bytes")) throw notImplemented("x-amz-write-offset-bytes");
  const storageClass = headers.get("x-amz-storage-class");
  if (storageClass === undefined) return;
  if (archives.includes(storageClass))
    throw new S3Error("NotImplemented", `Archives (${storageClass}) are not implemented. Use another storage class.`);
  if (!storageClasses.includes(storageClass))
    throw new S3Error("InvalidStorageClass", undefined, { fields: { StorageClassRequested: storageClass } });
}

/** Kept as labels: clients get back what they gave, and all bytes lie alike. */
const storageClasses = ["STANDARD", "REDUCED_REDUNDANCY", "STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "GLACIER_IR"];
/** Could be read only after they were restored. */
const archives = ["GLACIER", "DEEP_ARCHIVE"];

const notImplemented = (header: string): S3Error => new S3Error("NotImplemented", undefined, { fields: { Header: header } });
