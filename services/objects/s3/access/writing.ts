import type { BucketConfiguration } from "../../configuration.ts";
import type { ObjectAccess } from "../../driver.ts";
import type { S3Bucket } from "../backend.ts";
import { readDocument } from "../body.ts";
import { S3Error } from "../errors.ts";
import type { S3Context } from "../operation.ts";
import type { S3Request } from "../request.ts";
import { type AskedAcl, accessOf, askedAcl, isPrivate, readAccessDocument } from "./acl.ts";
import { besides, type Requirement } from "./actions.ts";
import { denied } from "./decide.ts";
import { blockIn, isPublicAccess } from "./publicAccess.ts";

/** What writing an object needs besides s3:PutObject, by the headers that come with it. */
export function besidesOf({ headers }: S3Request, options: { tagging?: boolean } = {}): Requirement[] {
  const needs: Requirement[] = [];
  if (options.tagging ?? headers.has("x-amz-tagging")) needs.push(besides.putObjectTagging);
  if (headers.has("x-amz-acl") || [...headers.keys()].some((name) => name.startsWith("x-amz-grant-")))
    needs.push(besides.putObjectAcl);
  if (headers.has("x-amz-object-lock-mode") || headers.has("x-amz-object-lock-retain-until-date"))
    needs.push(besides.putObjectRetention);
  if (headers.has("x-amz-object-lock-legal-hold")) needs.push(besides.putObjectLegalHold);
  return needs;
}

export const noAcls = (): S3Error => new S3Error("AccessControlListNotSupported", "The bucket does not allow ACLs");

/** With "bucket owner enforced" no list counts; what says only what is so anyway is taken ("Controlling ownership of objects"). */
function refuseEnforced(asked: AskedAcl | undefined, { owner }: S3Bucket): void {
  const isOwners = asked?.grants?.every(
    (grant) => "canonicalId" in grant && grant.canonicalId === owner.canonicalId && grant.permission === "FULL_CONTROL",
  );
  if (asked !== undefined && asked.canned !== "bucket-owner-full-control" && !isOwners) throw noAcls();
}

/** Whose a new object is and whom its owner lets at it; nothing when that is just the bucket's owner. */
export async function accessOfNew(context: S3Context, bucket: S3Bucket): Promise<{ access?: ObjectAccess }> {
  const { request, caller, backend } = context;
  const asked = askedAcl(request);
  const configuration = await backend.configuration(bucket);
  const { ownership = "ObjectWriter" } = configuration;
  if (ownership === "BucketOwnerEnforced") {
    refuseEnforced(asked, bucket);
    return {};
  }
  const bucketOwner = ownerIn(bucket);
  const handedOver = ownership === "BucketOwnerPreferred" && asked?.canned === "bucket-owner-full-control";
  // Nobody can own nothing: what comes without a signature is the bucket owner's.
  const isBucketOwners = caller.anonymous || handedOver || caller.canonicalId === bucketOwner.canonicalId;
  const owner = isBucketOwners ? bucketOwner : { canonicalId: caller.canonicalId, displayName: caller.displayName };
  const access = accessOf(asked ?? {}, "object", owner, bucketOwner);
  refusePublic(access, configuration);
  return isBucketOwners && isPrivate(access) ? {} : { access };
}

const ownerIn = ({ owner }: S3Bucket) => ({ canonicalId: owner.canonicalId, displayName: owner.displayName });

function refusePublic(access: ObjectAccess, configuration: BucketConfiguration): void {
  if (isPublicAccess(access) && blockIn(configuration).blockPublicAcls) throw denied();
}

/** The list that CreateBucket's headers ask for, under the ownership that they ask for. */
export function accessOfNewBucket(context: S3Context, ownership: BucketConfiguration["ownership"]): ObjectAccess | undefined {
  const asked = askedAcl(context.request);
  if (asked === undefined) return undefined;
  const owner = { canonicalId: context.caller.canonicalId, displayName: context.caller.displayName };
  const access = accessOf(asked, "bucket", owner, owner);
  if (isPrivate(access)) return undefined;
  if (ownership === "BucketOwnerEnforced")
    throw new S3Error(
      "InvalidBucketAclWithObjectOwnership",
      "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting",
    );
  return access;
}

/** What PutBucketAcl and PutObjectAcl put in the place of `before`: in headers or as a document. Null: the owner's alone. */
export async function readAccess(
  context: S3Context,
  bucket: S3Bucket,
  of: "bucket" | "object",
  before: ObjectAccess,
): Promise<ObjectAccess | null> {
  const { request, body, backend } = context;
  const configuration = await backend.configuration(bucket);
  const asked = askedAcl(request);
  if (configuration.ownership === "BucketOwnerEnforced" && (asked?.canned !== "bucket-owner-full-control" || asked.grants))
    throw noAcls();
  const document = (await readDocument(request, body, { maxBytes: 256 * 1024 })).trim();
  if (document === "" && asked === undefined)
    throw new S3Error("MissingSecurityHeader", undefined, { fields: { MissingHeaderName: "x-amz-acl" } });
  if (document !== "" && asked !== undefined) throw new S3Error("UnexpectedContent", "This request does not support content");
  const { owner } = before;
  const access = asked === undefined ? readAccessDocument(document, owner) : accessOf(asked, of, owner, ownerIn(bucket));
  refusePublic(access, configuration);
  return isPrivate(access) && owner.canonicalId === bucket.owner.canonicalId ? null : access;
}
