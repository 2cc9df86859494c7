import { z } from "zod";
import { displayName, event, page, pageQuery, revision, route, timestamp } from "../../../kernel/contract.ts";
import { type Id, type IdKind, id } from "../../../kernel/ids.ts";
import { internalNumber, presence } from "../destinations/contract.ts";
import * as shapes from "./shapes/contract.ts";

type Defaulted<S extends z.ZodRawShape, D> = { [P in keyof S]: P extends keyof D ? z.ZodDefault<S[P]> : S[P] };
type Changeable<S extends z.ZodRawShape> = {
  [P in keyof S]: S[P] extends z.ZodOptional<infer T> ? z.ZodOptional<z.ZodNullable<T>> : z.ZodOptional<S[P]>;
};

const withDefaults = <S extends z.ZodRawShape, D extends object>(shape: S, defaults: D): Defaulted<S, D> =>
  Object.fromEntries(
    Object.entries(shape).map(([name, field]) => [
      name,
      name in defaults ? (field as z.ZodType).default(defaults[name as keyof D] as never) : field,
    ]),
  ) as Defaulted<S, D>;

/** All may be left out; what may be missing is taken away with null. */
const changeable = <S extends z.ZodRawShape>(shape: S): Changeable<S> =>
  Object.fromEntries(
    Object.entries(shape).map(([name, field]) => [
      name,
      (field instanceof z.ZodOptional ? (field.unwrap() as z.ZodType).nullable() : (field as z.ZodType)).optional(),
    ]),
  ) as Changeable<S>;

const numbered = {
  required: { create: { number: internalNumber }, update: { number: internalNumber }, view: { number: z.string() } },
  optional: {
    create: { number: internalNumber.optional().describe("By which it is dialled; absent: it is only a destination.") },
    update: { number: internalNumber.optional() },
    view: { number: z.string().optional() },
  },
  none: { create: {}, update: {}, view: {} },
} as const;

const ofSystem = z.object({ phoneSystem: id("phoneSystem") });

interface Words {
  /** Below that of the phone system. */
  path: string;
  /** As people say it: `ring group`. */
  noun: string;
  plural: string;
}

/** One kind of element: its shape, and the five routes that each has. */
function element<
  const K extends IdKind,
  F extends z.ZodObject,
  const D extends object,
  N extends keyof typeof numbered,
  const V extends z.ZodRawShape,
>(kind: K, words: Words, fields: F, defaults: D, number: N, viewed: V) {
  const snake = kind.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`) as Lowercase<string>;
  const permission = <P extends string>(verb: P) => `voice.${snake}.${verb}` as const;
  const one = z.object({ [kind]: id(kind) }) as unknown as z.ZodObject<{ [P in K]: z.ZodType<Id<K>, string> }>;
  const path = `/v1/phone-systems/{phoneSystem}/${words.path}` as const;
  const pathOfOne = `/v1/${words.path}/{${kind}}` as `/v1/${string}`;
  const a = /^[aeiou]/.test(words.noun) ? "an" : "a";
  const { create, update, view } = numbered[number] as (typeof numbered)[N];
  const viewOfOne = z.object({
    id: id(kind),
    phoneSystemId: id("phoneSystem"),
    projectId: id("project"),
    organisationId: id("organisation"),
    name: z.string(),
    ...(view as (typeof numbered)[N]["view"]),
    ...(fields.shape as F["shape"]),
    ...viewed,
    createdAt: timestamp,
    revision,
  });
  return {
    kind,
    noun: words.noun,
    fields,
    defaults,
    view: viewOfOne,
    list: route({
      method: "GET",
      path,
      summary: `List the ${words.plural} of a phone system`,
      permission: permission("list"),
      roles: ["viewer"],
      params: ofSystem,
      query: pageQuery.extend({
        search: z.string().trim().max(100).optional().describe("Part of a name or number."),
      }),
      response: page(viewOfOne),
      errors: ["not_found"],
    }),
    create: route({
      method: "POST",
      path,
      summary: `Make ${a} ${words.noun}`,
      permission: permission("create"),
      roles: ["editor"],
      params: ofSystem,
      body: z.object({
        name: displayName,
        ...(create as (typeof numbered)[N]["create"]),
        ...withDefaults(fields.shape as F["shape"], defaults),
      }),
      response: viewOfOne,
      status: 201,
      errors: ["not_found", "already_exists", "failed_precondition", "quota_exceeded"],
    }),
    get: route({
      method: "GET",
      path: pathOfOne,
      summary: `Show ${a} ${words.noun}`,
      permission: permission("read"),
      roles: ["viewer"],
      params: one,
      response: viewOfOne,
      errors: ["not_found"],
    }),
    update: route({
      method: "PATCH",
      path: pathOfOne,
      summary: `Change ${a} ${words.noun}`,
      permission: permission("update"),
      roles: ["editor"],
      params: one,
      body: z.object({
        name: displayName.optional(),
        ...changeable(update as (typeof numbered)[N]["update"]),
        ...changeable(fields.shape as F["shape"]),
      }),
      response: viewOfOne,
      errors: ["not_found", "already_exists", "failed_precondition", "precondition_failed"],
    }),
    delete: route({
      method: "DELETE",
      path: pathOfOne,
      summary: `Delete ${a} ${words.noun}`,
      description: "Refused while something leads to it; the message names what.",
      permission: permission("delete"),
      roles: ["editor"],
      params: one,
      errors: ["not_found", "failed_precondition"],
    }),
  };
}

const audio = z.object({
  fileName: z.string(),
  sizeBytes: z.number().int(),
  seconds: z.number(),
  uploadedAt: timestamp,
});

/** All kinds of elements, by the kind of their ids. */
export const elementKinds = {
  ringGroup: element(
    "ringGroup",
    { path: "ring-groups", noun: "ring group", plural: "ring groups" },
    shapes.ringGroupFields,
    shapes.ringGroupDefaults,
    "optional",
    {},
  ),
  callQueue: element(
    "callQueue",
    { path: "call-queues", noun: "queue", plural: "queues" },
    shapes.queueFields,
    shapes.queueDefaults,
    "optional",
    {},
  ),
  phoneMenu: element(
    "phoneMenu",
    { path: "phone-menus", noun: "menu", plural: "menus" },
    shapes.menuFields,
    shapes.menuDefaults,
    "optional",
    {},
  ),
  conferenceRoom: element(
    "conferenceRoom",
    { path: "conference-rooms", noun: "conference room", plural: "conference rooms" },
    shapes.conferenceFields,
    shapes.conferenceDefaults,
    "optional",
    {},
  ),
  timeCondition: element(
    "timeCondition",
    { path: "time-conditions", noun: "time condition", plural: "time conditions" },
    shapes.timeConditionFields,
    shapes.timeConditionDefaults,
    "optional",
    {},
  ),
  announcement: element(
    "announcement",
    { path: "announcements", noun: "announcement", plural: "announcements" },
    shapes.announcementFields,
    shapes.announcementDefaults,
    "optional",
    { audio: audio.optional().describe("The recording that was uploaded.") },
  ),
  pagingGroup: element(
    "pagingGroup",
    { path: "paging-groups", noun: "paging group", plural: "paging groups" },
    shapes.pagingFields,
    shapes.pagingDefaults,
    "required",
    {},
  ),
  parkingLot: element(
    "parkingLot",
    { path: "parking-lots", noun: "parking lot", plural: "parking lots" },
    shapes.parkingFields,
    shapes.parkingDefaults,
    "required",
    {},
  ),
  speedDial: element(
    "speedDial",
    { path: "speed-dials", noun: "speed dial", plural: "speed dials" },
    shapes.speedDialFields,
    shapes.speedDialDefaults,
    "required",
    {},
  ),
  blockedCaller: element(
    "blockedCaller",
    { path: "blocked-callers", noun: "blocked caller", plural: "blocked callers" },
    shapes.blockedFields,
    shapes.blockedDefaults,
    "none",
    {},
  ),
} as const;
export type ElementKind = keyof typeof elementKinds;
export const ringGroup = elementKinds.ringGroup.view;
export const callQueue = elementKinds.callQueue.view;
export const phoneMenu = elementKinds.phoneMenu.view;
export const conferenceRoom = elementKinds.conferenceRoom.view;
export const timeCondition = elementKinds.timeCondition.view;
export const announcement = elementKinds.announcement.view;
export const pagingGroup = elementKinds.pagingGroup.view;
export const parkingLot = elementKinds.parkingLot.view;
export const speedDial = elementKinds.speedDial.view;
export const blockedCaller = elementKinds.blockedCaller.view;

export type RingGroupView = z.output<typeof ringGroup>;
export type CallQueueView = z.output<typeof callQueue>;
export type PhoneMenuView = z.output<typeof phoneMenu>;
export type ConferenceRoomView = z.output<typeof conferenceRoom>;
export type TimeConditionView = z.output<typeof timeCondition>;
export type AnnouncementView = z.output<typeof announcement>;
export type PagingGroupView = z.output<typeof pagingGroup>;
export type ParkingLotView = z.output<typeof parkingLot>;
export type SpeedDialView = z.output<typeof speedDial>;
export type BlockedCallerView = z.output<typeof blockedCaller>;

/** One of a queue, as it stands to it. */
export const queueAgent = z.object({
  callQueueId: id("callQueue"),
  queueName: z.string(),
  extensionId: id("extension"),
  extensionName: z.string(),
  extensionNumber: z.string(),
  priority: z.number().int(),
  loggedIn: z.boolean(),
  paused: z.boolean(),
  pauseReason: z.string().optional(),
  changedAt: timestamp.optional().describe("When the state was last changed; absent: never."),
});
export type QueueAgentView = z.output<typeof queueAgent>;
const agentChange = z.object({
  loggedIn: z.boolean().optional(),
  paused: z.boolean().optional(),
  pauseReason: z.string().trim().max(100).optional(),
});

export const directoryEntry = z.object({
  kind: z.enum(["extension", "ringGroup", "callQueue", "phoneMenu", "conferenceRoom", "pagingGroup", "speedDial", "contact"]),
  id: z.string(),
  name: z.string(),
  number: z.string(),
  presence: presence.optional().describe("Of an extension."),
});
const directoryQuery = pageQuery.extend({ search: z.string().trim().max(100).optional() });

export const announcementLimits = { maxBytes: 10 * 2 ** 20, maxSeconds: 900 } as const;
const byAnnouncement = z.object({ announcement: id("announcement") });

export const elementRoutes = {
  ringGroupList: elementKinds.ringGroup.list,
  ringGroupCreate: elementKinds.ringGroup.create,
  ringGroupGet: elementKinds.ringGroup.get,
  ringGroupUpdate: elementKinds.ringGroup.update,
  ringGroupDelete: elementKinds.ringGroup.delete,
  callQueueList: elementKinds.callQueue.list,
  callQueueCreate: elementKinds.callQueue.create,
  callQueueGet: elementKinds.callQueue.get,
  callQueueUpdate: elementKinds.callQueue.update,
  callQueueDelete: elementKinds.callQueue.delete,
  phoneMenuList: elementKinds.phoneMenu.list,
  phoneMenuCreate: elementKinds.phoneMenu.create,
  phoneMenuGet: elementKinds.phoneMenu.get,
  phoneMenuUpdate: elementKinds.phoneMenu.update,
  phoneMenuDelete: elementKinds.phoneMenu.delete,
  conferenceRoomList: elementKinds.conferenceRoom.list,
  conferenceRoomCreate: elementKinds.conferenceRoom.create,
  conferenceRoomGet: elementKinds.conferenceRoom.get,
  conferenceRoomUpdate: elementKinds.conferenceRoom.update,
  conferenceRoomDelete: elementKinds.conferenceRoom.delete,
  timeConditionList: elementKinds.timeCondition.list,
  timeConditionCreate: elementKinds.timeCondition.create,
  timeConditionGet: elementKinds.timeCondition.get,
  timeConditionUpdate: elementKinds.timeCondition.update,
  timeConditionDelete: elementKinds.timeCondition.delete,
  announcementList: elementKinds.announcement.list,
  announcementCreate: elementKinds.announcement.create,
  announcementGet: elementKinds.announcement.get,
  announcementUpdate: elementKinds.announcement.update,
  announcementDelete: elementKinds.announcement.delete,
  pagingGroupList: elementKinds.pagingGroup.list,
  pagingGroupCreate: elementKinds.pagingGroup.create,
  pagingGroupGet: elementKinds.pagingGroup.get,
  pagingGroupUpdate: elementKinds.pagingGroup.update,
  pagingGroupDelete: elementKinds.pagingGroup.delete,
  parkingLotList: elementKinds.parkingLot.list,
  parkingLotCreate: elementKinds.parkingLot.create,
  parkingLotGet: elementKinds.parkingLot.get,
  parkingLotUpdate: elementKinds.parkingLot.update,
  parkingLotDelete: elementKinds.parkingLot.delete,
  speedDialList: elementKinds.speedDial.list,
  speedDialCreate: elementKinds.speedDial.create,
  speedDialGet: elementKinds.speedDial.get,
  speedDialUpdate: elementKinds.speedDial.update,
  speedDialDelete: elementKinds.speedDial.delete,
  blockedCallerList: elementKinds.blockedCaller.list,
  blockedCallerCreate: elementKinds.blockedCaller.create,
  blockedCallerGet: elementKinds.blockedCaller.get,
  blockedCallerUpdate: elementKinds.blockedCaller.update,
  blockedCallerDelete: elementKinds.blockedCaller.delete,

  announcementUpload: route({
    method: "PUT",
    path: "/v1/announcements/{announcement}/audio",
    summary: "Upload the recording of an announcement",
    description: "WAV, or MP3, OGG and FLAC where ffmpeg is installed; up to 10 MiB and 15 minutes. It is kept as WAV.",
    permission: "voice.announcement.update",
    roles: ["editor"],
    params: byAnnouncement,
    query: z.object({ fileName: z.string().trim().min(1).max(200).default("announcement.wav") }),
    stream: { request: "bytes" },
    response: announcement,
    errors: ["not_found", "payload_too_large", "failed_precondition"],
  }),
  announcementDownload: route({
    method: "GET",
    path: "/v1/announcements/{announcement}/audio",
    summary: "Download the recording of an announcement",
    description: "With ranges (RFC 9110, 14).",
    permission: "voice.announcement.read",
    roles: ["viewer"],
    params: byAnnouncement,
    stream: { response: "bytes" },
    errors: ["not_found", "range_not_satisfiable"],
  }),

  queueAgentList: route({
    method: "GET",
    path: "/v1/call-queues/{callQueue}/agents",
    summary: "List the agents of a queue and their states",
    permission: "voice.queue_agent.list",
    roles: ["viewer"],
    params: z.object({ callQueue: id("callQueue") }),
    query: pageQuery,
    response: page(queueAgent),
    errors: ["not_found"],
  }),
  queueAgentUpdate: route({
    method: "PATCH",
    path: "/v1/call-queues/{callQueue}/agents/{extension}",
    summary: "Log an agent in or out of a queue, or pause them",
    permission: "voice.queue_agent.update",
    roles: ["editor"],
    params: z.object({ callQueue: id("callQueue"), extension: id("extension") }),
    body: agentChange,
    response: queueAgent,
    errors: ["not_found"],
  }),
  myQueueList: route({
    method: "GET",
    path: "/v1/my/queues",
    summary: "List the queues that you are an agent of",
    permission: "self",
    query: pageQuery,
    response: page(queueAgent),
  }),
  myQueueUpdate: route({
    method: "PATCH",
    path: "/v1/my/queues/{callQueue}",
    summary: "Log in to a queue, out of it, or pause",
    permission: "self",
    params: z.object({ callQueue: id("callQueue") }),
    body: agentChange,
    response: queueAgent,
    errors: ["not_found"],
  }),

  phoneDirectoryList: route({
    method: "GET",
    path: "/v1/phone-systems/{phoneSystem}/directory",
    summary: "List who and what can be dialled in a phone system",
    permission: "voice.directory.list",
    roles: ["viewer"],
    params: ofSystem,
    query: directoryQuery,
    response: page(directoryEntry),
    errors: ["not_found"],
  }),
};

export const elementEvents = {
  elementChanged: event({
    type: "voice.element.changed",
    payload: z.object({ kind: z.string(), id: z.string(), phoneSystemId: z.string() }),
  }),
};

export const elementQuotas = {
  "voice.elements": {
    unit: "count",
    summary: "Ring groups, queues, menus and other elements of phone systems",
    default: 2000,
  },
} as const;
