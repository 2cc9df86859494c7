import { z } from "zod";
import { displayName, event, page, pageQuery, revision, route, timestamp } from "../../../kernel/contract.ts";
import { id } from "../../../kernel/ids.ts";
import { destination, e164, phoneLanguage } from "../destinations/contract.ts";
import { amount } from "../systems/contract.ts";

/** The beginning of numbers with country code, or of short numbers of the country without; `+` alone: all. */
export const numberPrefix = z
  .string()
  .regex(
    /^(\+\d{0,15}|\d{1,6})$/,
    "Give the beginning of numbers with + and country code, such as +380, or of short numbers as they are dialled: 15; + alone means all.",
  );

const numberSettings = z.object({
  label: z.string().trim().max(100),
  destination,
  trunkId: id("trunk").nullable().describe("The trunk that it comes by; null: any of the phone system."),
  language: phoneLanguage.nullable().describe("Of prompts for those who call it; null: that of the phone system."),
  callerNamePrefix: z.string().trim().max(20).describe("Before the name of the caller, so that people see what was called."),
});
export type NumberSettings = z.output<typeof numberSettings>;
export const phoneNumber = numberSettings.extend({
  id: id("phoneNumber"),
  phoneSystemId: id("phoneSystem"),
  number: e164,
  createdAt: timestamp,
  revision,
});
export type PhoneNumber = z.output<typeof phoneNumber>;

export const codec = z.enum(["opus", "g722", "pcma", "pcmu"]);
const hostName = z
  .string()
  .trim()
  .toLowerCase()
  .max(253)
  .regex(/^(\[[0-9a-f:]+\]|[a-z0-9]([a-z0-9.-]*[a-z0-9])?)$/, "Give a name or address without port: sip.example.org.");

/** Whatever comes from there is taken for a call of the provider. */
const isOneProviders = (network: string): boolean => {
  const [address = "", bits] = network.split("/");
  return bits === undefined || Number(bits) >= (address.includes(":") ? 32 : 16);
};

const trunkSettings = z.object({
  kind: z
    .enum(["registration", "ip"])
    .describe("registration: we register there as user. ip: known by its addresses, both ways."),
  host: hostName.describe("Where calls and registrations are sent."),
  port: z.int().min(1).max(65_535).nullable().describe("Null: by DNS SRV (RFC 3263), else 5060 or 5061."),
  transport: z.enum(["udp", "tcp", "tls"]),
  userName: z.string().trim().max(100).nullable().describe("At the provider; null: none."),
  authUserName: z.string().trim().max(100).nullable().describe("For the password, where it differs from the user name."),
  fromDomain: hostName.nullable().describe("In the From of our requests; null: the host."),
  outboundProxy: z.string().trim().max(260).nullable().describe("`host` or `host:port` that requests go through; null: none."),
  registrationSeconds: z.int().min(60).max(86_400),
  qualifySeconds: z.int().min(0).max(3600).describe("So often it is asked whether it is there (OPTIONS); 0: never."),
  sourceAddresses: z
    .array(
      z.union([z.cidrv4(), z.cidrv6(), z.ipv4(), z.ipv6()]).refine(isOneProviders, {
        message: "Give networks of one provider only: /16 or smaller, of IPv6 /32 or smaller.",
      }),
    )
    .max(50)
    .describe("From which its calls come, beside what the host resolves to."),
  codecs: z.array(codec).min(1).max(4).describe("In order of preference."),
  mediaEncryption: z.enum(["off", "optional", "required"]).describe("SRTP (RFC 3711)."),
  dtmf: z.enum(["rtp", "info"]).describe("rtp: RFC 4733. info: SIP INFO."),
  maxCalls: z.int().min(1).max(10_000).nullable().describe("At the same time, both ways; null: any."),
  priority: z.int().min(0).max(1000).describe("Of trunks that cost the same the lower one is taken first."),
  callerIdFormat: z
    .enum(["e164_plus", "e164", "national"])
    .describe("How we write numbers to it: +380441234567, 380441234567 or 0441234567."),
  callerIdHeader: z.enum(["from", "p_asserted_identity", "remote_party_id"]),
  dialFormat: z.enum(["e164_plus", "e164", "national"]).describe("How the called number is written, before strip and prefix."),
  stripDigits: z.int().min(0).max(15).describe("From the beginning of the called number, in that format."),
  addPrefix: z.string().regex(/^[0-9+*#]{0,16}$/),
  defaultDestination: destination.nullable().describe("Of calls to numbers that the phone system does not have; null: refused."),
  enabled: z.boolean(),
});
export type TrunkSettings = z.output<typeof trunkSettings>;

export const trunkState = z
  .enum(["unknown", "ready", "registering", "failed", "disabled"])
  .describe("ready: registered, or answering; ip trunks that are never asked are unknown.");
export const trunk = trunkSettings.extend({
  id: id("trunk"),
  phoneSystemId: id("phoneSystem"),
  name: displayName,
  hasPassword: z.boolean(),
  state: trunkState,
  stateReason: z.string().optional(),
  stateAt: timestamp.optional(),
  createdAt: timestamp,
  revision,
});
export type Trunk = z.output<typeof trunk>;

const routeSettings = z.object({
  prefixes: z.array(numberPrefix).min(1).max(200).describe("Of the numbers that it is for; the longest that fits wins."),
  trunks: z.array(id("trunk")).min(1).max(10).describe("The next one is tried when one is full or does not take the call."),
  strategy: z.enum(["in_order", "least_cost"]).describe("least_cost: by the rates of the trunks, the cheapest first."),
  priority: z.int().min(0).max(1000).describe("Of routes with the same prefix the lower one is taken first."),
  callerNumber: id("phoneNumber").nullable().describe("What is shown of calls by this route; null: that of the extension."),
  enabled: z.boolean(),
});
export type RouteSettings = z.output<typeof routeSettings>;
export const outboundRoute = routeSettings.extend({
  id: id("outboundRoute"),
  phoneSystemId: id("phoneSystem"),
  name: displayName,
  createdAt: timestamp,
  revision,
});
export type OutboundRoute = z.output<typeof outboundRoute>;

const rateFields = {
  prefix: numberPrefix,
  label: z.string().trim().max(100).default(""),
  perMinute: amount,
  connectionFee: amount.default("0"),
  firstSeconds: z.int().min(1).max(3600).default(60).describe("The least that is counted."),
  stepSeconds: z.int().min(1).max(3600).default(60).describe("Begun steps after that are counted whole."),
};
export const phoneRate = z.object({
  id: id("phoneRate"),
  trunkId: id("trunk").optional().describe("Whose rate it is; absent: a price of the phone system."),
  ...z.object(rateFields).shape,
});
export type PhoneRate = z.output<typeof phoneRate>;

const bySystem = z.object({ phoneSystem: id("phoneSystem") });
const byNumber = z.object({ phoneNumber: id("phoneNumber") });
const byTrunk = z.object({ trunk: id("trunk") });
const byRoute = z.object({ outboundRoute: id("outboundRoute") });
const ratesOf = id("trunk").optional().describe("What this trunk costs; absent: the prices of the phone system.");
const password = z.string().min(1).max(200).nullable().optional().describe("Null takes it away; it is never shown.");

export const trunkRoutes = {
  phoneNumberList: route({
    method: "GET",
    path: "/v1/phone-systems/{phoneSystem}/numbers",
    summary: "List the numbers of a phone system",
    permission: "voice.phone_number.list",
    roles: ["viewer"],
    params: bySystem,
    query: pageQuery,
    response: page(phoneNumber),
    errors: ["not_found"],
  }),
  phoneNumberCreate: route({
    method: "POST",
    path: "/v1/phone-systems/{phoneSystem}/numbers",
    summary: "Add a number and say where its calls go",
    permission: "voice.phone_number.create",
    roles: ["editor"],
    params: bySystem,
    body: z.object({
      number: z.string().trim().min(3).max(30).describe("As people write it, or with + and country code."),
      ...numberSettings.partial().shape,
      destination,
    }),
    response: phoneNumber,
    status: 201,
    errors: ["not_found", "already_exists", "failed_precondition", "invalid_argument", "quota_exceeded"],
  }),
  phoneNumberBlockCreate: route({
    method: "POST",
    path: "/v1/phone-systems/{phoneSystem}/number-blocks",
    summary: "Add a block of numbers that follow each other",
    description:
      "For direct dialling in: each number is one of its own afterwards. Those that the phone system has already stay as they are.",
    permission: "voice.phone_number_block.create",
    roles: ["editor"],
    params: bySystem,
    body: z.object({
      first: z.string().trim().min(3).max(30).describe("The first number, as people write it, or with + and country code."),
      count: z.int().min(1).max(1000),
      ...numberSettings.partial().shape,
      destination,
      extensionDigits: z
        .int()
        .min(2)
        .max(8)
        .optional()
        .describe("A number whose last digits, so many, are those of an extension leads there; the others to the destination."),
    }),
    response: z.object({
      first: e164,
      last: e164,
      created: z.int(),
      toExtensions: z.int().describe("How many of them lead to an extension by their last digits."),
    }),
    status: 201,
    errors: ["not_found", "failed_precondition", "invalid_argument", "quota_exceeded"],
  }),
  phoneNumberUpdate: route({
    method: "PATCH",
    path: "/v1/phone-numbers/{phoneNumber}",
    summary: "Change where the calls of a number go",
    permission: "voice.phone_number.update",
    roles: ["editor"],
    params: byNumber,
    body: numberSettings.partial(),
    response: phoneNumber,
    errors: ["not_found", "failed_precondition", "invalid_argument", "precondition_failed"],
  }),
  phoneNumberDelete: route({
    method: "DELETE",
    path: "/v1/phone-numbers/{phoneNumber}",
    summary: "Take a number away",
    permission: "voice.phone_number.delete",
    roles: ["editor"],
    params: byNumber,
    errors: ["not_found", "failed_precondition"],
  }),
  trunkList: route({
    method: "GET",
    path: "/v1/phone-systems/{phoneSystem}/trunks",
    summary: "List the trunks of a phone system",
    permission: "voice.trunk.list",
    roles: ["viewer"],
    params: bySystem,
    query: pageQuery,
    response: page(trunk),
    errors: ["not_found"],
  }),
  trunkCreate: route({
    method: "POST",
    path: "/v1/phone-systems/{phoneSystem}/trunks",
    summary: "Connect a phone system with a telephone provider",
    permission: "voice.trunk.create",
    roles: ["editor"],
    params: bySystem,
    body: z.object({
      name: displayName,
      ...trunkSettings.partial().shape,
      kind: trunkSettings.shape.kind,
      host: hostName,
      password,
    }),
    response: trunk,
    status: 201,
    errors: ["not_found", "already_exists", "failed_precondition", "invalid_argument", "quota_exceeded"],
  }),
  trunkGet: route({
    method: "GET",
    path: "/v1/trunks/{trunk}",
    summary: "Show a trunk",
    permission: "voice.trunk.read",
    roles: ["viewer"],
    params: byTrunk,
    response: trunk,
    errors: ["not_found"],
  }),
  trunkUpdate: route({
    method: "PATCH",
    path: "/v1/trunks/{trunk}",
    summary: "Change a trunk, turn it off or on",
    permission: "voice.trunk.update",
    roles: ["editor"],
    params: byTrunk,
    body: z.object({ name: displayName.optional(), ...trunkSettings.partial().shape, password }),
    response: trunk,
    errors: ["not_found", "already_exists", "failed_precondition", "invalid_argument", "precondition_failed"],
  }),
  trunkDelete: route({
    method: "DELETE",
    path: "/v1/trunks/{trunk}",
    summary: "Delete a trunk",
    description: "With its rates. Not while numbers or outbound routes use it.",
    permission: "voice.trunk.delete",
    roles: ["editor"],
    params: byTrunk,
    errors: ["not_found", "failed_precondition"],
  }),
  outboundRouteList: route({
    method: "GET",
    path: "/v1/phone-systems/{phoneSystem}/outbound-routes",
    summary: "List the outbound routes of a phone system",
    permission: "voice.outbound_route.list",
    roles: ["viewer"],
    params: bySystem,
    query: pageQuery,
    response: page(outboundRoute),
    errors: ["not_found"],
  }),
  outboundRouteCreate: route({
    method: "POST",
    path: "/v1/phone-systems/{phoneSystem}/outbound-routes",
    summary: "Say by which trunks numbers are called",
    permission: "voice.outbound_route.create",
    roles: ["editor"],
    params: bySystem,
    body: z.object({ name: displayName, ...routeSettings.partial().shape, trunks: routeSettings.shape.trunks }),
    response: outboundRoute,
    status: 201,
    errors: ["not_found", "already_exists", "failed_precondition", "invalid_argument"],
  }),
  outboundRouteUpdate: route({
    method: "PATCH",
    path: "/v1/outbound-routes/{outboundRoute}",
    summary: "Change an outbound route, turn it off or on",
    permission: "voice.outbound_route.update",
    roles: ["editor"],
    params: byRoute,
    body: z.object({ name: displayName.optional(), ...routeSettings.partial().shape }),
    response: outboundRoute,
    errors: ["not_found", "already_exists", "failed_precondition", "invalid_argument", "precondition_failed"],
  }),
  outboundRouteDelete: route({
    method: "DELETE",
    path: "/v1/outbound-routes/{outboundRoute}",
    summary: "Delete an outbound route",
    permission: "voice.outbound_route.delete",
    roles: ["editor"],
    params: byRoute,
    errors: ["not_found"],
  }),
  phoneRateList: route({
    method: "GET",
    path: "/v1/phone-systems/{phoneSystem}/rates",
    summary: "List prices, or what a trunk costs",
    description: "By prefix; of a number the longest prefix holds.",
    permission: "voice.phone_rate.list",
    roles: ["viewer", "billing"],
    params: bySystem,
    query: pageQuery.extend({ trunk: ratesOf }),
    response: page(phoneRate),
    errors: ["not_found"],
  }),
  phoneRateSet: route({
    method: "PUT",
    path: "/v1/phone-systems/{phoneSystem}/rates",
    summary: "Set the price or cost of the numbers of a prefix",
    permission: "voice.phone_rate.set",
    roles: ["editor"],
    params: bySystem,
    body: z.object({ trunk: ratesOf, ...rateFields }),
    response: phoneRate,
    errors: ["not_found", "failed_precondition", "invalid_argument"],
  }),
  phoneRateImport: route({
    method: "POST",
    path: "/v1/phone-systems/{phoneSystem}/rates/import",
    summary: "Set many prices or costs from a CSV file",
    description:
      "The first line names the columns: prefix, per_minute, connection_fee, first_seconds, step_seconds, label. Only the first two are needed. Prefixes are written as lists of providers have them: +380, 00380, 380, or 044 as people of the phone system's country dial. All are taken, or none.",
    permission: "voice.phone_rate.import",
    roles: ["editor"],
    params: bySystem,
    body: z.object({
      trunk: ratesOf,
      csv: z.string().min(1).max(900_000),
      mode: z.enum(["merge", "replace"]).default("merge").describe("replace: those that are not in the file go."),
      bareDigits: z
        .enum(["international", "national"])
        .default("international")
        .describe(
          "What a prefix without + and zeros means: 380 is Ukraine; or national, 44 is Kyiv and 1580 a short number of the country.",
        ),
    }),
    response: z.object({ set: z.number().int(), removed: z.number().int() }),
    errors: ["not_found", "failed_precondition", "invalid_argument"],
  }),
  phoneRateDelete: route({
    method: "DELETE",
    path: "/v1/phone-rates/{phoneRate}",
    summary: "Delete a price or cost",
    permission: "voice.phone_rate.delete",
    roles: ["editor"],
    params: z.object({ phoneRate: id("phoneRate") }),
    errors: ["not_found"],
  }),
};

export const trunkEvents = {
  phoneNumberChanged: event({
    type: "voice.phone_number.changed",
    payload: z.object({ phoneNumberId: id("phoneNumber"), phoneSystemId: id("phoneSystem"), number: z.string() }),
  }),
  trunkChanged: event({
    type: "voice.trunk.changed",
    payload: z.object({ trunkId: id("trunk"), phoneSystemId: id("phoneSystem"), state: z.string() }),
  }),
};

export const trunkQuotas = {
  "voice.trunks": { unit: "count", summary: "Trunks", default: 50 },
  "voice.numbers": { unit: "count", summary: "Phone numbers", default: 500 },
} as const;
