import { z } from "zod";
import { event, page, pageQuery, revision, route, timestamp } from "../../../kernel/contract.ts";
import { id } from "../../../kernel/ids.ts";
import { hostName, labels } from "../instances/contract.ts";
import { backupEvents, backupRoutes } from "./backups/contract.ts";
import { scheduleEvents, scheduleRoutes } from "./schedules/contract.ts";
import { act, description, makes, snapshotEvents, snapshotRoutes } from "./snapshots/contract.ts";

const gib = 1024 ** 3;

/** Those that end in -ing have an operation at work; `missing` is gone from the engine without our doing. */
export const volumeState = z.enum([
  "creating",
  "available",
  "attaching",
  "attached",
  "detaching",
  "resizing",
  "restoring",
  "deleting",
  "error",
  "missing",
]);
export type VolumeState = z.output<typeof volumeState>;

export const volumeAction = z.enum(["attach", "detach", "resize", "snapshot", "restore", "clone", "backup", "rename", "delete"]);
export type VolumeAction = z.output<typeof volumeAction>;

/** What may be done in which state. A protected volume is not deleted in any. */
export const volumeActions: Record<VolumeAction, readonly VolumeState[]> = {
  attach: ["available"],
  detach: ["attached"],
  resize: ["available", "attached"],
  snapshot: ["available", "attached"],
  restore: ["available", "attached"],
  clone: ["available", "attached"],
  backup: ["available", "attached"],
  rename: ["available", "attached", "error"],
  delete: ["available", "error", "missing"],
};

/** Nothing in these: the guest would not find what it needs. */
const systemFolders = [
  "bin",
  "boot",
  "dev",
  "etc",
  "lib",
  "lib32",
  "lib64",
  "libx32",
  "proc",
  "run",
  "sbin",
  "sys",
  "usr",
  "var/run",
  "var/lock",
];
/** In these, but not on their place. */
const neededFolders = ["root", "tmp", "var", "var/lib", "var/log", "var/cache", "var/spool", "var/tmp"];
const hidesSystem = (path: string): boolean =>
  systemFolders.some((folder) => `${path}/`.startsWith(`/${folder}/`)) || neededFolders.includes(path.slice(1));

export const mountPath = z
  .string()
  .max(255, "A path has at most 255 characters.")
  .regex(
    /^(\/[A-Za-z0-9._@+-]+)+$/,
    "Give an absolute path such as /mnt/data: letters, digits and . _ @ + - between slashes, no slash at the end.",
  )
  .refine((path) => !path.split("/").some((word) => word === "." || word === ".."), "The path cannot contain . or ..")
  .refine(
    (path) => !hidesSystem(path),
    "A volume here would hide a folder that the system needs. Choose another, such as /mnt/data or /srv.",
  )
  .describe("Where the volume appears in the guest: an absolute path such as /mnt/data.");

const volumeBytes = z
  .number()
  .int()
  .min(gib, "At least 1 GiB (1073741824 bytes).")
  .max(64 * 1024 * gib, "At most 64 TiB.");

export const volume = z.object({
  id: id("volume"),
  projectId: id("project"),
  organisationId: id("organisation"),
  name: z.string(),
  description: z.string(),
  sizeBytes: z.number().int(),
  /** What it really takes on the engine's disk, measured every few minutes; absent where the engine does not know. */
  usedBytes: z.number().int().optional(),
  state: volumeState,
  /** Why it is in `error` or `missing`, for people. */
  stateReason: z.string().optional(),
  allowedActions: z.array(volumeAction),
  operationId: id("operation").optional().describe("The operation that is at work on it."),
  attachment: z.object({ instanceId: id("instance"), instanceName: z.string(), path: z.string() }).optional(),
  labels,
  protected: z.boolean(),
  snapshots: z.number().int(),
  createdAt: timestamp,
  revision,
});
export type Volume = z.output<typeof volume>;

const byVolume = z.object({ volume: id("volume") });
const project = id("project");

export const volumeRoutes = {
  volumeList: route({
    method: "GET",
    path: "/v1/volumes",
    summary: "List volumes",
    permission: "compute.volume.list",
    roles: ["viewer"],
    query: pageQuery.extend({
      project,
      search: z.string().max(100).optional().describe("Part of the name."),
      state: volumeState.optional(),
      instance: id("instance").optional().describe("Attached to this one."),
    }),
    response: page(volume),
    errors: ["not_found"],
  }),
  volumeCreate: route({
    method: "POST",
    path: "/v1/volumes",
    summary: "Create a volume",
    description: "Empty, or with the content of a snapshot, a backup or another volume; give one of these at the most.",
    permission: "compute.volume.create",
    roles: ["editor"],
    body: z.object({
      project,
      name: hostName,
      description: description.default(""),
      sizeBytes: volumeBytes
        .optional()
        .describe("Needed for an empty one; otherwise at least, and by default, as large as the source."),
      snapshot: id("snapshot").optional(),
      backup: id("backup").optional(),
      volume: id("volume").optional(),
      instance: id("instance")
        .optional()
        .describe(
          "Of a cluster whose members do not share their disks: the instance that it is for, so that it is made where that is. An empty one follows the instance that it is first attached to.",
        ),
      labels: labels.default({}),
      protected: z.boolean().default(false).describe("It cannot be deleted until this is taken off."),
    }),
    ...makes,
  }),
  volumeGet: route({
    method: "GET",
    path: "/v1/volumes/{volume}",
    summary: "Show a volume",
    permission: "compute.volume.read",
    roles: ["viewer"],
    params: byVolume,
    response: volume,
    errors: ["not_found"],
  }),
  volumeUpdate: route({
    method: "PATCH",
    path: "/v1/volumes/{volume}",
    summary: "Change a volume",
    permission: "compute.volume.update",
    roles: ["editor"],
    params: byVolume,
    body: z.object({
      name: hostName.optional(),
      description: description.optional(),
      labels: labels.optional(),
      protected: z.boolean().optional(),
    }),
    response: volume,
    errors: ["not_found", "already_exists", "failed_precondition", "precondition_failed"],
  }),
  volumeAttach: route({
    method: "POST",
    path: "/v1/volumes/{volume}/attach",
    summary: "Attach a volume to an instance",
    description:
      "It appears in the guest at once, and belongs to the guest's root. A volume is attached to one instance at a time.",
    permission: "compute.volume.attach",
    roles: ["editor"],
    params: byVolume,
    body: z.object({ instance: id("instance"), path: mountPath }),
    ...act,
    errors: [...act.errors, "already_exists"],
  }),
  volumeDetach: route({
    method: "POST",
    path: "/v1/volumes/{volume}/detach",
    summary: "Detach a volume",
    description: "What the guest has open there may lose its last writes: stop what uses it first.",
    permission: "compute.volume.detach",
    roles: ["editor"],
    params: byVolume,
    ...act,
  }),
  volumeResize: route({
    method: "POST",
    path: "/v1/volumes/{volume}/resize",
    summary: "Make a volume larger",
    description: "A volume only grows. While it is attached, too, where the pool can.",
    permission: "compute.volume.resize",
    roles: ["editor"],
    params: byVolume,
    body: z.object({ sizeBytes: volumeBytes }),
    ...act,
    errors: [...act.errors, "quota_exceeded", "storage_full"],
  }),
  volumeDelete: route({
    method: "DELETE",
    path: "/v1/volumes/{volume}",
    summary: "Delete a volume",
    description: "With its snapshots and schedules, for good; backups stay. Detach it first.",
    permission: "compute.volume.delete",
    roles: ["editor"],
    params: byVolume,
    query: z.object({ confirm: z.string().describe("The name of the volume.") }),
    ...act,
  }),

  ...snapshotRoutes,
  ...scheduleRoutes,
  ...backupRoutes,
};

export const volumeEvents = {
  volumeChanged: event({
    type: "compute.volume.changed",
    payload: z.object({ volumeId: id("volume"), name: z.string(), state: z.union([volumeState, z.literal("deleted")]) }),
  }),
  ...snapshotEvents,
  ...scheduleEvents,
  ...backupEvents,
};

export const volumeQuotas = {
  "compute.volumes": { unit: "count", summary: "Volumes", default: 100 },
  "compute.snapshots": { unit: "count", summary: "Snapshots of instances and volumes", default: 500 },
} as const;

export const volumeMeters = {
  "compute.volumes": { unit: "byte_seconds", summary: "Volumes, from creation to deletion" },
  "compute.snapshots": { unit: "byte_seconds", summary: "Snapshots, by what the engine says that they take" },
} as const;
