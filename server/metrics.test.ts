import assert from "node:assert/strict";
import { test } from "node:test";
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

async function observed(metrics: ReturnType<typeof openMetrics>, times: number): Promise<void> {
  for (let i = 0; i < times; i++) metrics.observe("PutObject", 200, 0.01);
  for (; ; await new Promise(setImmediate)) {
    const requests = (await metrics.snapshot()).find(({ name }) => name === "khmara_http_requests_total");
    if (requests?.values[0] !== undefined && requests.values[0].value >= times) return;
  }
}

const process_ = (connections: number) =>
  openMetrics("objects", [{ metrics: async () => [{ name: "khmara_object_connections", help: "Held.", value: connections }] }]);

test("what several processes have measured is one sum beside the own, in valid text", async () => {
  const control = openMetrics("control", []);
  control.observe("bucketList", 200, 0.1);
  await observed(control, 1);
  for (const [pid, times, connections] of [
    [1, 3, 5],
    [2, 4, 6],
  ] as const) {
    const door = process_(connections);
    await observed(door, times);
    control.take(pid, carried(await door.snapshot()));
    // Told again, it counts once.
    control.take(pid, carried(await door.snapshot()));
  }
  const text = await control.text();
  assert.equal(valuesOf(text, "khmara_http_requests_total")['{route="PutObject",status="200",process="objects"}'], 7);
  assert.equal(valuesOf(text, "khmara_http_requests_total")['{route="bucketList",status="200",process="control"}'], 1);
  assert.equal(valuesOf(text, "khmara_http_request_seconds_count")['{route="PutObject",process="objects"}'], 7);
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
  const first = process_(5);
  await observed(first, 3);
  told.take(1, carried(await first.snapshot()));
  nowMs = 60_000;
  const second = process_(2);
  await observed(second, 4);
  told.take(2, carried(await second.snapshot()));
  assert.deepEqual(await sums(), [7, 2]);
  nowMs = 120_000;
  assert.deepEqual(await sums(), [7, 0]);
});
