import { S3Error, type S3ErrorCode } from "../errors.ts";
import { openBucket, type S3Operation, xmlHeaders } from "../operation.ts";
import { xmlDocument } from "../xml.ts";

/**
 * Settings of a bucket that cannot be made yet. That there is none is the truth, and clients know how S3 says it.
 * When one becomes an operation of its own, its row goes from here.
 */

/** GET of these is an error of its own. */
export const missingConfigurations: Record<string, S3ErrorCode> = {
  replication: "ReplicationConfigurationNotFoundError",
};

/** GET of these is a document that says "none". */
export const emptyConfigurations: Record<string, string> = {
  accelerate: xmlDocument("AccelerateConfiguration"),
};

/** Removing what is not there is no error. */
export const removableConfigurations = ["replication"];

export const getMissing =
  (code: S3ErrorCode): S3Operation =>
  async (context) => {
    await openBucket(context);
    throw new S3Error(code, undefined, { fields: { BucketName: context.request.bucketName } });
  };

export const getEmpty =
  (document: string): S3Operation =>
  async (context) => {
    await openBucket(context);
    return { status: 200, headers: xmlHeaders, body: document };
  };

export const deleteMissing = (): S3Operation => async (context) => {
  await openBucket(context);
  return { status: 204 };
};
