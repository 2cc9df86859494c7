/** What of a schedule of cron can be said in words, what is wrong with it, and when it comes round. */
import { Cron } from "croner";

/** `at`: times of the day such as 03:00; weekdays from 0, Sunday; months from 1. */
export type ReadSchedule =
  | { kind: "minutes"; every: number }
  | { kind: "hours"; every: number; minute: number }
  | { kind: "days"; at: string[] }
  | { kind: "weekdays"; days: number[]; at: string[] }
  | { kind: "months"; day: number; at: string[] }
  | { kind: "years"; month: number; day: number; at: string[] };

const nicknames: Record<string, string> = {
  "@hourly": "0 * * * *",
  "@daily": "0 0 * * *",
  "@midnight": "0 0 * * *",
  "@weekly": "0 0 * * 0",
  "@monthly": "0 0 1 * *",
  "@yearly": "0 0 1 1 *",
  "@annually": "0 0 1 1 *",
};
const weekdayNames = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/** Numbers of a field that is a list of them, and of ranges where these are few. */
function list(field: string, least: number, most: number, mostOfThem: number): number[] | undefined {
  const found = new Set<number>();
  for (const part of field.split(",")) {
    const [, from, to = from] = /^(\d{1,2})(?:-(\d{1,2}))?$/.exec(part) ?? [];
    if (from === undefined || Number(from) < least || Number(to) > most || Number(to) < Number(from)) return undefined;
    for (let each = Number(from); each <= Number(to); each++) found.add(each);
  }
  return found.size <= mostOfThem ? [...found].sort((one, other) => one - other) : undefined;
}

/** The number of `*` and of steps that come out even: every 7 minutes is not what "*\/7" means at the turn of the hour. */
function step(field: string, whole: number): number | undefined {
  if (field === "*") return 1;
  const every = Number(/^\*\/(\d{1,2})$/.exec(field)?.[1]);
  return every > 0 && every < whole && whole % every === 0 ? every : undefined;
}

/** The meaning of the usual ones; undefined: it is better read as it is written. */
export function readSchedule(schedule: string): ReadSchedule | undefined {
  const given = schedule.trim().toLowerCase();
  const fields = (nicknames[given] ?? given).split(/\s+/);
  if (fields.length !== 5) return undefined;
  const [minute, hour, day, month, weekday] = fields as [string, string, string, string, string];
  const daily = day === "*" && month === "*" && weekday === "*";
  if (daily && hour === "*") {
    const every = step(minute, 60);
    if (every !== undefined) return { kind: "minutes", every };
  }
  const minutes = list(minute, 0, 59, 1);
  if (minutes === undefined) return undefined;
  const everyHours = step(hour, 24);
  if (everyHours !== undefined) return daily ? { kind: "hours", every: everyHours, minute: minutes[0] as number } : undefined;
  const two = (value: number) => String(value).padStart(2, "0");
  const at = list(hour, 0, 23, 4)?.map((each) => `${two(each)}:${two(minutes[0] as number)}`);
  if (at === undefined) return undefined;
  if (daily) return { kind: "days", at };
  if (day === "*" && month === "*") {
    const numbers = weekday.replace(/[a-z]{3}/g, (name) => {
      const index = weekdayNames.indexOf(name);
      return index === -1 ? name : String(index);
    });
    const found = list(numbers, 0, 7, 7);
    if (found === undefined) return undefined;
    const days = [...new Set(found.map((each) => each % 7))].sort((one, other) => ((one + 6) % 7) - ((other + 6) % 7));
    return days.length === 7 ? { kind: "days", at } : { kind: "weekdays", days, at };
  }
  const days = list(day, 1, 31, 1);
  if (days === undefined || weekday !== "*") return undefined;
  if (month === "*") return { kind: "months", day: days[0] as number, at };
  const months = list(month, 1, 12, 1);
  return months && { kind: "years", month: months[0] as number, day: days[0] as number, at };
}

/** Its next times, as the cloud reckons them; undefined: it is no schedule. */
export function comingTimes(schedule: string, timeZone: string, count: number): Date[] | undefined {
  try {
    return new Cron(schedule.trim(), { timezone: timeZone, paused: true, mode: "5-part" }).nextRuns(count);
  } catch {
    return undefined;
  }
}
