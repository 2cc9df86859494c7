import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type TestCompute, testCompute } from "../testing/fixture.ts";
import { type InstanceAction, instanceActions, instanceState } from "./contract.ts";

let cloud: TestCompute;
let instance: { id: string; name: string };
let larger: string;

/** No operation runs: what is begun stays pending, and is taken away again. */
before(async () => {
  cloud = await testCompute();
  const size = await cloud.size({ vcpus: 1 });
  larger = await cloud.size({ vcpus: 2, diskBytes: 20 * 1024 ** 3 });
  instance = await cloud.instance({ size });
  await cloud.stopRunner();
});
after(() => cloud.stop());

const routes: Partial<Record<InstanceAction, () => [method: string, path: string, body?: unknown]>> = {
  start: () => ["POST", "start", undefined],
  stop: () => ["POST", "stop", {}],
  restart: () => ["POST", "restart", {}],
  freeze: () => ["POST", "freeze", undefined],
  unfreeze: () => ["POST", "unfreeze", undefined],
  resize: () => ["POST", "resize", { size: larger }],
  rebuild: () => ["POST", "rebuild", { confirm: instance.name }],
  rename: () => ["PATCH", "", { name: "other" }],
  passwordReset: () => ["POST", "password-reset", {}],
  delete: () => ["DELETE", ""],
  forceDelete: () => ["DELETE", "?force=true"],
};

async function become(state: string): Promise<void> {
  await cloud.database.sql`delete from kernel.operations`;
  await cloud.database.sql`update compute.instances set state = ${state}, name = ${instance.name} where id = ${instance.id}`;
}

for (const [action, route] of Object.entries(routes) as [InstanceAction, () => [string, string, unknown?]][]) {
  for (const state of instanceState.options) {
    const allowed = instanceActions[action].includes(state);
    test(`${action} of an instance that is ${state}: ${allowed ? "begun" : "refused"}`, async () => {
      await become(state);
      const [method, path, body] = route();
      const shown = (await cloud.call("viewer", "GET", `/instances/${instance.id}`)).body;
      assert.equal(shown.allowedActions.includes(action), allowed);
      const url = `/instances/${instance.id}${path.startsWith("?") || path === "" ? path : `/${path}`}`;
      const answer = await cloud.call("editor", method, url, body);
      if (allowed) {
        assert.ok([200, 202].includes(answer.status), `${answer.status} ${JSON.stringify(answer.body)}`);
        return;
      }
      assert.deepEqual([answer.status, answer.body.code, answer.body.reason], [409, "failed_precondition", `state_${state}`]);
      assert.match(answer.body.detail, new RegExp(`The instance ${instance.name} `));
      const operations = await cloud.database.sql`select 1 from kernel.operations`;
      assert.equal(operations.length, 0);
      assert.equal((await cloud.call("viewer", "GET", `/instances/${instance.id}`)).body.state, state);
    });
  }
}

test("one operation at a time; what is under way is named, and can only be watched, renamed or deleted by force", async () => {
  await become("running");
  const freezing = (await cloud.call("editor", "POST", `/instances/${instance.id}/freeze`)).body;
  const shown = (await cloud.call("viewer", "GET", `/instances/${instance.id}`)).body;
  assert.equal(shown.operationId, freezing.id);
  assert.deepEqual(shown.allowedActions.sort(), ["forceDelete", "passwordReset", "rename", "terminal"]);
  const second = await cloud.call("editor", "POST", `/instances/${instance.id}/stop`, {});
  assert.deepEqual([second.status, second.body.reason], [409, "operation_active"]);
  assert.equal((await cloud.call("editor", "DELETE", `/instances/${instance.id}`)).status, 409);
  assert.equal((await cloud.call("editor", "PATCH", `/instances/${instance.id}`, { name: "renamed" })).status, 200);
  assert.equal((await cloud.call("editor", "DELETE", `/instances/${instance.id}?force=true`)).status, 202);
});

test("a protected instance is neither deleted nor rebuilt, not even by force", async () => {
  await become("running");
  const protect = (value: boolean) => cloud.call("editor", "PATCH", `/instances/${instance.id}`, { protected: value });
  assert.equal((await protect(true)).body.protected, true);
  for (const [method, path, body] of [
    ["DELETE", ""],
    ["DELETE", "?force=true"],
    ["POST", "/rebuild", { confirm: instance.name }],
  ] as const) {
    const answer = await cloud.call("editor", method, `/instances/${instance.id}${path}`, body);
    assert.deepEqual([answer.status, answer.body.reason], [409, "protected"], path);
  }
  await protect(false);
  assert.equal((await cloud.call("editor", "DELETE", `/instances/${instance.id}`)).status, 202);
});

test("without an engine everything that needs one says what is missing, and the rest works", async () => {
  const bare = await testCompute({
    runner: false,
    drivers: { engine: { missing: "There is no engine. Add one." } },
  });
  try {
    const image = await bare.image();
    const create = await bare.call("editor", "POST", "/instances", {
      project: bare.project,
      name: "web",
      size: "small",
      image: image.name,
    });
    assert.deepEqual([create.status, create.body.reason], [409, "engine_missing"]);
    assert.match(create.body.detail, /no engine/);
    assert.equal((await bare.call("editor", "GET", `/instances?project=${bare.project}`)).status, 200);
    assert.equal((await bare.call("editor", "GET", "/sizes")).status, 200);
  } finally {
    await bare.stop();
  }
});
