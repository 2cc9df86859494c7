import type { BucketConfiguration } from "../../configuration.ts";
import type { ObjectAccess, StoredObject } from "../../driver.ts";
import type { S3Bucket } from "../backend.ts";
import { S3Error } from "../errors.ts";
import type { S3Context } from "../operation.ts";
import { accessAllows, privateAccess } from "./acl.ts";
import { actionOf, projectActions, type Requirement, requirements } from "./actions.ts";
import { conditionKeys } from "./keys.ts";
import { evaluatePolicy, type Policy, type PolicyRequest, readPolicy } from "./policy.ts";
import { blockIn, isPublicPolicy } from "./publicAccess.ts";

/**
 * Who may do what, as S3 decides it ("How Amazon S3 authorizes a request", S3 User Guide) with the cloud's roles in the place of IAM: an
 * explicit denial of a policy outranks all; then a role in the bucket's project, its policy, or an access control list allows. What a caller is
 * limited to (a key for reading, a session's policy, the role at home of who comes from elsewhere) limits all three.
 */

/** What an action is done to. */
export interface Target {
  key?: string | undefined;
  versionId?: string | undefined;
}

/** Parsed once for each document that the cache of buckets holds. */
const parsed = new WeakMap<object, { policy: Policy; isPublic: boolean }>();
export function policyOf(
  bucketName: string,
  { policy: document }: BucketConfiguration,
): { policy: Policy; isPublic: boolean } | undefined {
  if (document === undefined) return undefined;
  let known = parsed.get(document);
  if (known === undefined) {
    const policy = readPolicy(document.text, bucketName);
    known = { policy, isPublic: isPublicPolicy(policy) };
    parsed.set(document, known);
  }
  return known;
}

const arnOf = (bucketName: string, key: string | undefined): string =>
  key === undefined ? `arn:aws:s3:::${bucketName}` : `arn:aws:s3:::${bucketName}/${key}`;

/** What the running operation needs; refused when its row is missing. */
export function requirementOf({ operation }: S3Context): Requirement {
  const requirement = Object.hasOwn(requirements, operation) ? requirements[operation] : undefined;
  if (requirement === undefined) throw new S3Error("AccessDenied", `It is not said who may do this (${operation}).`);
  return requirement;
}

export const denied = (cause?: unknown): S3Error => new S3Error("AccessDenied", undefined, cause === undefined ? {} : { cause });

/**
 * AccessDenied unless the caller may; tells by what. Remembers in the context when that was by no role: then what is missing is not told either.
 */
export async function allow(
  context: S3Context,
  bucket: S3Bucket,
  requirement: Requirement,
  target: Target,
): Promise<"role" | "policy" | "acl"> {
  const { backend, caller } = context;
  const byRole = (await backend.standing(caller, requirement.permission, bucket)) === "role";
  const configuration = await backend.configuration(bucket);
  const known = policyOf(bucket.name, configuration);
  if (byRole && known === undefined && caller.sessionPolicy === undefined) return "role";

  let looked: Promise<StoredObject | undefined> | undefined;
  const object = (): Promise<StoredObject | undefined> => {
    looked ??= lookAt(context, bucket, target);
    return looked;
  };
  const sameAccount = caller.accountId === bucket.owner.accountId && !caller.anonymous;
  const usesTags = known?.policy.usesObjectTags || caller.sessionPolicy?.usesObjectTags;
  const request: PolicyRequest = {
    action: actionOf(requirement, target.versionId),
    resource: arnOf(bucket.name, requirement.on === "object" ? target.key : undefined),
    principal: { anonymous: caller.anonymous === true, ...caller },
    sameAccount,
    keys: conditionKeys({
      request: context.request,
      caller: { ...caller, anonymous: caller.anonymous === true },
      bucket: { accountId: bucket.owner.accountId, region: bucket.region },
      nowMs: context.nowMs,
      ...context.given,
      versionId: target.versionId,
      putBy: requirement.action === "s3:PutObject" ? context.operation : undefined,
      objectTags: usesTags && requirement.on === "object" ? (await object())?.tags : undefined,
    }),
  };
  if (caller.sessionPolicy && evaluatePolicy(caller.sessionPolicy, request) !== "allow") throw denied();
  const verdict = known === undefined ? "none" : evaluatePolicy(known.policy, request);
  // Or nobody could ever mend a policy that denies everything.
  if (verdict === "deny" && !(byRole && ownPolicy.has(requirement.action))) throw denied();
  if (byRole) return "role";
  context.byGrant = true;

  // A policy gives nobody of another account the policy itself (API Reference, GetBucketPolicy).
  if (verdict === "allow" && !sameAccount && ownPolicy.has(requirement.action))
    throw new S3Error("MethodNotAllowed", undefined, { fields: { Method: context.request.method, ResourceType: "POLICY" } });
  const block = blockIn(configuration);
  if (verdict === "allow" && (sameAccount || !(known?.isPublic && block.restrictPublicBuckets))) return "policy";
  if (requirement.acl && configuration.ownership !== "BucketOwnerEnforced") {
    const { of, permission } = requirement.acl;
    const acl = { anonymous: caller.anonymous === true, canonicalId: caller.canonicalId, sameAccount };
    if (of === "bucket") {
      if (accessAllows(bucketAccess(bucket, configuration), permission, acl, block.ignorePublicAcls)) return "acl";
    } else {
      const found = await object();
      if (found !== undefined && accessAllows(objectAccess(bucket, found), permission, acl, block.ignorePublicAcls)) return "acl";
      // Who may list the bucket is told that there is none.
      if (found === undefined && (await mayList(context, bucket, target))) return "policy";
    }
  }
  throw denied();
}

/** What needs no bucket, so that `allow` does not see it: a session's policy limits it all the same. */
export function limitSession({ caller, operation, request, nowMs, region }: S3Context): void {
  const { sessionPolicy } = caller;
  if (sessionPolicy === undefined) return;
  const keys = conditionKeys({
    request,
    caller: { ...caller, anonymous: false },
    bucket: { accountId: caller.accountId, region },
    nowMs,
  });
  // A list of all buckets is about no single one: only who names all may have it.
  const resource = arnOf(operation === "ListBuckets" ? "*" : request.bucketName, undefined);
  const principal = { anonymous: false, ...caller };
  for (const action of projectActions(operation, request.headers)) {
    if (evaluatePolicy(sessionPolicy, { action, resource, principal, sameAccount: true, keys }) !== "allow") throw denied();
  }
}

/** Whoever is of another account must say that they pay ("Using Requester Pays buckets", S3 User Guide). */
export async function requirePayer(context: S3Context, bucket: S3Bucket): Promise<void> {
  const { request, caller, backend } = context;
  if (!context.byGrant || (!caller.anonymous && caller.accountId === bucket.owner.accountId)) return;
  if ((await backend.configuration(bucket)).requestPayer !== "Requester") return;
  const said = request.headers.get("x-amz-request-payer") ?? request.query.get("x-amz-request-payer");
  if (caller.anonymous || said?.toLowerCase() !== "requester") throw denied();
  context.charged = true;
}

const ownPolicy = new Set(["s3:GetBucketPolicy", "s3:PutBucketPolicy", "s3:DeleteBucketPolicy"]);

async function lookAt({ backend }: S3Context, bucket: S3Bucket, { key, versionId }: Target): Promise<StoredObject | undefined> {
  if (key === undefined || key === "") return undefined;
  return backend.store.head(bucket.bucketId, key, versionId === undefined ? {} : { versionId });
}

export const bucketAccess = ({ owner }: S3Bucket, { acl }: BucketConfiguration): ObjectAccess =>
  acl === undefined ? privateAccess(owner) : { ...acl, owner };

export const objectAccess = ({ owner }: S3Bucket, { access }: Pick<StoredObject, "access">): ObjectAccess =>
  access ?? privateAccess(owner);

/** Whether the caller may, without a word about why not. */
export async function mayDo(context: S3Context, bucket: S3Bucket, requirement: Requirement, target: Target): Promise<boolean> {
  try {
    await allow({ ...context }, bucket, requirement, target);
    return true;
  } catch (error) {
    if (error instanceof S3Error && error.code === "AccessDenied") return false;
    if ((error as { code?: string }).code === "permission_denied") return false;
    throw error;
  }
}

/** Whether the caller may list where this key would be. */
const mayList = (context: S3Context, bucket: S3Bucket, { key }: Target): Promise<boolean> =>
  mayDo(
    { ...context, given: { ...context.given, ...(key !== undefined && { prefix: key }) } },
    bucket,
    requirements["ListObjects"] as Requirement,
    {},
  );

const missingCodes: ReadonlySet<string> = new Set(["NoSuchKey", "NoSuchVersion"]);

/** Who may not list a bucket does not learn either what is not in it (GetObject, "Permissions"). */
export async function hideMissing(context: S3Context, bucket: S3Bucket | undefined, error: S3Error): Promise<S3Error> {
  if (!context.byGrant || bucket === undefined || !missingCodes.has(error.code)) return error;
  return (await mayList(context, bucket, { key: context.request.key })) ? error : denied(error);
}
