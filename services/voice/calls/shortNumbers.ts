import { createRequire } from "node:module";
import type { PhoneNumber, RegionCode, ShortNumberInfo } from "google-libphonenumber";
import { type CountryCode, getCountryCallingCode } from "libphonenumber-js/max";
import type { OutsideNumber } from "./outside.ts";

type Library = typeof import("google-libphonenumber");
interface Numbers {
  /** Undefined: the country has no such number. */
  costOf(digits: string, country: string): string | undefined;
}

let opened: Numbers | undefined;

/** The lists of all countries take 17 MB: they are read when the first short number is dialled. */
function open(): Numbers {
  const library: Library = createRequire(import.meta.url)("google-libphonenumber");
  const numbers: ShortNumberInfo = library.ShortNumberInfo.getInstance();
  const util = library.PhoneNumberUtil.getInstance();
  const { ShortNumberCost } = library.ShortNumberInfo;
  return {
    costOf(digits, country) {
      const region = country as RegionCode;
      const number: PhoneNumber = new library.PhoneNumber();
      number.setCountryCode(util.getCountryCodeForRegion(country));
      number.setNationalNumber(Number(digits));
      if (digits.startsWith("0") || !numbers.isValidShortNumberForRegion(number, region)) return undefined;
      const cost = numbers.getExpectedCostForRegion(number, region);
      return Object.entries(ShortNumberCost).find(([, value]) => value === cost)?.[0] ?? "UNKNOWN_COST";
    },
  };
}

/**
 * A short number of services in this country (3639, 1580, 118500), as Google's libphonenumber has them, and whatever a route names by its digits; it is
 * dialled as it is. What costs more by the list is a premium number, what nobody knows the cost of a national one. Undefined: there is none.
 */
export function shortNumber(digits: string, country: string, prefixes: readonly string[]): OutsideNumber | undefined {
  if (!/^\d{3,6}$/.test(digits)) return undefined;
  const cost = listedCost(digits, country);
  if (cost === undefined && !prefixes.some((prefix) => !prefix.startsWith("+") && digits.startsWith(prefix))) return undefined;
  if (cost === "PREMIUM_RATE") return { e164: digits, country, kind: "premium" };
  return { e164: digits, country, kind: "national", ratedLike: `+${getCountryCallingCode(country as CountryCode)}` };
}

function listedCost(digits: string, country: string): string | undefined {
  opened ??= open();
  return opened.costOf(digits, country);
}

/** By the list alone. */
export const isKnownShort = (digits: string, country: string): boolean =>
  /^\d{3,6}$/.test(digits) && listedCost(digits, country) !== undefined;

/** It has no country code, so it is written in one way only. */
export const isShort = (number: string): boolean => !number.startsWith("+");
