import { compilePattern, matchesPattern } from "./pattern.ts";

/**
 * What a bucket's policy may name: "Actions, resources, and condition keys for Amazon S3" (Service Authorization Reference) and "AWS global condition
 * context keys" (IAM User Guide), whole, also where nothing here does the action: policies are carried from one cloud to another.
 */

const words = (text: string): string[] => text.trim().split(/\s+/);

const onObjects = words(`
  AbortMultipartUpload BypassGovernanceRetention DeleteObject DeleteObjectTagging DeleteObjectVersion DeleteObjectVersionTagging
  GetObject GetObjectAcl GetObjectAttributes GetObjectLegalHold GetObjectRetention GetObjectTagging GetObjectTorrent
  GetObjectVersion GetObjectVersionAcl GetObjectVersionAttributes GetObjectVersionForReplication GetObjectVersionTagging
  GetObjectVersionTorrent InitiateReplication ListMultipartUploadParts ObjectOwnerOverrideToBucketOwner PutObject PutObjectAcl
  PutObjectLegalHold PutObjectRetention PutObjectTagging PutObjectVersionAcl PutObjectVersionTagging ReplicateDelete
  ReplicateObject ReplicateTags RestoreObject UpdateObjectEncryption
`);
const onBuckets = words(`
  CreateBucket CreateBucketMetadataTableConfiguration DeleteBucket DeleteBucketMetadataTableConfiguration
  DeleteBucketOwnershipControls DeleteBucketPolicy DeleteBucketWebsite GetAccelerateConfiguration GetAnalyticsConfiguration
  GetBucketAbac GetBucketAcl GetBucketCORS GetBucketLocation GetBucketLogging GetBucketMetadataTableConfiguration
  GetBucketNotification GetBucketObjectLockConfiguration GetBucketOwnershipControls GetBucketPolicy GetBucketPolicyStatus
  GetBucketPublicAccessBlock GetBucketRequestPayment GetBucketTagging GetBucketVersioning GetBucketWebsite
  GetEncryptionConfiguration GetIntelligentTieringConfiguration GetInventoryConfiguration GetLifecycleConfiguration
  GetMetricsConfiguration GetReplicationConfiguration ListBucket ListBucketMultipartUploads ListBucketVersions
  PutAccelerateConfiguration PutAnalyticsConfiguration PutBucketAbac PutBucketAcl PutBucketCORS PutBucketLogging
  PutBucketNotification PutBucketObjectLockConfiguration PutBucketOwnershipControls PutBucketPolicy PutBucketPublicAccessBlock
  PutBucketRequestPayment PutBucketTagging PutBucketVersioning PutBucketWebsite PutEncryptionConfiguration
  PutIntelligentTieringConfiguration PutInventoryConfiguration PutLifecycleConfiguration PutMetricsConfiguration
  PutReplicationConfiguration UpdateBucketMetadataInventoryTableConfiguration UpdateBucketMetadataJournalTableConfiguration
  ListTagsForResource TagResource UntagResource
`);
/** Of accounts, access points, jobs, lenses and grants: no bucket's policy is about these. */
const onOthers = words(`
  AssociateAccessGrantsIdentityCenter CreateAccessGrant CreateAccessGrantsInstance CreateAccessGrantsLocation CreateAccessPoint
  CreateAccessPointForObjectLambda CreateJob CreateMultiRegionAccessPoint CreateStorageLensGroup DeleteAccessGrant
  DeleteAccessGrantsInstance DeleteAccessGrantsInstanceResourcePolicy DeleteAccessGrantsLocation DeleteAccessPoint
  DeleteAccessPointForObjectLambda DeleteAccessPointPolicy DeleteAccessPointPolicyForObjectLambda DeleteJobTagging
  DeleteMultiRegionAccessPoint DeleteStorageLensConfiguration DeleteStorageLensConfigurationTagging DeleteStorageLensGroup
  DescribeJob DescribeMultiRegionAccessPointOperation DissociateAccessGrantsIdentityCenter GetAccessGrant
  GetAccessGrantsInstance GetAccessGrantsInstanceForPrefix GetAccessGrantsInstanceResourcePolicy GetAccessGrantsLocation
  GetAccessPoint GetAccessPointConfigurationForObjectLambda GetAccessPointForObjectLambda GetAccessPointPolicy
  GetAccessPointPolicyForObjectLambda GetAccessPointPolicyStatus GetAccessPointPolicyStatusForObjectLambda
  GetAccountPublicAccessBlock GetDataAccess GetJobTagging GetMultiRegionAccessPoint GetMultiRegionAccessPointPolicy
  GetMultiRegionAccessPointPolicyStatus GetMultiRegionAccessPointRoutes GetStorageLensConfiguration
  GetStorageLensConfigurationTagging GetStorageLensDashboard GetStorageLensGroup ListAccessGrants ListAccessGrantsInstances
  ListAccessGrantsLocations ListAccessPoints ListAccessPointsForObjectLambda ListAllMyBuckets ListCallerAccessGrants ListJobs
  ListMultiRegionAccessPoints ListStorageLensConfigurations ListStorageLensGroups PauseReplication
  PutAccessGrantsInstanceResourcePolicy PutAccessPointConfigurationForObjectLambda PutAccessPointPolicy
  PutAccessPointPolicyForObjectLambda PutAccessPointPublicAccessBlock PutAccountPublicAccessBlock PutJobTagging
  PutMultiRegionAccessPointPolicy PutStorageLensConfiguration PutStorageLensConfigurationTagging
  SubmitMultiRegionAccessPointRoutes UpdateAccessGrantsLocation UpdateJobPriority UpdateJobStatus UpdateStorageLensGroup
`);

export type ActionKind = "bucket" | "object" | "other";
const kinds = new Map<string, ActionKind>([
  ...onObjects.map((name) => [`s3:${name}`.toLowerCase(), "object"] as const),
  ...onBuckets.map((name) => [`s3:${name}`.toLowerCase(), "bucket"] as const),
  ...onOthers.map((name) => [`s3:${name}`.toLowerCase(), "other"] as const),
]);

/** The actions that a name or a pattern of a policy means, in small letters, and what each is done to. */
export function actionsNamed(text: string): [name: string, kind: ActionKind][] {
  const wanted = text.toLowerCase();
  const kind = kinds.get(wanted);
  if (kind !== undefined) return [[wanted, kind]];
  const pattern = wanted === "*" ? compilePattern("s3:*") : /[*?]/.test(wanted) ? compilePattern(wanted) : undefined;
  return pattern === undefined ? [] : [...kinds].filter(([name]) => matchesPattern(pattern, name));
}

const globalKeys = new Set(
  words(`
    PrincipalArn PrincipalAccount PrincipalOrgPaths PrincipalOrgID PrincipalIsAWSService PrincipalServiceName
    PrincipalServiceNamesList PrincipalType UserId Username AssumedRoot FederatedProvider TokenIssueTime MultiFactorAuthAge
    MultiFactorAuthPresent ChatbotSourceArn Ec2InstanceSourceVpc Ec2InstanceSourcePrivateIPv4 SourceIdentity
    SourceIp SourceVpc SourceVpcArn SourceVpce VpceAccount VpceOrgID VpceOrgPaths VpcSourceIp ResourceAccount ResourceOrgID
    ResourceOrgPaths CalledVia CalledViaFirst CalledViaLast ViaAWSService ViaAWSMCPService CalledViaAWSMCP CurrentTime EpochTime
    Referer RequestedRegion TagKeys SecureTransport SourceAccount SourceArn SourceOrgID SourceOrgPaths SourceOwner UserAgent
  `).map((name) => `aws:${name}`.toLowerCase()),
);
const s3Keys = new Set(
  words(`
    AccessGrantScope AccessGrantsInstanceArn AccessPointNetworkOrigin DataAccessPointAccount DataAccessPointArn
    ExistingJobOperation ExistingJobPriority InventoryAccessibleOptionalFields JobSuspendedCause LocationConstraint
    ObjectCreationOperation RequestJobOperation RequestJobPriority RequestObjectTagKeys ResourceAccount TlsVersion authType
    delimiter destinationRegion if-match if-none-match isReplicationPauseRequest max-keys object-lock-legal-hold
    object-lock-mode object-lock-remaining-retention-days object-lock-retain-until-date prefix signatureAge signatureversion
    VersionId
  `).map((name) => `s3:${name}`.toLowerCase()),
);
/** With a tag's name behind a slash. */
const tagKeys =
  /^(aws:(principaltag|requesttag|resourcetag)|s3:(existingobjecttag|requestobjecttag|buckettag|accesspointtag))\/./;

/** Headers are keys too, those that are to come included. */
export function isConditionKey(name: string): boolean {
  const key = name.toLowerCase();
  return globalKeys.has(key) || s3Keys.has(key) || tagKeys.test(key) || /^s3:x-amz-[a-z0-9-]+$/.test(key);
}

const lists = ["s3:listbucket", "s3:listbucketversions"];
const puts = ["s3:putobject"];
/** Keys that only some actions have. Those that many have, or that the reference leaves open, are not here. */
const actionsOfKey = new Map<string, readonly string[]>([
  ["s3:prefix", [...lists, "s3:listbucketmultipartuploads"]],
  ["s3:delimiter", [...lists, "s3:listbucketmultipartuploads"]],
  ["s3:max-keys", [...lists, "s3:listbucketmultipartuploads"]],
  ["s3:objectcreationoperation", puts],
  ["s3:if-none-match", puts],
  ["s3:x-amz-copy-source", puts],
  ["s3:x-amz-metadata-directive", puts],
]);

/** Whether some action that is named here has the key. */
export function keyFits(key: string, named: readonly string[]): boolean {
  const having = actionsOfKey.get(key.toLowerCase());
  return having === undefined || named.some((action) => having.includes(action));
}
