import { z } from "zod";
import { actor, displayName, event, page, pageQuery, revision, route, timestamp } from "../../../kernel/contract.ts";
import { id } from "../../../kernel/ids.ts";
import { phoneLanguage, phoneTimeZone } from "../destinations/contract.ts";

/** Money as exact decimals; up to six digits after the point, as prices of a second have. */
export const amount = z
  .string()
  .regex(/^\d{1,9}(\.\d{1,6})?$/, "Give a decimal number, such as 0.05, with at most 6 digits after the point.")
  .meta({ examples: ["0.05"] });
export const countryCode = z
  .string()
  .regex(/^[A-Z]{2}$/, "Give the two capital letters of ISO 3166: UA.")
  .describe("Two letters of ISO 3166: UA.")
  .meta({ examples: ["UA"] });
const dialled = z.string().regex(/^[0-9*#]{1,16}$/, "Use digits, * and #.");
const dayTime = z.string().regex(/^([01]\d|2[0-4]):[0-5]\d$/, "Give hours and minutes: 08:30; 24:00 is the end of a day.");
export const sipDomain = z
  .string()
  .toLowerCase()
  .max(253)
  .regex(
    /^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]$/,
    "Give a domain name, such as phone.example.org.",
  );

/**
 * What is dialled to have the phone system itself do something. A code that ends where a number has to follow is dialled with it: *72 102.
 * Null: it is off.
 */
export const defaultFeatureCodes = {
  /** Own voicemail; the PIN is asked for. */
  voicemail: "*97",
  /** Any voicemail: extension, then PIN. */
  voicemailOther: "*98",
  /** With the number that follows. */
  forwardAlways: "*72",
  forwardAlwaysOff: "*73",
  forwardBusy: "*90",
  forwardBusyOff: "*91",
  forwardNoAnswer: "*92",
  forwardNoAnswerOff: "*93",
  /** When no phone is there. */
  forwardUnreachable: "*94",
  forwardUnreachableOff: "*95",
  doNotDisturb: "*78",
  doNotDisturbOff: "*79",
  callWaiting: "*43",
  callWaitingOff: "*44",
  /** Any phone that rings in one's own pickup group. */
  pickupGroup: "*8",
  /** With the extension that rings. */
  pickupExtension: "**",
  /** In a free slot, which is told. */
  park: "700",
  /** With the number to be called. */
  hideNumber: "*31",
  /** With the extension: this device is that person's, after the PIN. */
  hotDeskIn: "*11",
  hotDeskOut: "*12",
  redial: "*66",
  /** Who called last. */
  callBack: "*69",
  /** With the extension, or after a call to it: it is called for one as soon as it is free. */
  callWhenFree: "*37",
  /** Later calls of the last caller are refused. */
  blockLastCaller: "*30",
  /** In a call. */
  record: "*1",
  /** With the extension: its phone answers by itself. */
  intercom: "*80",
  queueLogIn: "*45",
  queueLogOut: "*46",
  queuePause: "*47",
  queueResume: "*48",
  /** With the number of a time condition: by its hours, open, closed. */
  timeCondition: "*28",
  directory: "*411",
  speedDial: "*0",
  echoTest: "*60",
  clock: "*61",
} as const;
export type FeatureCode = keyof typeof defaultFeatureCodes;
const featureCodes = z
  .object(
    Object.fromEntries(Object.keys(defaultFeatureCodes).map((code) => [code, dialled.nullable()])) as {
      [K in FeatureCode]: z.ZodNullable<typeof dialled>;
    },
  )
  .describe("What is dialled to have the phone system do something; null: off.");

export const recordingPolicy = z
  .enum(["off", "on_demand", "all"])
  .describe("on_demand: with the code in a call, or a button. all: every call of a person here with somebody outside or inside.");

const emergency = z.object({
  numbers: z
    .array(z.string().regex(/^\d{2,6}$/))
    .min(1)
    .max(20)
    .describe("Calls to these go out whatever else says no: permissions, limits and balance. Those of the country unless said."),
  alertEmails: z
    .array(z.email().max(254))
    .max(10)
    .describe("Who is told by mail when one is called, and when a limit refuses or ends calls."),
  alertExtension: id("extension").nullable().describe("Who is called then, and hears from where."),
});

const recordingSettings = z.object({
  mode: recordingPolicy,
  announce: z.boolean().describe("Both hear at the beginning that the call is recorded."),
  mayPause: z
    .boolean()
    .describe(
      "Where all is recorded, a person here stops that with the code in a call, and has it go on: while a card's number is told.",
    ),
  retentionDays: z.int().min(1).max(3650).describe("Then a recording is deleted, unless it is held."),
});

const voicemailSettings = z.object({
  maxSeconds: z.int().min(10).max(1800).describe("Of one message."),
  retentionDays: z.int().min(1).max(3650).describe("Then a message is deleted."),
});

const balanceAlert = z
  .object({
    below: amount.nullable().describe("Null: nobody is told."),
    emails: z.array(z.email().max(254)).max(10),
  })
  .describe("Who is told by mail when a call takes the balance below that.");

const internationalHours = z.object({
  days: z.array(z.int().min(1).max(7)).min(1).max(7).describe("1: Monday, 7: Sunday."),
  from: dayTime,
  to: dayTime,
});

const fraudLimits = z.object({
  maxExternalCalls: z.int().min(0).max(10_000).describe("At the same time, in and out."),
  maxCostPerDay: amount
    .nullable()
    .describe(
      "In the system's currency, by the day of its time zone; null: any. A call without a price counts as what its trunk costs.",
    ),
  maxCallSeconds: z
    .int()
    .min(10)
    .max(86_400)
    .nullable()
    .describe(
      "Of a call outside, in or out, from its answer; both sides hear tones a minute before (of short ones half the time before), then it ends. Null: any. Emergency calls go on.",
    ),
  allowedCountries: z.array(countryCode).max(250).nullable().describe("Null: all. The own country is always allowed."),
  blockedPrefixes: z
    .array(z.string().regex(/^\+\d{1,15}$/, "Give the beginning of numbers with + and country code: +1900."))
    .max(500)
    .describe("Of numbers that nobody may call."),
  internationalHours: internationalHours.nullable().describe("When calls abroad may be made; null: always."),
});

/** All that can be set of a phone system beside its name and domain. */
export const phoneSystemSettings = z.object({
  country: countryCode.describe("By its rules numbers are dialled: two letters of ISO 3166, such as UA."),
  language: phoneLanguage,
  timeZone: phoneTimeZone,
  currency: z
    .string()
    .regex(/^[A-Z]{3}$/, "Give the three letters of ISO 4217: EUR.")
    .describe("Of balance, prices and costs: ISO 4217."),
  extensionDigits: z.int().min(2).max(8).describe("How long the numbers of extensions are."),
  outsidePrefix: z
    .string()
    .regex(/^\d{0,2}$/)
    .describe("What is dialled before a number outside; empty, as it should be: nothing."),
  musicOnHold: id("announcement").nullable().describe("Null: the music that Khmara has."),
  featureCodes,
  emergency,
  recording: recordingSettings,
  voicemail: voicemailSettings,
  limits: fraudLimits,
  defaultNumber: id("phoneNumber").nullable().describe("What is shown outside for extensions without a number of their own."),
  mailAccountId: id("mailAccount")
    .nullable()
    .describe("Of the project, by which voicemails and alerts are mailed; null: none are."),
  balanceAlert,
  isPrepaid: z
    .boolean()
    .describe(
      "Calls outside end, and none begins, when the balance is used up, but for emergencies and free numbers. Without a price a call costs what its trunk does.",
    ),
});
export type PhoneSystemSettings = z.output<typeof phoneSystemSettings>;

export const phoneSystem = phoneSystemSettings.extend({
  id: id("phoneSystem"),
  projectId: id("project"),
  name: displayName,
  domain: z.string().describe("What phones register to."),
  balance: z.string().describe("Credit left, in its currency; negative: more was used."),
  planVersion: z.number().int().describe("Grows with each change that calls depend on."),
  createdAt: timestamp,
  revision,
});
export type PhoneSystem = z.output<typeof phoneSystem>;

export const phoneCredit = z.object({
  id: id("phoneCredit"),
  kind: z.enum(["top_up", "call", "correction"]),
  amount: z.string().describe("Negative: used."),
  balance: z.string().describe("After it."),
  note: z.string().optional(),
  callId: id("call").optional(),
  by: actor.optional(),
  at: timestamp,
});
export type PhoneCredit = z.output<typeof phoneCredit>;

const bySystem = z.object({ phoneSystem: id("phoneSystem") });
const settable = {
  ...phoneSystemSettings.partial().shape,
  featureCodes: featureCodes.partial().optional(),
  emergency: emergency.partial().optional(),
  recording: recordingSettings.partial().optional(),
  voicemail: voicemailSettings.partial().optional(),
  limits: fraudLimits.partial().optional(),
  balanceAlert: balanceAlert.partial().optional(),
};

export const systemRoutes = {
  phoneSystemList: route({
    method: "GET",
    path: "/v1/phone-systems",
    summary: "List the phone system of a project",
    description: "A project has one at the most.",
    permission: "voice.phone_system.list",
    roles: ["viewer"],
    query: pageQuery.extend({ project: id("project") }),
    response: page(phoneSystem),
    errors: ["not_found"],
  }),
  phoneSystemCreate: route({
    method: "POST",
    path: "/v1/phone-systems",
    summary: "Make the phone system of a project",
    description:
      "Everything but the country has a value that fits most; the country gives the emergency numbers and how numbers are dialled.",
    permission: "voice.phone_system.create",
    roles: ["editor"],
    body: z.object({
      project: id("project"),
      name: displayName,
      domain: sipDomain.optional().describe("Absent: made of the names of project and cloud."),
      ...settable,
      country: phoneSystemSettings.shape.country,
    }),
    response: phoneSystem,
    status: 201,
    errors: ["not_found", "already_exists", "invalid_argument", "quota_exceeded"],
  }),
  phoneSystemGet: route({
    method: "GET",
    path: "/v1/phone-systems/{phoneSystem}",
    summary: "Show a phone system with its settings",
    permission: "voice.phone_system.read",
    roles: ["viewer"],
    params: bySystem,
    response: phoneSystem,
    errors: ["not_found"],
  }),
  phoneSystemUpdate: route({
    method: "PATCH",
    path: "/v1/phone-systems/{phoneSystem}",
    summary: "Change the settings of a phone system",
    description:
      "What is left out stays, also inside of feature codes, emergency, recording, voicemail and limits. Calls that run go on as they began.",
    permission: "voice.phone_system.update",
    roles: ["editor"],
    params: bySystem,
    body: z.object({ name: displayName.optional(), domain: sipDomain.optional(), ...settable }),
    response: phoneSystem,
    errors: ["not_found", "already_exists", "invalid_argument", "precondition_failed", "failed_precondition"],
  }),
  phoneSystemDelete: route({
    method: "DELETE",
    path: "/v1/phone-systems/{phoneSystem}",
    summary: "Delete a phone system",
    description: "With extensions, numbers, voicemails, recordings and call history, for good. Calls that run are ended.",
    permission: "voice.phone_system.delete",
    roles: ["admin"],
    params: bySystem,
    query: z.object({ confirm: z.string().max(100).describe("Its name.") }),
    errors: ["not_found", "invalid_argument"],
  }),
  phoneCreditList: route({
    method: "GET",
    path: "/v1/phone-systems/{phoneSystem}/credits",
    summary: "List what was added to and taken from the balance",
    description: "Newest first.",
    permission: "voice.phone_credit.list",
    roles: ["viewer", "billing"],
    params: bySystem,
    query: pageQuery,
    response: page(phoneCredit),
    errors: ["not_found"],
  }),
  phoneCreditCreate: route({
    method: "POST",
    path: "/v1/phone-systems/{phoneSystem}/credits",
    summary: "Add to the balance of a phone system",
    permission: "voice.phone_credit.create",
    roles: ["admin"],
    params: bySystem,
    body: z.object({
      kind: z.enum(["top_up", "correction"]).default("top_up"),
      amount: z
        .string()
        .regex(/^-?\d{1,9}(\.\d{1,6})?$/, "Give a decimal number, such as 25.00.")
        .describe("In the currency of the phone system; a correction may be negative."),
      note: z.string().trim().max(200).optional(),
    }),
    response: phoneCredit,
    status: 201,
    errors: ["not_found", "invalid_argument"],
  }),
};

export const systemEvents = {
  phoneSystemChanged: event({
    type: "voice.phone_system.changed",
    payload: z.object({ phoneSystemId: id("phoneSystem"), planVersion: z.number().int() }),
  }),
};

export const systemQuotas = {
  "voice.systems": { unit: "count", summary: "Phone systems", default: 20 },
} as const;

/** Calls are measured by the voice process when they end; directions and trunks are in the resource that a record names. */
export const voiceMeters = {
  "voice.call.seconds": { unit: "seconds", summary: "Time of calls with numbers outside, by trunk and direction" },
  "voice.recording.bytes": { unit: "byte_seconds", summary: "Recordings and voicemails, while they are kept" },
  "voice.extensions": { unit: "extension_seconds", summary: "Extensions, while they are there" },
} as const;
