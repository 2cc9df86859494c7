/** Times of day in a time zone. */

interface Local {
  /** 1 is Monday. */
  weekday: number;
  minute: number;
}

const weekdays = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

function local(at: Date, timeZone: string): Local {
  const parts = new Intl.DateTimeFormat("en-GB", {
    timeZone,
    weekday: "short",
    hour: "2-digit",
    minute: "2-digit",
    hourCycle: "h23",
  });
  const of = Object.fromEntries(parts.formatToParts(at).map(({ type, value }) => [type, value]));
  return { weekday: weekdays.indexOf(of["weekday"] as string) + 1, minute: Number(of["hour"]) * 60 + Number(of["minute"]) };
}

const minutes = (time: string): number => Number(time.slice(0, 2)) * 60 + Number(time.slice(3));

/** From 22:00 to 06:00 is over midnight: the days are those on which it begins. */
export function isWithin(hours: { days: number[]; from: string; to: string }, at: Date, timeZone: string): boolean {
  const { weekday, minute } = local(at, timeZone);
  const [from, to] = [minutes(hours.from), minutes(hours.to)];
  if (from < to) return hours.days.includes(weekday) && minute >= from && minute < to;
  const dayBefore = weekday === 1 ? 7 : weekday - 1;
  return (hours.days.includes(weekday) && minute >= from) || (hours.days.includes(dayBefore) && minute < to);
}

/** Of the month that it is there. */
export function monthBegan(at: Date, timeZone: string): Date {
  const day = Number(new Intl.DateTimeFormat("en-GB", { timeZone, day: "numeric" }).format(at));
  const dayMs = 86_400_000;
  // At noon of the first: clocks that were changed meanwhile leave it that day.
  return dayBegan(new Date(dayBegan(at, timeZone).getTime() - (day - 1) * dayMs + dayMs / 2), timeZone);
}

/** Of the day that it is there. */
export function dayBegan(at: Date, timeZone: string): Date {
  const began = new Date(at.getTime() - local(at, timeZone).minute * 60_000 - (at.getTime() % 60_000));
  // On a day when clocks are changed that is an hour beside it.
  const { minute } = local(began, timeZone);
  return new Date(began.getTime() + (minute > 720 ? 1440 - minute : -minute) * 60_000);
}
