import assert from "node:assert/strict";
import { test } from "node:test";
import { comingTimes, readSchedule } from "./cronSchedule.ts";

test("usual schedules are read, the rest is left as it is written", () => {
  const read: Record<string, unknown> = {
    "* * * * *": { kind: "minutes", every: 1 },
    "*/15 * * * *": { kind: "minutes", every: 15 },
    "@hourly": { kind: "hours", every: 1, minute: 0 },
    "20 */6 * * *": { kind: "hours", every: 6, minute: 20 },
    " 0  3 * * * ": { kind: "days", at: ["03:00"] },
    "5 17,9 * * *": { kind: "days", at: ["09:05", "17:05"] },
    "@weekly": { kind: "weekdays", days: [0], at: ["00:00"] },
    "0 8 * * 1-5": { kind: "weekdays", days: [1, 2, 3, 4, 5], at: ["08:00"] },
    "0 8 * * SUN,mon": { kind: "weekdays", days: [1, 0], at: ["08:00"] },
    "0 8 * * 5-7": { kind: "weekdays", days: [5, 6, 0], at: ["08:00"] },
    "0 8 * * 0-6": { kind: "days", at: ["08:00"] },
    "30 4 31 * *": { kind: "months", day: 31, at: ["04:30"] },
    "@yearly": { kind: "years", month: 1, day: 1, at: ["00:00"] },
  };
  for (const [schedule, meaning] of Object.entries(read)) assert.deepEqual(readSchedule(schedule), meaning, schedule);
  // Not every 7 minutes at the turn of the hour; a day of the month or of the week, whichever comes; no schedule at all.
  for (const schedule of ["*/7 * * * *", "0 3 1 * 1", "0 9-17 * * *", "0,30 3 * * *", "61 * * * *", "0 3 * *", "@noon", ""])
    assert.equal(readSchedule(schedule), undefined, schedule);
});

test("the next times are in the time zone of the job; what is no schedule has none", () => {
  const [first, second] = comingTimes("0 3 * * *", "Europe/Kyiv", 2) as [Date, Date];
  const clock = new Intl.DateTimeFormat("en-GB", { timeZone: "Europe/Kyiv", timeStyle: "short" });
  assert.deepEqual([clock.format(first), clock.format(second)], ["03:00", "03:00"]);
  assert.ok(first.getTime() > Date.now() && second > first);
  assert.deepEqual(comingTimes("0 0 30 2 *", "UTC", 3), []);
  for (const wrong of ["61 * * * *", "0 3 * *", "0 0 3 * * *", "@noon", "every day", ""])
    assert.equal(comingTimes(wrong, "UTC", 1), undefined, wrong);
});
