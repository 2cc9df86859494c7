import { z } from "zod";
import { event, page, pageQuery, route, timestamp } from "../../../kernel/contract.ts";
import { id } from "../../../kernel/ids.ts";
import { operation } from "../../operations/contract.ts";
import { instanceKind } from "../instances/contract.ts";

const availability = z.object({
  available: z.boolean(),
  /** Why not, and what to do about it. */
  reason: z.string().optional(),
});

/** Amounts of the whole engine; what the members that are online have together. */
export const engineCapacity = z.object({
  cpus: z.number().int(),
  memoryBytes: z.number().int(),
  memoryUsedBytes: z.number().int().describe("As the hosts see it, Khmara and everything else on them included."),
  pool: z.object({ name: z.string(), driver: z.string(), totalBytes: z.number().int(), usedBytes: z.number().int() }),
  /** What instances were promised: more than there is means overcommitted. */
  promised: z.object({
    instances: z.number().int(),
    runningInstances: z.number().int(),
    vcpus: z.number().int().describe("Of those that run."),
    memoryBytes: z.number().int().describe("Of those that run."),
    diskBytes: z.number().int().describe("Root disks and volumes, whatever they hold."),
  }),
});

export const engine = z.object({
  available: z.boolean(),
  /** Why not: engine_missing (add one), engine_unreachable (it was there and does not answer), and what to do about it. */
  reason: z.enum(["engine_missing", "engine_unreachable"]).optional(),
  hint: z.string().optional(),
  kind: z.enum(["lxd", "incus"]).optional(),
  version: z.string().optional(),
  /** What instances can be made here. */
  kinds: z.record(instanceKind, availability).optional(),
  network: availability,
  clustered: z.boolean().optional(),
  /** While the cloud has no image that everybody may use: which one to build first. */
  firstImage: z
    .object({ recipe: z.string(), title: z.string(), available: z.boolean(), reason: z.string().optional() })
    .optional(),
  /** For administrators of the cloud. */
  capacity: engineCapacity.optional(),
});
export type Engine = z.output<typeof engine>;

export const engineMemberState = z
  .enum(["online", "offline", "evacuated"])
  .describe("evacuated: empty for maintenance, until it is restored.");

export const engineMember = z.object({
  name: z.string(),
  address: z.string(),
  state: engineMemberState,
  message: z.string(),
  architecture: z.string(),
  cpus: z.number().int(),
  memoryBytes: z.number().int(),
  memoryUsedBytes: z.number().int(),
  pool: z.object({ totalBytes: z.number().int(), usedBytes: z.number().int() }),
  /** Of Khmara, on it now. */
  instances: z.number().int(),
  runningInstances: z.number().int(),
  /** Promised to those that run. */
  vcpus: z.number().int(),
  promisedMemoryBytes: z.number().int(),
  offlineSince: timestamp.optional(),
  /** What is at work on it. */
  operationId: id("operation").optional(),
  allowedActions: z.array(z.enum(["evacuate", "restore"])),
});
export type EngineMember = z.output<typeof engineMember>;

/** What may be done with a member, by its state: the API's 409 and the console's buttons. */
export const engineMemberActions = {
  evacuate: ["online"],
  restore: ["evacuated"],
} as const satisfies Record<string, readonly z.output<typeof engineMemberState>[]>;

export const differenceKind = z
  .enum([
    "instance_missing",
    "instance_orphan",
    "instance_unavailable",
    "volume_missing",
    "volume_orphan",
    "image_missing",
    "image_orphan",
    "router_broken",
    "member_offline",
  ])
  .describe(
    "missing: the cloud has a record and the engine has nothing; orphan: Khmara made it, and no record knows it; unavailable: on a member that is offline; broken: it cannot be brought to what the records say.",
  );
export type DifferenceKind = z.output<typeof differenceKind>;

export const differenceAction = z
  .enum(["recreate", "forget", "delete", "adopt", "retry"])
  .describe(
    "recreate: make it anew, empty, as the record says; forget: delete the record; delete: delete the orphan from the engine; adopt: give the orphan a record again; retry: try to repair it once more.",
  );
export type DifferenceAction = z.output<typeof differenceAction>;

/** What a person may choose for each kind. */
export const differenceActions: Record<DifferenceKind, readonly DifferenceAction[]> = {
  instance_missing: ["recreate", "forget"],
  instance_orphan: ["adopt", "delete"],
  instance_unavailable: [],
  volume_missing: ["forget"],
  volume_orphan: ["delete"],
  image_missing: ["forget"],
  image_orphan: ["delete"],
  router_broken: ["retry"],
  member_offline: [],
};

export const difference = z.object({
  id: id("difference"),
  kind: differenceKind,
  /** What it is about: an id of ours where there is a record, else the name in the engine. */
  resource: z.object({ kind: z.string(), id: z.string(), name: z.string() }),
  organisationId: id("organisation").optional(),
  projectId: id("project").optional(),
  member: z.string().optional(),
  /** For people. */
  detail: z.string(),
  ignored: z.boolean(),
  allowedActions: z.array(differenceAction),
  /** The repair that is under way. */
  operationId: id("operation").optional(),
  firstSeenAt: timestamp,
  lastSeenAt: timestamp,
});
export type Difference = z.output<typeof difference>;

const byMember = z.object({ member: z.string().min(1).max(253) });
const byDifference = z.object({ difference: id("difference") });
const act = { status: 202, response: operation, errors: ["not_found", "failed_precondition", "conflict"] } as const;

export const engineRoutes = {
  engineGet: route({
    method: "GET",
    path: "/v1/engine",
    summary: "Show the engine of virtual servers",
    description: "Whether there is one, and what it can do; its capacity for administrators of the cloud.",
    permission: "self",
    response: engine,
    // Asks the engine.
    stream: {},
  }),
  engineReconcile: route({
    method: "POST",
    path: "/v1/engine/reconcile",
    summary: "Compare records and engine now",
    description: "This happens twice a minute by itself. What is safe is repaired; the rest is in the list of differences.",
    permission: "compute.engine.reconcile",
    roles: ["admin"],
    body: z.object({}),
    response: z.object({ differences: z.number().int().describe("How many there are now, without ignored ones.") }),
    stream: {},
    errors: ["failed_precondition"],
  }),
  engineMemberList: route({
    method: "GET",
    path: "/v1/engine-members",
    summary: "List the members of the engine",
    description: "The hosts that instances run on: one, or those of a cluster.",
    permission: "compute.engine_member.list",
    roles: ["admin"],
    query: pageQuery,
    response: page(engineMember),
    stream: {},
    errors: ["failed_precondition"],
  }),
  engineMemberGet: route({
    method: "GET",
    path: "/v1/engine-members/{member}",
    summary: "Show a member of the engine",
    permission: "compute.engine_member.read",
    roles: ["admin"],
    params: byMember,
    response: engineMember,
    stream: {},
    errors: ["not_found", "failed_precondition"],
  }),
  engineMemberEvacuate: route({
    method: "POST",
    path: "/v1/engine-members/{member}/evacuate",
    summary: "Evacuate a member for maintenance",
    description: "Its instances move to other members: live where the engine can, else stopped and started again there.",
    permission: "compute.engine_member.evacuate",
    roles: ["admin"],
    params: byMember,
    body: z.object({}),
    ...act,
  }),
  engineMemberRestore: route({
    method: "POST",
    path: "/v1/engine-members/{member}/restore",
    summary: "Take a member back into use",
    description: "After its maintenance; the instances that were evacuated from it come back.",
    permission: "compute.engine_member.restore",
    roles: ["admin"],
    params: byMember,
    body: z.object({}),
    ...act,
  }),
  instanceMove: route({
    method: "POST",
    path: "/v1/instances/{instance}/move",
    summary: "Move an instance to another member",
    description: "Live where the engine can; else it is stopped, moved and started again.",
    permission: "compute.instance.move",
    roles: ["admin"],
    params: z.object({ instance: id("instance") }),
    body: z.object({ member: z.string().min(1).max(253) }),
    ...act,
  }),
  differenceList: route({
    method: "GET",
    path: "/v1/differences",
    summary: "List what differs between records and engine",
    permission: "compute.difference.list",
    roles: ["admin"],
    query: pageQuery.extend({
      kind: differenceKind.optional(),
      ignored: z.stringbool().optional().describe("Only ignored ones, or only others."),
    }),
    response: page(difference),
  }),
  differenceRepair: route({
    method: "POST",
    path: "/v1/differences/{difference}/repair",
    summary: "Repair a difference",
    description: "With one of its `allowedActions`.",
    permission: "compute.difference.repair",
    roles: ["admin"],
    params: byDifference,
    body: z.object({ action: differenceAction }),
    ...act,
  }),
  differenceUpdate: route({
    method: "PATCH",
    path: "/v1/differences/{difference}",
    summary: "Ignore a difference, or no longer",
    permission: "compute.difference.update",
    roles: ["admin"],
    params: byDifference,
    body: z.object({ ignored: z.boolean() }),
    response: difference,
    errors: ["not_found"],
  }),
};

export const engineEvents = {
  engineMemberChanged: event({
    type: "compute.engine_member.changed",
    payload: z.object({ name: z.string(), state: engineMemberState }),
  }),
  differenceChanged: event({
    type: "compute.difference.changed",
    payload: z.object({
      differenceId: id("difference"),
      name: z.string(),
      state: z.enum(["open", "ignored", "gone"]),
    }),
  }),
};

export const engineQuotas = {} as const;

export const engineMeters = {} as const;
