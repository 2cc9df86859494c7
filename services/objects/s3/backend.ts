import type { Id } from "../../../kernel/ids.ts";
import type { BucketConfiguration, ConfigurationChange } from "../configuration.ts";
import type { CorsRule } from "../cors.ts";
import type { ObjectStore, SettingsChange } from "../driver.ts";
import type { StorageRoom } from "../storageQuota.ts";
import type { WebsiteConfiguration } from "../websites/contract.ts";
import type { Policy } from "./access/policy.ts";

/**
 * What the S3 door needs from the service behind it. The door speaks the protocol: signatures, headers, XML. Who may do
 * what, quotas and tenancy are decided behind these methods, which answer with CloudErrors:
 * not_found (details.resource `bucket`), permission_denied, already_exists (details.reason `bucket_owned_by_you` when
 * the caller's own), quota_exceeded, failed_precondition (details.reason `bucket_not_empty`).
 */

/** An account in S3's terms: shown as Owner and Initiator, named in access control lists and policies. */
export interface S3Account {
  displayName: string;
  canonicalId: string;
  /** 12 digits. */
  accountId: string;
}

/** Who sent the request. The door carries `principal` through and never looks into it. */
export interface S3Caller extends S3Account {
  accessKeyId: string;
  principal: unknown;
  /** Nobody signed. */
  anonymous?: boolean;
  /** aws:userid: the user's id, and of a session `id:name`. */
  userId: string;
  /** All by which policies may name the caller; the first is aws:PrincipalArn. */
  arns: readonly string[];
  /** Temporary credentials: since when, what they are called, and what they are limited to. */
  session?: { startedAtMs: number; arn: string };
  sessionPolicy?: Policy;
  /** How and when the request was signed: s3:authType, s3:signatureAge. */
  authType?: string;
  /** s3:signatureversion, where it is not version 4. */
  signatureVersion?: "AWS";
  signedAtMs?: number;
}

export interface S3Credentials {
  /**
   * The secret of an access key and the caller it stands for; undefined when there is no such key (or it is disabled). Temporary ones come with the
   * token of their session: ExpiredToken, InvalidToken.
   */
  resolve(accessKeyId: string, sessionToken?: string): Promise<{ secretAccessKey: string; caller: S3Caller } | undefined>;
  /** Temporary credentials of the caller (STS). */
  sessions: S3Sessions;
}

/** What temporary credentials are to be. */
export interface SessionRequest {
  seconds: number;
  /** One of the cloud's roles, which they do not exceed; absent: what the caller has. */
  role?: string;
  name?: string;
  /** The text of a policy that limits them. */
  policy?: string;
}

export interface S3Sessions {
  /** permission_denied when the caller has no such role, or is a session itself. */
  open(
    caller: S3Caller,
    request: SessionRequest,
  ): Promise<{ accessKeyId: string; secretAccessKey: string; sessionToken: string; expiresAtMs: number }>;
}

export interface S3Bucket {
  bucketId: Id<"bucket">;
  name: string;
  createdAtMs: number;
  region: string;
  owner: S3Account;
}

/** A permission of the cloud's roles. */
export type S3Permission =
  | "objects.object.read"
  | "objects.object.write"
  | "objects.object.list"
  | "objects.object.delete"
  /** Delete what governance retention protects. */
  | "objects.object.bypass"
  | "objects.bucket.update"
  | "objects.bucket.delete"
  | "objects.website.update"
  | "objects.website.delete";

export interface S3Backend {
  /** The buckets that the caller may see, by name in byte order, after `after`. */
  bucketList(
    caller: S3Caller,
    options: { prefix?: string; after?: string; limit: number },
  ): Promise<{ buckets: S3Bucket[]; next?: string }>;
  /** not_found when there is none. Names are the whole cloud's: that one is taken is no secret. */
  bucketByName(name: string): Promise<S3Bucket>;
  /** permission_denied unless the caller's role allows it in its project. It has its settings as soon as it is there. */
  bucketCreate(caller: S3Caller, name: string, configuration?: BucketConfiguration, settings?: SettingsChange): Promise<S3Bucket>;
  /**
   * Whether a role in the bucket's project allows this; `none` leaves it to policies and lists. permission_denied when nothing can allow it to this
   * caller: a key for reading or of another bucket, an organisation that is suspended, a role at home that is too low.
   */
  standing(caller: S3Caller, permission: S3Permission, bucket: S3Bucket): Promise<"role" | "none">;
  /** `publicForbidden`: the organisation lets none of its buckets be public. */
  configuration(bucket: S3Bucket): Promise<BucketConfiguration & { publicForbidden?: boolean }>;

  // What follows trusts the door, which has decided by then (openBucket).

  bucketDelete(caller: S3Caller, bucket: S3Bucket): Promise<void>;
  /** null takes one away. */
  configurationUpdate(caller: S3Caller, bucket: S3Bucket, change: ConfigurationChange): Promise<void>;
  /** failed_precondition (details.reason `versioning_locked`). */
  settingsUpdate(caller: S3Caller, bucket: S3Bucket, change: SettingsChange): Promise<void>;
  /** `work` stores something, for which it takes room: quota_exceeded when there is none. */
  room<T>(bucket: S3Bucket, work: (room: StorageRoom) => Promise<T>): Promise<T>;
  website(bucket: S3Bucket): Promise<WebsiteConfiguration | undefined>;
  /** Undefined: it is none any more. */
  websiteUpdate(caller: S3Caller, bucket: S3Bucket, configuration: WebsiteConfiguration | undefined): Promise<void>;
  /** For whoever comes: undefined when the bucket of this name is no website. */
  site(name: string): Promise<{ bucket: S3Bucket; configuration: WebsiteConfiguration } | undefined>;
  /** For whoever asks: what the bucket of this name allows to pages of other sites. */
  corsRules(name: string): Promise<CorsRule[] | undefined>;
  /** Which of these webhooks the bucket's project does not have. */
  missingWebhooks(bucket: S3Bucket, names: string[]): Promise<string[]>;
  /** Each is told that the bucket will tell it something. */
  testWebhooks(bucket: S3Bucket, names: string[]): Promise<void>;
  /** Takes lines of the access log of this bucket; undefined: it has none. */
  accessLog(name: string): { owner: S3Account; note(line: string): void } | undefined;
  store: ObjectStore;
}

/** The part of a logger that the door uses; pino fits. */
export interface S3Log {
  debug(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}
