import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { CloudError } from "../../../kernel/errors.ts";
import { requestCancel } from "../../../kernel/operations/store.ts";
import type { FakeInstance } from "../testing/fakeDriver.ts";
import { type TestCompute, testCompute } from "../testing/fixture.ts";

let cloud: TestCompute;
before(async () => {
  cloud = await testCompute();
});
afterEach(() => {
  cloud.engine.faults.clear();
  cloud.network.faults.clear();
});
after(() => cloud.stop());

const broken = new CloudError("storage_full", "The pool of the engine is full.");
const atEngine = (id: string) =>
  [...cloud.engine.instances.values()].find(({ spec }) => spec.labels["instance"] === id) as FakeInstance;
const show = async (id: string) => (await cloud.call("viewer", "GET", `/instances/${id}`)).body;
const begin = async (method: string, path: string, body?: unknown) => {
  const answer = await cloud.call("editor", method, path, body);
  assert.equal(answer.status, 202, JSON.stringify(answer.body));
  return answer.body as { id: string; resource: { id: string } };
};
const act = (id: string, action: string, body: unknown = {}) => begin("POST", `/instances/${id}/${action}`, body);
async function beginCreate(name: string) {
  return begin("POST", "/instances", { project: cloud.project, name, size: "small", image: (await cloud.image()).id });
}
const used = async () =>
  JSON.stringify(
    await cloud.database.sql`select name, used from kernel.quota_usage where scope_id = ${cloud.project}
      and name in ('compute.instances', 'compute.vcpus', 'compute.memory', 'compute.disk') and used <> 0 order by name`,
  );
const running = async (id: string) =>
  (await cloud.usage(id)).filter(({ meter, to }) => meter === "compute.vcpus" && to === null).length;

async function nothingIsLeft(id: string, quotas: string): Promise<void> {
  assert.equal((await cloud.call("viewer", "GET", `/instances/${id}`)).status, 404);
  assert.equal(atEngine(id), undefined);
  assert.equal((await cloud.database.sql`select 1 from compute.ports where instance_id = ${id}`).length, 0);
  assert.equal(await used(), quotas);
  assert.ok((await cloud.usage(id)).every(({ to }) => to !== null));
}

for (const call of ["instanceCreate", "instanceStart", "the network"]) {
  test(`creating fails at ${call}: all is undone, nothing is paid, and the name is free`, async () => {
    const quotas = await used();
    if (call === "the network") cloud.network.faults.fail("apply", { error: broken });
    else cloud.engine.faults.fail(call, { error: broken, afterwards: call === "instanceCreate" });
    const operation = await cloud.ended((await beginCreate("unlucky")).id);
    assert.deepEqual(
      [operation.state, operation.error.code, operation.error.message],
      ["failed", "storage_full", broken.message],
    );
    await nothingIsLeft(operation.resource, quotas);
    assert.equal((await cloud.usage(operation.resource)).length, 0);
    const again = await cloud.done((await beginCreate("unlucky")).id);
    await cloud.done((await begin("DELETE", `/instances/${again.resource}`)).id);
    await nothingIsLeft(again.resource, quotas);
  });
}

test("what is unavailable for a moment is tried again", async () => {
  cloud.engine.faults.fail("instanceCreate", { times: 2 });
  const operation = await cloud.done((await beginCreate("patient")).id);
  assert.equal((await show(operation.resource)).state, "running");
  assert.equal(
    cloud.engine.faults.calls.filter(
      ([name, spec]) => name === "instanceCreate" && (spec as { hostName: string }).hostName === "patient",
    ).length,
    3,
  );
  await cloud.done((await begin("DELETE", `/instances/${operation.resource}`)).id);
});

test("creating fails and cannot be undone: it stays in error with the reason, and is deleted when the engine is well again", async () => {
  const quotas = await used();
  cloud.engine.faults.fail("instanceStart", { error: broken });
  cloud.engine.faults.fail("instanceDelete", { times: Number.POSITIVE_INFINITY });
  const operation = await cloud.ended((await beginCreate("stuck")).id);
  assert.equal(operation.state, "failed");
  const shown = await show(operation.resource);
  assert.equal(shown.state, "error");
  assert.match(shown.stateReason, /could not be removed; delete it. The pool of the engine is full/);
  assert.ok(shown.allowedActions.includes("delete"));
  const [disk] = await cloud.usage(operation.resource);
  assert.deepEqual([disk?.meter, disk?.to], ["compute.disk", null]);
  cloud.engine.faults.clear();
  await cloud.done((await begin("DELETE", `/instances/${operation.resource}`)).id);
  await nothingIsLeft(operation.resource, quotas);
});

for (const [action, call, from, stays] of [
  ["start", "instanceStart", "stopped", "stopped"],
  ["stop", "instanceStop", "running", "running"],
  ["restart", "instanceRestart", "running", "running"],
  ["freeze", "instanceFreeze", "running", "running"],
  ["unfreeze", "instanceUnfreeze", "frozen", "frozen"],
] as const) {
  test(`${action} fails: the record says what the engine says`, async () => {
    const instance = await cloud.instance({ start: from !== "stopped" });
    if (from === "frozen") await cloud.done((await act(instance.id, "freeze")).id);
    const before = await running(instance.id);
    cloud.engine.faults.fail(call, { error: new CloudError("failed_precondition", "The engine refuses.") });
    const operation = await cloud.ended((await act(instance.id, action)).id);
    assert.deepEqual([operation.state, operation.error.message], ["failed", "The engine refuses."]);
    const shown = await show(instance.id);
    assert.deepEqual([shown.state, shown.operationId], [stays, undefined]);
    assert.equal(await running(instance.id), before);
  });
}

test("an engine that cannot even say how an instance is leaves it in error; then it can be started", async () => {
  const instance = await cloud.instance({ start: false });
  const refuse = { error: new CloudError("failed_precondition", "The engine refuses.") };
  cloud.engine.faults.fail("instanceStart", refuse);
  cloud.engine.faults.fail("instanceGet", { times: Number.POSITIVE_INFINITY });
  await cloud.ended((await act(instance.id, "start")).id);
  const shown = await show(instance.id);
  assert.equal(shown.state, "error");
  assert.match(shown.stateReason, /^The engine refuses\. How it is now could not be found out/);
  assert.deepEqual(
    ["start", "stop", "rebuild", "delete"].filter((action) => !shown.allowedActions.includes(action)),
    [],
  );
  cloud.engine.faults.clear();
  await cloud.done((await act(instance.id, "start")).id);
  const well = await show(instance.id);
  assert.deepEqual([well.state, well.stateReason], ["running", undefined]);
  assert.equal(await running(instance.id), 1);
});

test("a resize that fails gives the quota back, and the size is as before in record and engine", async () => {
  const [small, large] = [await cloud.size({ vcpus: 1 }), await cloud.size({ vcpus: 4, memoryBytes: 4 * 1024 ** 3 })];
  const instance = await cloud.instance({ size: small });
  const quotas = await used();
  cloud.engine.faults.fail("instanceResize", { error: broken, afterwards: true });
  const operation = await cloud.ended((await act(instance.id, "resize", { size: large })).id);
  assert.equal(operation.state, "failed");
  const shown = await show(instance.id);
  assert.deepEqual([shown.state, shown.vcpus, shown.sizeId], ["running", 1, small]);
  assert.equal(atEngine(instance.id).spec.size.vcpus, 1);
  assert.equal(await used(), quotas);
  assert.equal((await cloud.usage(instance.id)).length, 3);
});

test("a rebuild that fails at the disk stays in error and can be rebuilt; one that fails before starts the instance again", async () => {
  const instance = await cloud.instance();
  cloud.engine.faults.fail("instanceRebuild", { error: broken });
  const failed = await cloud.ended((await act(instance.id, "rebuild", { confirm: instance.name })).id);
  assert.equal(failed.state, "failed");
  const shown = await show(instance.id);
  assert.equal(shown.state, "error");
  assert.match(shown.stateReason, /root disk is not what it was: rebuild it again\. The pool/);
  assert.equal(await running(instance.id), 0);
  await cloud.done((await act(instance.id, "rebuild", { confirm: instance.name })).id);
  assert.equal((await show(instance.id)).state, "stopped");

  await cloud.done((await act(instance.id, "start")).id);
  cloud.engine.faults.fail("instanceStop", { error: broken, afterwards: true });
  const early = await cloud.ended((await act(instance.id, "rebuild", { confirm: instance.name })).id);
  assert.equal(early.state, "failed");
  assert.equal((await show(instance.id)).state, "running");
  assert.equal(atEngine(instance.id).state, "running");
  assert.equal(await running(instance.id), 1);
});

test("a rebuild whose start fails has the new image, and is stopped", async () => {
  const instance = await cloud.instance();
  const image = await cloud.image();
  cloud.engine.faults.fail("instanceStart", { error: broken });
  const operation = await cloud.ended((await act(instance.id, "rebuild", { confirm: instance.name, image: image.id })).id);
  assert.equal(operation.state, "failed");
  const shown = await show(instance.id);
  assert.deepEqual([shown.state, shown.imageId], ["stopped", image.id]);
  assert.equal(await running(instance.id), 0);
});

test("a deletion that fails leaves the instance as the engine says, deletable; one that is gone there is deleted", async () => {
  const quotas = await used();
  const instance = await cloud.instance();
  cloud.engine.faults.fail("instanceDelete", { error: new CloudError("failed_precondition", "A volume is in use.") });
  const failed = await cloud.ended((await begin("DELETE", `/instances/${instance.id}`)).id);
  assert.equal(failed.state, "failed");
  assert.equal((await show(instance.id)).state, "running");
  assert.equal(await running(instance.id), 1);
  cloud.engine.happens(atEngine(instance.id).spec.name, "deleted", new Date(), "quietly");
  for (const call of ["apply", "remove"]) cloud.network.faults.fail(call, { error: broken });
  await cloud.done((await begin("DELETE", `/instances/${instance.id}`)).id);
  await nothingIsLeft(instance.id, quotas);
});

test("a cancelled creation is undone", async () => {
  const quotas = await used();
  const hung = cloud.engine.faults.hang("instanceStart", "before");
  const { id } = await beginCreate("regretted");
  await hung;
  await cloud.database.transaction("system", (tx) => requestCancel(tx, id as never));
  const operation = await cloud.ended(id);
  assert.equal(operation.state, "cancelled");
  await nothingIsLeft(operation.resource, quotas);
});

for (const [what, prepare, call] of [
  ["created", undefined, "instanceCreate"],
  ["started", "stopped", "instanceStart"],
  ["stopped", "running", "instanceStop"],
  ["rebuilt", "running", "instanceRebuild"],
  ["resized", "running", "instanceResize"],
] as const) {
  test(`while an instance is being ${what}, deleting by force ends both`, async () => {
    const quotas = await used();
    const size = await cloud.size({ vcpus: 2 });
    const instance = prepare ? await cloud.instance({ start: prepare === "running" }) : undefined;
    const hung = cloud.engine.faults.hang(call, "after");
    const first = !instance
      ? await beginCreate("doomed")
      : what === "started"
        ? await act(instance.id, "start")
        : what === "stopped"
          ? await act(instance.id, "stop")
          : what === "rebuilt"
            ? await act(instance.id, "rebuild", { confirm: instance.name })
            : await act(instance.id, "resize", { size });
    await hung;
    const id = instance?.id ?? (first.resource.id as string);
    const refused = await cloud.call("editor", "DELETE", `/instances/${id}`);
    assert.equal(refused.status, 409);
    const deletion = await begin("DELETE", `/instances/${id}?force=true`);
    assert.equal((await cloud.ended(first.id)).state, "cancelled");
    assert.equal((await cloud.ended(deletion.id)).state, "succeeded");
    await nothingIsLeft(id, quotas);
  });
}
