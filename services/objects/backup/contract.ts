/** Backups of a bucket in another S3: where they go, what there is, and how it comes back. */
import { z } from "zod";
import { page, pageQuery, revision, route, timestamp } from "../../../kernel/contract.ts";
import { id } from "../../../kernel/ids.ts";
import { operation } from "../../operations/contract.ts";

const noControl = /^[^\p{Cc}]*$/u;
const targetEndpoint = z
  .url({ protocol: /^https?$/, error: "An address that begins with https:// or http://." })
  .max(500)
  .refine(
    (given) => {
      const url = URL.canParse(given) ? new URL(given) : undefined;
      return !url || (url.username === "" && url.password === "" && url.search === "" && url.hash === "" && url.pathname === "/");
    },
    { message: "Scheme, host and port alone, such as https://s3.example.org:9000." },
  )
  .describe("Of the other S3: scheme, host and port.");
const prefix = z
  .string()
  .max(512)
  .regex(noControl, "No control characters.")
  .refine((given) => !given.startsWith("/"), "It does not begin with a slash.");

const place = {
  targetEndpoint,
  region: z
    .string()
    .regex(/^[A-Za-z0-9-]{1,64}$/, "Letters, digits and hyphens.")
    .default("us-east-1"),
  targetBucket: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{1,254}$/, "The name of a bucket that exists there.")
    .describe("It exists there already."),
  prefix: prefix.default("").describe("Folder in it, for this bucket alone."),
  pathStyle: z
    .boolean()
    .default(true)
    .describe("The bucket stands in the path (MinIO, Ceph, Khmara), not in the host name (AWS)."),
  accessKeyId: z.string().regex(/^[\x21-\x7e]{1,128}$/, "Printable letters without spaces."),
};
const schedule = z
  .string()
  .max(100)
  .describe('Five fields of crontab(5) in UTC, such as "0 2 * * *", or @hourly, @daily, @weekly, @monthly.');

export const bucketBackupTarget = z.object({
  targetEndpoint: z.string(),
  region: z.string(),
  targetBucket: z.string(),
  prefix: z.string(),
  pathStyle: z.boolean(),
  accessKeyId: z.string(),
  schedule: schedule.optional(),
  keepDays: z.number().int(),
  keepLast: z.number().int(),
  nextAt: timestamp.optional().describe("When it is backed up next by the clock."),
  revision,
});
export type BucketBackupTarget = z.output<typeof bucketBackupTarget>;

export const bucketBackup = z.object({
  id: id("bucketBackup"),
  bucketId: id("bucket"),
  state: z.enum(["creating", "available", "failed", "deleting"]),
  stateReason: z.string().optional(),
  automatic: z.boolean().describe("Made by the clock; such are deleted by the clock too."),
  objects: z.number().int().optional(),
  sizeBytes: z.number().int().optional().describe("Of all objects that can be restored from it."),
  sentObjects: z.number().int().optional().describe("That the backup before it did not have."),
  sentBytes: z.number().int().optional().describe("That had to be sent for it; less when a process died meanwhile."),
  leftOut: z
    .number()
    .int()
    .optional()
    .describe("Objects that could not be read: encrypted with a customer's key (SSE-C), or damaged. They are named in its list."),
  verification: z.enum(["running", "passed", "failed"]).optional(),
  verificationMessage: z.string().optional(),
  verifiedAt: timestamp.optional(),
  operationId: id("operation").optional(),
  createdAt: timestamp,
  finishedAt: timestamp.optional(),
});
export type BucketBackup = z.output<typeof bucketBackup>;

const inBucket = z.object({ bucket: z.string().max(100).describe("Id or name.") });
const byBackup = z.object({ bucketBackup: id("bucketBackup") });

export const backupRoutes = {
  bucketBackupTargetGet: route({
    method: "GET",
    path: "/v1/buckets/{bucket}/backup-target",
    summary: "Show where a bucket is backed up to",
    permission: "objects.backup.read",
    roles: ["viewer"],
    params: inBucket,
    response: z.object({ target: bucketBackupTarget.optional().describe("Absent: nowhere.") }),
    errors: ["not_found"],
  }),
  bucketBackupTargetUpdate: route({
    method: "PUT",
    path: "/v1/buckets/{bucket}/backup-target",
    summary: "Set where a bucket is backed up to",
    description:
      "It is tried first: an object is written there, read and deleted. Backups that lie there already are found, so that a bucket of a cloud that was lost can be restored in another one.",
    permission: "objects.backup.configure",
    roles: ["admin"],
    params: inBucket,
    body: z.strictObject({
      ...place,
      secretAccessKey: z
        .string()
        .regex(/^[\x21-\x7e]{1,256}$/, "Printable letters without spaces.")
        .optional()
        .describe("Needed for a new place or key; it is kept sealed and never shown."),
      schedule: schedule.optional(),
      keepDays: z.int().min(1).max(3650).default(30).describe("So long backups made by the clock are kept."),
      keepLast: z.int().min(1).max(1000).default(3).describe("So many of the newest are kept however old they are."),
      takeOver: z
        .boolean()
        .default(false)
        .describe("Backups of another bucket lie there: take them over. That bucket is not backed up there any more."),
    }),
    response: bucketBackupTarget,
    stream: {},
    errors: ["not_found", "failed_precondition"],
  }),
  bucketBackupTargetDelete: route({
    method: "DELETE",
    path: "/v1/buckets/{bucket}/backup-target",
    summary: "Back a bucket up no more",
    description: "What lies there stays, and is found again when the same place is set again.",
    permission: "objects.backup.configure",
    roles: ["admin"],
    params: inBucket,
    status: 204,
    errors: ["not_found", "failed_precondition"],
  }),
  bucketBackupList: route({
    method: "GET",
    path: "/v1/buckets/{bucket}/backups",
    summary: "List the backups of a bucket",
    permission: "objects.backup.list",
    roles: ["viewer"],
    params: inBucket,
    query: pageQuery,
    response: page(bucketBackup),
    errors: ["not_found"],
  }),
  bucketBackupCreate: route({
    method: "POST",
    path: "/v1/buckets/{bucket}/backups",
    summary: "Back a bucket up now",
    description:
      "The current objects. Only what the place does not have yet is sent. Cancelled, what was sent serves the next one.",
    permission: "objects.backup.create",
    roles: ["editor"],
    params: inBucket,
    response: operation,
    status: 202,
    errors: ["not_found", "failed_precondition"],
  }),
  bucketBackupGet: route({
    method: "GET",
    path: "/v1/bucket-backups/{bucketBackup}",
    summary: "Show a backup of a bucket",
    permission: "objects.backup.read",
    roles: ["viewer"],
    params: byBackup,
    response: bucketBackup,
    errors: ["not_found"],
  }),
  bucketBackupVerify: route({
    method: "POST",
    path: "/v1/bucket-backups/{bucketBackup}/verify",
    summary: "Check that all of a backup is still there",
    description: "Each content that its list names is looked for, with its size; bytes are compared when they are restored.",
    permission: "objects.backup.verify",
    roles: ["editor"],
    params: byBackup,
    response: operation,
    status: 202,
    errors: ["not_found", "failed_precondition"],
  }),
  bucketBackupRestore: route({
    method: "POST",
    path: "/v1/bucket-backups/{bucketBackup}/restore",
    summary: "Restore a backup into a bucket",
    description:
      "What the bucket has in the same form is not sent. Objects that the backup does not have stay. The result tells how many were restored, kept and missing.",
    permission: "objects.backup.restore",
    roles: ["editor"],
    params: byBackup,
    body: z.strictObject({
      bucket: z.string().min(1).max(100).describe("Id or name, of the same project; a name that is free makes a new bucket."),
      prefix: z.string().max(1024).default("").describe("Only keys that begin so."),
      overwrite: z.boolean().default(false).describe("What is there in another form is replaced."),
      settings: z
        .boolean()
        .optional()
        .describe(
          "Set the bucket as the one of the backup was: versions, lock, encryption, policy, CORS, lifecycle, website and so on. Absent: where a new bucket is made.",
        ),
    }),
    response: operation,
    status: 202,
    errors: ["not_found", "already_exists", "failed_precondition", "quota_exceeded"],
  }),
  bucketBackupDelete: route({
    method: "DELETE",
    path: "/v1/bucket-backups/{bucketBackup}",
    summary: "Delete a backup of a bucket",
    description: "What no other backup needs is deleted there.",
    permission: "objects.backup.delete",
    roles: ["admin"],
    params: byBackup,
    response: operation,
    status: 202,
    errors: ["not_found", "failed_precondition"],
  }),
};
