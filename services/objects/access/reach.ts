import type { StoredObject } from "../driver.ts";
import { accessAllows } from "../s3/access/acl.ts";
import { policyOf } from "../s3/access/decide.ts";
import { anonymousCaller } from "../s3/access/identity.ts";
import { evaluatePolicy } from "../s3/access/policy.ts";
import { blockIn, isPublicAccess } from "../s3/access/publicAccess.ts";
import type { BucketRow } from "../store.ts";

/** What somebody without any key gets at, as people are told it; who asks is let in or not by s3/access/decide.ts. */

const documentsOf = ({ configuration, publicForbidden = false }: BucketRow) => ({ ...configuration, publicForbidden });

/** Whether the lists of single objects can make these public. */
function listsCount(bucket: BucketRow): boolean {
  const documents = documentsOf(bucket);
  return documents.ownership !== "BucketOwnerEnforced" && !blockIn(documents).ignorePublicAcls;
}

/** `bucket`: by its policy or its own list; `objects`: those with lists of their own that say so; `none`: nothing can be. */
export function publicReach(bucket: BucketRow): "bucket" | "objects" | "none" {
  const documents = documentsOf(bucket);
  if (!blockIn(documents).restrictPublicBuckets && policyOf(bucket.name, documents)?.isPublic) return "bucket";
  if (!listsCount(bucket)) return "none";
  return isPublicAccess(documents.acl) ? "bucket" : "objects";
}

/** By the policy; what it asks of a request besides who sends it is taken for not met. */
function policyLetsRead(bucket: BucketRow, key: string): boolean {
  const documents = documentsOf(bucket);
  const known = policyOf(bucket.name, documents);
  if (known === undefined || (known.isPublic && blockIn(documents).restrictPublicBuckets)) return false;
  const verdict = evaluatePolicy(known.policy, {
    action: "s3:GetObject",
    resource: `arn:aws:s3:::${bucket.name}/${key}`,
    principal: anonymousCaller,
    sameAccount: false,
    keys: () => undefined,
  });
  return verdict === "allow";
}

const anybody = { anonymous: true, canonicalId: anonymousCaller.canonicalId, sameAccount: false };

/** Whether everybody reads the object. Absent: there is none, so its list cannot say it. */
export const everybodyReads = (bucket: BucketRow, key: string, object: Pick<StoredObject, "access"> | undefined): boolean =>
  policyLetsRead(bucket, key) ||
  (object?.access !== undefined && listsCount(bucket) && accessAllows(object.access, "READ", anybody, false));
