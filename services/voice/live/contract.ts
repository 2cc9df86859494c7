import { z } from "zod";
import { displayName, event, page, pageQuery, revision, route, timestamp } from "../../../kernel/contract.ts";
import { id } from "../../../kernel/ids.ts";
import { destination, presence } from "../destinations/contract.ts";

/** What goes on now, what is asked of calls that run, and the programs that are told of calls or decide about them. */

export const activeCallState = z
  .enum(["ringing", "talking", "held", "queued", "menu", "voicemail", "conference", "parked", "application"])
  .describe("ringing: nobody has answered yet.");

export const activeCall = z.object({
  id: z.string().describe("That of its record when it is over."),
  phoneSystemId: id("phoneSystem"),
  direction: z.enum(["inbound", "outbound", "internal"]),
  state: activeCallState,
  from: z.string(),
  fromName: z.string().optional(),
  to: z.string(),
  toName: z.string().optional(),
  extensionIds: z.array(id("extension")).describe("Whose phones ring or speak."),
  queueId: id("callQueue").optional(),
  recording: z.boolean(),
  startedAt: timestamp,
  answeredAt: timestamp.optional(),
});
export type ActiveCall = z.output<typeof activeCall>;

export const extensionPresence = z.object({
  extensionId: id("extension"),
  number: z.string(),
  name: z.string(),
  presence,
  registeredDevices: z.number().int(),
});
export type ExtensionPresence = z.output<typeof extensionPresence>;

export const queueLive = z.object({
  queueId: id("callQueue"),
  waiting: z.array(
    z.object({
      callId: z.string(),
      from: z.string(),
      fromName: z.string().optional(),
      since: timestamp,
      callback: z.boolean().describe("Does not hold the line, and is to be called back."),
    }),
  ),
  agents: z.array(
    z.object({
      extensionId: id("extension"),
      number: z.string(),
      name: z.string(),
      state: z.enum(["logged_out", "paused", "free", "ringing", "talking", "wrap_up", "unreachable"]),
      pauseReason: z.string().optional(),
      since: timestamp.optional(),
    }),
  ),
  longestWaitSeconds: z.number().int(),
  today: z.object({
    offered: z.number().int(),
    answered: z.number().int(),
    abandoned: z.number().int(),
    inTime: z.number().int().describe("Answered within the seconds of the queue's service level."),
    averageWaitSeconds: z.number(),
  }),
});
export type QueueLive = z.output<typeof queueLive>;

export const conferenceLive = z.object({
  conferenceRoomId: id("conferenceRoom"),
  locked: z.boolean().describe("Nobody but moderators comes in."),
  members: z
    .array(
      z.object({
        callId: z.string(),
        number: z.string(),
        name: z.string().optional(),
        extensionId: id("extension").optional(),
        moderator: z.boolean(),
        waiting: z.boolean().describe("Hears music until a moderator is there."),
        muted: z.boolean(),
        talking: z.boolean(),
        levelDbm0: z.number().describe("How loud the last 200 ms were; -100 is silence."),
        since: timestamp,
      }),
    )
    .describe("As many as the room takes, in the order in which they came."),
});
export type ConferenceLive = z.output<typeof conferenceLive>;

const dialled = z
  .string()
  .trim()
  .regex(/^[+*#]?[0-9*#]{1,20}$/, "Give what one would dial: an extension, or a number such as +380441234567.");

const inRoom = { callId: z.string().min(1).max(64) };
export const conferenceAction = z
  .discriminatedUnion("action", [
    z.object({ action: z.literal("mute"), ...inRoom }),
    z.object({ action: z.literal("unmute"), ...inRoom }),
    z.object({ action: z.literal("remove"), ...inRoom }),
    z.object({ action: z.literal("mute_all") }).describe("All who do not moderate, also who comes later."),
    z.object({ action: z.literal("unmute_all") }),
    z.object({ action: z.literal("lock") }),
    z.object({ action: z.literal("unlock") }),
    z.object({ action: z.literal("end") }).describe("All are sent away."),
    z
      .object({
        action: z.literal("invite"),
        number: dialled.describe("An extension, or a number outside. It comes in as a guest, without a PIN."),
        extension: id("extension").describe("On whose behalf: what it may call holds, it is charged, and its number is shown."),
      })
      .describe("Somebody is called into the room. Answers when the first phone rings."),
  ])
  .describe("What is to happen in a conference room.");
export type ConferenceAction = z.output<typeof conferenceAction>;

const digits = z.string().regex(/^[0-9*#ABCD,]{1,64}$/, "Digits are 0 to 9, *, #, A to D; a comma is half a second of silence.");
export const callAction = z
  .discriminatedUnion("action", [
    z.object({ action: z.literal("hang_up") }),
    z.object({ action: z.literal("transfer"), to: destination.describe("Whoever is the outer party of the call goes there.") }),
    z.object({ action: z.literal("record_start") }),
    z.object({ action: z.literal("record_stop") }),
    z.object({ action: z.literal("say"), text: z.string().trim().min(1).max(2000) }).describe("All parties hear it."),
    z.object({ action: z.literal("play"), announcement: id("announcement") }).describe("All parties hear it."),
    z.object({ action: z.literal("send_digits"), digits }),
    z.object({ action: z.literal("park") }),
    z
      .object({ action: z.literal("bridge"), with: z.string().min(1).max(64).describe("The id of another call that runs.") })
      .describe("The outer parties of both calls speak with each other; who was with them is let go."),
  ])
  .describe("What is to happen to a call that runs.");
export type CallAction = z.output<typeof callAction>;

const outboundUrl = z
  .url({ protocol: /^https?$/, error: "An address that begins with https:// or http://." })
  .max(2000)
  .refine((url) => !URL.canParse(url) || (new URL(url).username === "" && new URL(url).password === ""), {
    message: "An address without user name and password; check the signature instead.",
  });

export const callWebhookEvents = [
  "call.started",
  "call.answered",
  "call.ended",
  "voicemail.left",
  "recording.saved",
  "queue.abandoned",
  "emergency.called",
  "limit.reached",
] as const;
export const callWebhook = z.object({
  id: id("callWebhook"),
  phoneSystemId: id("phoneSystem"),
  projectId: id("project"),
  name: z.string(),
  url: z.string(),
  events: z.array(z.enum(callWebhookEvents)),
  enabled: z.boolean(),
  createdAt: timestamp,
  revision,
});
export type CallWebhook = z.output<typeof callWebhook>;

export const callWebhookDelivery = z.object({
  id: id("callWebhookDelivery"),
  event: z.enum(callWebhookEvents),
  state: z.enum(["pending", "delivered", "failed"]),
  attempts: z.number().int(),
  message: z.string().optional(),
  createdAt: timestamp,
  triedAt: timestamp.optional(),
});
export type CallWebhookDelivery = z.output<typeof callWebhookDelivery>;

export const phoneApplication = z.object({
  id: id("phoneApplication"),
  phoneSystemId: id("phoneSystem"),
  projectId: id("project"),
  name: z.string(),
  url: z.string(),
  fallback: destination,
  createdAt: timestamp,
  revision,
});
export type PhoneApplication = z.output<typeof phoneApplication>;

const secretOnce = z
  .string()
  .describe("Signs what is sent: `Khmara-Signature: t=<seconds>,v1=<hex HMAC-SHA-256 of t.body>`. Shown only here.");
const bySystem = z.object({ phoneSystem: id("phoneSystem") });
const byCall = z.object({ activeCall: z.string().min(1).max(64) });
const byWebhook = z.object({ callWebhook: id("callWebhook") });
const byApplication = z.object({ phoneApplication: id("phoneApplication") });
const webhookFields = {
  name: displayName,
  url: outboundUrl,
  events: z.array(z.enum(callWebhookEvents)).min(1),
  enabled: z.boolean(),
};
const applicationFields = { name: displayName, url: outboundUrl, fallback: destination };
const startedCall = z.object({ callId: z.string() });
const device = id("phoneDevice").optional().describe("Which of its phones rings; unless given, all of them.");
const answerAutomatically = z.boolean().default(false).describe("Phones that can are asked to answer by themselves.");

export const liveRoutes = {
  activeCallList: route({
    method: "GET",
    path: "/v1/phone-systems/{phoneSystem}/active-calls",
    summary: "List the calls that run now",
    permission: "voice.active_call.list",
    roles: ["viewer"],
    params: bySystem,
    query: pageQuery,
    response: page(activeCall),
    errors: ["not_found"],
  }),
  activeCallAct: route({
    method: "POST",
    path: "/v1/active-calls/{activeCall}/actions",
    summary: "Change a call that runs: end it, transfer it, record it, speak into it",
    permission: "voice.active_call.act",
    roles: ["editor"],
    params: byCall,
    body: z.object({ do: callAction }),
    errors: ["not_found", "failed_precondition", "deadline_exceeded"],
    stream: {},
    response: z.object({ done: z.literal(true) }),
  }),
  callStart: route({
    method: "POST",
    path: "/v1/phone-systems/{phoneSystem}/started-calls",
    summary: "Call somebody for an extension",
    description:
      "The phones of the extension ring first; once one is answered, `to` is called, or the answered call is given to the application. Answers when the first phone rings.",
    permission: "voice.call.start",
    roles: ["editor"],
    params: bySystem,
    body: z
      .object({
        extension: id("extension"),
        to: dialled.optional(),
        application: id("phoneApplication").optional(),
        device,
        answerAutomatically,
      })
      .refine(
        ({ to, application }) => (to === undefined) !== (application === undefined),
        "Give either a number to call or an application.",
      ),
    response: startedCall,
    status: 201,
    errors: ["not_found", "failed_precondition", "deadline_exceeded"],
    stream: {},
  }),
  outgoingCallStart: route({
    method: "POST",
    path: "/v1/phone-systems/{phoneSystem}/outgoing-calls",
    summary: "Call somebody, and give the answered call to a program or another destination",
    description:
      "For reminders, codes, alarms: a number outside or an extension is called, and whoever answers goes to the destination, such as an application, which says what they hear. " +
      "Answers once it is dialled; what comes of it is told by the webhooks `call.answered` and `call.ended` (with `outcome` answered, busy, missed, refused or failed), and stands in the history of calls. " +
      "An extension's phones ring as they are, without its forwarding and voicemail.",
    permission: "voice.outgoing_call.start",
    roles: ["editor"],
    params: bySystem,
    body: z
      .object({
        to: dialled,
        extension: id("extension")
          .optional()
          .describe("In whose name: what it may call holds, and the number is shown that it shows."),
        phoneNumber: id("phoneNumber")
          .optional()
          .describe("In place of an extension: a number of the phone system, which is shown. It calls no premium numbers."),
        destination: destination.describe("Where whoever answers goes."),
        ringSeconds: z.int().min(5).max(120).default(45),
      })
      .refine(
        ({ extension, phoneNumber }) => (extension === undefined) !== (phoneNumber === undefined),
        "Give either an extension or a number in whose name the call goes.",
      ),
    response: startedCall,
    status: 201,
    errors: ["not_found", "failed_precondition", "deadline_exceeded"],
    stream: {},
  }),
  myCallStart: route({
    method: "POST",
    path: "/v1/my/started-calls",
    summary: "Call somebody with one's own phone",
    permission: "self",
    body: z.object({ extension: id("extension"), to: dialled, device, answerAutomatically }),
    response: startedCall,
    status: 201,
    errors: ["not_found", "failed_precondition", "deadline_exceeded"],
    stream: {},
  }),
  extensionPresenceList: route({
    method: "GET",
    path: "/v1/phone-systems/{phoneSystem}/extension-presences",
    summary: "List who can be reached now",
    permission: "voice.extension_presence.list",
    roles: ["viewer"],
    params: bySystem,
    query: pageQuery,
    response: page(extensionPresence),
    errors: ["not_found"],
  }),
  queueLiveGet: route({
    method: "GET",
    path: "/v1/call-queues/{callQueue}/live",
    summary: "Show who waits in a queue and what its agents do",
    permission: "voice.call_queue.watch",
    roles: ["viewer"],
    params: z.object({ callQueue: id("callQueue") }),
    response: queueLive,
    errors: ["not_found"],
  }),
  conferenceLiveGet: route({
    method: "GET",
    path: "/v1/conference-rooms/{conferenceRoom}/live",
    summary: "Show who is in a conference room, and who speaks",
    permission: "voice.conference_room.watch",
    roles: ["viewer"],
    params: z.object({ conferenceRoom: id("conferenceRoom") }),
    response: conferenceLive,
    errors: ["not_found", "deadline_exceeded"],
    stream: {},
  }),
  conferenceAct: route({
    method: "POST",
    path: "/v1/conference-rooms/{conferenceRoom}/actions",
    summary: "Moderate a conference: mute, lock, remove somebody, end it",
    permission: "voice.conference_room.moderate",
    roles: ["editor"],
    params: z.object({ conferenceRoom: id("conferenceRoom") }),
    body: z.object({ do: conferenceAction }),
    response: z.object({ done: z.literal(true) }),
    errors: ["not_found", "failed_precondition", "deadline_exceeded"],
    stream: {},
  }),

  callWebhookList: route({
    method: "GET",
    path: "/v1/phone-systems/{phoneSystem}/call-webhooks",
    summary: "List the webhooks of a phone system",
    permission: "voice.call_webhook.list",
    roles: ["viewer"],
    params: bySystem,
    query: pageQuery,
    response: page(callWebhook),
    errors: ["not_found"],
  }),
  callWebhookCreate: route({
    method: "POST",
    path: "/v1/phone-systems/{phoneSystem}/call-webhooks",
    summary: "Have an address told of calls",
    description: "Each event is told until any 2xx is answered: after 10 s, 30 s, 2 min, 10 min, 1 h; then it is given up.",
    permission: "voice.call_webhook.create",
    roles: ["editor"],
    params: bySystem,
    body: z.object({ ...webhookFields, enabled: webhookFields.enabled.default(true) }),
    response: z.object({ webhook: callWebhook, secret: secretOnce }),
    status: 201,
    errors: ["not_found", "failed_precondition", "quota_exceeded"],
  }),
  callWebhookUpdate: route({
    method: "PATCH",
    path: "/v1/call-webhooks/{callWebhook}",
    summary: "Change a webhook of a phone system",
    permission: "voice.call_webhook.update",
    roles: ["editor"],
    params: byWebhook,
    body: z.object(webhookFields).partial(),
    response: callWebhook,
    errors: ["not_found", "failed_precondition", "precondition_failed"],
  }),
  callWebhookDelete: route({
    method: "DELETE",
    path: "/v1/call-webhooks/{callWebhook}",
    summary: "Delete a webhook of a phone system",
    description: "What it was not told yet it will not be told.",
    permission: "voice.call_webhook.delete",
    roles: ["editor"],
    params: byWebhook,
    status: 204,
    errors: ["not_found"],
  }),
  callWebhookDeliveryList: route({
    method: "GET",
    path: "/v1/call-webhooks/{callWebhook}/deliveries",
    summary: "List what a webhook was told, the latest first",
    description: "Of the last seven days.",
    permission: "voice.call_webhook.read",
    roles: ["viewer"],
    params: byWebhook,
    query: pageQuery,
    response: page(callWebhookDelivery),
    errors: ["not_found"],
  }),

  phoneApplicationList: route({
    method: "GET",
    path: "/v1/phone-systems/{phoneSystem}/phone-applications",
    summary: "List the programs that answer calls",
    permission: "voice.phone_application.list",
    roles: ["viewer"],
    params: bySystem,
    query: pageQuery,
    response: page(phoneApplication),
    errors: ["not_found"],
  }),
  phoneApplicationCreate: route({
    method: "POST",
    path: "/v1/phone-systems/{phoneSystem}/phone-applications",
    summary: "Have a program answer calls",
    description:
      "Calls whose destination it is (a speed dial gives it a number) are answered as the program at this address says: it is asked by POST with JSON (`call`, `event`, …) and answers " +
      '`{"verbs": [{"verb": "say", "text": "Hello"}, …]}` within 10 seconds.',
    permission: "voice.phone_application.create",
    roles: ["editor"],
    params: bySystem,
    body: z.object({
      ...applicationFields,
      fallback: applicationFields.fallback
        .default({ kind: "hang_up" })
        .describe("Where a call goes when the program does not answer, or not sensibly."),
    }),
    response: z.object({ application: phoneApplication, secret: secretOnce }),
    status: 201,
    errors: ["not_found", "already_exists", "failed_precondition", "quota_exceeded"],
  }),
  phoneApplicationUpdate: route({
    method: "PATCH",
    path: "/v1/phone-applications/{phoneApplication}",
    summary: "Change a program that answers calls",
    permission: "voice.phone_application.update",
    roles: ["editor"],
    params: byApplication,
    body: z.object(applicationFields).partial(),
    response: phoneApplication,
    errors: ["not_found", "already_exists", "failed_precondition", "precondition_failed"],
  }),
  phoneApplicationDelete: route({
    method: "DELETE",
    path: "/v1/phone-applications/{phoneApplication}",
    summary: "Delete a program that answers calls",
    permission: "voice.phone_application.delete",
    roles: ["editor"],
    params: byApplication,
    status: 204,
    errors: ["not_found", "failed_precondition"],
  }),
};

export const liveEvents = {
  activeCallsChanged: event({ type: "voice.active_calls.changed", payload: z.object({ phoneSystemId: id("phoneSystem") }) }),
  presenceChanged: event({
    type: "voice.presence.changed",
    payload: z.object({ phoneSystemId: id("phoneSystem") }),
  }),
  callWebhookChanged: event({ type: "voice.call_webhook.changed", payload: z.object({ id: id("callWebhook") }) }),
  phoneApplicationChanged: event({ type: "voice.phone_application.changed", payload: z.object({ id: id("phoneApplication") }) }),
};

export const liveQuotas = {
  "voice.call_webhooks": { unit: "count", summary: "Webhooks of phone systems", default: 20 },
  "voice.phone_applications": { unit: "count", summary: "Programs that answer calls", default: 50 },
} as const;
