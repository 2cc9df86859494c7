import assert from "node:assert/strict";
import { test } from "node:test";
import { nextRun, type ScheduleTimes } from "./times.ts";

const times = (changes: Partial<ScheduleTimes>): ScheduleTimes => ({
  frequency: "day",
  everyHours: null,
  at: "03:30",
  weekday: null,
  timeZone: "UTC",
  ...changes,
});
const next = (schedule: ScheduleTimes, after: string) => nextRun(schedule, new Date(after)).toISOString();
/** So many runs in a row. */
function runs(schedule: ScheduleTimes, after: string, count: number): string[] {
  const found: string[] = [];
  for (let at = new Date(after); found.length < count; ) {
    at = nextRun(schedule, at);
    found.push(at.toISOString().slice(0, 16));
  }
  return found;
}

test("daily, at a time of day, strictly after now", () => {
  assert.equal(next(times({}), "2026-03-01T00:00:00Z"), "2026-03-01T03:30:00.000Z");
  assert.equal(next(times({}), "2026-03-01T03:29:59.999Z"), "2026-03-01T03:30:00.000Z");
  assert.equal(next(times({}), "2026-03-01T03:30:00Z"), "2026-03-02T03:30:00.000Z");
  assert.equal(next(times({ timeZone: "Europe/Kyiv" }), "2026-01-10T00:00:00Z"), "2026-01-10T01:30:00.000Z");
  // Where the day of the zone is another one than ours.
  assert.equal(next(times({ timeZone: "Pacific/Auckland", at: "00:10" }), "2026-01-10T10:00:00Z"), "2026-01-10T11:10:00.000Z");
  assert.equal(next(times({ timeZone: "America/Los_Angeles", at: "23:50" }), "2026-01-10T07:00:00Z"), "2026-01-10T07:50:00.000Z");
});

test("weekly, on its day", () => {
  // 2026-03-01 is a Sunday.
  const sunday = times({ frequency: "week", weekday: "sunday", at: "12:00" });
  assert.deepEqual(runs(sunday, "2026-03-01T11:59:00Z", 3), ["2026-03-01T12:00", "2026-03-08T12:00", "2026-03-15T12:00"]);
  assert.equal(next({ ...sunday, weekday: "saturday" }, "2026-03-01T12:00:00Z"), "2026-03-07T12:00:00.000Z");
});

test("every few hours, from the midnight of the zone", () => {
  const six = times({ frequency: "hours", everyHours: 6, timeZone: "Asia/Kolkata" });
  assert.deepEqual(runs(six, "2026-03-01T00:00:00Z", 3), ["2026-03-01T00:30", "2026-03-01T06:30", "2026-03-01T12:30"]);
});

test("the hour that summer time leaves out: it runs once, moved; the one that comes twice: it runs once", () => {
  // Europe/Kyiv, 2026-03-29: 03:00 becomes 04:00 (01:00 UTC). 2026-10-25: 04:00 becomes 03:00 (01:00 UTC).
  const kyiv = times({ timeZone: "Europe/Kyiv", at: "03:30" });
  assert.deepEqual(runs(kyiv, "2026-03-27T12:00:00Z", 4), [
    "2026-03-28T01:30",
    "2026-03-29T01:30",
    "2026-03-30T00:30",
    "2026-03-31T00:30",
  ]);
  assert.deepEqual(runs(kyiv, "2026-10-23T12:00:00Z", 4), [
    "2026-10-24T00:30",
    "2026-10-25T00:30",
    "2026-10-26T01:30",
    "2026-10-27T01:30",
  ]);
});

test("every hour passes evenly over a change of summer time; every few hours are times of the clock", () => {
  const hourly = times({ frequency: "hours", everyHours: 1, timeZone: "Europe/Kyiv" });
  for (const [from, count] of [
    ["2026-03-28T21:59:59Z", 23],
    ["2026-10-24T20:59:59Z", 25],
  ] as const) {
    const found = runs(hourly, from, count + 1).map((at) => Date.parse(`${at}Z`));
    for (const [index, at] of found.entries()) if (index > 0) assert.equal(at - (found[index - 1] as number), 3_600_000);
    // The last of them is the next midnight.
    assert.equal(new Date(found.at(-1) as number).toLocaleTimeString("en-GB", { timeZone: "Europe/Kyiv" }), "00:00:00");
  }
  const twelve = times({ frequency: "hours", everyHours: 12, timeZone: "Europe/Kyiv" });
  assert.deepEqual(runs(twelve, "2026-10-24T20:00:00Z", 3), ["2026-10-24T21:00", "2026-10-25T10:00", "2026-10-25T22:00"]);
  const three = times({ frequency: "hours", everyHours: 3, timeZone: "Europe/Kyiv" });
  // 03:00 is left out.
  assert.deepEqual(runs(three, "2026-03-28T21:00:00Z", 3), ["2026-03-28T22:00", "2026-03-29T01:00", "2026-03-29T03:00"]);
});

test("a day that a zone skips altogether", () => {
  // Samoa had no 30 December 2011.
  assert.deepEqual(runs(times({ timeZone: "Pacific/Apia", at: "12:00" }), "2011-12-29T00:00:00Z", 3), [
    "2011-12-29T22:00",
    "2011-12-30T22:00",
    "2011-12-31T22:00",
  ]);
});
