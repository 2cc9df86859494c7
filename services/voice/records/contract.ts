import { z } from "zod";
import { event, page, pageQuery, route, timestamp } from "../../../kernel/contract.ts";
import { id } from "../../../kernel/ids.ts";

/** What became of calls. */

export const callDirections = ["internal", "inbound", "outbound"] as const;
export type CallDirection = (typeof callDirections)[number];
/**
 * missed: nobody answered. abandoned: the caller hung up while waiting in a queue or a menu. callback: the caller asked to be called back by the queue, which
 * is another call. failed: cause says why.
 */
export const callOutcomes = ["answered", "missed", "busy", "refused", "voicemail", "abandoned", "callback", "failed"] as const;
export type CallOutcome = (typeof callOutcomes)[number];

const decimal = z.string().describe("An exact decimal.");
const quality = z
  .object({
    mos: z
      .number()
      .min(1)
      .max(5)
      .optional()
      .describe("Mean opinion score as estimated by ITU-T G.107: 1 bad, 4.4 as good as it gets."),
    lossPercent: z.number().min(0).max(100).optional(),
    jitterMs: z.number().min(0).optional(),
  })
  .describe("Of what we received, the worst leg.");

export const callLeg = z.object({
  kind: z.string().describe("What was called: extension, trunk, voicemail, conference, …"),
  id: z.string().optional(),
  direction: z.enum(["inbound", "outbound"]).optional().describe("Of a leg over a trunk."),
  number: z.string().optional(),
  name: z.string().optional(),
  device: z.string().optional(),
  startedAt: timestamp,
  answeredAt: timestamp.optional(),
  endedAt: timestamp.optional(),
  cause: z.number().int().optional().describe("A status of SIP (RFC 3261, 21)."),
  reason: z.string().optional(),
  codec: z.string().optional(),
  quality: quality.optional(),
});
export type CallLeg = z.output<typeof callLeg>;

export const phoneCall = z.object({
  id: id("call"),
  phoneSystemId: id("phoneSystem"),
  projectId: id("project"),
  organisationId: id("organisation"),
  direction: z.enum(callDirections),
  outcome: z.enum(callOutcomes),
  fromNumber: z.string(),
  fromName: z.string().optional(),
  toNumber: z.string().describe("As it was dialled, normalised."),
  toName: z.string().optional(),
  extensionIds: z.array(id("extension")).describe("Who took part: the caller's first, then who spoke."),
  trunkId: id("trunk").optional(),
  phoneNumberId: id("phoneNumber").optional().describe("The number of the phone system that it came in by or showed."),
  queueId: id("callQueue").optional(),
  country: z.string().optional().describe("ISO 3166-1, of the number outside."),
  startedAt: timestamp,
  answeredAt: timestamp.optional(),
  endedAt: timestamp,
  waitSeconds: z.number().describe("Until it was answered, or given up."),
  talkSeconds: z.number(),
  cause: z.number().int().optional().describe("The status of SIP that it ended with (RFC 3261, 21)."),
  reason: z.string().optional().describe("Why it ended, for people."),
  hungUpBy: z.enum(["caller", "called", "system"]).optional(),
  cost: decimal.optional().describe("What the trunk's carrier takes."),
  price: decimal.optional().describe("What it costs the phone system."),
  currency: z.string().optional().describe("ISO 4217."),
  quality: quality.optional(),
  recordingIds: z.array(id("recording")).describe("Those that are kept still."),
});
export type PhoneCall = z.output<typeof phoneCall>;
export const phoneCallWithLegs = phoneCall.extend({ legs: z.array(callLeg) });

const period = {
  from: timestamp.optional().describe("Began at or after."),
  to: timestamp.optional().describe("Began before."),
};
const callFilter = {
  direction: z.enum(callDirections).optional(),
  outcome: z.enum(callOutcomes).optional(),
  number: z.string().trim().min(1).max(40).optional().describe("Part of the caller's or the called number."),
  ...period,
};
const systemFilter = {
  extension: id("extension").optional(),
  trunk: id("trunk").optional(),
  queue: id("callQueue").optional(),
};
const ofSystem = z.object({ phoneSystem: id("phoneSystem") });
const byCall = z.object({ call: id("call") });

export const reportGroups = ["day", "hour", "weekday", "extension", "queue", "trunk", "country", "direction", "outcome"] as const;
export type ReportGroup = (typeof reportGroups)[number];
export const reportLine = z.object({
  key: z.string().describe("The day (2026-05-01), hour (0 to 23), weekday (1 is Monday), id, country, …"),
  name: z.string().optional().describe("Of an extension, a queue, a trunk that is there still."),
  calls: z.number().int(),
  answered: z.number().int(),
  answeredPercent: z.number(),
  talkSeconds: z.number(),
  averageTalkSeconds: z.number().describe("Of answered calls."),
  averageWaitSeconds: z.number(),
  inServiceLevel: z.number().int().describe("Calls of queues answered within the queue's service level."),
  serviceLevelPercent: z.number().optional().describe("Of all calls that came to a queue; absent without any."),
  cost: decimal,
  price: decimal,
});
export type ReportLine = z.output<typeof reportLine>;

export const voicemailFolders = ["new", "saved", "deleted"] as const;
export type VoicemailFolder = (typeof voicemailFolders)[number];
export const voicemail = z.object({
  id: id("voicemail"),
  phoneSystemId: id("phoneSystem"),
  projectId: id("project"),
  organisationId: id("organisation"),
  extensionId: id("extension"),
  folder: z.enum(voicemailFolders).describe("deleted: gone for good after a week."),
  heard: z.boolean(),
  fromNumber: z.string(),
  fromName: z.string().optional(),
  forwardedBy: z.string().optional().describe("Who forwarded it, for people."),
  note: z.string().optional().describe("What they wrote to it."),
  callId: id("call").optional(),
  seconds: z.number(),
  sizeBytes: z.number().int(),
  createdAt: timestamp,
});
export type VoicemailView = z.output<typeof voicemail>;
const byVoicemail = z.object({ voicemail: id("voicemail") });
const voicemailChange = z.object({
  folder: z.enum(voicemailFolders).optional().describe("From deleted it comes back."),
  heard: z.boolean().optional(),
});
const forwarding = z.object({
  extension: id("extension").describe("Who gets it, of the same phone system; the one here stays."),
  note: z.string().trim().max(500).optional(),
});
const folder = z.enum(voicemailFolders).optional().describe("Absent: new and saved.");

export const recording = z.object({
  id: id("recording"),
  phoneSystemId: id("phoneSystem"),
  projectId: id("project"),
  organisationId: id("organisation"),
  callId: id("call").optional(),
  extensionIds: z.array(id("extension")),
  fromNumber: z.string(),
  toNumber: z.string(),
  seconds: z.number(),
  sizeBytes: z.number().int(),
  sha256: z.string(),
  legalHold: z.boolean().describe("Kept, and not deletable, until it is lifted."),
  deletesAt: timestamp.optional().describe("By the phone system's retention; absent: never."),
  createdAt: timestamp,
});
export type RecordingView = z.output<typeof recording>;
const byRecording = z.object({ recording: id("recording") });

export const greetingKinds = ["unavailable", "busy", "name"] as const;
export type GreetingKind = (typeof greetingKinds)[number];
export const voicemailGreeting = z.object({
  kind: z.enum(greetingKinds),
  seconds: z.number(),
  sizeBytes: z.number().int(),
  createdAt: timestamp,
});
export type GreetingView = z.output<typeof voicemailGreeting>;
const byExtension = z.object({ extension: id("extension") });
const byGreeting = byExtension.extend({ kind: z.enum(greetingKinds) });
export const greetingLimits = { maxBytes: 10 * 2 ** 20, maxSeconds: 180 } as const;

const soundErrors = ["not_found", "range_not_satisfiable"] as const;
const ranged = "A WAV file, with ranges (RFC 9110, 14).";

export const recordRoutes = {
  phoneCallList: route({
    method: "GET",
    path: "/v1/phone-systems/{phoneSystem}/calls",
    summary: "List the calls of a phone system that have ended, the newest first",
    permission: "voice.call.list",
    roles: ["editor"],
    params: ofSystem,
    query: pageQuery.extend({ ...callFilter, ...systemFilter }),
    response: page(phoneCall),
    errors: ["not_found"],
  }),
  phoneCallGet: route({
    method: "GET",
    path: "/v1/phone-calls/{call}",
    summary: "Show a call with its legs",
    permission: "voice.call.read",
    roles: ["editor"],
    params: byCall,
    response: phoneCallWithLegs,
    errors: ["not_found"],
  }),
  phoneCallExport: route({
    method: "GET",
    path: "/v1/phone-systems/{phoneSystem}/calls/export",
    summary: "Export calls as CSV",
    description: "RFC 4180, in UTF-8, with a line of names; times in UTC, the oldest first.",
    permission: "voice.call.list",
    roles: ["editor"],
    params: ofSystem,
    query: z.object({ ...callFilter, ...systemFilter }),
    stream: { response: "bytes" },
    errors: ["not_found"],
  }),
  phoneReportGet: route({
    method: "GET",
    path: "/v1/phone-systems/{phoneSystem}/report",
    summary: "Sum up the calls of a phone system",
    description: "Days and hours are those of the phone system's time zone. At most 1000 lines.",
    permission: "voice.report.read",
    roles: ["editor"],
    params: ofSystem,
    query: z.object({
      by: z.enum(reportGroups).default("day"),
      from: timestamp,
      to: timestamp,
      direction: z.enum(callDirections).optional(),
      ...systemFilter,
    }),
    response: z.object({ total: reportLine.omit({ key: true, name: true }), lines: z.array(reportLine) }),
    errors: ["not_found"],
  }),
  myPhoneCallList: route({
    method: "GET",
    path: "/v1/my/phone-calls",
    summary: "List the calls of your own extensions, the newest first",
    permission: "self",
    query: pageQuery.extend({ extension: id("extension").optional(), ...callFilter }),
    response: page(phoneCall),
  }),

  voicemailList: route({
    method: "GET",
    path: "/v1/phone-systems/{phoneSystem}/voicemails",
    summary: "List the voicemails of a phone system, the newest first",
    permission: "voice.voicemail.list",
    roles: ["admin"],
    params: ofSystem,
    query: pageQuery.extend({ extension: id("extension").optional(), folder }),
    response: page(voicemail),
    errors: ["not_found"],
  }),
  voicemailDownload: route({
    method: "GET",
    path: "/v1/voicemails/{voicemail}/audio",
    summary: "Listen to a voicemail of somebody",
    description: `${ranged} Who listened is in the audit log.`,
    permission: "voice.voicemail.read",
    roles: ["admin"],
    params: byVoicemail,
    stream: { response: "bytes" },
    errors: soundErrors,
  }),
  voicemailUpdate: route({
    method: "PATCH",
    path: "/v1/voicemails/{voicemail}",
    summary: "Move a voicemail of somebody to another folder",
    permission: "voice.voicemail.update",
    roles: ["admin"],
    params: byVoicemail,
    body: voicemailChange,
    response: voicemail,
    errors: ["not_found"],
  }),
  voicemailDelete: route({
    method: "DELETE",
    path: "/v1/voicemails/{voicemail}",
    summary: "Delete a voicemail of somebody for good",
    permission: "voice.voicemail.delete",
    roles: ["admin"],
    params: byVoicemail,
    errors: ["not_found"],
  }),
  myVoicemailList: route({
    method: "GET",
    path: "/v1/my/voicemails",
    summary: "List your voicemails, the newest first",
    permission: "self",
    query: pageQuery.extend({ extension: id("extension").optional(), folder }),
    response: page(voicemail),
  }),
  myVoicemailDownload: route({
    method: "GET",
    path: "/v1/my/voicemails/{voicemail}/audio",
    summary: "Listen to one of your voicemails",
    description: ranged,
    permission: "self",
    params: byVoicemail,
    stream: { response: "bytes" },
    errors: soundErrors,
  }),
  myVoicemailUpdate: route({
    method: "PATCH",
    path: "/v1/my/voicemails/{voicemail}",
    summary: "Move one of your voicemails, or mark it as heard",
    permission: "self",
    params: byVoicemail,
    body: voicemailChange,
    response: voicemail,
    errors: ["not_found"],
  }),
  myVoicemailForward: route({
    method: "POST",
    path: "/v1/my/voicemails/{voicemail}/forward",
    summary: "Forward one of your voicemails to another extension",
    permission: "self",
    params: byVoicemail,
    body: forwarding,
    errors: ["not_found"],
  }),
  myVoicemailDelete: route({
    method: "DELETE",
    path: "/v1/my/voicemails/{voicemail}",
    summary: "Delete one of your voicemails for good",
    permission: "self",
    params: byVoicemail,
    errors: ["not_found"],
  }),

  recordingList: route({
    method: "GET",
    path: "/v1/phone-systems/{phoneSystem}/recordings",
    summary: "List the recordings of a phone system, the newest first",
    permission: "voice.recording.list",
    roles: ["admin"],
    params: ofSystem,
    query: pageQuery.extend({
      extension: id("extension").optional(),
      call: id("call").optional(),
      legalHold: z.stringbool().optional(),
      ...period,
    }),
    response: page(recording),
    errors: ["not_found"],
  }),
  recordingDownload: route({
    method: "GET",
    path: "/v1/recordings/{recording}/audio",
    summary: "Listen to a recording",
    description: `${ranged} Who listened is in the audit log.`,
    permission: "voice.recording.read",
    roles: ["admin"],
    params: byRecording,
    stream: { response: "bytes" },
    errors: soundErrors,
  }),
  recordingUpdate: route({
    method: "PATCH",
    path: "/v1/recordings/{recording}",
    summary: "Put a recording on legal hold, or lift it",
    permission: "voice.recording.update",
    roles: ["admin"],
    params: byRecording,
    body: z.object({ legalHold: z.boolean() }),
    response: recording,
    errors: ["not_found"],
  }),
  recordingDelete: route({
    method: "DELETE",
    path: "/v1/recordings/{recording}",
    summary: "Delete a recording",
    permission: "voice.recording.delete",
    roles: ["admin"],
    params: byRecording,
    errors: ["not_found", "failed_precondition"],
  }),
  myRecordingList: route({
    method: "GET",
    path: "/v1/my/recordings",
    summary: "List the recordings of your own calls, the newest first",
    permission: "self",
    query: pageQuery.extend({ extension: id("extension").optional(), ...period }),
    response: page(recording),
  }),
  myRecordingDownload: route({
    method: "GET",
    path: "/v1/my/recordings/{recording}/audio",
    summary: "Listen to a recording of one of your calls",
    description: `${ranged} Who listened is in the audit log.`,
    permission: "self",
    params: byRecording,
    stream: { response: "bytes" },
    errors: soundErrors,
  }),

  voicemailGreetingList: route({
    method: "GET",
    path: "/v1/extensions/{extension}/greetings",
    summary: "List the voicemail greetings of an extension",
    permission: "voice.greeting.list",
    roles: ["editor"],
    params: byExtension,
    query: pageQuery,
    response: page(voicemailGreeting),
    errors: ["not_found"],
  }),
  voicemailGreetingUpload: route({
    method: "PUT",
    path: "/v1/extensions/{extension}/greetings/{kind}",
    summary: "Upload a voicemail greeting of an extension",
    description: "WAV, or MP3, OGG and FLAC where ffmpeg is installed; up to 10 MiB and 3 minutes. It is kept as WAV.",
    permission: "voice.greeting.update",
    roles: ["editor"],
    params: byGreeting,
    stream: { request: "bytes" },
    response: voicemailGreeting,
    errors: ["not_found", "payload_too_large", "failed_precondition"],
  }),
  voicemailGreetingDownload: route({
    method: "GET",
    path: "/v1/extensions/{extension}/greetings/{kind}",
    summary: "Listen to a voicemail greeting of an extension",
    permission: "voice.greeting.read",
    roles: ["editor"],
    params: byGreeting,
    stream: { response: "bytes" },
    errors: soundErrors,
  }),
  voicemailGreetingDelete: route({
    method: "DELETE",
    path: "/v1/extensions/{extension}/greetings/{kind}",
    summary: "Delete a voicemail greeting of an extension",
    permission: "voice.greeting.delete",
    roles: ["editor"],
    params: byGreeting,
    errors: ["not_found"],
  }),
  myVoicemailGreetingList: route({
    method: "GET",
    path: "/v1/my/extensions/{extension}/greetings",
    summary: "List the voicemail greetings of one of your extensions",
    permission: "self",
    params: byExtension,
    query: pageQuery,
    response: page(voicemailGreeting),
    errors: ["not_found"],
  }),
  myVoicemailGreetingUpload: route({
    method: "PUT",
    path: "/v1/my/extensions/{extension}/greetings/{kind}",
    summary: "Upload a voicemail greeting of one of your extensions",
    description: "WAV, or MP3, OGG and FLAC where ffmpeg is installed; up to 10 MiB and 3 minutes. It is kept as WAV.",
    permission: "self",
    params: byGreeting,
    stream: { request: "bytes" },
    response: voicemailGreeting,
    errors: ["not_found", "payload_too_large", "failed_precondition"],
  }),
  myVoicemailGreetingDownload: route({
    method: "GET",
    path: "/v1/my/extensions/{extension}/greetings/{kind}",
    summary: "Listen to a voicemail greeting of one of your extensions",
    permission: "self",
    params: byGreeting,
    stream: { response: "bytes" },
    errors: soundErrors,
  }),
  myVoicemailGreetingDelete: route({
    method: "DELETE",
    path: "/v1/my/extensions/{extension}/greetings/{kind}",
    summary: "Delete a voicemail greeting of one of your extensions",
    permission: "self",
    params: byGreeting,
    errors: ["not_found"],
  }),
};

export const recordEvents = {
  callEnded: event({ type: "voice.call.ended", payload: z.object({ callId: z.string(), phoneSystemId: z.string() }) }),
  voicemailChanged: event({
    type: "voice.voicemail.changed",
    payload: z.object({ voicemailId: z.string(), extensionId: z.string(), phoneSystemId: z.string() }),
  }),
  recordingChanged: event({
    type: "voice.recording.changed",
    payload: z.object({ recordingId: z.string(), phoneSystemId: z.string() }),
  }),
};
