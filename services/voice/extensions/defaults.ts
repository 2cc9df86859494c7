import { given } from "../given.ts";
import type { ExtensionSettings } from "./contract.ts";

const defaults: ExtensionSettings = {
  language: null,
  forwarding: { always: null, busy: null, noAnswer: null, unreachable: null },
  doNotDisturb: false,
  callWaiting: true,
  ringSeconds: 25,
  blockedCallers: [],
  voicemail: { enabled: true, email: null, attachAudio: true, deleteAfterMail: false },
  missedCallEmail: null,
  callerNumber: null,
  callerName: null,
  hideNumber: false,
  permissions: { internal: true, national: true, mobile: true, international: false, premium: false },
  limits: { maxCostPerDay: null, maxCostPerMonth: null },
  recording: null,
  pickupGroup: null,
  inDirectory: true,
  maxCalls: 4,
};

type Groups = "forwarding" | "voicemail" | "permissions" | "limits";
/** What may be given: parts of it, also of its groups. */
export type ExtensionChange = {
  [K in keyof Omit<ExtensionSettings, Groups>]?: ExtensionSettings[K] | undefined;
} & { [K in Groups]?: { [F in keyof ExtensionSettings[K]]?: ExtensionSettings[K][F] | undefined } | undefined };

/** What was left out stays, also inside of groups. */
export const changedExtension = (settings: ExtensionSettings, change: ExtensionChange): ExtensionSettings => ({
  ...settings,
  ...given(change),
  forwarding: { ...settings.forwarding, ...given(change.forwarding ?? {}) },
  voicemail: { ...settings.voicemail, ...given(change.voicemail ?? {}) },
  permissions: { ...settings.permissions, ...given(change.permissions ?? {}) },
  limits: { ...settings.limits, ...given(change.limits ?? {}) },
});

export const withExtensionDefaults = (settings: ExtensionChange): ExtensionSettings => changedExtension(defaults, settings);
