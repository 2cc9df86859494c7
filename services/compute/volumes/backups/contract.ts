import { z } from "zod";
import { displayName, event, page, pageQuery, revision, route, timestamp } from "../../../../kernel/contract.ts";
import { id } from "../../../../kernel/ids.ts";
import { bucketName } from "../../../objects/contract.ts";
import { act, description, diskSource, makes, newInstance, ofDisk } from "../snapshots/contract.ts";

/** `missing`: its object was deleted from the bucket. */
export const backupState = z.enum(["creating", "available", "deleting", "error", "missing"]);
export type BackupState = z.output<typeof backupState>;
export const backupAction = z.enum(["restore", "verify", "delete"]);
export type BackupAction = z.output<typeof backupAction>;
export const backupActions: Record<BackupAction, readonly BackupState[]> = {
  restore: ["available"],
  verify: ["available"],
  delete: ["available", "error", "missing"],
};

const verificationFields = {
  state: z.enum(["running", "passed", "failed"]),
  /** What was seen, or why it failed, for people. */
  message: z.string(),
  startedAt: timestamp,
  finishedAt: timestamp.optional(),
  durationSeconds: z.number().optional(),
};
export const backup = z.object({
  id: id("backup"),
  projectId: id("project"),
  organisationId: id("organisation"),
  name: z.string(),
  description: z.string(),
  source: diskSource,
  state: backupState,
  stateReason: z.string().optional(),
  allowedActions: z.array(backupAction),
  operationId: id("operation").optional(),
  bucketId: id("bucket"),
  bucketName: z.string().optional(),
  key: z.string().describe("The key of its object."),
  /** Of the object. */
  sizeBytes: z.number().int().optional(),
  sha256: z.string().optional().describe("Of the object, in hex."),
  /** The size of the disk that it is of. */
  diskBytes: z.number().int(),
  scheduleId: id("snapshotSchedule").optional(),
  verification: z.enum(["running", "passed", "failed"]).optional().describe("What the last restore drill came to."),
  verifiedAt: timestamp.optional(),
  verificationMessage: z.string().optional(),
  createdAt: timestamp,
  revision,
});
export type Backup = z.output<typeof backup>;

/** One restore drill. */
export const backupVerification = z.object({
  id: id("backupVerification"),
  backupId: id("backup"),
  ...verificationFields,
  command: z.string().optional(),
  /** What was done, line by line, with what the copy said. */
  log: z.string(),
});
export type BackupVerification = z.output<typeof backupVerification>;

const byBackup = z.object({ backup: id("backup") });
export const inBucket = z.union([id("bucket"), bucketName]).describe("The id or the name of a bucket of the project.");
export const verifyCommand = z
  .string()
  .trim()
  .min(1)
  .max(4096)
  .describe("Run by /bin/sh in the restored copy; the drill fails when it does.");

export const backupRoutes = {
  backupList: route({
    method: "GET",
    path: "/v1/backups",
    summary: "List backups",
    description: "Of a project, or of one instance or volume of it (deleted ones too); newest first.",
    permission: "compute.backup.list",
    roles: ["viewer"],
    query: pageQuery.extend({ project: id("project"), ...ofDisk }),
    response: page(backup),
    errors: ["not_found"],
  }),
  backupCreate: route({
    method: "POST",
    path: "/v1/backups",
    summary: "Back an instance or volume up into a bucket",
    description:
      "Also how a volume is exported: the object is one tar file that LXD and Incus import too. Without the instance's volumes and snapshots.",
    permission: "compute.backup.create",
    roles: ["editor"],
    body: z.object({
      ...ofDisk,
      bucket: inBucket,
      name: displayName.optional().describe("Absent: made of the source and the time."),
      description: description.default(""),
      prefix: z
        .string()
        .max(500)
        .regex(/^([^/\p{Cc}]+\/)*$/u, "Folders that each end with a slash, such as backups/.")
        .default("backups/")
        .describe("Where in the bucket: a folder, with its slash."),
    }),
    ...makes,
  }),
  backupGet: route({
    method: "GET",
    path: "/v1/backups/{backup}",
    summary: "Show a backup",
    permission: "compute.backup.read",
    roles: ["viewer"],
    params: byBackup,
    response: backup,
    errors: ["not_found"],
  }),
  backupRestore: route({
    method: "POST",
    path: "/v1/backups/{backup}/restore",
    summary: "Make an instance or volume from a backup",
    description: "A new one, beside the source if that still exists.",
    permission: "compute.backup.restore",
    roles: ["editor"],
    params: byBackup,
    body: z.object(newInstance),
    ...makes,
  }),
  backupVerify: route({
    method: "POST",
    path: "/v1/backups/{backup}/verify",
    summary: "Prove that a backup can be restored",
    description:
      "A restore drill. An instance is really restored, without a network, started and waited for; a volume is restored and read. The copy is deleted afterwards; it costs nothing and is in no quota. Reading the object counts like any reading.",
    permission: "compute.backup.drill",
    roles: ["editor"],
    params: byBackup,
    body: z.object({ command: verifyCommand.optional() }),
    ...act,
    errors: [...act.errors, "storage_full"],
  }),
  backupVerificationList: route({
    method: "GET",
    path: "/v1/backups/{backup}/verifications",
    summary: "List the restore drills of a backup",
    permission: "compute.backup_verification.list",
    roles: ["viewer"],
    params: byBackup,
    query: pageQuery,
    response: page(backupVerification),
    errors: ["not_found"],
  }),
  backupDelete: route({
    method: "DELETE",
    path: "/v1/backups/{backup}",
    summary: "Delete a backup and its object",
    permission: "compute.backup.delete",
    roles: ["editor"],
    params: byBackup,
    ...act,
  }),
};

export const backupEvents = {
  backupChanged: event({
    type: "compute.backup.changed",
    payload: z.object({
      backupId: id("backup"),
      sourceId: z.string(),
      name: z.string(),
      state: z.union([backupState, z.literal("deleted")]),
    }),
  }),
};
