import { S3Error, type S3ErrorCode } from "../errors.ts";
import { openBucket, type S3Operation, xmlHeaders } from "../operation.ts";
import { element, xmlDocument } from "../xml.ts";

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

/** A bucket may have several of each, by id: GET without an id is a list of none. */
export const listedConfigurations: Record<string, string> = {
  analytics: "ListBucketAnalyticsConfigurationResult",
  "intelligent-tiering": "ListBucketIntelligentTieringConfigurationsOutput",
  inventory: "ListInventoryConfigurationsResult",
  metrics: "ListMetricsConfigurationsResult",
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

const noSuchConfiguration = (): S3Error => new S3Error("NoSuchConfiguration", "The specified configuration does not exist.");

export const getListed =
  (root: string): S3Operation =>
  async (context) => {
    await openBucket(context);
    if (context.request.query.has("id")) throw noSuchConfiguration();
    return { status: 200, headers: xmlHeaders, body: xmlDocument(root, element("IsTruncated", false)) };
  };

export const deleteListed = (): S3Operation => async (context) => {
  await openBucket(context);
  throw noSuchConfiguration();
};

export const deleteMissing = (): S3Operation => async (context) => {
  await openBucket(context);
  return { status: 204 };
};
