/** What applies to every write into a bucket (driver.ts, BucketSettings): versions and locks, in the terms of S3. */
import { z } from "zod";
import { route } from "../../../kernel/contract.ts";

const retention = z
  .strictObject({
    mode: z.enum(["governance", "compliance"]).describe("Who may end it early: administrators, or nobody."),
    days: z.int().min(1).max(36_500).optional(),
    years: z.int().min(1).max(100).optional(),
  })
  .refine(({ days, years }) => (days === undefined) !== (years === undefined), "Give days or years.");
const lock = z.strictObject({ retention: retention.optional().describe("Of what is written from now on.") });

export const bucketSettings = z.object({
  versioning: z.enum(["never", "enabled", "suspended"]).describe("Whether writes and deletions keep what was there."),
  lock: lock.optional().describe("Present: versions can be locked."),
});

const inBucket = z.object({ bucket: z.string().max(100).describe("Id or name.") });

export const settingsRoutes = {
  bucketSettingsGet: route({
    method: "GET",
    path: "/v1/buckets/{bucket}/settings",
    summary: "Show whether a bucket keeps versions and can lock them",
    permission: "objects.bucket.read",
    roles: ["viewer"],
    params: inBucket,
    response: bucketSettings,
    errors: ["not_found"],
  }),
  bucketSettingsUpdate: route({
    method: "PUT",
    path: "/v1/buckets/{bucket}/settings",
    summary: "Let a bucket keep versions, or lock them",
    description:
      "Versions that are kept count as stored bytes. A lock needs versions, and is never taken back once a bucket has it; its retention may be changed for later writes.",
    permission: "objects.bucket.update",
    roles: ["editor"],
    params: inBucket,
    body: z
      .strictObject({ versioning: z.enum(["enabled", "suspended"]).optional(), lock: lock.optional() })
      .refine(({ versioning, lock: asked }) => versioning !== undefined || asked !== undefined, "Give what is to be changed."),
    response: bucketSettings,
    errors: ["not_found", "failed_precondition"],
  }),
};
