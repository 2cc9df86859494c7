import { type CountryCode, parsePhoneNumberFromString } from "libphonenumber-js/max";

/** A number outside, as the rules of its country see it. */
export interface OutsideNumber {
  /** With its plus; a short number of the country has none. */
  e164: string;
  /** ISO 3166; undefined: of no country (satellites, international services). */
  country: string | undefined;
  kind: "national" | "mobile" | "international" | "premium";
  /** A short number that has no rate of its own costs what this prefix does. */
  ratedLike?: string;
}

const premiumTypes = new Set(["PREMIUM_RATE", "SHARED_COST"]);

const knownAtMost = 10_000;

/** Each call asks for the same few numbers several times, and the rules of all countries are slow to go through. */
function remembered<T>(read: (number: string, country: string) => T): (number: string, country: string) => T {
  const known = new Map<string, T>();
  return (number, country) => {
    // What strangers write has any length.
    if (number.length > 40) return read(number, country);
    const key = `${country} ${number}`;
    if (known.has(key)) return known.get(key) as T;
    if (known.size >= knownAtMost) known.delete(known.keys().next().value as string);
    const value = read(number, country);
    known.set(key, value);
    return value;
  };
}

/** What somebody in this country means by these digits; undefined when it is no number that exists. */
export const outsideNumber = remembered((dialled, country): OutsideNumber | undefined => {
  const digits = dialled.replace(/[^\d+]/g, "");
  const number = parsePhoneNumberFromString(digits, country as CountryCode);
  if (!number?.isPossible()) return undefined;
  const type = number.getType();
  const own = number.country === country;
  const kind = premiumTypes.has(type ?? "") ? "premium" : !own ? "international" : type === "MOBILE" ? "mobile" : "national";
  return { e164: number.number, country: number.country, kind };
});

/** As people of that country read it: "01 99 00 33 44" at home, "+380 44 123 4567" elsewhere. */
export const forPeople = remembered((e164, country): string => {
  const number = parsePhoneNumberFromString(e164);
  if (!number) return e164;
  return number.country === country ? number.formatNational() : number.formatInternational();
});

/** As a trunk wants it written. */
export function written(e164: string, format: "e164_plus" | "e164" | "national", country: string): string {
  if (format === "e164_plus") return e164;
  if (format === "e164") return e164.slice(1);
  const number = parsePhoneNumberFromString(e164);
  return number?.country === country ? number.formatNational().replace(/\D/g, "") : `00${e164.slice(1)}`;
}
