import { denied } from "../access/decide.ts";
import { invalidArgument } from "../errors.ts";
import { continuationToken, ownerElement, parseContinuationToken } from "../listing.ts";
import { bucketArn, integerParameter, type S3Operation, xmlHeaders } from "../operation.ts";
import { element, group, xmlDocument, xmlTime } from "../xml.ts";

export const ListBuckets: S3Operation = async ({ request: { query }, request, backend, caller, region }) => {
  // There are no buckets of nobody.
  if (caller.anonymous) throw denied();
  const limit = integerParameter(request, "max-buckets", { min: 1, max: 10_000, otherwise: 10_000 });
  const prefix = query.get("prefix");
  const token = query.get("continuation-token");
  const asked = { limit, ...(prefix ? { prefix } : {}), ...(token ? { after: parseContinuationToken(token) } : {}) };
  // All buckets are in one region; in every other one there are none.
  const wanted = query.get("bucket-region");
  if (wanted && !/^[a-z]{2,}(-[a-z]+)*-\d+$/.test(wanted) && wanted !== region)
    throw invalidArgument("bucket-region", wanted, `Argument value ${wanted} is not a valid AWS Region`);
  const { buckets, next } = wanted && wanted !== region ? { buckets: [] } : await backend.bucketList(caller, asked);
  return {
    status: 200,
    headers: xmlHeaders,
    body: xmlDocument(
      "ListAllMyBucketsResult",
      ownerElement("Owner", caller),
      group(
        "Buckets",
        ...buckets.map((bucket) =>
          group(
            "Bucket",
            element("Name", bucket.name),
            element("CreationDate", xmlTime(bucket.createdAtMs)),
            element("BucketRegion", bucket.region),
            element("BucketArn", bucketArn(bucket.name)),
          ),
        ),
      ),
      element("ContinuationToken", next === undefined ? undefined : continuationToken(next)),
      element("Prefix", prefix),
    ),
  };
};
