import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { FakeInstance } from "../testing/fakeDriver.ts";
import { type TestCompute, testCompute } from "../testing/fixture.ts";

let cloud: TestCompute;
before(async () => {
  cloud = await testCompute();
  await cloud.work("compute.instances.watch");
});
after(() => cloud.stop());

const atEngine = (id: string) =>
  [...cloud.engine.instances.values()].find(({ spec }) => spec.labels["instance"] === id) as FakeInstance;
const nameOf = (id: string) => atEngine(id).spec.name;
const show = async (id: string) => (await cloud.call("viewer", "GET", `/instances/${id}`)).body;
const vcpus = async (id: string) => (await cloud.usage(id)).filter(({ meter }) => meter === "compute.vcpus");
async function until(id: string, state: string) {
  for (const end = Date.now() + 8000; Date.now() < end; await sleep(20)) {
    const shown = await show(id);
    if (shown.state === state && shown.operationId === undefined) return shown;
  }
  assert.fail(`it is ${(await show(id)).state}, not ${state}`);
}
const ago = (ms: number) => new Date(Date.now() - ms);

test("a shutdown inside is seen at once, counted to its own moment, and left as it is", async () => {
  const instance = await cloud.instance();
  await sleep(150);
  const at = ago(50);
  cloud.engine.happens(nameOf(instance.id), "shutdown", at);
  await until(instance.id, "stopped");
  assert.deepEqual(
    (await vcpus(instance.id)).map(({ to }) => to?.getTime()),
    [at.getTime()],
  );
  await cloud.work("compute.instances.restart");
  assert.equal((await show(instance.id)).state, "stopped");
  const [event] = await cloud.database
    .sql`select payload from kernel.events where payload->>'instanceId' = ${instance.id} order by at desc limit 1`;
  assert.equal(event?.["payload"].state, "stopped");
});

test("somebody starts it at the engine: it runs, and is paid for, from then on", async () => {
  const instance = await cloud.instance({ start: false });
  cloud.engine.happens(nameOf(instance.id), "started");
  const shown = await until(instance.id, "running");
  assert.equal((await vcpus(instance.id)).length, 1);
  assert.ok(shown.startedAt);
});

test("a crash is started again, at once the first time, then with longer and longer pauses; not where people do not want it", async () => {
  const instance = await cloud.instance();
  const crash = async () => {
    cloud.engine.happens(nameOf(instance.id), "crashed");
    await until(instance.id, "stopped");
  };
  await crash();
  await cloud.work("compute.instances.restart");
  await until(instance.id, "running");
  await crash();
  await cloud.work("compute.instances.restart");
  const [row] = await cloud.database
    .sql`select state, restarts, extract(epoch from restart_at - now()) as pause from compute.instances where id = ${instance.id}`;
  assert.deepEqual([row?.["state"], row?.["restarts"]], ["stopped", 1]);
  assert.ok(row?.["pause"] > 0.5 && row?.["pause"] <= 2, `in ${row?.["pause"]} seconds`);
  await sleep(row?.["pause"] * 1000 + 50);
  await cloud.work("compute.instances.restart");
  await until(instance.id, "running");
  assert.equal((await vcpus(instance.id)).length, 3);
  const [entry] = await cloud.database
    .sql`select actor_kind from kernel.audit_entries where resource_id = ${instance.id} order by sequence desc limit 1`;
  assert.equal(entry?.["actor_kind"], "system");

  const other = await cloud.instance({ autoRestart: false });
  cloud.engine.happens(nameOf(other.id), "crashed");
  await until(other.id, "stopped");
  await cloud.work("compute.instances.restart");
  assert.equal((await show(other.id)).state, "stopped");
});

test("a start that people ask for takes the place of the automatic one", async () => {
  const instance = await cloud.instance();
  cloud.engine.happens(nameOf(instance.id), "crashed");
  await until(instance.id, "stopped");
  await cloud.done((await cloud.call("editor", "POST", `/instances/${instance.id}/start`)).body.id);
  const [row] = await cloud.database.sql`select restart_at, restarts from compute.instances where id = ${instance.id}`;
  assert.deepEqual([row?.["restart_at"], row?.["restarts"]], [null, 0]);
});

test("what the engine tells of earlier moments, or of our own doing, changes nothing", async () => {
  const instance = await cloud.instance();
  for (const action of ["stop", "start"])
    await cloud.done((await cloud.call("editor", "POST", `/instances/${instance.id}/${action}`, {})).body.id);
  const before = await cloud.usage(instance.id);
  const revision = (await show(instance.id)).revision;
  atEngine(instance.id).state = "running";
  cloud.engine.tells(nameOf(instance.id), { kind: "stopped", at: ago(10_000) });
  await sleep(300);
  assert.deepEqual(await cloud.usage(instance.id), before);
  assert.deepEqual([(await show(instance.id)).state, (await show(instance.id)).revision], ["running", revision]);
});

test("a stop and a start that come together are both counted", async () => {
  const instance = await cloud.instance();
  await sleep(100);
  const [stopped, started] = [ago(60), ago(20)];
  cloud.engine.tells(nameOf(instance.id), { kind: "shutdown", at: stopped });
  cloud.engine.tells(nameOf(instance.id), { kind: "started", at: started });
  for (let round = 0; round < 100 && (await vcpus(instance.id)).length < 2; round++) await sleep(20);
  const spans = await vcpus(instance.id);
  assert.deepEqual(
    [spans[0]?.to?.getTime(), spans[1]?.from.getTime(), spans[1]?.to],
    [stopped.getTime(), started.getTime(), null],
  );
});

test("deleted at the engine by hand: it is missing, costs nothing any more, and can only be deleted", async () => {
  const instance = await cloud.instance();
  cloud.engine.happens(nameOf(instance.id), "deleted");
  const shown = await until(instance.id, "missing");
  assert.match(shown.stateReason, /does not have it any more/);
  assert.deepEqual(shown.allowedActions, ["delete", "forceDelete"]);
  assert.ok((await cloud.usage(instance.id)).every(({ to }) => to !== null));
  await cloud.done((await cloud.call("editor", "DELETE", `/instances/${instance.id}`)).body.id);
});

test("reconciling sees what was not told: other states, what is gone, what nobody knows; work under way is left alone", async () => {
  const { parts } = cloud.compute;
  const quiet = "quietly" as const;
  const [stopped, gone, fine, busy] = await Promise.all([1, 2, 3, 4].map(() => cloud.instance()));
  await parts.instances.reconcile();
  cloud.engine.happens(nameOf(stopped.id), "shutdown", new Date(), quiet);
  cloud.engine.happens(nameOf(gone.id), "deleted", new Date(), quiet);
  const hung = cloud.engine.faults.hang("instanceStop", "after");
  const stopping = (await cloud.call("editor", "POST", `/instances/${busy.id}/stop`, {})).body;
  await hung;
  const image = await cloud.image();
  const labels = { instance: "ins_0192f0c1d2e37a4b8c5d6e7f80912a3b", project: cloud.project, organisation: cloud.organisation };
  const spec = { ...atEngine(fine.id).spec, image: { name: image.engineName }, hostName: "stray" };
  await cloud.engine.instanceCreate({ ...spec, name: "kh-stray", labels });
  const differences = await parts.instances.reconcile();
  assert.deepEqual(differences.refreshed, [stopped.id]);
  assert.deepEqual(differences.missing, [gone.id]);
  assert.deepEqual(
    differences.orphans.map((orphan) => [orphan.name, orphan.labels]),
    [["kh-stray", labels]],
  );
  assert.equal((await show(busy.id)).state, "stopping");
  assert.equal((await show(stopped.id)).state, "stopped");
  await cloud.engine.instanceDelete("kh-stray");
  await cloud.database.sql`update kernel.operations set cancel_requested = true where id = ${stopping.id}`;
  await cloud.database.sql`select pg_notify('khmara_operations', ${stopping.id})`;
  await cloud.ended(stopping.id);
  assert.equal((await show(busy.id)).state, "stopped");
  assert.deepEqual(await parts.instances.reconcile(), { refreshed: [], missing: [], orphans: [] });
});

test("what passes without an operation at work does not last: the engine is asked", async () => {
  const instance = await cloud.instance();
  await cloud.database.sql`update compute.instances set state = 'restoring' where id = ${instance.id}`;
  assert.deepEqual((await cloud.compute.parts.instances.reconcile()).refreshed, [instance.id]);
  assert.equal((await show(instance.id)).state, "running");
});

test("an instance in error stays so while it is stopped, and is well once it runs", async () => {
  const instance = await cloud.instance();
  const name = nameOf(instance.id);
  // Before: word of its start may still be on its way, and would make it well while it runs.
  cloud.engine.happens(name, "shutdown", new Date(), "quietly");
  await cloud.database.sql`update compute.instances set state = 'error', state_reason = 'why' where id = ${instance.id}`;
  await cloud.compute.parts.instances.reconcile();
  const shown = await show(instance.id);
  assert.deepEqual([shown.state, shown.stateReason], ["error", "why"]);
  assert.ok((await vcpus(instance.id))[0]?.to);
  cloud.engine.happens(name, "started");
  await until(instance.id, "running");
});

test("what happened while nobody watched is not charged: stopped, started again, gone", async () => {
  const away = await testCompute();
  try {
    const [stopped, again, gone, same] = [
      await away.instance(),
      await away.instance(),
      await away.instance(),
      await away.instance(),
    ];
    const find = (id: string) =>
      [...away.engine.instances.values()].find(({ spec }) => spec.labels["instance"] === id) as FakeInstance;
    await away.work("compute.instances.watch");
    await sleep(50);
    const seen = new Date();
    await away.database
      .sql`update kernel.settings set value = to_jsonb(${seen.toISOString()}::text) where name = 'compute.instances.watched_until'`;
    await sleep(300);
    away.engine.happens(find(stopped.id).spec.name, "shutdown", new Date(), "quietly");
    away.engine.happens(find(gone.id).spec.name, "deleted", new Date(), "quietly");
    const startedAt = new Date(Date.now() + 5000);
    find(again.id).startedAt = startedAt;
    const before = await away.usage(same.id);
    await away.compute.parts.instances.reconcile();
    const ofProcessors = async (id: string) => (await away.usage(id)).filter(({ meter }) => meter === "compute.vcpus");
    assert.deepEqual(
      (await ofProcessors(stopped.id)).map(({ to }) => to?.getTime()),
      [seen.getTime()],
    );
    assert.deepEqual(
      (await away.usage(gone.id)).map(({ to }) => to?.getTime()),
      [seen.getTime(), seen.getTime(), seen.getTime()],
    );
    const [first, second] = await ofProcessors(again.id);
    assert.deepEqual([first?.to?.getTime(), second?.to], [seen.getTime(), null]);
    assert.ok(second && second.from > seen);
    assert.deepEqual(await away.usage(same.id), before);
  } finally {
    await away.stop();
  }
});
