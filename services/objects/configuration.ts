import type { LoggingConfiguration } from "./accessLogs/configuration.ts";
import type { CorsRule } from "./cors.ts";
import type { ObjectAccess } from "./driver.ts";
import type { LifecycleRule } from "./lifecycle/rules.ts";
import type { NotificationConfiguration } from "./notifications/configuration.ts";
import type { BucketQuota } from "./quota/bucketQuota.ts";
import type { PublicAccessBlock } from "./s3/access/publicAccess.ts";

/** What is said of a bucket in documents that are read and replaced whole. */
export interface BucketConfiguration {
  tags?: Record<string, string>;
  lifecycle?: LifecycleRule[];
  /** How small an object transitions take, where that is not what goes without saying (S3 API Reference, PutBucketLifecycleConfiguration). */
  smallestTransition?: "varies_by_storage_class";
  /** The text as it was put: clients compare what they get with it. */
  policy?: { text: string };
  publicAccessBlock?: PublicAccessBlock;
  /** Whether access control lists count, and whose what others write is. Absent: as with ObjectWriter. */
  ownership?: ObjectOwnership;
  /** The list of the bucket itself; absent: the owner alone. */
  acl?: ObjectAccess;
  requestPayer?: "BucketOwner" | "Requester";
  cors?: CorsRule[];
  logging?: LoggingConfiguration;
  notification?: NotificationConfiguration;
  quota?: BucketQuota;
}

/** null takes one away. */
export type ConfigurationChange = { [Kind in keyof BucketConfiguration]?: Required<BucketConfiguration>[Kind] | null };

/** "Controlling ownership of objects", S3 User Guide. */
export const objectOwnerships = ["BucketOwnerEnforced", "BucketOwnerPreferred", "ObjectWriter"] as const;
export type ObjectOwnership = (typeof objectOwnerships)[number];
