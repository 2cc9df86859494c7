import { z } from "zod";
import { displayName, event, page, pageQuery, revision, route, timestamp } from "../../../kernel/contract.ts";
import { id } from "../../../kernel/ids.ts";
import { destination, internalNumber, phoneLanguage } from "../destinations/contract.ts";
import { amount, recordingPolicy } from "../systems/contract.ts";

export const phonePin = z.string().regex(/^\d{4,12}$/, "Use 4 to 12 digits.");

export const forwarding = z
  .object({
    always: destination.nullable(),
    busy: destination.nullable(),
    noAnswer: destination.nullable().describe("After ringSeconds."),
    unreachable: destination.nullable().describe("When no device of it is registered."),
  })
  .describe("Null: voicemail where that is on, else the caller hears busy or that nobody answers; of always: it rings.");

const voicemailOfExtension = z.object({
  enabled: z.boolean(),
  email: z.email().max(254).nullable().describe("Who gets a mail for each message; null: nobody."),
  attachAudio: z.boolean(),
  deleteAfterMail: z.boolean().describe("Once the mail with the audio was accepted."),
});

export const callPermissions = z.object({
  internal: z.boolean(),
  national: z.boolean().describe("Numbers of the own country that are not mobile."),
  mobile: z.boolean().describe("Mobile numbers of the own country."),
  international: z.boolean(),
  premium: z.boolean().describe("Numbers that cost extra, by the rules of the country."),
});
export type CallPermissions = z.output<typeof callPermissions>;

const costLimits = z
  .object({
    maxCostPerDay: amount.nullable(),
    maxCostPerMonth: amount.nullable(),
  })
  .describe(
    "Of the calls outside that it makes, passes on or forwards, in the phone system's currency and time zone; null: any. Counted as those of the phone system are.",
  );

const personal = {
  language: phoneLanguage.nullable().describe("Null: that of the phone system."),
  forwarding,
  doNotDisturb: z.boolean().describe("It does not ring: calls go as when it is busy."),
  callWaiting: z.boolean().describe("A second call rings too."),
  ringSeconds: z.int().min(5).max(300),
  blockedCallers: z
    .array(z.string().regex(/^\+?\d{2,15}$/, "Give a number as it is shown: 102, or +33123456789."))
    .max(200)
    .describe("Numbers, inside and outside, whose calls to this extension are refused."),
  voicemail: voicemailOfExtension,
  missedCallEmail: z.email().max(254).nullable().describe("Who gets a mail for each call that nobody answered; null: nobody."),
};

/** All that can be set of an extension beside its number, name and person. */
export const extensionSettings = z.object({
  ...personal,
  callerNumber: id("phoneNumber").nullable().describe("What is shown outside; null: the default number of the phone system."),
  callerName: z.string().trim().max(60).nullable().describe("What is shown inside; null: the name."),
  hideNumber: z.boolean().describe("Nothing is shown outside."),
  permissions: callPermissions,
  limits: costLimits,
  recording: recordingPolicy.nullable().describe("Null: as the phone system."),
  pickupGroup: z
    .string()
    .regex(/^[a-z0-9-]{1,20}$/, "Use small letters, digits and hyphens.")
    .nullable()
    .describe("Extensions of one group take each other's calls with the code."),
  inDirectory: z.boolean(),
  maxCalls: z.int().min(1).max(20).describe("At the same time."),
});
export type ExtensionSettings = z.output<typeof extensionSettings>;

export const extensionPresence = z.enum(["offline", "available", "do_not_disturb"]);

export const extension = extensionSettings.extend({
  id: id("extension"),
  phoneSystemId: id("phoneSystem"),
  projectId: id("project"),
  number: internalNumber,
  name: displayName,
  userId: id("user").optional().describe("The person of the cloud whose extension it is."),
  hasVoicemailPin: z.boolean(),
  hasHotDeskPin: z.boolean(),
  presence: extensionPresence.describe("offline: no device of it is registered."),
  createdAt: timestamp,
  revision,
});
export type Extension = z.output<typeof extension>;

export const deviceKind = z.enum(["browser", "desk", "app"]);
export const deviceMaker = z
  .enum(["yealink", "snom", "grandstream", "fanvil", "poly", "cisco", "mitel", "linphone", "baresip", "other"])
  .describe("For whose phones its configuration is written; other: set by hand.");
export const phoneDevice = z.object({
  id: id("phoneDevice"),
  extensionId: id("extension"),
  kind: deviceKind,
  label: displayName,
  maker: deviceMaker,
  macAddress: z.string().optional(),
  userName: z.string().describe("For SIP, at the domain of the phone system."),
  enabled: z.boolean(),
  signedInExtensionId: id("extension").optional().describe("Who has signed in there by code: the phone is theirs meanwhile."),
  isRegistered: z.boolean(),
  lastRegisteredAt: timestamp.optional(),
  lastAddress: z.string().optional(),
  lastUserAgent: z.string().optional(),
  lampKeys: z.array(id("extension")).describe("Whose lamps its keys have, in their order; as its next configuration says."),
  awaitedUntil: timestamp.optional().describe("Until then the address of its site gives out its configuration."),
  hasProvisioning: z.boolean().describe("There is an address from which it takes its configuration."),
  createdAt: timestamp,
  revision,
});
export type PhoneDevice = z.output<typeof phoneDevice>;

/** Where and as whom a device registers. */
export const sipAccount = z.object({
  domain: z.string(),
  userName: z.string(),
  password: z.string().describe("Shown this once."),
  server: z.string().describe("The outbound proxy: what the domain need not lead to."),
  udpPort: z.number().int().optional().describe("Without any port: the one of the server's SRV records, as RFC 3263 has it."),
  tcpPort: z.number().int().optional(),
  tlsPort: z.number().int().optional(),
  webSocketUrl: z.string().describe("SIP over WebSocket (RFC 7118), for browsers."),
});
export type SipAccount = z.output<typeof sipAccount>;
const deviceWithAccount = phoneDevice.extend({ account: sipAccount });

const webSocketUrls = z
  .array(z.string())
  .describe(
    "Where to connect, the best first, when it does not take the registration the next; one that begins with / is at the console's own address.",
  );

export const softphoneCredential = sipAccount.extend({
  extensionId: id("extension"),
  deviceId: id("phoneDevice"),
  number: internalNumber,
  displayName,
  iceServers: z
    .array(z.object({ urls: z.array(z.string()), username: z.string(), credential: z.string() }))
    .describe(
      "For RTCPeerConnection, as long as the rest holds: a way through networks that let no UDP out. Empty: there is none.",
    ),
  webSocketUrls,
  expiresAt: timestamp.describe("Take another one before that; registrations made with it end then."),
});
export type SoftphoneCredential = z.output<typeof softphoneCredential>;

const bySystem = z.object({ phoneSystem: id("phoneSystem") });
const byExtension = z.object({ extension: id("extension") });
const byDevice = z.object({ phoneDevice: id("phoneDevice") });
const pins = {
  voicemailPin: phonePin.nullable().optional().describe("Null takes it away."),
  hotDeskPin: phonePin.nullable().optional().describe("Null takes it away: nobody takes this extension to another phone."),
};
const personalChange = {
  ...z.object(personal).partial().shape,
  forwarding: forwarding.partial().optional(),
  voicemail: voicemailOfExtension.partial().optional(),
};
const settable = {
  ...extensionSettings.partial().shape,
  ...personalChange,
  permissions: callPermissions.partial().optional(),
  limits: costLimits.partial().optional(),
  ...pins,
};
const macAddress = z
  .string()
  .regex(/^([0-9a-fA-F]{2}[:-]?){5}[0-9a-fA-F]{2}$/, "Give the MAC address as it stands on the phone: 00:15:65:12:34:56.");
const lampKeys = z.array(id("extension")).max(60);
const newDevice = {
  kind: deviceKind.exclude(["browser"]),
  label: displayName,
  maker: deviceMaker.default("other"),
  macAddress: macAddress.optional(),
  lampKeys: lampKeys.optional(),
};

export const extensionRoutes = {
  extensionList: route({
    method: "GET",
    path: "/v1/phone-systems/{phoneSystem}/extensions",
    summary: "List the extensions of a phone system",
    description: "By number.",
    permission: "voice.extension.list",
    roles: ["viewer"],
    params: bySystem,
    query: pageQuery.extend({ search: z.string().trim().max(100).optional().describe("In number and name.") }),
    response: page(extension),
    errors: ["not_found"],
  }),
  extensionCreate: route({
    method: "POST",
    path: "/v1/phone-systems/{phoneSystem}/extensions",
    summary: "Make an extension",
    permission: "voice.extension.create",
    roles: ["editor"],
    params: bySystem,
    body: z.object({
      number: internalNumber.optional().describe("Absent: the next free one."),
      name: displayName,
      user: id("user").optional().describe("A member of the project whose extension it is."),
      ...settable,
    }),
    response: extension,
    status: 201,
    errors: ["not_found", "already_exists", "failed_precondition", "invalid_argument", "quota_exceeded"],
  }),
  extensionImport: route({
    method: "POST",
    path: "/v1/phone-systems/{phoneSystem}/extensions/import",
    summary: "Make many extensions from a CSV file",
    description:
      "The first line names the columns: number, name, email, language, caller_number, pickup_group, voicemail (yes or no), voicemail_pin, device (desk, app or empty), maker, mac_address. Only name is needed. All are made, or none.",
    permission: "voice.extension.import",
    roles: ["editor"],
    params: bySystem,
    body: z.object({ csv: z.string().min(1).max(900_000) }),
    response: z.object({ extensions: z.array(extension), devices: z.array(deviceWithAccount) }),
    status: 201,
    errors: ["not_found", "already_exists", "failed_precondition", "invalid_argument", "quota_exceeded"],
  }),
  extensionGet: route({
    method: "GET",
    path: "/v1/extensions/{extension}",
    summary: "Show an extension with its settings",
    permission: "voice.extension.read",
    roles: ["viewer"],
    params: byExtension,
    response: extension,
    errors: ["not_found"],
  }),
  extensionUpdate: route({
    method: "PATCH",
    path: "/v1/extensions/{extension}",
    summary: "Change an extension",
    description: "What is left out stays, also inside of forwarding, voicemail, permissions and limits.",
    permission: "voice.extension.update",
    roles: ["editor"],
    params: byExtension,
    body: z.object({
      number: internalNumber.optional(),
      name: displayName.optional(),
      user: id("user").nullable().optional().describe("Null: nobody's."),
      ...settable,
    }),
    response: extension,
    errors: ["not_found", "already_exists", "failed_precondition", "invalid_argument", "precondition_failed"],
  }),
  extensionDelete: route({
    method: "DELETE",
    path: "/v1/extensions/{extension}",
    summary: "Delete an extension",
    description: "With its devices and voicemails. Not while calls are led to it elsewhere.",
    permission: "voice.extension.delete",
    roles: ["editor"],
    params: byExtension,
    errors: ["not_found", "failed_precondition"],
  }),
  phoneDeviceList: route({
    method: "GET",
    path: "/v1/extensions/{extension}/devices",
    summary: "List the devices of an extension",
    permission: "voice.phone_device.list",
    roles: ["viewer"],
    params: byExtension,
    query: pageQuery,
    response: page(phoneDevice),
    errors: ["not_found"],
  }),
  phoneDeviceCreate: route({
    method: "POST",
    path: "/v1/extensions/{extension}/devices",
    summary: "Add a device to an extension",
    description: "The answer has the password, this once.",
    permission: "voice.phone_device.create",
    roles: ["editor"],
    params: byExtension,
    body: z.object(newDevice),
    response: deviceWithAccount,
    status: 201,
    errors: ["not_found", "already_exists", "failed_precondition", "invalid_argument"],
  }),
  phoneDeviceUpdate: route({
    method: "PATCH",
    path: "/v1/phone-devices/{phoneDevice}",
    summary: "Change, turn off or turn on a device",
    permission: "voice.phone_device.update",
    roles: ["editor"],
    params: byDevice,
    body: z.object({
      label: displayName.optional(),
      maker: deviceMaker.optional(),
      macAddress: macAddress.nullable().optional(),
      lampKeys: lampKeys.optional(),
      enabled: z.boolean().optional(),
      signedInExtension: z.null().optional().describe("Null signs out who has signed in there by code."),
    }),
    response: phoneDevice,
    errors: ["not_found", "already_exists", "invalid_argument", "precondition_failed"],
  }),
  phoneDeviceRotate: route({
    method: "POST",
    path: "/v1/phone-devices/{phoneDevice}/rotate",
    summary: "Give a device a new password",
    description: "The old one is refused from now on. The answer has the new one, this once.",
    permission: "voice.phone_device.rotate",
    roles: ["editor"],
    params: byDevice,
    response: deviceWithAccount,
    errors: ["not_found"],
  }),
  phoneDeviceDelete: route({
    method: "DELETE",
    path: "/v1/phone-devices/{phoneDevice}",
    summary: "Delete a device",
    permission: "voice.phone_device.delete",
    roles: ["editor"],
    params: byDevice,
    errors: ["not_found"],
  }),
  myExtensionList: route({
    method: "GET",
    path: "/v1/my/extensions",
    summary: "List your own extensions",
    permission: "self",
    query: pageQuery,
    response: page(extension),
  }),
  myExtensionUpdate: route({
    method: "PATCH",
    path: "/v1/my/extensions/{extension}",
    summary: "Change how your own extension is reached",
    permission: "self",
    params: byExtension,
    body: z.object({ ...personalChange, ...pins }),
    response: extension,
    errors: ["not_found", "precondition_failed", "failed_precondition"],
  }),
  myPhoneDeviceList: route({
    method: "GET",
    path: "/v1/my/extensions/{extension}/devices",
    summary: "List the devices of your own extension",
    permission: "self",
    params: byExtension,
    query: pageQuery,
    response: page(phoneDevice),
    errors: ["not_found"],
  }),
  myPhoneDeviceCreate: route({
    method: "POST",
    path: "/v1/my/extensions/{extension}/devices",
    summary: "Add a device to your own extension",
    description: "The answer has the password, this once.",
    permission: "self",
    params: byExtension,
    body: z.object(newDevice),
    response: deviceWithAccount,
    status: 201,
    errors: ["not_found", "already_exists", "failed_precondition", "invalid_argument"],
  }),
  myPhoneDeviceDelete: route({
    method: "DELETE",
    path: "/v1/my/phone-devices/{phoneDevice}",
    summary: "Delete a device of your own extension",
    permission: "self",
    params: byDevice,
    errors: ["not_found"],
  }),
  mySoftphoneCreate: route({
    method: "POST",
    path: "/v1/my/extensions/{extension}/softphone",
    summary: "Get what the phone in the browser registers with",
    description: "For some hours, for this browser alone.",
    permission: "self",
    params: byExtension,
    response: softphoneCredential,
    status: 201,
    errors: ["not_found", "failed_precondition"],
    cli: false,
  }),
  mySoftphoneDoorsGet: route({
    method: "GET",
    path: "/v1/my/extensions/{extension}/softphone-doors",
    summary: "Find where the phone in the browser connects now",
    description: "Asked again whenever a connection is lost: another server may have the phone system since.",
    permission: "self",
    params: byExtension,
    response: z.object({ webSocketUrls }),
    errors: ["not_found"],
    cli: false,
  }),
};

export const extensionEvents = {
  extensionChanged: event({
    type: "voice.extension.changed",
    payload: z.object({ extensionId: id("extension"), phoneSystemId: id("phoneSystem"), number: z.string() }),
  }),
  phoneDeviceChanged: event({
    type: "voice.phone_device.changed",
    payload: z.object({ phoneDeviceId: id("phoneDevice"), extensionId: id("extension") }),
  }),
};

export const extensionQuotas = {
  "voice.extensions": { unit: "count", summary: "Extensions", default: 500 },
} as const;
