import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type TestCompute, testCompute } from "../testing/fixture.ts";

let cloud: TestCompute;
before(async () => {
  cloud = await testCompute();
});
after(() => cloud.stop());

const gib = 1024 ** 3;
const seconds = (from: Date | string, to: Date | string) => (new Date(to).getTime() - new Date(from).getTime()) / 1000;

test("an instance is created, runs, and is deleted; usage is its life", async () => {
  const size = await cloud.size({ vcpus: 2, memoryBytes: 2 * gib, diskBytes: 20 * gib });
  const asked = new Date();
  const instance = await cloud.instance({ size, name: "web", labels: { app: "shop" }, description: "The shop" });
  assert.equal(instance.state, "running");
  assert.deepEqual([instance.vcpus, instance.memoryBytes, instance.diskBytes], [2, 2 * gib, 20 * gib]);
  assert.equal(instance.ports.length, 1);
  assert.equal(instance.member, "host");
  assert.equal(instance.operationId, undefined);
  const atEngine = [...cloud.engine.instances.values()].find(({ spec }) => spec.labels["instance"] === instance.id);
  assert.equal(atEngine?.state, "running");
  assert.equal(atEngine?.spec.hostName, "web");
  assert.deepEqual(atEngine?.spec.interfaces.length, 1);
  assert.match(atEngine?.spec.cloudInit.vendorData ?? "", /^#cloud-config\n/);

  const held = await cloud.usage(instance.id);
  assert.deepEqual(held.map(({ meter, unit, quantity, to }) => [meter, unit, quantity, to]).sort(), [
    ["compute.disk", "byte", String(20 * gib), null],
    ["compute.memory", "byte", String(2 * gib), null],
    ["compute.vcpus", "vcpu", "2", null],
  ]);
  const answer = await cloud.call("editor", "DELETE", `/instances/${instance.id}`);
  assert.equal(answer.status, 202);
  await cloud.done(answer.body.id);
  const ended = new Date();
  assert.equal((await cloud.call("editor", "GET", `/instances/${instance.id}`)).status, 404);
  assert.equal(cloud.engine.instances.has(atEngine?.spec.name ?? ""), false);
  for (const span of await cloud.usage(instance.id)) {
    assert.ok(span.to !== null && span.to <= ended && span.from >= asked, JSON.stringify(span));
    assert.ok(seconds(span.from, span.to) >= 0);
  }
  const quotas = await cloud.database
    .sql`select name, used from kernel.quota_usage where name in ('compute.instances', 'compute.vcpus', 'compute.memory', 'compute.disk')
    and used <> 0`;
  assert.deepEqual([...quotas], []);
});
