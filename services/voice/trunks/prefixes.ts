import { AsYouType, type CountryCode, Metadata } from "libphonenumber-js/max";
import { isKnownShort } from "../calls/shortNumbers.ts";

/** What somebody in this country dials before a country code (00, 011, 810): a regular expression. */
function internationalPrefix(country: string): string {
  const metadata = new Metadata();
  metadata.selectNumberingPlan(country as CountryCode);
  return metadata.numberingPlan?.IDDPrefix() ?? "00";
}

/**
 * A prefix of a list of rates as `numberPrefix` has it: with + and country code, or of a short number as it is dialled. `bareDigits` says what digits without plus and
 * zeros are. Undefined: nobody's numbers begin so.
 */
export function prefixOf(text: string, country: string, bareDigits: "international" | "national"): string | undefined {
  const digits = text.replace(/[\s()./-]/g, "");
  if (/^\+\d*$/.test(digits)) return plausible(digits);
  if (!/^\d{1,20}$/.test(digits)) return undefined;
  const abroad = digits.replace(new RegExp(`^(?:00|${internationalPrefix(country)})(?=\\d)`), "");
  if (abroad !== digits || (bareDigits === "international" && !digits.startsWith("0"))) return plausible(`+${abroad}`);
  if (isKnownShort(digits, country)) return digits;
  const typed = new AsYouType(country as CountryCode);
  typed.input(digits);
  return plausible(typed.getNumberValue() ?? "");
}

/** No country code begins with 0 (ITU-T E.164 clause 6.2.1); one of 15 digits is the longest number. */
const plausible = (prefix: string): string | undefined => (/^\+([1-9]\d{0,14})?$/.test(prefix) ? prefix : undefined);
