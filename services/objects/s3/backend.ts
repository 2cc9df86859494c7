import type { Id } from "../../../kernel/ids.ts";
import type { BucketConfiguration, ConfigurationChange } from "../configuration.ts";
import type { BucketSettings, ObjectStore } from "../driver.ts";
import type { StorageRoom } from "../storageQuota.ts";
import type { WebsiteConfiguration } from "../websites/contract.ts";

/**
 * What the S3 door needs from the service behind it. The door speaks the protocol: signatures, headers, XML. Who may do
 * what, quotas and tenancy are decided behind these methods, which answer with CloudErrors:
 * not_found (details.resource `bucket`), permission_denied, already_exists (details.reason `bucket_owned_by_you` when
 * the caller's own), quota_exceeded, failed_precondition (details.reason `bucket_not_empty`).
 */

/** Who signed the request. The door carries `principal` through and never looks into it. */
export interface S3Caller {
  accessKeyId: string;
  principal: unknown;
  /** Shown as Owner and Initiator in listings, as S3's canonical user. */
  displayName: string;
  canonicalId: string;
}

export interface S3Credentials {
  /** The secret of an access key and the caller it stands for; undefined when there is no such key (or it is disabled). */
  resolve(accessKeyId: string): Promise<{ secretAccessKey: string; caller: S3Caller } | undefined>;
}

export interface S3Bucket {
  bucketId: Id<"bucket">;
  name: string;
  createdAtMs: number;
  region: string;
  /** Who owns it, when that is not the caller. */
  owner?: Pick<S3Caller, "canonicalId" | "displayName">;
}

export type S3Action =
  | "objects.object.read"
  | "objects.object.write"
  | "objects.object.list"
  | "objects.object.delete"
  /** Delete what governance retention protects. */
  | "objects.object.bypass";

export interface S3Backend {
  /** The buckets that the caller may see, by name in byte order, after `after`. */
  bucketList(
    caller: S3Caller,
    options: { prefix?: string; after?: string; limit: number },
  ): Promise<{ buckets: S3Bucket[]; next?: string }>;
  /** not_found when there is none, or none that the caller may know of. */
  bucketByName(caller: S3Caller, name: string): Promise<S3Bucket>;
  bucketCreate(caller: S3Caller, name: string): Promise<S3Bucket>;
  bucketDelete(caller: S3Caller, bucket: S3Bucket): Promise<void>;
  /** permission_denied unless the caller may do this in this bucket. */
  authorize(caller: S3Caller, action: S3Action, bucket: S3Bucket): Promise<void>;
  configuration(bucket: S3Bucket): Promise<BucketConfiguration>;
  /** null takes one away. permission_denied unless the caller may. */
  configurationUpdate(caller: S3Caller, bucket: S3Bucket, change: ConfigurationChange): Promise<void>;
  /** permission_denied unless the caller may; failed_precondition (details.reason `versioning_locked`). */
  settingsUpdate(caller: S3Caller, bucket: S3Bucket, change: Partial<BucketSettings>): Promise<void>;
  /** `work` stores something, for which it takes room: quota_exceeded when there is none. */
  room<T>(bucket: S3Bucket, work: (room: StorageRoom) => Promise<T>): Promise<T>;
  website(bucket: S3Bucket): Promise<WebsiteConfiguration | undefined>;
  /** Undefined: it is none any more. permission_denied unless the caller may. */
  websiteUpdate(caller: S3Caller, bucket: S3Bucket, configuration: WebsiteConfiguration | undefined): Promise<void>;
  /** For whoever comes: undefined when the bucket of this name is no website. */
  site(name: string): Promise<{ bucket: S3Bucket; configuration: WebsiteConfiguration } | undefined>;
  store: ObjectStore;
}

/** The part of a logger that the door uses; pino fits. */
export interface S3Log {
  debug(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}
