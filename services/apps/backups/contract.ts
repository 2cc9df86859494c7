import { z } from "zod";
import { actor, page, pageQuery, route, timestamp } from "../../../kernel/contract.ts";
import { id } from "../../../kernel/ids.ts";
import { operation } from "../../operations/contract.ts";

/** error: it was not finished, and nothing of it is kept but these words. */
export const appBackupState = z.enum(["creating", "available", "deleting", "error"]);
export type AppBackupState = z.output<typeof appBackupState>;

/** A copy of the disks of an app in a bucket: for each a tarball, `apps/<app>/<backup>/<disk>.tar.gz`. */
export const appBackup = z.object({
  id: id("appBackup"),
  projectId: id("project"),
  appId: id("app").describe("It may be deleted: backups outlive it."),
  appName: z.string(),
  /** Of what ran when it was made. */
  releaseNumber: z.number().int().optional(),
  reason: z
    .enum(["person", "update", "removal"])
    .describe("Who wanted it: a person, or an update or removal of an app of the catalogue."),
  state: appBackupState,
  stateReason: z.string().optional(),
  bucket: z.object({ id: id("bucket"), name: z.string() }),
  disks: z.array(
    z.object({
      name: z.string(),
      path: z.string(),
      key: z.string().describe("Of the object: a tarball (gzip) with everything below volume/."),
      sizeBytes: z.number().int(),
      sha256: z.string().describe("Of the object, in hex."),
    }),
  ),
  sizeBytes: z.number().int(),
  operationId: id("operation").optional(),
  createdBy: actor,
  createdAt: timestamp,
  finishedAt: timestamp.optional(),
});
export type AppBackup = z.output<typeof appBackup>;

const byBackup = z.object({ appBackup: id("appBackup") });
const act = {
  status: 202,
  response: operation,
  errors: ["not_found", "failed_precondition", "conflict", "invalid_argument"],
} as const;

export const backupRoutes = {
  appBackupList: route({
    method: "GET",
    path: "/v1/app-backups",
    summary: "List backups of the disks of apps",
    description: "Newest first; those of deleted apps too.",
    permission: "apps.backup.list",
    roles: ["viewer"],
    query: pageQuery.extend({ project: id("project"), app: id("app").optional().describe("Of this app alone.") }),
    response: page(appBackup),
    errors: ["not_found"],
  }),
  appBackupCreate: route({
    method: "POST",
    path: "/v1/apps/{app}/backups",
    summary: "Back up the disks of an app",
    description:
      "Into a bucket of its project. The app is stopped while its disks are copied, so that nothing is copied half written.",
    permission: "apps.backup.create",
    roles: ["editor"],
    params: z.object({ app: id("app") }),
    body: z.object({ bucket: z.string().min(1).max(100).describe("Id or name of a bucket of the project.") }),
    ...act,
  }),
  appBackupGet: route({
    method: "GET",
    path: "/v1/app-backups/{appBackup}",
    summary: "Show a backup of the disks of an app",
    permission: "apps.backup.read",
    roles: ["viewer"],
    params: byBackup,
    response: appBackup,
    errors: ["not_found"],
  }),
  appBackupRestore: route({
    method: "POST",
    path: "/v1/app-backups/{appBackup}/restore",
    summary: "Put a backup back on the disks of an app",
    description:
      "What is on these disks is replaced by what was; other disks stay. The app is stopped meanwhile. Another app of the project takes it as well, when it has disks of the same names.",
    permission: "apps.backup.restore",
    roles: ["editor"],
    params: byBackup,
    body: z.object({
      app: id("app").optional().describe("Absent: the app that it was made of."),
      confirm: z.string().max(100).describe("The name of the app whose disks are replaced, as a word that it is meant."),
    }),
    ...act,
  }),
  appBackupDelete: route({
    method: "DELETE",
    path: "/v1/app-backups/{appBackup}",
    summary: "Delete a backup of the disks of an app",
    description: "Its objects go as well.",
    permission: "apps.backup.delete",
    roles: ["editor"],
    params: byBackup,
    status: 204,
    errors: ["not_found", "failed_precondition"],
    stream: {},
  }),
};
