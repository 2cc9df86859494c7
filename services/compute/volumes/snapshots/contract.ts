import { z } from "zod";
import { displayName, event, page, pageQuery, revision, route, timestamp } from "../../../../kernel/contract.ts";
import { id } from "../../../../kernel/ids.ts";
import { operation } from "../../../operations/contract.ts";
import { hostName } from "../../instances/contract.ts";

export const snapshotState = z.enum(["creating", "available", "restoring", "deleting", "error", "missing"]);
export type SnapshotState = z.output<typeof snapshotState>;
export const snapshotAction = z.enum(["restore", "clone", "rename", "delete"]);
export type SnapshotAction = z.output<typeof snapshotAction>;
export const snapshotActions: Record<SnapshotAction, readonly SnapshotState[]> = {
  restore: ["available"],
  clone: ["available"],
  rename: ["available", "error"],
  delete: ["available", "error", "missing"],
};

/** What a snapshot, a schedule or a backup is of. The name of a backup's source is the one it had. */
export const diskSource = z.object({ kind: z.enum(["instance", "volume"]), id: z.string(), name: z.string() });
export type DiskSource = z.output<typeof diskSource>;

export const snapshot = z.object({
  id: id("snapshot"),
  projectId: id("project"),
  organisationId: id("organisation"),
  name: z.string(),
  description: z.string(),
  source: diskSource,
  state: snapshotState,
  stateReason: z.string().optional(),
  allowedActions: z.array(snapshotAction),
  operationId: id("operation").optional(),
  /** The size of the disk when it was taken; a clone is as large as the disk is now. */
  diskBytes: z.number().int(),
  /** What the engine says that it takes by itself; it grows as the disk changes. Absent until measured. */
  usedBytes: z.number().int().optional(),
  scheduleId: id("snapshotSchedule").optional().describe("The schedule that made it, and deletes it when its time is over."),
  createdAt: timestamp,
  revision,
});
export type Snapshot = z.output<typeof snapshot>;

export const description = z.string().trim().max(500);
const bySnapshot = z.object({ snapshot: id("snapshot") });
export const ofDisk = {
  instance: id("instance").optional().describe("This, or `volume`."),
  volume: id("volume").optional().describe("This, or `instance`."),
};
export const act = {
  status: 202,
  response: operation,
  errors: ["not_found", "failed_precondition", "conflict"],
} as const;
export const makes = { ...act, errors: [...act.errors, "already_exists", "quota_exceeded", "storage_full"] } as const;

/** A new instance from a snapshot or backup of one; of a volume only the name is used. */
export const newInstance = {
  name: hostName.describe("The name of the new instance or volume."),
  size: z
    .union([id("size"), z.string().min(1).max(100)])
    .optional()
    .describe("Of an instance: the id or name of a size. Absent: as large as the source was."),
  networks: z.array(id("network")).max(8).default([]).describe("Of an instance. None: the project's default network."),
  start: z.boolean().default(true).describe("Of an instance."),
};

export const snapshotRoutes = {
  snapshotList: route({
    method: "GET",
    path: "/v1/snapshots",
    summary: "List snapshots",
    description: "Of a project, or of one instance or volume of it; newest first.",
    permission: "compute.snapshot.list",
    roles: ["viewer"],
    query: pageQuery.extend({ project: id("project"), ...ofDisk }),
    response: page(snapshot),
    errors: ["not_found"],
  }),
  snapshotCreate: route({
    method: "POST",
    path: "/v1/snapshots",
    summary: "Take a snapshot",
    description:
      "Of the root disk of an instance, or of a volume, as it is on the disk at this moment: a guest that runs should have written what matters. It lies on the same disk as its source: use a backup against the loss of that.",
    permission: "compute.snapshot.create",
    roles: ["editor"],
    body: z.object({
      ...ofDisk,
      name: displayName.optional().describe("Absent: made of the time. Unique for its instance or volume."),
      description: description.default(""),
    }),
    ...makes,
  }),
  snapshotGet: route({
    method: "GET",
    path: "/v1/snapshots/{snapshot}",
    summary: "Show a snapshot",
    permission: "compute.snapshot.read",
    roles: ["viewer"],
    params: bySnapshot,
    response: snapshot,
    errors: ["not_found"],
  }),
  snapshotUpdate: route({
    method: "PATCH",
    path: "/v1/snapshots/{snapshot}",
    summary: "Change a snapshot",
    permission: "compute.snapshot.update",
    roles: ["editor"],
    params: bySnapshot,
    body: z.object({ name: displayName.optional(), description: description.optional() }),
    response: snapshot,
    errors: ["not_found", "already_exists", "failed_precondition", "precondition_failed"],
  }),
  snapshotRestore: route({
    method: "POST",
    path: "/v1/snapshots/{snapshot}/restore",
    summary: "Restore a snapshot",
    description:
      "The instance's root disk, or the volume, takes the content of the snapshot: what was written since is lost, as the operation's result says. Attached volumes keep theirs.",
    permission: "compute.snapshot.restore",
    roles: ["editor"],
    params: bySnapshot,
    body: z.object({
      confirm: z.string().describe("The name of the instance or volume."),
      stopFirst: z
        .boolean()
        .default(false)
        .describe("Stop the instance (of a volume: the one that has it) if it runs, and start it again afterwards."),
    }),
    ...act,
  }),
  snapshotClone: route({
    method: "POST",
    path: "/v1/snapshots/{snapshot}/clone",
    summary: "Make an instance or volume from a snapshot",
    permission: "compute.snapshot.clone",
    roles: ["editor"],
    params: bySnapshot,
    body: z.object(newInstance),
    ...makes,
  }),
  snapshotDelete: route({
    method: "DELETE",
    path: "/v1/snapshots/{snapshot}",
    summary: "Delete a snapshot",
    permission: "compute.snapshot.delete",
    roles: ["editor"],
    params: bySnapshot,
    ...act,
  }),
};

export const snapshotEvents = {
  snapshotChanged: event({
    type: "compute.snapshot.changed",
    payload: z.object({
      snapshotId: id("snapshot"),
      sourceId: z.string(),
      name: z.string(),
      state: z.union([snapshotState, z.literal("deleted")]),
    }),
  }),
};
