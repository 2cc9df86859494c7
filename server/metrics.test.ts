import assert from "node:assert/strict";
import { test } from "node:test";
import { DoorMetrics } from "./door-metrics.ts";
import { openMetrics } from "./metrics.ts";
import { type Snapshot, ToldMetrics } from "./told-metrics.ts";

/** As it comes over the channel between processes. */
const carried = (snapshot: Snapshot): Snapshot => JSON.parse(JSON.stringify(snapshot));

/** The values of a metric, by its labels as they are written. */
function valuesOf(text: string, name: string): Record<string, number> {
  const lines = text.split("\n").filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `));
  return Object.fromEntries(
    lines.map((line) => [line.slice(name.length, line.lastIndexOf(" ")), Number(line.split(" ").at(-1))]),
  );
}

/** A process that has answered so often, and holds so many connections. */
function measured(times: number, connections: number): Snapshot {
  const door = new DoorMetrics();
  for (let i = 0; i < times; i++) door.observe("PutObject", 200, i === 0 ? 1 : 0.01);
  return carried(door.snapshot(connections));
}

test("what several processes have measured is one sum beside the own, in valid text", async () => {
  const control = openMetrics("control", []);
  control.observe("bucketList", 200, 0.1);
  for (const [pid, times, connections] of [
    [1, 3, 5],
    [2, 4, 6],
  ] as const) {
    // Told again, it counts once.
    for (let i = 0; i < 2; i++) control.take(pid, measured(times, connections));
  }
  const text = await control.text();
  assert.equal(valuesOf(text, "khmara_http_requests_total")['{route="PutObject",status="200",process="objects"}'], 7);
  assert.equal(valuesOf(text, "khmara_http_requests_total")['{route="bucketList",status="200",process="control"}'], 1);
  assert.equal(valuesOf(text, "khmara_http_request_seconds_count")['{route="PutObject",process="objects"}'], 7);
  const times = valuesOf(text, "khmara_http_request_seconds_bucket");
  assert.deepEqual(
    ["0.005", "0.02", "0.5", "2", "+Inf"].map((le) => times[`{le="${le}",route="PutObject",process="objects"}`]),
    [0, 5, 5, 7, 7],
  );
  assert.deepEqual(valuesOf(text, "khmara_object_connections"), { '{process="objects"}': 11 });
  assert.equal(Object.keys(valuesOf(text, "khmara_process_start_time_seconds")).length, 1, "that of the own process");
  assert.equal(Object.keys(valuesOf(text, "khmara_process_resident_memory_bytes")).length, 2);
  const types = text.match(/^# TYPE \S+/gm) ?? [];
  assert.equal(new Set(types).size, types.length, "each metric once");
  assert.doesNotMatch(text, /null|undefined|NaN/);
});

test("what an ended process counted stays; what it held goes", async () => {
  let nowMs = 0;
  const told = new ToldMetrics(() => nowMs);
  const sums = async () => {
    const values = (await told.snapshots()).flat();
    const sum = (name: string) =>
      values
        .filter((metric) => metric.name === name)
        .flatMap((metric) => metric.values)
        .reduce((total, { value }) => total + value, 0);
    return [sum("khmara_http_requests_total"), sum("khmara_object_connections")];
  };
  told.take(1, measured(3, 5));
  nowMs = 60_000;
  told.take(2, measured(4, 2));
  assert.deepEqual(await sums(), [7, 2]);
  nowMs = 120_000;
  assert.deepEqual(await sums(), [7, 0]);
});
