import type { Element } from "./store/rows.ts";

export type TimeState = "open" | "closed" | "holiday";
type Condition = Pick<Element<"timeCondition">, "hours" | "holidays" | "override" | "timeZone">;

interface LocalTime {
  /** `2026-05-01`. */
  date: string;
  /** 1 is Monday. */
  weekday: number;
  /** Since midnight. */
  minute: number;
}

const weekdays = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

function localTime(at: Date, timeZone: string): LocalTime {
  const parts = Object.fromEntries(
    new Intl.DateTimeFormat("en-GB", {
      timeZone,
      year: "numeric",
      month: "2-digit",
      day: "2-digit",
      weekday: "short",
      hour: "2-digit",
      minute: "2-digit",
      hourCycle: "h23",
    })
      .formatToParts(at)
      .map(({ type, value }) => [type, value]),
  );
  return {
    date: `${parts["year"]}-${parts["month"]}-${parts["day"]}`,
    weekday: weekdays.indexOf(parts["weekday"] as string) + 1,
    minute: Number(parts["hour"]) * 60 + Number(parts["minute"]),
  };
}

const minutes = (time: string): number => Number(time.slice(0, 2)) * 60 + Number(time.slice(3));

function isOpen({ days, from, to }: Condition["hours"][number], { weekday, minute }: LocalTime): boolean {
  const [begin, end] = [minutes(from), minutes(to)];
  if (begin < end) return days.includes(weekday) && minute >= begin && minute < end;
  // Over midnight: the evening of the day, and the morning after it.
  return (days.includes(weekday) && minute >= begin) || (days.includes(weekday === 1 ? 7 : weekday - 1) && minute < end);
}

function isHoliday({ from, to, yearly }: Condition["holidays"][number], date: string): boolean {
  if (!yearly) return date >= from && date <= to;
  if (date < from) return false;
  const [day, first, last] = [date.slice(5), from.slice(5), to.slice(5)];
  // From Christmas to New Year it goes over the end of a year.
  return first <= last ? day >= first && day <= last : day >= first || day <= last;
}

/** What a time condition says at a moment; holidays go before hours, and a person's word before both. */
export function timeState(condition: Condition, at: Date, systemTimeZone: string): TimeState {
  if (condition.override !== "none") return condition.override;
  const local = localTime(at, condition.timeZone ?? systemTimeZone);
  if (condition.holidays.some((holiday) => isHoliday(holiday, local.date))) return "holiday";
  return condition.hours.some((hours) => isOpen(hours, local)) ? "open" : "closed";
}
