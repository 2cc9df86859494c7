/** What the API shows: buckets, objects and what is on the way to become one, what is in the trash, links. */
import { z } from "zod";
import { revision, timestamp } from "../../../kernel/contract.ts";
import { id } from "../../../kernel/ids.ts";
import { marks } from "../versions/contract.ts";

/** Bucket names as S3 has them (AWS, "General purpose bucket naming rules"). */
export const bucketName = z
  .string()
  .min(3, "A bucket name has at least 3 characters.")
  .max(63, "A bucket name has at most 63 characters.")
  .regex(/^[a-z0-9][a-z0-9.-]*[a-z0-9]$/, "Use small letters, digits, dots and hyphens; begin and end with a letter or digit.")
  .refine((name) => !/\.\.|\.-|-\./.test(name), "Dots cannot stand next to each other or to a hyphen.")
  .refine((name) => !/^\d+\.\d+\.\d+\.\d+$/.test(name), "A bucket name cannot look like an IP address.")
  .refine(
    (name) => !/^(xn--|sthree-|amzn-s3-demo-)|(-s3alias|--ol-s3|\.mrap|--x-s3|--table-s3)$/.test(name),
    "This beginning or ending is reserved.",
  );

/** At most 1024 bytes of UTF-8. */
export const objectKey = z
  .string()
  .min(1, "A key cannot be empty.")
  .refine((key) => new TextEncoder().encode(key).length <= 1024, "A key has at most 1024 bytes.");

export const publicReach = z
  .enum(["none", "objects", "bucket"])
  .describe(
    "What somebody without any key gets at. bucket: what its policy or its own list says; objects: those whose own lists say so; none: nothing.",
  );

export const bucket = z.object({
  id: id("bucket"),
  projectId: id("project"),
  organisationId: id("organisation"),
  name: z.string(),
  objects: z.number().int(),
  sizeBytes: z.number().int(),
  versions: z.number().int().describe("Old versions and delete markers."),
  versionBytes: z.number().int().describe("Bytes of old versions; they count as stored."),
  /** Bytes of uploads that were begun and not finished. */
  uploadBytes: z.number().int(),
  trashObjects: z.number().int(),
  trashBytes: z.number().int(),
  publicReach,
  createdAt: timestamp,
  revision,
});
export type Bucket = z.output<typeof bucket>;

export const storedObject = z.object({
  key: z.string(),
  sizeBytes: z.number().int(),
  contentType: z.string().optional(),
  etag: z.string(),
  modifiedAt: timestamp,
});
export const objectDetail = storedObject.extend({
  metadata: z.record(z.string(), z.string()),
  cacheControl: z.string().optional(),
  contentDisposition: z.string().optional(),
  contentEncoding: z.string().optional(),
  checksums: z.record(z.string(), z.string()),
  parts: z.number().int(),
  tags: z.record(z.string(), z.string()),
  isPublic: z.boolean().describe("Everybody reads it without any key, by the bucket's policy or its own list."),
  ...marks,
});
export const objectEntry = z.object({
  kind: z.enum(["folder", "object"]),
  /** The key of an object; the prefix, with its slash, of a folder. */
  key: z.string(),
  /** What to show: the part after the last slash but the trailing one. */
  name: z.string(),
  sizeBytes: z.number().int().optional(),
  contentType: z.string().optional(),
  modifiedAt: timestamp.optional(),
});
export type ObjectEntry = z.output<typeof objectEntry>;

export const upload = z.object({
  id: id("upload"),
  bucketId: id("bucket"),
  key: z.string(),
  startedAt: timestamp,
  partSizeBytes: z.number().int(),
});
export const uploadPart = z.object({ number: z.number().int(), sizeBytes: z.number().int(), etag: z.string() });

export const trashItem = z.object({
  id: z.string(),
  bucketId: id("bucket"),
  /** The keys and folders that were deleted together. */
  names: z.array(z.string()).max(100),
  objects: z.number().int(),
  sizeBytes: z.number().int(),
  deletedBy: z.string(),
  deletedAt: timestamp,
  /** When it goes for good. */
  expiresAt: timestamp,
});

export const share = z.object({
  id: id("share"),
  bucketId: id("bucket"),
  key: z.string(),
  state: z.enum(["active", "expired", "revoked"]),
  downloads: z.number().int(),
  createdBy: z.string(),
  expiresAt: timestamp,
  createdAt: timestamp,
});
