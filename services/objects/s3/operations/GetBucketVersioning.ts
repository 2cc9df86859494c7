import { openBucket, type S3Operation, xmlHeaders } from "../operation.ts";
import { element, xmlDocument } from "../xml.ts";

/** Empty while it was never set. */
export const GetBucketVersioning: S3Operation = async (context) => {
  const bucket = await openBucket(context);
  const { versioning } = await context.backend.store.settings(bucket.bucketId);
  const status = { never: undefined, enabled: "Enabled", suspended: "Suspended" }[versioning];
  return { status: 200, headers: xmlHeaders, body: xmlDocument("VersioningConfiguration", element("Status", status)) };
};
