import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { FakeInstance } from "../testing/fakeDriver.ts";
import { type TestCompute, testCompute } from "../testing/fixture.ts";

let cloud: TestCompute;
before(async () => {
  cloud = await testCompute();
});
after(() => cloud.stop());

const gib = 1024 ** 3;
const atEngine = (id: string) =>
  [...cloud.engine.instances.values()].find(({ spec }) => spec.labels["instance"] === id) as FakeInstance;
const show = async (id: string) => (await cloud.call("viewer", "GET", `/instances/${id}`)).body;
async function act(id: string, action: string, body: unknown = {}): Promise<{ from: number; to: number }> {
  const from = Date.now();
  const answer = await cloud.call("editor", "POST", `/instances/${id}/${action}`, body);
  assert.equal(answer.status, 202, JSON.stringify(answer.body));
  await cloud.done(answer.body.id);
  return { from, to: Date.now() };
}
const within = (moment: Date | string | null, { from, to }: { from: number; to: number }) => {
  assert.ok(moment !== null);
  const at = new Date(moment).getTime();
  assert.ok(
    at >= from && at <= to,
    `${new Date(at).toISOString()} is not between ${new Date(from).toISOString()} and ${new Date(to).toISOString()}`,
  );
};
const spans = async (id: string, meter: string) => (await cloud.usage(id)).filter((span) => span.meter === meter);

test("stop, start, freeze, unfreeze, restart: the record follows, and processors and memory count while it runs or is frozen", async () => {
  const instance = await cloud.instance();
  assert.ok(instance.startedAt);
  const stopped = await act(instance.id, "stop", { timeoutSeconds: 5 });
  const [, , options] = cloud.engine.faults.calls.findLast(([name]) => name === "instanceStop") ?? [];
  assert.equal((options as { timeoutSeconds: number }).timeoutSeconds, 5);
  assert.deepEqual([(await show(instance.id)).state, (await show(instance.id)).startedAt], ["stopped", undefined]);
  const started = await act(instance.id, "start");
  assert.equal((await show(instance.id)).state, "running");
  await act(instance.id, "freeze");
  assert.equal((await show(instance.id)).state, "frozen");
  await act(instance.id, "unfreeze");
  const before = await show(instance.id);
  await act(instance.id, "restart");
  const after = await show(instance.id);
  assert.equal(after.state, "running");
  assert.ok(after.startedAt > before.startedAt);
  await act(instance.id, "freeze");
  const stoppedAgain = await act(instance.id, "stop");
  assert.equal(atEngine(instance.id).state, "stopped");

  for (const meter of ["compute.vcpus", "compute.memory"]) {
    const [first, second, ...more] = await spans(instance.id, meter);
    assert.deepEqual(more, []);
    within(first?.to ?? null, stopped);
    within(second?.from ?? null, started);
    within(second?.to ?? null, stoppedAgain);
  }
  const [disk, ...more] = await spans(instance.id, "compute.disk");
  assert.deepEqual([disk?.to, more], [null, []]);
});

test("resize: spans end and begin at the same moment with the new amounts; a disk only grows", async () => {
  const small = await cloud.size({ vcpus: 1, memoryBytes: gib, diskBytes: 10 * gib });
  const large = await cloud.size({ vcpus: 4, memoryBytes: 4 * gib, diskBytes: 40 * gib });
  const lean = await cloud.size({ vcpus: 2, memoryBytes: gib, diskBytes: 10 * gib });
  const instance = await cloud.instance({ size: small });
  const same = await cloud.call("editor", "POST", `/instances/${instance.id}/resize`, { size: small });
  assert.equal(same.status, 400);
  const resized = await act(instance.id, "resize", { size: large });
  const shown = await show(instance.id);
  assert.deepEqual([shown.state, shown.vcpus, shown.diskBytes, shown.sizeId], ["running", 4, 40 * gib, large]);
  assert.deepEqual(atEngine(instance.id).spec.size, { vcpus: 4, memoryBytes: 4 * gib, diskBytes: 40 * gib });
  for (const [meter, before, after] of [
    ["compute.vcpus", "1", "4"],
    ["compute.memory", String(gib), String(4 * gib)],
    ["compute.disk", String(10 * gib), String(40 * gib)],
  ] as const) {
    const [first, second] = await spans(instance.id, meter);
    assert.deepEqual([first?.quantity, second?.quantity, second?.to], [before, after, null]);
    within(first?.to ?? null, resized);
    assert.equal(first?.to?.getTime(), second?.from.getTime());
  }
  const smaller = await cloud.call("editor", "POST", `/instances/${instance.id}/resize`, { size: lean });
  assert.equal(smaller.status, 400);
  assert.match(smaller.body.detail, /disk of 10 GiB, and this instance has one of 40 GiB: a disk only grows/);
});

test("a virtual machine that must restart to see its new size says so until it does", async () => {
  const image = await cloud.image({ kind: "vm" });
  const [one, two] = [await cloud.size({ vcpus: 1 }), await cloud.size({ vcpus: 2 })];
  const instance = await cloud.instance({ kind: "vm", image: image.id, size: one });
  await act(instance.id, "resize", { size: two });
  assert.equal((await show(instance.id)).restartNeeded, true);
  await act(instance.id, "restart");
  assert.equal((await show(instance.id)).restartNeeded, false);
});

test("rebuild: a fresh disk, the same addresses, running as before; the time without a running guest is not counted", async () => {
  const [old, fresh] = [await cloud.image({ defaultUser: "debian" }), await cloud.image({ defaultUser: "alpine" })];
  const instance = await cloud.instance({ image: old.id });
  atEngine(instance.id).disk = "what people wrote";
  const wrong = await cloud.call("editor", "POST", `/instances/${instance.id}/rebuild`, { confirm: "other" });
  assert.equal(wrong.status, 400);
  const rebuilt = await act(instance.id, "rebuild", { confirm: instance.name, image: fresh.name });
  const shown = await show(instance.id);
  assert.deepEqual([shown.state, shown.imageId, shown.imageName], ["running", fresh.id, fresh.name]);
  assert.deepEqual(shown.ports, instance.ports);
  assert.equal(atEngine(instance.id).disk, `disk of ${fresh.engineName}`);
  assert.match(atEngine(instance.id).spec.cloudInit.vendorData ?? "", /"name": "alpine"/);
  const [first, second, ...more] = await spans(instance.id, "compute.vcpus");
  within(first?.to ?? null, rebuilt);
  within(second?.from ?? null, rebuilt);
  assert.ok((second?.from ?? 0) >= (first?.to ?? 0));
  assert.deepEqual(more, []);
  await act(instance.id, "stop");
  await act(instance.id, "rebuild", { confirm: instance.name });
  assert.equal((await show(instance.id)).state, "stopped");
});

test("rename and auto-restart reach the engine and the network by themselves; If-Match guards", async () => {
  const instance = await cloud.instance({ name: "before" });
  const path = `/instances/${instance.id}`;
  const stale = await cloud.call("editor", "PATCH", path, { name: "after" }, { "if-match": '"r1"' });
  assert.equal(stale.status, 412);
  const renamed = await cloud.call(
    "editor",
    "PATCH",
    path,
    { name: "after", autoRestart: false },
    { "if-match": `"r${instance.revision}"` },
  );
  assert.deepEqual([renamed.status, renamed.body.name], [200, "after"]);
  for (let round = 0; round < 200 && atEngine(instance.id).spec.hostName !== "after"; round++)
    await new Promise((resolve) => setTimeout(resolve, 10));
  assert.deepEqual([atEngine(instance.id).spec.hostName, atEngine(instance.id).spec.autoRestart], ["after", false]);
  const [entry] = await cloud.database
    .sql`select before, after from kernel.audit_entries where action = 'compute.instance.update' and resource_id = ${instance.id}`;
  assert.deepEqual([entry?.["before"].name, entry?.["after"].name], ["before", "after"]);
});

test("a new password is set inside, answered once, and kept nowhere", async () => {
  const instance = await cloud.instance();
  let input = "";
  cloud.engine.onExec = (_name, options) => {
    input = Buffer.from(options.input ?? []).toString();
    return input.startsWith("nobody-here:") ? { exitCode: 67 } : {};
  };
  const path = `/instances/${instance.id}/password-reset`;
  const { status, body } = await cloud.call("editor", "POST", path, {});
  assert.deepEqual([status, input], [200, `root:${body.password}\n`]);
  assert.ok(body.password.length >= 20);
  const unknown = await cloud.call("editor", "POST", path, { user: "nobody-here" });
  assert.deepEqual([unknown.status, unknown.body.reason], [409, "no_such_user"]);
  assert.match(unknown.body.detail, /no user nobody-here/);
  const entries = await cloud.database
    .sql`select coalesce(after::text, '') || coalesce(before::text, '') as text from kernel.audit_entries
    where action = 'compute.instance.password_reset'`;
  assert.equal(entries.length, 1);
  assert.ok(!String(entries[0]?.["text"]).includes(body.password));
  await act(instance.id, "stop");
  assert.equal((await cloud.call("editor", "POST", path, {})).body.reason, "state_stopped");
  cloud.engine.onExec = undefined;
});

test("everything that is done tells whoever watches, and is audited", async () => {
  const instance = await cloud.instance();
  await act(instance.id, "stop");
  await cloud.done((await cloud.call("editor", "DELETE", `/instances/${instance.id}`)).body.id);
  const events = await cloud.database.sql`select payload from kernel.events where type = 'compute.instance.changed'
    and payload->>'instanceId' = ${instance.id} order by at`;
  assert.deepEqual(
    events.map((event) => event["payload"].state),
    ["creating", "running", "stopping", "stopped", "deleting", "deleted"],
  );
  const audited = await cloud.database
    .sql`select action from kernel.audit_entries where resource_id = ${instance.id} order by sequence`;
  assert.deepEqual(
    audited.map((entry) => entry["action"]),
    ["compute.instance.create", "compute.instance.stop", "compute.instance.delete"],
  );
});

test("other parts have hidden instances: in no list, no quota, metered under another's name", async () => {
  const { parts } = cloud.compute;
  const image = await cloud.image();
  const place = { organisationId: cloud.organisation, projectId: cloud.project };
  const quota = () =>
    cloud.database.sql`select name, used from kernel.quota_usage where scope_id = ${cloud.project} order by name`;
  const before = JSON.stringify(await quota());
  const actor = { kind: "system" as const, name: "test" };
  const job = { kind: "job", id: "job_1", name: "render" };
  const begin = (usageOf?: typeof job) =>
    cloud.database.transaction("system", (tx) =>
      parts.instances.create(tx, {
        place,
        actor,
        name: "task-1",
        imageId: image.id,
        capacity: { vcpus: 3, memoryBytes: gib, diskBytes: 5 * gib },
        hidden: true,
        start: true,
        usageOf,
      }),
    );
  const [task, drill] = [await begin(job), await begin()];
  await cloud.done(task.operationId);
  await cloud.done(drill.operationId);
  assert.equal(JSON.stringify(await quota()), before);
  assert.equal((await cloud.call("viewer", "GET", `/instances?project=${cloud.project}&search=task-1`)).body.items.length, 0);
  assert.equal((await cloud.usage(drill.instance.id)).length, 0);
  assert.equal((await cloud.usage(task.instance.id)).length, 0);
  assert.deepEqual((await cloud.usage("job_1")).map(({ meter, quantity, to }) => [meter, quantity, to]).sort(), [
    ["compute.disk", String(5 * gib), null],
    ["compute.memory", String(gib), null],
    ["compute.vcpus", "3", null],
  ]);
  for (const { instance } of [task, drill]) {
    const { operationId } = await cloud.database.transaction("system", (tx) =>
      parts.instances.remove(tx, { instanceId: instance.id, actor }),
    );
    await cloud.done(operationId);
  }
  assert.ok((await cloud.usage("job_1")).every(({ to }) => to !== null));
  const events = await cloud.database.sql`select 1 from kernel.events where payload->>'instanceId' = ${task.instance.id}`;
  assert.equal(events.length, 0);
});

test("other parts set a state while they work, and the engine has the last word afterwards", async () => {
  const { parts } = cloud.compute;
  const instance = await cloud.instance();
  const set = (state: string) => cloud.database.transaction("system", (tx) => parts.instances.setState(tx, instance.id, state));
  await set("restoring");
  assert.deepEqual((await show(instance.id)).allowedActions, ["forceDelete"]);
  atEngine(instance.id).state = "stopped";
  const from = Date.now();
  await parts.instances.refresh(instance.id);
  assert.equal((await show(instance.id)).state, "stopped");
  within((await spans(instance.id, "compute.vcpus"))[0]?.to ?? null, { from, to: Date.now() });
  const list = await cloud.database.transaction("system", (tx) =>
    parts.instances.list(tx, { projectId: cloud.project, states: ["stopped"], limit: 100 }),
  );
  assert.ok(list.some(({ id }) => id === instance.id));
  const found = list.find(({ id }) => id === instance.id);
  assert.ok(found);
  parts.instances.checkAction(found, "start");
  assert.throws(() => parts.instances.checkAction(found, "freeze"), { code: "failed_precondition" });
});
