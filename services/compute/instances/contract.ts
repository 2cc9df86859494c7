import { z } from "zod";
import { event, page, pageQuery, revision, route, timestamp } from "../../../kernel/contract.ts";
import { id } from "../../../kernel/ids.ts";
import { operation } from "../../operations/contract.ts";

/** One label of RFC 1123, 2.1: what the guest calls itself and what DNS answers to. */
export const hostName = z
  .string()
  .min(1, "Give it a name.")
  .max(63, "A name has at most 63 characters.")
  .regex(
    /^[a-z]([a-z0-9-]*[a-z0-9])?$/,
    "Use small letters, digits and hyphens; begin with a letter and do not end with a hyphen.",
  );
export const labels = z
  .record(
    z.string().regex(/^[a-zA-Z0-9][\w./-]{0,62}$/, "A label's key has up to 63 letters, digits, dots, slashes, _ and -."),
    z.string().max(255),
  )
  .refine((all) => Object.keys(all).length <= 64, "At most 64 labels.");
const description = z.string().trim().max(500);

export const instanceKind = z
  .enum(["container", "vm"])
  .describe("container: a full system that shares the host's kernel, in seconds; vm: a virtual machine, where the host has KVM.");

/** Those that end in -ing have an operation at work; `missing` is gone from the engine without our doing. */
export const instanceState = z.enum([
  "creating",
  "running",
  "stopped",
  "frozen",
  "starting",
  "stopping",
  "restarting",
  "resizing",
  "rebuilding",
  "restoring",
  "moving",
  "deleting",
  "error",
  "missing",
]);
export type InstanceState = z.output<typeof instanceState>;

export const instanceAction = z.enum([
  "start",
  "stop",
  "restart",
  "freeze",
  "unfreeze",
  "resize",
  "rebuild",
  "rename",
  "terminal",
  "passwordReset",
  "snapshot",
  "restore",
  "image",
  "attachVolume",
  "move",
  "delete",
  "forceDelete",
]);
export type InstanceAction = z.output<typeof instanceAction>;

/** The rules of states as data: what may be done in which state. Serves the API's 409, `allowedActions`, and with it the console's buttons. */
export const instanceActions: Record<InstanceAction, readonly InstanceState[]> = {
  start: ["stopped", "error"],
  stop: ["running", "frozen", "error"],
  restart: ["running", "error"],
  freeze: ["running"],
  unfreeze: ["frozen"],
  resize: ["running", "stopped"],
  rebuild: ["running", "stopped", "error"],
  rename: ["running", "stopped", "frozen", "error"],
  terminal: ["running"],
  passwordReset: ["running"],
  snapshot: ["running", "stopped", "frozen"],
  restore: ["running", "stopped", "error"],
  image: ["running", "stopped"],
  attachVolume: ["running", "stopped"],
  move: ["running", "stopped"],
  delete: ["running", "stopped", "frozen", "error", "missing"],
  forceDelete: [
    "creating",
    "running",
    "stopped",
    "frozen",
    "starting",
    "stopping",
    "restarting",
    "resizing",
    "rebuilding",
    "restoring",
    "moving",
    "deleting",
    "error",
    "missing",
  ],
};

export const size = z.object({
  id: id("size"),
  name: z.string(),
  vcpus: z.number().int(),
  memoryBytes: z.number().int(),
  diskBytes: z.number().int(),
  /** Per hour of running, in the cloud's currency; a decimal. */
  pricePerHour: z.string(),
  /** Retired ones stay for what has them, and are not offered any more. */
  retired: z.boolean(),
  revision,
});
export type Size = z.output<typeof size>;

const sizeFields = {
  vcpus: z.number().int().min(1).max(256),
  memoryBytes: z
    .number()
    .int()
    .min(64 * 1024 ** 2, "At least 64 MiB.")
    .max(4 * 1024 ** 4),
  diskBytes: z
    .number()
    .int()
    .min(1024 ** 3, "At least 1 GiB.")
    .max(64 * 1024 ** 4),
  pricePerHour: z.string().regex(/^\d{1,9}(\.\d{1,9})?$/, "A decimal number, such as 0.0125."),
};
const sizeName = z
  .string()
  .regex(/^[a-z][a-z0-9-]{0,38}[a-z0-9]$/, "Use 2 to 40 small letters, digits and hyphens, starting with a letter.");

export const instancePort = z.object({
  id: id("port"),
  networkId: id("network"),
  networkName: z.string(),
  ipv4: z.string(),
  macAddress: z.string(),
  floatingAddress: z.string().optional(),
  securityGroupIds: z.array(id("securityGroup")),
});

export const instance = z.object({
  id: id("instance"),
  projectId: id("project"),
  organisationId: id("organisation"),
  name: z.string(),
  description: z.string(),
  kind: instanceKind,
  state: instanceState,
  /** Why it is in `error` or `missing`, for people. */
  stateReason: z.string().optional(),
  /** What may be done now; the rest answers 409. */
  allowedActions: z.array(instanceAction),
  /** The operation that is at work on it. */
  operationId: id("operation").optional(),
  sizeId: id("size").optional(),
  sizeName: z.string(),
  vcpus: z.number().int(),
  memoryBytes: z.number().int(),
  diskBytes: z.number().int(),
  imageId: id("image").optional().describe("Absent once the image is deleted."),
  imageName: z.string(),
  ports: z.array(instancePort),
  groupId: id("instanceGroup").optional(),
  labels,
  protected: z.boolean(),
  autoRestart: z.boolean(),
  /** A new size is fully there only after a restart. */
  restartNeeded: z.boolean(),
  member: z.string().optional(),
  sshKeyIds: z.array(id("sshKey")),
  createdAt: timestamp,
  startedAt: timestamp.optional(),
  revision,
});
export type Instance = z.output<typeof instance>;

export const sshKey = z.object({
  id: id("sshKey"),
  projectId: id("project"),
  name: z.string(),
  type: z.string(),
  /** SHA256:… as ssh-keygen -l prints it. */
  fingerprint: z.string(),
  publicKey: z.string(),
  createdAt: timestamp,
});

export const instanceGroup = z.object({
  id: id("instanceGroup"),
  projectId: id("project"),
  name: z.string(),
  policy: z.enum(["anti_affinity", "soft_anti_affinity"]).describe("anti_affinity: never two on one member; soft: if it can be."),
  instances: z.number().int(),
  createdAt: timestamp,
});

const byInstance = z.object({ instance: id("instance") });
const project = id("project");
const reference = <T extends string>(what: string, kind: z.ZodType<T, string>) =>
  z.union([kind, z.string().min(1).max(100)]).describe(`The id or the name of ${what}.`);
const act = {
  status: 202,
  response: operation,
  errors: ["not_found", "failed_precondition", "quota_exceeded", "conflict"],
} as const;
const userData = z.string().max(65_536, "cloud-init's user data has at most 64 KiB.");

export const instanceRoutes = {
  sizeList: route({
    method: "GET",
    path: "/v1/sizes",
    summary: "List sizes",
    description: "What instances can be as large as, and what that costs.",
    permission: "self",
    query: pageQuery.extend({ retired: z.stringbool().default(false).describe("Those too that are not offered any more.") }),
    response: page(size),
  }),
  sizeCreate: route({
    method: "POST",
    path: "/v1/sizes",
    summary: "Create a size",
    permission: "compute.size.create",
    roles: ["admin"],
    body: z.object({ name: sizeName, ...sizeFields }),
    response: size,
    status: 201,
    errors: ["already_exists"],
  }),
  sizeUpdate: route({
    method: "PATCH",
    path: "/v1/sizes/{size}",
    summary: "Change a size",
    description: "The price of what runs, or whether it is offered. Capacity never changes: make a new size instead.",
    permission: "compute.size.update",
    roles: ["admin"],
    params: z.object({ size: id("size") }),
    body: z.object({ pricePerHour: sizeFields.pricePerHour.optional(), retired: z.boolean().optional() }),
    response: size,
    errors: ["not_found", "precondition_failed"],
  }),
  sizeDelete: route({
    method: "DELETE",
    path: "/v1/sizes/{size}",
    summary: "Delete a size",
    description: "Only while no instance has it; retire it otherwise.",
    permission: "compute.size.delete",
    roles: ["admin"],
    params: z.object({ size: id("size") }),
    errors: ["not_found", "failed_precondition"],
  }),

  instanceList: route({
    method: "GET",
    path: "/v1/instances",
    summary: "List instances",
    permission: "compute.instance.list",
    roles: ["viewer"],
    query: pageQuery.extend({
      project,
      search: z.string().max(100).optional().describe("Part of the name."),
      state: instanceState.optional(),
      label: z.string().max(320).optional().describe("`key` or `key=value`."),
    }),
    response: page(instance),
    errors: ["not_found"],
  }),
  instanceCreate: route({
    method: "POST",
    path: "/v1/instances",
    summary: "Create an instance",
    permission: "compute.instance.create",
    roles: ["editor"],
    body: z.object({
      project,
      name: hostName,
      description: description.default(""),
      kind: instanceKind.default("container"),
      size: reference("a size", id("size")),
      image: reference("an image", id("image")),
      networks: z
        .array(id("network"))
        .max(8)
        .default([])
        .describe("None: the project's default network, made when there is none."),
      securityGroups: z.array(id("securityGroup")).max(16).default([]).describe("None: the project's default group."),
      sshKeys: z.array(id("sshKey")).max(32).default([]),
      userData: userData.optional(),
      labels: labels.default({}),
      group: id("instanceGroup").optional(),
      protected: z.boolean().default(false).describe("It cannot be deleted or rebuilt until this is taken off."),
      autoRestart: z.boolean().default(true).describe("Started again after a restart of the host or a crash."),
      member: z.string().max(253).optional().describe("The member of the cluster to run on (admins of the cloud)."),
      start: z.boolean().default(true),
    }),
    ...act,
    errors: [...act.errors, "already_exists", "storage_full"],
  }),
  instanceGet: route({
    method: "GET",
    path: "/v1/instances/{instance}",
    summary: "Show an instance",
    permission: "compute.instance.read",
    roles: ["viewer"],
    params: byInstance,
    response: instance,
    errors: ["not_found"],
  }),
  instanceUpdate: route({
    method: "PATCH",
    path: "/v1/instances/{instance}",
    summary: "Change an instance",
    description: "A new name is known to DNS at once, and to the guest after its next restart.",
    permission: "compute.instance.update",
    roles: ["editor"],
    params: byInstance,
    body: z.object({
      name: hostName.optional(),
      description: description.optional(),
      labels: labels.optional(),
      protected: z.boolean().optional(),
      autoRestart: z.boolean().optional(),
    }),
    response: instance,
    errors: ["not_found", "already_exists", "failed_precondition", "precondition_failed"],
  }),
  instanceStart: route({
    method: "POST",
    path: "/v1/instances/{instance}/start",
    summary: "Start an instance",
    permission: "compute.instance.start",
    roles: ["editor"],
    params: byInstance,
    ...act,
  }),
  instanceStop: route({
    method: "POST",
    path: "/v1/instances/{instance}/stop",
    summary: "Stop an instance",
    permission: "compute.instance.stop",
    roles: ["editor"],
    params: byInstance,
    body: z.object({
      timeoutSeconds: z
        .number()
        .int()
        .min(0)
        .max(600)
        .default(30)
        .describe("How long the guest may take; then the power is cut. 0: at once."),
    }),
    ...act,
  }),
  instanceRestart: route({
    method: "POST",
    path: "/v1/instances/{instance}/restart",
    summary: "Restart an instance",
    permission: "compute.instance.restart",
    roles: ["editor"],
    params: byInstance,
    body: z.object({ timeoutSeconds: z.number().int().min(0).max(600).default(30) }),
    ...act,
  }),
  instanceFreeze: route({
    method: "POST",
    path: "/v1/instances/{instance}/freeze",
    summary: "Freeze an instance",
    description: "It keeps its memory and gets no processor time until it is unfrozen.",
    permission: "compute.instance.freeze",
    roles: ["editor"],
    params: byInstance,
    ...act,
  }),
  instanceUnfreeze: route({
    method: "POST",
    path: "/v1/instances/{instance}/unfreeze",
    summary: "Unfreeze an instance",
    permission: "compute.instance.unfreeze",
    roles: ["editor"],
    params: byInstance,
    ...act,
  }),
  instanceResize: route({
    method: "POST",
    path: "/v1/instances/{instance}/resize",
    summary: "Resize an instance",
    description: "While it runs, where the engine can. A disk only grows.",
    permission: "compute.instance.resize",
    roles: ["editor"],
    params: byInstance,
    body: z.object({ size: reference("a size", id("size")) }),
    ...act,
  }),
  instanceRebuild: route({
    method: "POST",
    path: "/v1/instances/{instance}/rebuild",
    summary: "Rebuild an instance",
    description: "A fresh root disk from an image: everything on the old one is lost. Addresses and attached volumes stay.",
    permission: "compute.instance.rebuild",
    roles: ["editor"],
    params: byInstance,
    body: z.object({
      image: reference("an image", id("image")).optional().describe("Absent: the one it was made from."),
      confirm: z.string().describe("The name of the instance."),
    }),
    ...act,
  }),
  instanceDelete: route({
    method: "DELETE",
    path: "/v1/instances/{instance}",
    summary: "Delete an instance",
    description: "With its root disk and snapshots. Volumes are detached and stay.",
    permission: "compute.instance.delete",
    roles: ["editor"],
    params: byInstance,
    query: z.object({
      force: z.stringbool().default(false).describe("Whatever it is doing: what is under way is cancelled, the power cut."),
    }),
    ...act,
  }),
  instancePasswordReset: route({
    method: "POST",
    path: "/v1/instances/{instance}/password-reset",
    summary: "Set a new password inside an instance",
    description: "Answers the new password once; it is kept nowhere.",
    permission: "compute.instance.password_reset",
    roles: ["editor"],
    params: byInstance,
    body: z.object({
      user: z
        .string()
        .regex(/^[a-z_][a-z0-9_-]{0,31}$/, "The name of a user inside the guest.")
        .default("root"),
    }),
    response: z.object({ user: z.string(), password: z.string() }),
    errors: ["not_found", "failed_precondition"],
    stream: {},
  }),

  sshKeyList: route({
    method: "GET",
    path: "/v1/ssh-keys",
    summary: "List SSH keys",
    permission: "compute.ssh_key.list",
    roles: ["viewer"],
    query: pageQuery.extend({ project }),
    response: page(sshKey),
    errors: ["not_found"],
  }),
  sshKeyCreate: route({
    method: "POST",
    path: "/v1/ssh-keys",
    summary: "Add an SSH key",
    permission: "compute.ssh_key.create",
    roles: ["editor"],
    body: z.object({
      project,
      name: z.string().trim().min(1, "Give it a name.").max(100),
      publicKey: z.string().trim().max(16_384).describe("One line of an id_….pub file (OpenSSH)."),
    }),
    response: sshKey,
    status: 201,
    errors: ["not_found", "already_exists"],
  }),
  sshKeyDelete: route({
    method: "DELETE",
    path: "/v1/ssh-keys/{sshKey}",
    summary: "Delete an SSH key",
    description: "Instances that were made with it keep it.",
    permission: "compute.ssh_key.delete",
    roles: ["editor"],
    params: z.object({ sshKey: id("sshKey") }),
    errors: ["not_found"],
  }),

  instanceGroupList: route({
    method: "GET",
    path: "/v1/instance-groups",
    summary: "List instance groups",
    permission: "compute.instance_group.list",
    roles: ["viewer"],
    query: pageQuery.extend({ project }),
    response: page(instanceGroup),
    errors: ["not_found"],
  }),
  instanceGroupCreate: route({
    method: "POST",
    path: "/v1/instance-groups",
    summary: "Create an instance group",
    permission: "compute.instance_group.create",
    roles: ["editor"],
    body: z.object({ project, name: hostName, policy: z.enum(["anti_affinity", "soft_anti_affinity"]).default("anti_affinity") }),
    response: instanceGroup,
    status: 201,
    errors: ["not_found", "already_exists"],
  }),
  instanceGroupDelete: route({
    method: "DELETE",
    path: "/v1/instance-groups/{instanceGroup}",
    summary: "Delete an instance group",
    description: "Only an empty one.",
    permission: "compute.instance_group.delete",
    roles: ["editor"],
    params: z.object({ instanceGroup: id("instanceGroup") }),
    errors: ["not_found", "failed_precondition"],
  }),
};

export const instanceEvents = {
  instanceChanged: event({
    type: "compute.instance.changed",
    payload: z.object({ instanceId: id("instance"), name: z.string(), state: z.union([instanceState, z.literal("deleted")]) }),
  }),
};

const gib = 1024 ** 3;
export const instanceQuotas = {
  "compute.instances": { unit: "count", summary: "Instances", default: 50 },
  "compute.vcpus": { unit: "count", summary: "Virtual processors of instances", default: 64 },
  "compute.memory": { unit: "bytes", summary: "Bytes of memory of instances", default: 256 * gib },
  "compute.disk": { unit: "bytes", summary: "Bytes of root disks and volumes", default: 2048 * gib },
} as const;

export const instanceMeters = {
  "compute.vcpus": { unit: "vcpu_seconds", summary: "Virtual processors, while an instance runs or is frozen" },
  "compute.memory": { unit: "byte_seconds", summary: "Memory, while an instance runs or is frozen" },
  "compute.disk": { unit: "byte_seconds", summary: "Root disks, from creation to deletion" },
} as const;
