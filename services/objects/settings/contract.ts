/** What applies to every write into a bucket (driver.ts, BucketSettings): versions and locks, in the terms of S3. */
import { z } from "zod";
import { route } from "../../../kernel/contract.ts";
import { engine } from "../relocation/contract.ts";

const retention = z
  .strictObject({
    mode: z.enum(["governance", "compliance"]).describe("Who may end it early: administrators, or nobody."),
    days: z.int().min(1).max(36_500).optional(),
    years: z.int().min(1).max(100).optional(),
  })
  .refine(({ days, years }) => (days === undefined) !== (years === undefined), "Give days or years.");
const lock = z.strictObject({ retention: retention.optional().describe("Of what is written from now on.") });

const encryption = z
  .enum(["server", "none"])
  .describe("Whether what is written from now on is encrypted on the disk, with keys that the cloud keeps. Absent: it is not.");

export const bucketSettings = z.object({
  versioning: z.enum(["never", "enabled", "suspended"]).describe("Whether writes and deletions keep what was there."),
  lock: lock.optional().describe("Present: versions can be locked."),
  encryption: encryption.optional(),
  engine,
  engines: z.array(engine).describe("That this cloud has."),
});

const corsMethods = ["GET", "PUT", "POST", "DELETE", "HEAD"] as const;
const oneStar = (text: string) => text.indexOf("*") === text.lastIndexOf("*");
const headerText = z
  .string()
  .min(1)
  .max(255)
  .regex(/^[\x21-\x7e]+$/, "Use letters of English, digits and signs, without spaces.");
const patternText = headerText.refine(oneStar, "At most one * stands for anything.");
/** As S3's CORSRule (API Reference, PutBucketCors). */
export const corsRule = z.strictObject({
  id: z.string().min(1).max(255).optional(),
  allowedOrigins: z
    .array(patternText)
    .min(1)
    .max(100)
    .describe("As browsers send them, https://example.org; one * stands for anything."),
  allowedMethods: z.array(z.enum(corsMethods)).min(1).max(corsMethods.length),
  allowedHeaders: z.array(patternText).max(100).optional().describe("What requests may carry; one * stands for anything."),
  exposeHeaders: z
    .array(headerText.refine((text) => !text.includes("*"), "No * here."))
    .max(100)
    .optional()
    .describe("What scripts may read of the answers."),
  maxAgeSeconds: z.int().min(0).max(2_147_483_647).optional(),
});
const corsRules = z
  .array(corsRule)
  .max(100)
  .refine((rules) => JSON.stringify(rules).length <= 64 * 1024, "All rules together have at most 64 KB.");

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
      .strictObject({
        versioning: z.enum(["enabled", "suspended"]).optional(),
        lock: lock.optional(),
        encryption: encryption.optional(),
      })
      .refine((body) => Object.values(body).some((value) => value !== undefined), "Give what is to be changed."),
    response: bucketSettings,
    errors: ["not_found", "failed_precondition"],
  }),
  bucketCorsGet: route({
    method: "GET",
    path: "/v1/buckets/{bucket}/cors",
    summary: "Show which websites' pages may use a bucket from a browser",
    permission: "objects.bucket.read",
    roles: ["viewer"],
    params: inBucket,
    response: z.object({ rules: z.array(corsRule) }),
    errors: ["not_found"],
  }),
  bucketCorsUpdate: route({
    method: "PUT",
    path: "/v1/buckets/{bucket}/cors",
    summary: "Say which websites' pages may use a bucket from a browser",
    description: "The first rule that allows a request decides. Signatures and access are checked besides. No rules: none may.",
    permission: "objects.bucket.update",
    roles: ["editor"],
    params: inBucket,
    body: z.strictObject({ rules: corsRules }),
    response: z.object({ rules: z.array(corsRule) }),
    errors: ["not_found"],
  }),
};
