import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import { newId } from "../../../kernel/ids.ts";
import type { InstanceMetrics } from "../driver.ts";
import { type TestCompute, testCompute } from "../testing/fixture.ts";
import { createSampler, type Sampler, slotOf } from "./sampler.ts";
import { type Range, rangeOf, readSeries, viewEngineValues, viewValues } from "./series.ts";

const gib = 1024 ** 3;
const hourMs = 3_600_000;
let cloud: TestCompute;
let sampler: Sampler;
/** The clock of a test: it only goes forward, by ten seconds or more. */
let nowMs = 0;
const signal = new AbortController().signal;
// biome-ignore lint/suspicious/noExplicitAny: as the API answers it.
let instance: any;
let engineName = "";

before(async () => {
  cloud = await testCompute({ standIns: ["networks", "volumes"] });
  const size = await cloud.size({ vcpus: 2, memoryBytes: 4 * gib, diskBytes: 10 * gib });
  instance = await cloud.instance({ name: "web", size });
  engineName = (await cloud.database.sql`select engine_name as name from compute.instances where id = ${instance.id}`)[0]?.[
    "name"
  ];
});
after(() => cloud.stop());
beforeEach(async () => {
  await cloud.database
    .sql`truncate compute.metric_series, compute.metrics_10, compute.metrics_60, compute.metrics_900, compute.metrics_3600`;
  // At the beginning of an hour to come.
  nowMs = Math.ceil(Math.max(nowMs, Date.now()) / hourMs) * hourMs;
  for (const step of [10, 60, 900, 3600])
    await cloud.database
      .sql`update compute.metric_progress set slot = ${slotOf(nowMs) - 1 - ((slotOf(nowMs) - 1) % (step / 10))} where step = ${step}`;
  sampler = createSampler(cloud.compute.parts);
});

const seen = (metrics: Partial<InstanceMetrics>) =>
  cloud.engine.metrics.set(engineName, { memoryBytes: gib, diskBytes: 2 * gib, processes: 12, ...metrics });
async function round(afterSeconds = 10): Promise<boolean> {
  const done = await sampler.round(signal, nowMs);
  nowMs += afterSeconds * 1000;
  return done;
}
const read = (range: Partial<Range> & Pick<Range, "fromMs" | "step">) =>
  cloud.database.transaction("system", (tx) => readSeries(tx, instance.id, { toMs: nowMs, ...range }, viewValues));
const card = (device: string, receivedBytes: number, sentBytes: number) => ({ device, receivedBytes, sentBytes, addresses: [] });

test("counters become rates, amounts become shares; the first sample has no rate", async () => {
  const fromMs = nowMs;
  seen({ cpuSeconds: 100, interfaces: [card("lo", 999, 999), card("eth0", 1000, 0), card("eth1", 0, 500)] });
  await round();
  seen({ cpuSeconds: 105, interfaces: [card("lo", 99_999, 99_999), card("eth0", 3000, 0), card("eth1", 0, 1500)] });
  await round();
  const { points, stepSeconds } = await read({ fromMs, step: 10 });
  assert.equal(stepSeconds, 10);
  assert.deepEqual(points, [
    {
      at: new Date(fromMs).toISOString(),
      memoryBytes: gib,
      memoryPercent: 25,
      diskBytes: 2 * gib,
      diskPercent: 20,
      processes: 12,
    },
    {
      at: new Date(fromMs + 10_000).toISOString(),
      cpuPercent: 25,
      memoryBytes: gib,
      memoryPercent: 25,
      diskBytes: 2 * gib,
      diskPercent: 20,
      networkReceivedBytesPerSecond: 200,
      networkSentBytesPerSecond: 100,
      processes: 12,
    },
  ]);
});

test("after a restart of the instance counters begin anew: no rate, and never a negative one", async () => {
  const fromMs = nowMs;
  for (const cpuSeconds of [1000, 1010, 1, 6]) {
    seen({ cpuSeconds });
    await round();
  }
  const { points } = await read({ fromMs, step: 10 });
  assert.deepEqual(
    points.map(({ cpuPercent }) => cpuPercent),
    [undefined, 50, undefined, 25],
  );
});

test("a new process goes on from the counters of the one before; ten seconds are measured once, whoever does it", async () => {
  const fromMs = nowMs;
  seen({ cpuSeconds: 0 });
  await round();
  seen({ cpuSeconds: 4 });
  const other = createSampler(cloud.compute.parts);
  const done = await Promise.all([sampler.round(signal, nowMs), other.round(signal, nowMs + 500)]);
  assert.deepEqual(done.toSorted(), [false, true]);
  const { points } = await read({ fromMs, step: 10, toMs: nowMs + 9000 });
  assert.ok(Math.abs((points[1]?.cpuPercent ?? 0) - 20) < 1.1);
  nowMs += 10_000;
});

test("means over minutes, quarters and hours; what is not rolled up yet is shown all the same", async () => {
  const fromMs = nowMs;
  for (let index = 0; index < 380; index++) {
    // Half of the time busy: minute by minute.
    const minute = Math.floor(index / 6);
    seen({ cpuSeconds: index * 10, memoryBytes: minute % 2 === 0 ? gib : 3 * gib });
    await round();
  }
  const minutes = await read({ fromMs, step: 60 });
  assert.equal(minutes.points.length, 64);
  assert.deepEqual(
    minutes.points.slice(0, 4).map(({ memoryBytes }) => memoryBytes),
    [gib, 3 * gib, gib, 3 * gib],
  );
  assert.equal(minutes.points.at(-1)?.memoryBytes, 3 * gib, "the minute that is under way");
  const quarters = await read({ fromMs, step: 900 });
  assert.deepEqual(
    quarters.points.map(({ cpuPercent }) => cpuPercent),
    [50, 50, 50, 50, 50],
  );
  const hours = await read({ fromMs, step: 3600 });
  assert.equal(hours.points.length, 2);
  assert.ok(Math.abs((hours.points[0]?.memoryBytes ?? 0) / gib - 2) < 0.01);
  const [stored] = await cloud.database
    .sql`select (select count(*) from compute.metrics_60 m join compute.metric_series s on s.id = m.series where s.key = ${instance.id}) as minutes,
    (select count(*) from compute.metrics_3600 m join compute.metric_series s on s.id = m.series where s.key = ${instance.id}) as hours`;
  assert.deepEqual({ ...stored }, { minutes: 63, hours: 1 });
});

test("what was not measured is a gap, not a line through it", async () => {
  const fromMs = nowMs;
  for (const pause of [10, 40, 10]) {
    seen({ cpuSeconds: 1 });
    await round(pause);
  }
  const { points } = await read({ fromMs, step: 10 });
  assert.deepEqual(
    points.map(({ memoryPercent }) => memoryPercent),
    [25, 25, undefined, undefined, undefined, 25],
  );
});

test("what is older than it is kept goes", async () => {
  seen({ cpuSeconds: 1 });
  const firstSlot = slotOf(nowMs);
  await round(2 * 3600 + 60);
  await round();
  const slots = await cloud.database.sql`select distinct slot from compute.metrics_10`;
  assert.ok(slots.length === 1 && slots[0]?.["slot"] > firstSlot);
  const kept = await cloud.database.sql`select distinct slot from compute.metrics_60`;
  assert.deepEqual(
    kept.map(({ slot }) => slot),
    [firstSlot],
    "its mean stays",
  );
});

test("the engine and its members: the load of all instances over what there is", async () => {
  const fromMs = nowMs;
  seen({ cpuSeconds: 0, interfaces: [card("eth0", 0, 0)] });
  await round();
  seen({ cpuSeconds: 8, interfaces: [card("eth0", 5000, 0)] });
  await round();
  for (const key of ["engine", "member:host"]) {
    const { points } = await cloud.database.transaction("system", (tx) =>
      readSeries(tx, key, { fromMs, toMs: nowMs, step: 10 }, viewEngineValues),
    );
    assert.deepEqual(points[1], {
      at: new Date(fromMs + 10_000).toISOString(),
      // 0.8 of 8 processors.
      cpuPercent: 10,
      memoryBytes: 4 * gib,
      memoryPercent: 12.5,
      poolBytes: 10 * gib,
      poolPercent: 2,
      networkReceivedBytesPerSecond: 500,
      networkSentBytesPerSecond: 0,
      running: 1,
    });
  }
  const metrics = (await cloud.compute.service.metrics?.()) ?? [];
  const value = (name: string) => metrics.find((each) => each.name === name)?.value;
  assert.deepEqual(
    [value("khmara_compute_member_cpus"), value("khmara_compute_member_pool_bytes"), value("khmara_compute_alerts_firing")],
    [8, 500 * gib, 0],
  );
});

test("a stopped instance is not measured; a deleted one is forgotten", async () => {
  seen({ cpuSeconds: 0 });
  const second = await cloud.instance({ name: "passing" });
  await round();
  await cloud.done((await cloud.call("editor", "POST", `/instances/${second.id}/stop`, { timeoutSeconds: 0 })).body.id);
  await round();
  const count = async () =>
    (
      await cloud.database
        .sql`select count(m.slot) as points from compute.metric_series s join compute.metrics_10 m on m.series = s.id where s.key = ${second.id}`
    )[0]?.["points"];
  assert.equal(await count(), 1);
  const { body } = await cloud.call("viewer", "GET", `/instance-metrics?project=${cloud.project}`);
  assert.deepEqual(
    body.items.map(({ name, state, memoryPercent }: Record<string, unknown>) => [name, state, memoryPercent]),
    [
      ["passing", "stopped", undefined],
      ["web", "running", 25],
    ],
  );
  await cloud.done((await cloud.call("editor", "DELETE", `/instances/${second.id}`)).body.id);
  await cloud.work("compute.watch.forget");
  assert.equal(await count(), 0);
  assert.equal((await cloud.database.sql`select 1 from compute.metric_series where key = ${second.id}`).length, 0);
  assert.equal((await cloud.database.sql`select 1 from compute.metric_series where key = ${instance.id}`).length, 1);
});

test("an engine that cannot be asked loses these ten seconds, and nothing else", async () => {
  seen({ cpuSeconds: 0 });
  await round();
  cloud.engine.faults.fail("instanceMetrics");
  await assert.rejects(round());
  nowMs += 10_000;
  seen({ cpuSeconds: 4 });
  assert.equal(await round(), true);
});

test("the API: finest step that fits, who may see what, and what makes no sense", async () => {
  // The real clock, this time.
  await cloud.database.sql`update compute.metric_progress set slot = ${slotOf(Date.now()) - 1}`;
  seen({ cpuSeconds: 0 });
  assert.equal(await sampler.round(signal), true);
  const at = (query: string, caller: "viewer" | "stranger" | "neighbour" = "viewer") =>
    cloud.call(caller, "GET", `/instances/${instance.id}/metrics${query}`);
  const { status, body } = await at("");
  assert.deepEqual([status, body.stepSeconds, body.instanceId], [200, 10, instance.id]);
  assert.ok(body.points.length >= 360 && body.points.length <= 362);
  assert.ok(body.points.some((point: { memoryPercent?: number }) => point.memoryPercent === 25));
  assert.equal((await at("", "stranger")).status, 404);
  assert.equal((await at("", "neighbour")).status, 404);
  assert.equal((await at("?step=17")).status, 400);
  assert.equal((await at(`?from=${new Date(Date.now() + 60_000).toISOString()}`)).status, 400);
  assert.equal((await at(`?step=10&from=${new Date(Date.now() - 30 * 86_400_000).toISOString()}`)).status, 400);
  assert.equal((await cloud.call("owner", "GET", "/engine/metrics")).status, 403);
  const engine = await cloud.call("admin", "GET", "/engine/metrics");
  assert.deepEqual([engine.status, engine.body.members], [200, ["host"]]);
  assert.equal((await cloud.call("admin", "GET", "/engine/metrics?member=nobody")).status, 404);
  const now = Date.parse("2026-05-01T00:00:00Z");
  const step = (hours: number) => rangeOf({ from: new Date(now - hours * hourMs).toISOString() }, now).step;
  assert.deepEqual([1, 2, 3, 24, 47, 24 * 7, 24 * 14, 24 * 60, 24 * 365].map(step), [10, 10, 60, 60, 900, 900, 900, 3600, 3600]);
});

test("a thousand instances are measured in well under a second of the database", async (t) => {
  const rows = Array.from({ length: 1000 }, () => newId("instance"));
  await cloud.database
    .sql`insert into compute.instances (id, organisation_id, project_id, name, engine_name, kind, state, size_name, vcpus, memory_bytes, disk_bytes, image_name, created_at)
    select new.id, ${cloud.organisation}, ${cloud.project}, 'i' || new.number, 'kh-' || new.number, 'container', 'running', 's', 2, ${4 * gib}, ${10 * gib}, 'x', now()
    from unnest(${rows}::text[]) with ordinality as new (id, number)`;
  const measured = new Map<string, InstanceMetrics>();
  const { instanceMetrics } = cloud.engine;
  cloud.engine.instanceMetrics = async () => measured;
  const took: number[] = [];
  for (let index = 0; index < 14; index++) {
    for (let number = 1; number <= 1000; number++)
      measured.set(`kh-${number}`, {
        state: "running",
        cpuSeconds: index * 7 + number,
        memoryBytes: gib + number,
        memoryPeakBytes: gib,
        diskBytes: gib,
        processes: 9,
        interfaces: [card("eth0", index * 1000, index * 2000)],
      });
    const began = performance.now();
    await round();
    took.push(performance.now() - began);
  }
  cloud.engine.instanceMetrics = instanceMetrics;
  const sorted = took.toSorted((a, b) => a - b);
  t.diagnostic(
    `a round of 1,000 instances: median ${Math.round(sorted[7] as number)} ms, with a roll-up ${Math.round(sorted.at(-1) as number)} ms`,
  );
  const [stored] = await cloud.database.sql`select count(*) as points from compute.metrics_10`;
  assert.ok((stored?.["points"] as number) >= 14_000);
  const began = performance.now();
  const list = await cloud.call("viewer", "GET", `/instance-metrics?project=${cloud.project}&limit=1000`);
  t.diagnostic(`the load of 1,000 instances listed in ${Math.round(performance.now() - began)} ms`);
  assert.equal(list.body.items.length, 1000);
});
