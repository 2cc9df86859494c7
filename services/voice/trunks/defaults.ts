import type { Destination } from "../destinations/contract.ts";
import { given } from "../given.ts";
import type { NumberSettings, RouteSettings, TrunkSettings } from "./contract.ts";

type Change<T, Needed extends keyof T> = { [K in keyof Omit<T, Needed>]?: T[K] | undefined } & Pick<T, Needed>;

export const withTrunkDefaults = (settings: Change<TrunkSettings, "kind" | "host">): TrunkSettings => ({
  port: null,
  transport: "udp",
  userName: null,
  authUserName: null,
  fromDomain: null,
  outboundProxy: null,
  registrationSeconds: 600,
  qualifySeconds: 60,
  sourceAddresses: [],
  codecs: ["opus", "g722", "pcma", "pcmu"],
  mediaEncryption: "off",
  dtmf: "rtp",
  maxCalls: null,
  priority: 100,
  callerIdFormat: "e164_plus",
  callerIdHeader: "p_asserted_identity",
  dialFormat: "e164_plus",
  stripDigits: 0,
  addPrefix: "",
  defaultDestination: null,
  enabled: true,
  ...given(settings),
  kind: settings.kind,
  host: settings.host,
});

export const withRouteDefaults = (settings: Change<RouteSettings, "trunks">): RouteSettings => ({
  prefixes: ["+"],
  strategy: "in_order",
  priority: 100,
  callerNumber: null,
  enabled: true,
  ...given(settings),
  trunks: settings.trunks,
});

export const withNumberDefaults = (
  settings: Change<NumberSettings, "destination"> & { destination: Destination },
): NumberSettings => ({
  label: "",
  trunkId: null,
  language: null,
  callerNamePrefix: "",
  ...given(settings),
  destination: settings.destination,
});
