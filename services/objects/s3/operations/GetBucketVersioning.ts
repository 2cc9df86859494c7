import { openBucket, type S3Operation, xmlHeaders } from "../operation.ts";
import { element, xmlDocument } from "../xml.ts";

/** Empty while it was never set; MfaDelete is told to who has said something of it. */
export const GetBucketVersioning: S3Operation = async (context) => {
  const bucket = await openBucket(context);
  const { versioning, mfaDelete } = await context.backend.store.settings(bucket.bucketId);
  const status = { never: undefined, enabled: "Enabled", suspended: "Suspended" }[versioning];
  const mfa = mfaDelete === undefined ? undefined : "Disabled";
  return {
    status: 200,
    headers: xmlHeaders,
    body: xmlDocument("VersioningConfiguration", element("Status", status), element("MfaDelete", mfa)),
  };
};
