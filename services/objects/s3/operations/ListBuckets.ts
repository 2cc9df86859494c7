import { denied } from "../access/decide.ts";
import { continuationToken, ownerElement, parseContinuationToken } from "../listing.ts";
import { integerParameter, type S3Operation, xmlHeaders } from "../operation.ts";
import { element, group, xmlDocument, xmlTime } from "../xml.ts";

export const ListBuckets: S3Operation = async ({ request, backend, caller }) => {
  // There are no buckets of nobody.
  if (caller.anonymous) throw denied();
  const limit = integerParameter(request, "max-buckets", { min: 1, max: 10_000, otherwise: 10_000 });
  const prefix = request.query.get("prefix");
  const token = request.query.get("continuation-token");
  const { buckets, next } = await backend.bucketList(caller, {
    limit,
    ...(prefix ? { prefix } : {}),
    ...(token ? { after: parseContinuationToken(token) } : {}),
  });
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
          ),
        ),
      ),
      element("ContinuationToken", next === undefined ? undefined : continuationToken(next)),
      element("Prefix", prefix),
    ),
  };
};
