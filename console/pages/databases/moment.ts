import { translate } from "../../i18n/i18n.ts";

const two = (value: number): string => String(value).padStart(2, "0");

/** As an input of type datetime-local has it: the person's own time, to the second. */
export const toLocal = (at: Date): string =>
  `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}T${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;

/** RFC 3339 in UTC; empty of what is no moment. */
export function fromLocal(text: string): string {
  const at = new Date(text);
  return Number.isNaN(at.getTime()) ? "" : at.toISOString();
}

/** What is wrong with a moment to recover to, or nothing. Inputs have whole seconds, which the first one may be ahead of. */
export function momentProblem(text: string, { earliest, latest }: { earliest: number; latest: number }): string | undefined {
  const at = Date.parse(text);
  if (Number.isNaN(at)) return translate("ui.required");
  if (at > latest) return translate("databases.copy.tooLate");
  if (at < earliest) return translate("databases.copy.tooEarly");
  return undefined;
}
