import type { SnapshotSchedule } from "./contract.ts";

/** When a schedule runs, as people say it. */
export interface ScheduleTimes {
  frequency: SnapshotSchedule["frequency"];
  everyHours: number | null;
  /** HH:MM */
  at: string | null;
  weekday: NonNullable<SnapshotSchedule["weekday"]> | null;
  /** Of the IANA database. */
  timeZone: string;
}

const weekdays = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"] as const;

/**
 * The first time after `after`. A time of day that a change to summer time leaves out comes as much later as the clock was moved;
 * one that comes twice counts the first time only. Every hour is every hour that really passes.
 */
export function nextRun(times: ScheduleTimes, after: Date): Date {
  const now = Temporal.Instant.fromEpochMilliseconds(after.getTime());
  const today = now.toZonedDateTimeISO(times.timeZone).toPlainDate();
  // A week, and the days around it that a time zone may turn.
  for (let day = -1; day <= 8; day++) {
    const date = today.add({ days: day });
    for (const at of runsOf(times, date)) {
      if (Temporal.Instant.compare(at, now) > 0) return new Date(at.epochMilliseconds);
    }
  }
  throw new Error("A schedule runs at least once a week.");
}

/** All runs of one day, in order. */
function runsOf(times: ScheduleTimes, date: Temporal.PlainDate): Temporal.Instant[] {
  const { frequency, timeZone } = times;
  if (frequency === "hours") {
    const everyHours = times.everyHours ?? 24;
    if (everyHours > 1) {
      return Array.from({ length: 24 / everyHours }, (_, index) =>
        date.toZonedDateTime({ timeZone, plainTime: new Temporal.PlainTime(index * everyHours) }).toInstant(),
      );
    }
    const end = date.add({ days: 1 }).toZonedDateTime(timeZone).toInstant();
    const runs: Temporal.Instant[] = [];
    for (let at = date.toZonedDateTime(timeZone).toInstant(); Temporal.Instant.compare(at, end) < 0; at = at.add({ hours: 1 })) {
      runs.push(at);
    }
    return runs;
  }
  if (frequency === "week" && weekdays[date.dayOfWeek - 1] !== times.weekday) return [];
  const plainTime = Temporal.PlainTime.from(times.at ?? "00:00");
  return [date.toZonedDateTime({ timeZone, plainTime }).toInstant()];
}
