/** Lifecycle rules of a bucket: the same that S3 clients put (S3 API Reference, PutBucketLifecycleConfiguration). */
import { z } from "zod";
import { route, timestamp } from "../../../kernel/contract.ts";

const days = z.int().min(1, "At least 1 day.").max(36_500, "At most 36,500 days.");
const bytes = z.int().min(0);

const filter = z
  .strictObject({
    prefix: z.string().max(1024).optional().describe("Keys that begin so; a folder with its slash."),
    tags: z.record(z.string().min(1).max(128), z.string().max(256)).optional().describe("Objects that have all of these."),
    largerThanBytes: bytes.optional(),
    smallerThanBytes: bytes.optional(),
  })
  .refine(
    ({ largerThanBytes: larger, smallerThanBytes: smaller }) => larger === undefined || smaller === undefined || larger < smaller,
    "The lower size must be less than the upper one.",
  );
const expiration = z
  .strictObject({
    days: days.optional().describe("So long after they were written."),
    at: timestamp.optional().describe("On this day, at midnight UTC."),
    expiredMarkers: z.boolean().optional().describe("Delete markers with no version left behind them."),
  })
  .refine(
    (given) => Object.values(given).filter((value) => value !== undefined).length === 1,
    "Give days, a date or expired markers, only one of them.",
  )
  .refine(
    ({ at }) => at === undefined || Date.parse(at) % 86_400_000 === 0,
    "Give a midnight UTC, such as 2030-01-01T00:00:00Z.",
  );
const noncurrent = z.strictObject({
  days: days.describe("So long after a newer version came."),
  newerVersions: z.int().min(1).max(100).optional().describe("So many of the newest old versions stay."),
});

const storageClass = z.enum(["STANDARD_IA", "INTELLIGENT_TIERING", "ONEZONE_IA", "GLACIER_IR"]);
const transition = z
  .strictObject({
    days: z.int().min(0).max(36_500).optional().describe("So long after they were written."),
    at: timestamp.optional().describe("On this day, at midnight UTC."),
    storageClass,
  })
  .refine(({ days: after, at }) => (after === undefined) !== (at === undefined), "Give days or a date, one of them.")
  .refine(
    ({ at }) => at === undefined || Date.parse(at) % 86_400_000 === 0,
    "Give a midnight UTC, such as 2030-01-01T00:00:00Z.",
  );
const noncurrentTransition = z.strictObject({
  days: z.int().min(0).max(36_500).describe("So long after a newer version came."),
  newerVersions: z.int().min(1).max(100).optional().describe("So many of the newest old versions stay as they are."),
  storageClass,
});

export const lifecycleRule = z
  .strictObject({
    id: z.string().min(1, "Give it a name.").max(255),
    enabled: z.boolean().default(true),
    filter: filter.default({}).describe("Which objects; empty: all."),
    expiration: expiration.optional().describe("When current objects are deleted."),
    noncurrent: noncurrent.optional().describe("When old versions are deleted."),
    abortUploadsDays: days.optional().describe("When unfinished uploads are given up."),
    transitions: z
      .array(transition)
      .min(1)
      .max(4)
      .optional()
      .describe(
        "When current objects get another storage class, a label here: all bytes lie alike. Not those below 128 KiB, unless the rule asks for sizes.",
      ),
    noncurrentTransitions: z.array(noncurrentTransition).min(1).max(4).optional().describe("When old versions do."),
  })
  .refine(
    ({ expiration: current, noncurrent: old, abortUploadsDays, transitions, noncurrentTransitions }) =>
      [current, old, abortUploadsDays, transitions, noncurrentTransitions].some((each) => each !== undefined),
    "Say what the rule does.",
  )
  .refine(
    ({ filter: only, expiration: current, abortUploadsDays }) =>
      Object.keys(only).every((name) => name === "prefix") ||
      (abortUploadsDays === undefined && current?.expiredMarkers === undefined),
    "Unfinished uploads and delete markers have no tags and no size: leave these out.",
  );
export type LifecycleRuleView = z.output<typeof lifecycleRule>;

const rules = z
  .array(lifecycleRule)
  .max(1000)
  .refine((all) => new Set(all.map(({ id }) => id)).size === all.length, "Each rule has a name of its own.");
const inBucket = z.object({ bucket: z.string().max(100).describe("Id or name.") });

export const lifecycleRoutes = {
  bucketLifecycleGet: route({
    method: "GET",
    path: "/v1/buckets/{bucket}/lifecycle",
    summary: "Show by which rules a bucket deletes objects by itself",
    permission: "objects.bucket.read",
    roles: ["viewer"],
    params: inBucket,
    response: z.object({ rules: z.array(lifecycleRule) }),
    errors: ["not_found"],
  }),
  bucketLifecycleUpdate: route({
    method: "PUT",
    path: "/v1/buckets/{bucket}/lifecycle",
    summary: "Replace the rules by which a bucket deletes objects by itself",
    description:
      "They are carried out every hour. `bucketLifecyclePreview` tells beforehand what they would delete. No rules: nothing is.",
    permission: "objects.bucket.update",
    roles: ["editor"],
    params: inBucket,
    body: z.strictObject({ rules }),
    response: z.object({ rules: z.array(lifecycleRule) }),
    errors: ["not_found"],
  }),
  bucketLifecyclePreview: route({
    method: "POST",
    path: "/v1/buckets/{bucket}/lifecycle/preview",
    summary: "Count what lifecycle rules would delete now",
    description: "Nothing is changed. Locked versions are counted, though they stay.",
    permission: "objects.bucket.read",
    roles: ["viewer"],
    params: inBucket,
    body: z.strictObject({ rules }),
    response: z.object({
      objects: z.number().int(),
      versions: z.number().int(),
      markers: z.number().int(),
      uploads: z.number().int(),
      transitions: z.number().int().describe("Objects and versions that would get another storage class."),
      sizeBytes: z.number().int().describe("Of the objects and versions."),
      isComplete: z.boolean().describe("False: the bucket has more than could be looked at; there may be more to delete."),
    }),
    stream: {},
    errors: ["not_found"],
  }),
};
