import { CloudError, type ErrorCode } from "../../../kernel/errors.ts";

/** The S3 error codes that this door speaks, with their HTTP status (API Reference, "Error responses"). */
export const s3ErrorStatus = {
  AccessControlListNotSupported: 400,
  AccessDenied: 403,
  AccessForbidden: 403,
  AuthorizationHeaderMalformed: 400,
  AuthorizationQueryParametersError: 400,
  BadDigest: 400,
  BadRequest: 400,
  BucketAlreadyExists: 409,
  BucketAlreadyOwnedByYou: 409,
  BucketNotEmpty: 409,
  ConditionalRequestConflict: 409,
  EntityTooLarge: 400,
  EntityTooSmall: 400,
  ExpiredToken: 400,
  IllegalLocationConstraintException: 400,
  IllegalVersioningConfigurationException: 400,
  IncompleteBody: 400,
  IncorrectNumberOfFilesInPostRequest: 400,
  InsufficientStorage: 507,
  InternalError: 500,
  InvalidAccessKeyId: 403,
  InvalidArgument: 400,
  InvalidBucketAclWithObjectOwnership: 400,
  InvalidBucketName: 400,
  InvalidBucketOwnerAWSAccountID: 400,
  InvalidBucketState: 409,
  InvalidChunkSizeError: 403,
  InvalidDigest: 400,
  InvalidEncryptionAlgorithmError: 400,
  InvalidLocationConstraint: 400,
  InvalidPart: 400,
  InvalidPartOrder: 400,
  InvalidPolicyDocument: 400,
  InvalidRange: 416,
  InvalidRedirectLocation: 400,
  InvalidRequest: 400,
  InvalidRetentionPeriod: 400,
  InvalidStorageClass: 400,
  InvalidTag: 400,
  InvalidTargetBucketForLogging: 400,
  InvalidToken: 400,
  InvalidURI: 400,
  "KMS.NotFoundException": 400,
  KeyTooLongError: 400,
  MalformedACLError: 400,
  MalformedPOSTRequest: 400,
  MalformedPolicy: 400,
  MalformedTrailerError: 400,
  MalformedXML: 400,
  MaxMessageLengthExceeded: 400,
  MaxPostPreDataLengthExceeded: 400,
  MetadataTooLarge: 400,
  MethodNotAllowed: 405,
  MissingContentLength: 411,
  MissingRequestBodyError: 400,
  MissingSecurityHeader: 400,
  NoSuchBucket: 404,
  NoSuchBucketPolicy: 404,
  NoSuchConfiguration: 404,
  NoSuchCORSConfiguration: 404,
  NoSuchKey: 404,
  NoSuchLifecycleConfiguration: 404,
  NoSuchObjectLockConfiguration: 404,
  NoSuchPublicAccessBlockConfiguration: 404,
  NoSuchTagSet: 404,
  NoSuchUpload: 404,
  NoSuchVersion: 404,
  NoSuchWebsiteConfiguration: 404,
  NotImplemented: 501,
  ObjectLockConfigurationNotFoundError: 404,
  OperationAborted: 409,
  OwnershipControlsNotFoundError: 404,
  PreconditionFailed: 412,
  QuotaExceeded: 403,
  ReplicationConfigurationNotFoundError: 404,
  RequestHeaderSectionTooLarge: 400,
  RequestTimeTooSkewed: 403,
  RequestTimeout: 400,
  ServerSideEncryptionConfigurationNotFoundError: 404,
  ServiceUnavailable: 503,
  SignatureDoesNotMatch: 403,
  SlowDown: 503,
  UnexpectedContent: 400,
  XAmzContentSHA256Mismatch: 400,
} as const satisfies Record<string, number>;

export type S3ErrorCode = keyof typeof s3ErrorStatus;

/** Messages that clients know from Amazon; a CloudError's own message is kept where none stands here. */
const knownMessages: Partial<Record<S3ErrorCode, string>> = {
  ExpiredToken: "The provided token has expired.",
  IncorrectNumberOfFilesInPostRequest: "POST requires exactly one file upload per request.",
  MalformedACLError: "The XML you provided was not well-formed or did not validate against our published schema",
  MalformedPOSTRequest: "The body of your POST request is not well-formed multipart/form-data.",
  MaxPostPreDataLengthExceeded: "Your POST request fields preceding the upload file were too large.",
  AccessDenied: "Access Denied",
  BadDigest: "The Content-MD5 you specified did not match what we received.",
  BucketAlreadyExists:
    "The requested bucket name is not available. The bucket namespace is shared by all users of the system. Please select a different name and try again.",
  BucketAlreadyOwnedByYou: "Your previous request to create the named bucket succeeded and you already own it.",
  BucketNotEmpty: "The bucket you tried to delete is not empty",
  ConditionalRequestConflict: "The conditional request cannot succeed due to a conflicting operation against this resource.",
  EntityTooLarge: "Your proposed upload exceeds the maximum allowed size",
  EntityTooSmall: "Your proposed upload is smaller than the minimum allowed size",
  IllegalVersioningConfigurationException: "The Versioning element must be specified",
  IncompleteBody: "You did not provide the number of bytes specified by the Content-Length HTTP header.",
  InternalError: "We encountered an internal error. Please try again.",
  InvalidAccessKeyId: "The AWS Access Key Id you provided does not exist in our records.",
  InvalidBucketName: "The specified bucket is not valid.",
  InvalidBucketState: "An Object Lock configuration is present on this bucket, so the versioning state cannot be changed.",
  InvalidChunkSizeError: "Only the last chunk is allowed to have a size less than 8192 bytes",
  InvalidDigest: "The Content-MD5 you specified was invalid.",
  InvalidEncryptionAlgorithmError: "The Encryption request you specified is not valid. Supported value: AES256.",
  InvalidLocationConstraint: "The specified location-constraint is not valid",
  InvalidPart:
    "One or more of the specified parts could not be found.  The part may not have been uploaded, or the specified entity tag may not match the part's entity tag.",
  InvalidPartOrder: "The list of parts was not in ascending order. Parts must be ordered by part number.",
  InvalidRange: "The requested range is not satisfiable",
  InvalidStorageClass: "The storage class you specified is not valid",
  InvalidToken: "The provided token is malformed or otherwise invalid.",
  InvalidURI: "Couldn't parse the specified URI.",
  KeyTooLongError: "Your key is too long",
  MalformedTrailerError:
    "The request contained trailing data that was not well-formed or did not conform to our published schema.",
  MalformedXML: "The XML you provided was not well-formed or did not validate against our published schema",
  MaxMessageLengthExceeded: "Your request was too big.",
  MetadataTooLarge: "Your metadata headers exceed the maximum allowed metadata size",
  MethodNotAllowed: "The specified method is not allowed against this resource.",
  MissingContentLength: "You must provide the Content-Length HTTP header.",
  MissingSecurityHeader: "Your request was missing a required header",
  MissingRequestBodyError: "Request Body is empty",
  NoSuchBucket: "The specified bucket does not exist",
  NoSuchBucketPolicy: "The bucket policy does not exist",
  NoSuchCORSConfiguration: "The CORS configuration does not exist",
  NoSuchKey: "The specified key does not exist.",
  NoSuchLifecycleConfiguration: "The lifecycle configuration does not exist",
  NoSuchObjectLockConfiguration: "The specified object does not have a ObjectLock configuration",
  NoSuchPublicAccessBlockConfiguration: "The public access block configuration was not found",
  NoSuchTagSet: "The TagSet does not exist",
  NoSuchUpload:
    "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.",
  NoSuchVersion: "The specified version does not exist.",
  NoSuchWebsiteConfiguration: "The specified bucket does not have a website configuration",
  NotImplemented: "A header you provided implies functionality that is not implemented",
  ObjectLockConfigurationNotFoundError: "Object Lock configuration does not exist for this bucket",
  OperationAborted: "A conflicting conditional operation is currently in progress against this resource. Please try again.",
  OwnershipControlsNotFoundError: "The bucket ownership controls were not found",
  PreconditionFailed: "At least one of the pre-conditions you specified did not hold",
  ReplicationConfigurationNotFoundError: "The replication configuration was not found",
  RequestHeaderSectionTooLarge: "Your request header section exceeds the maximum allowed size.",
  RequestTimeTooSkewed: "The difference between the request time and the server's time is too large.",
  RequestTimeout:
    "Your socket connection to the server was not read from or written to within the timeout period. Idle connections will be closed.",
  ServerSideEncryptionConfigurationNotFoundError: "The server side encryption configuration was not found",
  ServiceUnavailable: "Service is unable to handle request.",
  SignatureDoesNotMatch:
    "The request signature we calculated does not match the signature you provided. Check your key and signing method.",
  SlowDown: "Please reduce your request rate.",
  XAmzContentSHA256Mismatch: "The provided 'x-amz-content-sha256' header does not match what was computed.",
};

/** A failure in S3's own terms. `fields` become elements of the XML body (`Region`, `Condition`, `ArgumentName`). */
export class S3Error extends Error {
  readonly code: S3ErrorCode;
  readonly fields: Record<string, string>;
  readonly headers: Record<string, string>;

  constructor(
    code: S3ErrorCode,
    message?: string,
    options: { fields?: Record<string, string>; headers?: Record<string, string>; cause?: unknown } = {},
  ) {
    super(message ?? knownMessages[code] ?? code, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "S3Error";
    this.code = code;
    this.fields = options.fields ?? {};
    this.headers = options.headers ?? {};
  }

  get status(): number {
    return s3ErrorStatus[this.code];
  }
}

export const invalidArgument = (name: string, value: string, message: string): S3Error =>
  new S3Error("InvalidArgument", message, { fields: { ArgumentName: name, ArgumentValue: value } });

/** One CloudError code in S3's terms: by details.reason first, then by details.resource, then the code itself. */
interface Translation {
  otherwise: S3ErrorCode;
  reasons?: Record<string, S3ErrorCode>;
  resources?: Record<string, S3ErrorCode>;
}

export const cloudErrorTranslations: Record<ErrorCode, Translation> = {
  invalid_argument: {
    otherwise: "InvalidArgument",
    reasons: {
      bad_digest: "BadDigest",
      checksum_mismatch: "BadDigest",
      incomplete_body: "IncompleteBody",
      customer_key_missing: "InvalidRequest",
      customer_key_unexpected: "InvalidRequest",
      key_too_long: "KeyTooLongError",
      key_invalid: "InvalidURI",
      invalid_part: "InvalidPart",
      invalid_part_order: "InvalidPartOrder",
      part_too_small: "EntityTooSmall",
      invalid_bucket_name: "InvalidBucketName",
    },
  },
  unauthenticated: { otherwise: "AccessDenied" },
  permission_denied: { otherwise: "AccessDenied", reasons: { customer_key_wrong: "InvalidRequest" } },
  not_found: {
    otherwise: "NoSuchKey",
    resources: { bucket: "NoSuchBucket", object: "NoSuchKey", upload: "NoSuchUpload" },
  },
  already_exists: {
    otherwise: "BucketAlreadyExists",
    reasons: { bucket_owned_by_you: "BucketAlreadyOwnedByYou" },
  },
  conflict: { otherwise: "OperationAborted" },
  failed_precondition: {
    otherwise: "InvalidRequest",
    reasons: {
      invalid_part: "InvalidPart",
      invalid_part_order: "InvalidPartOrder",
      part_too_small: "EntityTooSmall",
      bucket_not_empty: "BucketNotEmpty",
      versioning_locked: "InvalidBucketState",
    },
  },
  precondition_failed: { otherwise: "PreconditionFailed" },
  quota_exceeded: { otherwise: "QuotaExceeded" },
  rate_limited: { otherwise: "SlowDown" },
  payload_too_large: { otherwise: "EntityTooLarge" },
  range_not_satisfiable: { otherwise: "InvalidRange", reasons: { part_number: "InvalidPart" } },
  storage_full: { otherwise: "InsufficientStorage" },
  unavailable: { otherwise: "ServiceUnavailable" },
  deadline_exceeded: { otherwise: "ServiceUnavailable" },
  cancelled: { otherwise: "RequestTimeout" },
  not_implemented: { otherwise: "NotImplemented" },
  internal: { otherwise: "InternalError" },
};

/** What S3 says of the part or the digest that is wrong. */
function namesIn(code: S3ErrorCode, details: CloudError["details"]): Record<string, string> {
  const { partNumber, etag, sizeBytes, leastBytes, calculated, expected } = details;
  const named: [string, unknown][] = [];
  if (code === "InvalidPart" || code === "EntityTooSmall") named.push(["PartNumber", partNumber], ["ETag", etag]);
  if (code === "EntityTooSmall") named.push(["ProposedSize", sizeBytes], ["MinSizeAllowed", leastBytes]);
  if (code === "XAmzContentSHA256Mismatch")
    named.push(["ClientComputedContentSHA256", expected], ["S3ComputedContentSHA256", calculated]);
  if (code === "BadDigest") named.push(["ExpectedDigest", expected], ["CalculatedDigest", calculated]);
  return Object.fromEntries(named.filter(([, value]) => value !== undefined).map(([name, value]) => [name, String(value)]));
}

/** Any failure as S3 says it. What is neither an S3Error nor a CloudError is our fault: InternalError, the cause for the log. */
export function toS3Error(error: unknown): S3Error {
  if (error instanceof S3Error) return error;
  if (!CloudError.is(error)) return new S3Error("InternalError", undefined, { cause: error });
  const { otherwise, reasons, resources } = cloudErrorTranslations[error.code];
  const { reason, resource, retryAfterSeconds, algorithm } = error.details;
  let code = (reason && reasons?.[reason]) || (resource && resources?.[resource]) || otherwise;
  // The SHA-256 of a body comes with every signature; S3 has a code of its own for that one.
  if (reason === "bad_digest" && algorithm === "sha256") code = "XAmzContentSHA256Mismatch";
  // If-Match on what does not exist is a missing key, not a failed condition (PutObject, "If-Match").
  if (error.code === "precondition_failed" && error.details["exists"] === false) code = "NoSuchKey";
  if (reason === "object_locked")
    return new S3Error(code, "Access Denied because object protected by object lock.", { cause: error });
  // What this door does not show: the client's own list says that there is nothing.
  const isHidden = code === "BucketNotEmpty" && error.details["trash"] === true;
  const message = isHidden
    ? error.message
    : reason === "checksum_mismatch" && typeof algorithm === "string"
      ? `The ${algorithm.toUpperCase()} you specified did not match the calculated checksum.`
      : (knownMessages[code] ?? error.message);
  return new S3Error(code, message, {
    cause: error,
    fields: namesIn(code, error.details),
    ...(retryAfterSeconds === undefined ? {} : { headers: { "Retry-After": String(Math.ceil(retryAfterSeconds)) } }),
  });
}
