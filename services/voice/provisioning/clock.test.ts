import assert from "node:assert/strict";
import { test } from "node:test";
import { ciscoClock, grandstreamClock, mitelClock, polyClock, snomClock, yealinkClock, zoneOf } from "./clock.ts";

test("the rule of a zone, north and south of the equator, and of one without summer", () => {
  const last = (month: number, hour: number) => ({ month, week: 5, weekday: 0, hour });
  assert.deepEqual(zoneOf("Europe/Paris", 2026), {
    offsetMinutes: 60,
    summer: { savedMinutes: 60, begin: last(3, 2), end: last(10, 3) },
  });
  assert.deepEqual(zoneOf("Europe/Kyiv", 2027).summer, { savedMinutes: 60, begin: last(3, 3), end: last(10, 4) });
  assert.deepEqual(zoneOf("America/New_York", 2026), {
    offsetMinutes: -300,
    summer: {
      savedMinutes: 60,
      begin: { month: 3, week: 2, weekday: 0, hour: 2 },
      end: { month: 11, week: 1, weekday: 0, hour: 2 },
    },
  });
  assert.deepEqual(zoneOf("Australia/Sydney", 2026), {
    offsetMinutes: 600,
    summer: {
      savedMinutes: 60,
      begin: { month: 10, week: 1, weekday: 0, hour: 2 },
      end: { month: 4, week: 1, weekday: 0, hour: 3 },
    },
  });
  assert.deepEqual(zoneOf("Asia/Kolkata", 2026), { offsetMinutes: 330 });
});

test("each maker writes the same rule in its own way", () => {
  const paris = zoneOf("Europe/Paris", 2026);
  const newYork = zoneOf("America/New_York", 2026);
  const kolkata = zoneOf("Asia/Kolkata", 2026);
  assert.match(
    yealinkClock(newYork),
    /time_zone = -5\n.*\n.*\nlocal_time.start_time = 3\/2\/7\/2\nlocal_time.end_time = 11\/1\/7\/2\n/,
  );
  assert.equal(yealinkClock(kolkata), "local_time.time_zone = +5:30\nlocal_time.summer_time = 0\n");
  assert.match(snomClock(paris), />\+3600<.*\n.*>3600 03\.05\.07 02:00:00 10\.05\.07 03:00:00</);
  assert.match(grandstreamClock(paris), /<P246>MTZ-1MDT-2,M3\.5\.0\/2,M10\.5\.0\/3</);
  assert.match(grandstreamClock(newYork), /<P246>MTZ\+5MDT\+4,M3\.2\.0\/2,M11\.1\.0\/2</);
  assert.match(polyClock(newYork), /start\.date="8"/);
  assert.match(ciscoClock(paris), /GMT\+01:00<.*\n.*start=3\/-1\/7\/2:0:0;end=10\/-1\/7\/3:0:0;save=1:0:0/);
  assert.match(ciscoClock(newYork), /start=3\/8\/7\/2:0:0;end=11\/1\/7\/2:0:0/);
  assert.match(mitelClock(paris), /time zone minutes: -60\ndst config: 3\n[\s\S]*dst start week: -1\ndst start day: 1\n/);
});
