import type { LifecycleRule } from "./lifecycle/rules.ts";

/** What is said of a bucket in documents that are read and replaced whole. */
export interface BucketConfiguration {
  tags?: Record<string, string>;
  lifecycle?: LifecycleRule[];
}

/** null takes one away. */
export type ConfigurationChange = { [Kind in keyof BucketConfiguration]?: Required<BucketConfiguration>[Kind] | null };
