import { parsePhoneNumberFromString } from "libphonenumber-js/min";

/** As people write it who call from another country: by the rules of its own. Undefined where it cannot be a number. */
export function international(number: string): string | undefined {
  const parsed = parsePhoneNumberFromString(number);
  return parsed?.isPossible() ? parsed.formatInternational() : undefined;
}
