import { S3Error, type S3ErrorCode } from "../errors.ts";
import { openBucket, type S3Operation, xmlHeaders } from "../operation.ts";
import { element, xmlDocument } from "../xml.ts";

/**
 * Settings of a bucket that cannot be made yet. That there is none is the truth, and clients know how S3 says it.
 * When one becomes an operation of its own, its row goes from here.
 */

/** GET of these is an error of its own. */
export const missingConfigurations: Record<string, S3ErrorCode> = {
  cors: "NoSuchCORSConfiguration",
  encryption: "ServerSideEncryptionConfigurationNotFoundError",
  ownershipControls: "OwnershipControlsNotFoundError",
  policy: "NoSuchBucketPolicy",
  policyStatus: "NoSuchBucketPolicy",
  publicAccessBlock: "NoSuchPublicAccessBlockConfiguration",
  replication: "ReplicationConfigurationNotFoundError",
};

/** GET of these is a document that says "none". */
export const emptyConfigurations: Record<string, string> = {
  accelerate: xmlDocument("AccelerateConfiguration"),
  logging: xmlDocument("BucketLoggingStatus"),
  notification: xmlDocument("NotificationConfiguration"),
  requestPayment: xmlDocument("RequestPaymentConfiguration", element("Payer", "BucketOwner")),
};

/** Removing what is not there is no error. */
export const removableConfigurations = ["cors", "encryption", "ownershipControls", "policy", "publicAccessBlock", "replication"];

export const getMissing =
  (code: S3ErrorCode): S3Operation =>
  async (context) => {
    await openBucket(context, "objects.object.list");
    throw new S3Error(code, undefined, { fields: { BucketName: context.request.bucketName } });
  };

export const getEmpty =
  (document: string): S3Operation =>
  async (context) => {
    await openBucket(context, "objects.object.list");
    return { status: 200, headers: xmlHeaders, body: document };
  };

export const deleteMissing: S3Operation = async (context) => {
  await openBucket(context, "objects.object.write");
  return { status: 204 };
};
