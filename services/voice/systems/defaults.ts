import { given } from "../given.ts";
import { defaultFeatureCodes, type PhoneSystemSettings } from "./contract.ts";

/**
 * Where the country has others than 112: police, fire, ambulance, sea rescue, and what people know by heart. France after the list of Arcep, Switzerland
 * after article 28 of its ordinance on addressing resources (ORAT) and Rega, the others compared with ShortNumberMetadata of libphonenumber (November 2026).
 */
const emergencyNumbersBy: Record<string, string[]> = {
  UA: ["112", "101", "102", "103", "104"],
  FR: ["112", "15", "17", "18", "114", "115", "119", "116000", "116117", "191", "196", "197"],
  BE: ["112", "100", "101", "116000"],
  CH: ["112", "117", "118", "144", "143", "145", "147", "1414"],
  LU: ["112", "113"],
  DE: ["112", "110"],
  AT: ["112", "122", "133", "144"],
  PL: ["112", "997", "998", "999"],
  GB: ["999", "112"],
  IE: ["112", "999"],
  US: ["911", "112", "988"],
  CA: ["911", "112", "988"],
  AU: ["000", "112", "106"],
  NZ: ["111"],
  IT: ["112", "113", "115", "118"],
  ES: ["112", "061", "080", "085", "088", "091"],
  CZ: ["112", "150", "155", "156", "158"],
  SK: ["112", "150", "155", "158"],
  RO: ["112"],
  MD: ["112", "901", "902", "903"],
  GE: ["112"],
  TR: ["112", "110", "155"],
  IN: ["112", "100", "101", "102", "108"],
  JP: ["110", "119", "118"],
  CN: ["110", "119", "120"],
  BR: ["190", "192", "193", "112", "911"],
  MX: ["911"],
  ZA: ["112", "10111", "10177"],
};

export const emergencyNumbersOf = (country: string): string[] => emergencyNumbersBy[country] ?? ["112"];

const languageOf: Record<string, PhoneSystemSettings["language"]> = { UA: "uk", FR: "fr", BE: "fr", LU: "fr", MC: "fr" };
const currencyOf: Record<string, string> = { UA: "UAH", GB: "GBP", US: "USD", CH: "CHF", PL: "PLN", CA: "CAD", AU: "AUD" };
const timeZoneOf: Record<string, string> = {
  UA: "Europe/Kyiv",
  FR: "Europe/Paris",
  BE: "Europe/Brussels",
  CH: "Europe/Zurich",
  LU: "Europe/Luxembourg",
  DE: "Europe/Berlin",
  AT: "Europe/Vienna",
  PL: "Europe/Warsaw",
  GB: "Europe/London",
  IE: "Europe/Dublin",
  IT: "Europe/Rome",
  ES: "Europe/Madrid",
  CZ: "Europe/Prague",
  RO: "Europe/Bucharest",
  MD: "Europe/Chisinau",
};

const defaultsOf = (country: string): PhoneSystemSettings => ({
  country,
  language: languageOf[country] ?? "en",
  timeZone: timeZoneOf[country] ?? "UTC",
  currency: currencyOf[country] ?? "EUR",
  extensionDigits: 3,
  outsidePrefix: "",
  musicOnHold: null,
  featureCodes: defaultFeatureCodes,
  emergency: { numbers: emergencyNumbersOf(country), alertEmails: [], alertExtension: null },
  recording: { mode: "off", announce: true, mayPause: false, retentionDays: 90 },
  voicemail: { maxSeconds: 180, retentionDays: 90 },
  limits: {
    maxExternalCalls: 10,
    maxCostPerDay: "50",
    maxCallSeconds: null,
    // What is not asked for cannot be abused: calls abroad are opened country by country.
    allowedCountries: [],
    blockedPrefixes: [],
    internationalHours: null,
  },
  defaultNumber: null,
  mailAccountId: null,
  balanceAlert: { below: null, emails: [] },
  isPrepaid: false,
});

type Groups = "featureCodes" | "emergency" | "recording" | "voicemail" | "limits" | "balanceAlert";
/** What may be given: parts of it, also of its groups. */
export type SettingsChange = {
  [K in keyof Omit<PhoneSystemSettings, Groups>]?: PhoneSystemSettings[K] | undefined;
} & { [K in Groups]?: { [F in keyof PhoneSystemSettings[K]]?: PhoneSystemSettings[K][F] | undefined } | undefined };

/** What was left out stays, also inside of groups. */
export const changedSettings = (settings: PhoneSystemSettings, change: SettingsChange): PhoneSystemSettings => ({
  ...settings,
  ...given(change),
  featureCodes: { ...settings.featureCodes, ...given(change.featureCodes ?? {}) },
  emergency: { ...settings.emergency, ...given(change.emergency ?? {}) },
  recording: { ...settings.recording, ...given(change.recording ?? {}) },
  voicemail: { ...settings.voicemail, ...given(change.voicemail ?? {}) },
  limits: { ...settings.limits, ...given(change.limits ?? {}) },
  balanceAlert: { ...settings.balanceAlert, ...given(change.balanceAlert ?? {}) },
});

export const withSystemDefaults = (settings: SettingsChange & { country: string }): PhoneSystemSettings =>
  changedSettings(defaultsOf(settings.country), settings);
