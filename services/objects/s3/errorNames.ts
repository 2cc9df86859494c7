import type { S3Error, S3ErrorCode } from "./errors.ts";
import type { S3Request } from "./request.ts";

/**
 * What S3's errors name beside their message, as elements of their own (API Reference, "Error responses", and what AWS sends): the bucket,
 * key, upload or condition that they are about. What an error names already, of a copy's source say, is left as it is.
 */

type Names = (request: S3Request) => Record<string, string>;

const bucket: Names = ({ bucketName }) => ({ BucketName: bucketName });

const upload: Names = ({ query }) => (query.has("uploadId") ? { UploadId: query.get("uploadId") as string } : {});

const names: Partial<Record<S3ErrorCode, Names>> = {
  BucketAlreadyExists: bucket,
  BucketAlreadyOwnedByYou: bucket,
  BucketNotEmpty: bucket,
  InvalidPart: upload,
  InvalidPartOrder: upload,
  NoSuchBucket: bucket,
  NoSuchBucketPolicy: bucket,
  NoSuchCORSConfiguration: bucket,
  NoSuchKey: ({ key }) => ({ Key: key }),
  NoSuchLifecycleConfiguration: bucket,
  NoSuchPublicAccessBlockConfiguration: bucket,
  NoSuchTagSet: bucket,
  NoSuchUpload: upload,
  NoSuchWebsiteConfiguration: bucket,
  ObjectLockConfigurationNotFoundError: bucket,
  OwnershipControlsNotFoundError: bucket,
  // The store does not tell which condition of a write failed; there is never more than one.
  PreconditionFailed: ({ headers }) => ({ Condition: headers.has("if-match") ? "If-Match" : "If-None-Match" }),
  ReplicationConfigurationNotFoundError: bucket,
  ServerSideEncryptionConfigurationNotFoundError: bucket,
};

/** The error, which now names what it is about. */
export function naming(error: S3Error, request: S3Request): S3Error {
  for (const [name, value] of Object.entries(names[error.code]?.(request) ?? {})) error.fields[name] ??= value;
  return error;
}
