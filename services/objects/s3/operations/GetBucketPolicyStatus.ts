import { policyOf } from "../access/decide.ts";
import { blockIn, isPublicAccess } from "../access/publicAccess.ts";
import { openBucket, type S3Operation, xmlHeaders } from "../operation.ts";
import { element, xmlDocument } from "../xml.ts";

/** Whether the bucket is public: by its policy or its own list, as far as these count. */
export const GetBucketPolicyStatus: S3Operation = async (context) => {
  const bucket = await openBucket(context);
  const configuration = await context.backend.configuration(bucket);
  const block = blockIn(configuration);
  const byPolicy = !block.restrictPublicBuckets && policyOf(bucket.name, configuration)?.isPublic === true;
  const counts = configuration.ownership !== "BucketOwnerEnforced" && !block.ignorePublicAcls;
  const isPublic = byPolicy || (counts && isPublicAccess(configuration.acl));
  return { status: 200, headers: xmlHeaders, body: xmlDocument("PolicyStatus", element("IsPublic", isPublic)) };
};
