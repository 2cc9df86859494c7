import type { S3Permission } from "../backend.ts";

/** A permission of an access control list (S3 User Guide, "Access control list (ACL) overview"). */
export const aclPermissions = ["FULL_CONTROL", "READ", "WRITE", "READ_ACP", "WRITE_ACP"] as const;
export type AclPermission = (typeof aclPermissions)[number];

/** What an operation needs: in the words of policies, of the cloud's roles, and of access control lists. */
export interface Requirement {
  /** Of IAM ("Actions, resources, and condition keys for Amazon S3", Service Authorization Reference). */
  action: `s3:${string}`;
  /** Who holds it by a role in the bucket's project may do this, unless a policy denies it. */
  permission: S3Permission;
  /** What the action's resource is. */
  on: "bucket" | "object";
  /** The ACL that may allow it as well, and with what. */
  acl?: { of: "bucket" | "object"; permission: AclPermission };
  /** With a version's id it is an action of its own: s3:GetObject is s3:GetObjectVersion then. */
  versioned?: true;
}

const bucketAcl = (permission: AclPermission) => ({ of: "bucket", permission }) as const;
const objectAcl = (permission: AclPermission) => ({ of: "object", permission }) as const;

const onBucket = (action: `s3:${string}`, permission: S3Permission, acl?: AclPermission): Requirement => ({
  action,
  permission,
  on: "bucket",
  ...(acl && { acl: bucketAcl(acl) }),
});
const onObject = (
  action: `s3:${string}`,
  permission: S3Permission,
  rest: Pick<Requirement, "acl" | "versioned"> = {},
): Requirement => ({ action, permission, on: "object", ...rest });

const list = "objects.object.list";
const read = "objects.object.read";
const write = "objects.object.write";
const remove = "objects.object.delete";
const configure = "objects.bucket.update";

export const getObject = onObject("s3:GetObject", read, { acl: objectAcl("READ"), versioned: true });
const putObject = onObject("s3:PutObject", write, { acl: bucketAcl("WRITE") });
const versioned = { versioned: true } as const;

/** Needed besides by what a request asks for in its headers. */
export const besides = {
  getObjectTagging: onObject("s3:GetObjectTagging", read, versioned),
  putObjectTagging: onObject("s3:PutObjectTagging", write, { acl: bucketAcl("WRITE") }),
  putObjectAcl: onObject("s3:PutObjectAcl", write, { acl: bucketAcl("WRITE") }),
  putObjectRetention: onObject("s3:PutObjectRetention", write),
  putObjectLegalHold: onObject("s3:PutObjectLegalHold", write),
  bypassGovernance: onObject("s3:BypassGovernanceRetention", "objects.object.bypass"),
  deleteObject: onObject("s3:DeleteObject", remove, { acl: bucketAcl("WRITE"), versioned: true }),
} satisfies Record<string, Requirement>;

/**
 * One row an operation, by the name of its route. An operation without a row is refused (decide.ts), and the test of this table fails.
 * Operations that are not here and need no bucket stand in `withoutBucket`.
 */
export const requirements: Record<string, Requirement> = {
  ListObjects: onBucket("s3:ListBucket", list, "READ"),
  ListObjectsV2: onBucket("s3:ListBucket", list, "READ"),
  ListObjectVersions: onBucket("s3:ListBucketVersions", list, "READ"),
  ListMultipartUploads: onBucket("s3:ListBucketMultipartUploads", list, "READ"),
  HeadBucket: onBucket("s3:ListBucket", list, "READ"),
  DeleteBucket: onBucket("s3:DeleteBucket", "objects.bucket.delete"),
  GetBucketLocation: onBucket("s3:GetBucketLocation", list),

  GetBucketAcl: onBucket("s3:GetBucketAcl", list, "READ_ACP"),
  PutBucketAcl: onBucket("s3:PutBucketAcl", configure, "WRITE_ACP"),
  GetBucketPolicy: onBucket("s3:GetBucketPolicy", list),
  PutBucketPolicy: onBucket("s3:PutBucketPolicy", configure),
  DeleteBucketPolicy: onBucket("s3:DeleteBucketPolicy", configure),
  GetBucketPolicyStatus: onBucket("s3:GetBucketPolicyStatus", list),
  GetPublicAccessBlock: onBucket("s3:GetBucketPublicAccessBlock", list),
  PutPublicAccessBlock: onBucket("s3:PutBucketPublicAccessBlock", configure),
  DeletePublicAccessBlock: onBucket("s3:PutBucketPublicAccessBlock", configure),
  GetBucketOwnershipControls: onBucket("s3:GetBucketOwnershipControls", list),
  PutBucketOwnershipControls: onBucket("s3:PutBucketOwnershipControls", configure),
  DeleteBucketOwnershipControls: onBucket("s3:PutBucketOwnershipControls", configure),
  GetBucketRequestPayment: onBucket("s3:GetBucketRequestPayment", list),
  PutBucketRequestPayment: onBucket("s3:PutBucketRequestPayment", configure),

  GetBucketVersioning: onBucket("s3:GetBucketVersioning", list),
  PutBucketVersioning: onBucket("s3:PutBucketVersioning", configure),
  GetBucketWebsite: onBucket("s3:GetBucketWebsite", list),
  PutBucketWebsite: onBucket("s3:PutBucketWebsite", "objects.website.update"),
  DeleteBucketWebsite: onBucket("s3:DeleteBucketWebsite", "objects.website.delete"),
  GetObjectLockConfiguration: onBucket("s3:GetBucketObjectLockConfiguration", list),
  PutObjectLockConfiguration: onBucket("s3:PutBucketObjectLockConfiguration", configure),
  GetBucketLifecycleConfiguration: onBucket("s3:GetLifecycleConfiguration", list),
  PutBucketLifecycleConfiguration: onBucket("s3:PutLifecycleConfiguration", configure),
  DeleteBucketLifecycle: onBucket("s3:PutLifecycleConfiguration", configure),
  GetBucketTagging: onBucket("s3:GetBucketTagging", list),
  PutBucketTagging: onBucket("s3:PutBucketTagging", configure),
  DeleteBucketTagging: onBucket("s3:PutBucketTagging", configure),
  GetBucketCors: onBucket("s3:GetBucketCORS", list),
  PutBucketCors: onBucket("s3:PutBucketCORS", configure),
  DeleteBucketCors: onBucket("s3:PutBucketCORS", configure),
  GetBucketEncryption: onBucket("s3:GetEncryptionConfiguration", list),
  PutBucketEncryption: onBucket("s3:PutEncryptionConfiguration", configure),
  DeleteBucketEncryption: onBucket("s3:PutEncryptionConfiguration", configure),
  GetBucketLogging: onBucket("s3:GetBucketLogging", list),
  PutBucketLogging: onBucket("s3:PutBucketLogging", configure),
  GetBucketNotificationConfiguration: onBucket("s3:GetBucketNotification", list),
  PutBucketNotificationConfiguration: onBucket("s3:PutBucketNotification", configure),
  "GET bucket?accelerate": onBucket("s3:GetAccelerateConfiguration", list),
  "GET bucket?cors": onBucket("s3:GetBucketCORS", list),
  "DELETE bucket?cors": onBucket("s3:PutBucketCORS", configure),
  "GET bucket?logging": onBucket("s3:GetBucketLogging", list),
  "GET bucket?notification": onBucket("s3:GetBucketNotification", list),
  "GET bucket?analytics": onBucket("s3:GetAnalyticsConfiguration", list),
  "DELETE bucket?analytics": onBucket("s3:PutAnalyticsConfiguration", configure),
  "GET bucket?intelligent-tiering": onBucket("s3:GetIntelligentTieringConfiguration", list),
  "DELETE bucket?intelligent-tiering": onBucket("s3:PutIntelligentTieringConfiguration", configure),
  "GET bucket?inventory": onBucket("s3:GetInventoryConfiguration", list),
  "DELETE bucket?inventory": onBucket("s3:PutInventoryConfiguration", configure),
  "GET bucket?metrics": onBucket("s3:GetMetricsConfiguration", list),
  "DELETE bucket?metrics": onBucket("s3:PutMetricsConfiguration", configure),
  "GET bucket?replication": onBucket("s3:GetReplicationConfiguration", list),
  "DELETE bucket?replication": onBucket("s3:PutReplicationConfiguration", configure),

  GetObject: getObject,
  HeadObject: getObject,
  GetObjectAttributes: onObject("s3:GetObjectAttributes", read, { acl: objectAcl("READ"), versioned: true }),
  GetObjectAcl: onObject("s3:GetObjectAcl", read, { acl: objectAcl("READ_ACP"), versioned: true }),
  PutObjectAcl: onObject("s3:PutObjectAcl", write, { acl: objectAcl("WRITE_ACP"), versioned: true }),
  GetObjectTagging: onObject("s3:GetObjectTagging", read, versioned),
  PutObjectTagging: onObject("s3:PutObjectTagging", write, versioned),
  DeleteObjectTagging: onObject("s3:DeleteObjectTagging", write, versioned),
  GetObjectRetention: onObject("s3:GetObjectRetention", read),
  PutObjectRetention: onObject("s3:PutObjectRetention", write),
  GetObjectLegalHold: onObject("s3:GetObjectLegalHold", read),
  PutObjectLegalHold: onObject("s3:PutObjectLegalHold", write),
  PutObject: putObject,
  PostObject: putObject,
  CopyObject: putObject,
  CreateMultipartUpload: putObject,
  UploadPart: putObject,
  UploadPartCopy: putObject,
  CompleteMultipartUpload: putObject,
  ListParts: onObject("s3:ListMultipartUploadParts", list, { acl: bucketAcl("WRITE") }),
  AbortMultipartUpload: onObject("s3:AbortMultipartUpload", write, { acl: bucketAcl("WRITE") }),
  DeleteObject: besides.deleteObject,
};

/** Decided elsewhere: by the roles in the caller's own project (s3Backend.ts), or for each key that the document names. */
export const withoutBucket: ReadonlySet<string> = new Set(["ListBuckets", "CreateBucket", "DeleteObjects", "SecurityTokens"]);

/**
 * What these two are in the words of policies: a session's limits them too. What else making a bucket needs, by its headers: CreateBucket, "Permissions".
 */
export function projectActions(operation: string, headers: ReadonlyMap<string, string>): string[] {
  if (operation === "ListBuckets") return ["s3:ListAllMyBuckets"];
  if (operation !== "CreateBucket") return [];
  const acl = headers.get("x-amz-acl");
  const grants = [...headers.keys()].some((name) => name.startsWith("x-amz-grant-"));
  const locks = headers.get("x-amz-bucket-object-lock-enabled")?.toLowerCase() === "true";
  return [
    "s3:CreateBucket",
    ...(grants || (acl !== undefined && acl !== "private") ? ["s3:PutBucketAcl"] : []),
    ...(headers.has("x-amz-object-ownership") ? ["s3:PutBucketOwnershipControls"] : []),
    ...(locks ? ["s3:PutBucketObjectLockConfiguration", "s3:PutBucketVersioning"] : []),
  ];
}

export const actionOf = ({ action, versioned }: Requirement, versionId: string | undefined): string =>
  versioned && versionId !== undefined ? action.replace("Object", "ObjectVersion") : action;
