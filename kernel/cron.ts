/** When something comes round: the five fields of crontab(5), or @hourly, @daily, @weekly, @monthly, @yearly. */
import { Cron } from "croner";
import { invalid } from "./errors.ts";

const words = `has five fields (minute, hour, day, month, weekday), such as "0 3 * * *", or is @hourly, @daily, @weekly, @monthly, @yearly`;

/** What is wrong with it, as the end of a sentence about it; undefined: nothing. */
export function wrongWith(schedule: string): string | undefined {
  try {
    open(schedule, "UTC");
    return undefined;
  } catch {
    return words;
  }
}

const open = (schedule: string, timeZone: string): Cron =>
  new Cron(schedule.trim(), { timezone: timeZone, paused: true, mode: "5-part" });

export function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat("en", { timeZone: name });
    return true;
  } catch {
    return false;
  }
}

/** invalid_argument with the field: `body.schedule`, `body.timeZone`. */
export function checkSchedule(
  schedule: string,
  timeZone: string,
  field: (name: string) => string = (name) => `body.${name}`,
): void {
  if (!isTimeZone(timeZone)) throw invalid(field("timeZone"), `${timeZone} is no time zone. Give one like Europe/Kyiv or UTC.`);
  const wrong = wrongWith(schedule);
  if (wrong !== undefined) throw invalid(field("schedule"), `A schedule ${wrong}.`);
}

/** The first moment after this one; undefined: there is none (30 February). */
export const nextAfter = (schedule: string, timeZone: string, after: Date): Date | undefined =>
  open(schedule, timeZone).nextRun(after) ?? undefined;
