import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { gib, type TestDisks, testDisks } from "./testing/disks.ts";

let cloud: TestDisks;
before(async () => {
  cloud = await testDisks({ members: ["one", "two"] });
});
after(() => cloud.stop());

const fakeVolume = (volume: { id: string }) => cloud.engine.volumes.get(cloud.engineName(volume.id))!;
const memberOf = (instance: { id: string }) => cloud.engine.instances.get(cloud.engineName(instance.id))?.member;
/** One on each member. */
async function two() {
  const instances = [await cloud.instance(), await cloud.instance()];
  const on = (member: string) => instances.find((each) => memberOf(each) === member);
  const [one, other] = [on("one"), on("two")];
  assert.ok(one && other, "instances are spread over the members");
  return { one, other };
}

test("an empty volume follows the instance that it is first attached to; one with data says why it cannot", async () => {
  const { one, other } = await two();
  const volume = await cloud.volume({ name: "wanderer", sizeBytes: 3 * gib });
  await cloud.attach(volume.id, other.id);
  assert.deepEqual([fakeVolume(volume).spec.member, fakeVolume(volume).spec.sizeBytes], ["two", 3 * gib]);
  fakeVolume(volume).content = "data";
  await cloud.act("POST", `/volumes/${volume.id}/detach`, {});
  const begun = await cloud.call("editor", "POST", `/volumes/${volume.id}/attach`, { instance: one.id, path: "/mnt/data" });
  const ended = await cloud.ended(begun.body.id);
  assert.match(ended.error.message, /wanderer is on the member two and the instance on one/);
  const now = await cloud.get(`/volumes/${volume.id}`);
  assert.deepEqual([now.state, fakeVolume(volume).content], ["available", "data"]);
  await cloud.attach(volume.id, other.id);

  const bucket = await cloud.bucket();
  const backup = await cloud.backup({ volume: volume.id }, bucket.name);
  const near = await cloud.volume({ name: "moved", backup: backup.id, instance: one.id });
  assert.equal(fakeVolume(near).spec.member, "one");
  await cloud.attach(near.id, one.id);
  assert.equal(fakeVolume(near).content, "data");
});

for (const when of ["before", "after"] as const) {
  for (const call of ["volumeDelete", "volumeCreate"]) {
    test(`a process that dies ${when} ${call} on the way between members: the volume is there afterwards, once`, async () => {
      const { other } = await two();
      const volume = await cloud.volume();
      const hung = cloud.engine.faults.hang(call, when);
      const begun = await cloud.call("editor", "POST", `/volumes/${volume.id}/attach`, { instance: other.id, path: "/mnt/data" });
      await hung;
      await cloud.stopRunner();
      await cloud.startRunner();
      await cloud.done(begun.body.id);
      assert.deepEqual([...fakeVolume(volume).attached.keys()], [cloud.engineName(other.id)]);
      assert.equal(fakeVolume(volume).spec.member, "two");
      cloud.engine.faults.clear();
    });
  }
}

test("when the attaching fails on the way, the empty volume is there again", async () => {
  const { other } = await two();
  const volume = await cloud.volume();
  cloud.engine.faults.fail("volumeCreate", { error: new Error("no space") });
  const begun = await cloud.call("editor", "POST", `/volumes/${volume.id}/attach`, { instance: other.id, path: "/mnt/data" });
  assert.equal((await cloud.ended(begun.body.id)).state, "failed");
  assert.equal((await cloud.get(`/volumes/${volume.id}`)).state, "available");
  assert.ok(fakeVolume(volume));
});
