/** Versions of objects, in the terms of S3 (User Guide, "Retaining multiple versions of objects with S3 Versioning"). */
import { z } from "zod";
import { page, pageQuery, route, timestamp } from "../../../kernel/contract.ts";

const inBucket = z.object({ bucket: z.string().max(100).describe("Id or name.") });
const key = z
  .string()
  .min(1, "A key cannot be empty.")
  .refine((text) => new TextEncoder().encode(text).length <= 1024, "A key has at most 1024 bytes.");
export const versionId = z
  .string()
  .regex(/^(null|[0-9a-f]{32})$/, "Give an id from the list of versions.")
  .describe('As the list tells it; "null" is what was written while the bucket kept no versions.');

export const retention = z.object({
  mode: z.enum(["governance", "compliance"]).describe("Who may end it early: administrators, or nobody."),
  until: timestamp,
});
/** Letters, spaces and digits of any script and some signs: S3 User Guide, "Categorizing your objects using tags". */
const tagText = (most: number) =>
  z
    .string()
    .max(most, `At most ${most} characters.`)
    .regex(/^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$/u, "Use letters, digits, spaces and _ . : / = + - @");
export const objectTags = z
  .record(
    tagText(128)
      .min(1, "A tag has a name.")
      .refine((name) => !name.startsWith("aws:"), 'Names that begin with "aws:" are reserved.'),
    tagText(256),
  )
  .refine((tags) => Object.keys(tags).length <= 10, "An object has at most 10 tags.");

export const marks = {
  versionId: z.string().optional().describe("Absent while the bucket never kept versions."),
  retention: retention.optional(),
  legalHold: z.boolean().describe("Kept until somebody takes the hold away."),
};

export const versionEntry = z.object({
  kind: z
    .enum(["folder", "object", "marker"])
    .describe("A marker is the version that says: deleted. As the current one it hides the object."),
  key: z.string(),
  name: z.string(),
  isCurrent: z.boolean().optional().describe("Of a folder absent."),
  sizeBytes: z.number().int().optional(),
  contentType: z.string().optional(),
  etag: z.string().optional(),
  modifiedAt: timestamp.optional(),
  ...marks,
});
export type ObjectVersion = z.output<typeof versionEntry>;

const restored = z.object({
  key: z.string(),
  sizeBytes: z.number().int(),
  contentType: z.string().optional(),
  etag: z.string(),
  modifiedAt: timestamp,
});

export const versionRoutes = {
  objectVersionList: route({
    method: "GET",
    path: "/v1/buckets/{bucket}/versions",
    summary: "List versions and delete markers of a bucket or of one object",
    description: "By key, the newest version first.",
    permission: "objects.object.list",
    roles: ["viewer"],
    params: inBucket,
    query: pageQuery.extend({
      prefix: z.string().max(1024).default(""),
      key: key.optional().describe("Only versions of this one object."),
      recursive: z.stringbool().default(false).describe("All versions below the prefix, without folders."),
    }),
    response: page(versionEntry),
    errors: ["not_found"],
  }),
  objectVersionRestore: route({
    method: "POST",
    path: "/v1/buckets/{bucket}/versions/restore",
    summary: "Make an old version the current one again",
    description: "As a copy: the old version stays where it is, and what was current becomes an old version.",
    permission: "objects.object.write",
    roles: ["editor"],
    params: inBucket,
    body: z.strictObject({ key, versionId }),
    response: restored,
    status: 201,
    stream: {},
    errors: ["not_found", "failed_precondition", "quota_exceeded", "storage_full"],
  }),
  objectVersionDelete: route({
    method: "DELETE",
    path: "/v1/buckets/{bucket}/versions",
    summary: "Delete one version, or a delete marker, for good",
    description: "What is locked stays until its lock ends; administrators may pass over governance.",
    permission: "objects.object.delete",
    roles: ["editor"],
    params: inBucket,
    query: z.object({
      key,
      versionId,
      bypassGovernance: z.stringbool().default(false).describe("For administrators: delete in spite of governance."),
    }),
    errors: ["not_found", "failed_precondition"],
  }),
  objectUndelete: route({
    method: "POST",
    path: "/v1/buckets/{bucket}/object/undelete",
    summary: "Bring a deleted object back, where the bucket keeps versions",
    description: "Takes away the delete markers that hide it.",
    permission: "objects.object.write",
    roles: ["editor"],
    params: inBucket,
    body: z.strictObject({ key }),
    response: restored,
    errors: ["not_found", "failed_precondition"],
  }),
  objectTagsUpdate: route({
    method: "PUT",
    path: "/v1/buckets/{bucket}/object/tags",
    summary: "Replace the tags of an object",
    permission: "objects.object.write",
    roles: ["editor"],
    params: inBucket,
    body: z.strictObject({ key, versionId: versionId.optional(), tags: objectTags }),
    response: z.object({ tags: z.record(z.string(), z.string()) }),
    errors: ["not_found", "failed_precondition"],
  }),
  objectLockUpdate: route({
    method: "PUT",
    path: "/v1/buckets/{bucket}/object/lock",
    summary: "Lock an object, or end its lock",
    description:
      "The bucket must have its lock enabled. Compliance can only be made longer, by nobody shorter; governance is ended by administrators.",
    permission: "objects.object.write",
    roles: ["editor"],
    params: inBucket,
    body: z
      .strictObject({
        key,
        versionId: versionId.optional(),
        retention: retention.nullable().optional().describe("null ends it."),
        legalHold: z.boolean().optional(),
        bypassGovernance: z.boolean().default(false).describe("For administrators: end or shorten governance."),
      })
      .refine((body) => body.retention !== undefined || body.legalHold !== undefined, "Give a retention or a legal hold."),
    response: z.object({ retention: retention.optional(), legalHold: z.boolean() }),
    errors: ["not_found", "failed_precondition"],
  }),
};
