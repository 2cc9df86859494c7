import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type TestDisks, testDisks } from "./testing/disks.ts";

let cloud: TestDisks;
before(async () => {
  cloud = await testDisks();
  cloud.engine.onExec = () => ({ stdout: "running\n" });
});
after(() => cloud.stop());

const fakeVolume = (volume: { id: string }) => cloud.engine.volumes.get(cloud.engineName(volume.id))!;
const reconcile = () => cloud.compute.parts.volumes.reconcile();
const nothing = { repaired: [], missing: [], orphans: [] };

test("where all agrees nothing happens", async () => {
  const [instance, volume] = [await cloud.instance(), await cloud.volume()];
  await cloud.attach(volume.id, instance.id);
  await cloud.volume();
  const before = await cloud.get(`/volumes/${volume.id}`);
  assert.deepEqual(await reconcile(), nothing);
  assert.deepEqual(await cloud.get(`/volumes/${volume.id}`), before);
});

test("a volume that was deleted by hand is missing, holds nothing, and can be forgotten; one that comes back is found again", async () => {
  const volume = await cloud.volume({ name: "lost" });
  const snapshot = await cloud.snapshot({ volume: volume.id });
  const used = await cloud.used();
  const kept = fakeVolume(volume);
  cloud.engine.volumes.delete(cloud.engineName(volume.id));
  assert.deepEqual(await reconcile(), { ...nothing, missing: [volume.id] });
  let now = await cloud.get(`/volumes/${volume.id}`);
  assert.equal(now.state, "missing");
  assert.match(now.stateReason, /without our doing/);
  assert.deepEqual(now.allowedActions, ["delete"]);
  assert.ok((await cloud.usage(volume.id)).every(({ to }) => to !== null));
  assert.deepEqual(await reconcile(), nothing);

  cloud.engine.volumes.set(cloud.engineName(volume.id), kept);
  assert.deepEqual(await reconcile(), { ...nothing, repaired: [volume.id] });
  now = await cloud.get(`/volumes/${volume.id}`);
  assert.deepEqual([now.state, now.stateReason], ["available", undefined]);
  assert.equal((await cloud.usage(volume.id)).filter(({ to }) => to === null).length, 1);

  const forget = () => cloud.database.transaction("system", (tx) => cloud.compute.parts.volumes.forget(tx, volume.id));
  await assert.rejects(forget(), { code: "failed_precondition" });
  cloud.engine.volumes.delete(cloud.engineName(volume.id));
  await reconcile();
  await forget();
  assert.deepEqual(
    [await cloud.get(`/volumes/${volume.id}`), await cloud.get(`/snapshots/${snapshot.id}`)],
    [undefined, undefined],
  );
  const after = await cloud.used();
  assert.equal(after["compute.volumes"], (used["compute.volumes"] ?? 0) - 1);
  assert.equal(after["compute.snapshots"], (used["compute.snapshots"] ?? 0) - 1);
});

test("attachments and sizes that differ are put right", async () => {
  const [right, wrong] = [await cloud.instance(), await cloud.instance()];
  const volume = await cloud.volume();
  await cloud.attach(volume.id, right.id, "/mnt/data");
  const it = fakeVolume(volume);
  it.attached.clear();
  assert.deepEqual(await reconcile(), { ...nothing, repaired: [volume.id] });
  assert.deepEqual([...it.attached], [[cloud.engineName(right.id), "/mnt/data"]]);
  it.attached.set(cloud.engineName(wrong.id), "/elsewhere");
  it.spec.sizeBytes /= 2;
  assert.deepEqual(await reconcile(), { ...nothing, repaired: [volume.id] });
  assert.deepEqual([[...it.attached], it.spec.sizeBytes], [[[cloud.engineName(right.id), "/mnt/data"]], volume.sizeBytes]);
  await cloud.act("POST", `/volumes/${volume.id}/detach`, {});
  it.attached.set(cloud.engineName(wrong.id), "/elsewhere");
  assert.deepEqual(await reconcile(), { ...nothing, repaired: [volume.id] });
  assert.equal(it.attached.size, 0);
});

test("one that an operation works on is left alone; what has our labels and no record is an orphan; others' are not touched", async () => {
  const volume = await cloud.volume();
  const instance = await cloud.instance();
  cloud.engine.faults.slow("volumeAttach", 300, { times: 1 });
  const attaching = await cloud.call("editor", "POST", `/volumes/${volume.id}/attach`, {
    instance: instance.id,
    path: "/mnt/data",
  });
  assert.deepEqual(await reconcile(), nothing);
  await cloud.done(attaching.body.id);
  const labels = { volume: "vol_00000000000000000000000000000001", project: cloud.project, organisation: cloud.organisation };
  await cloud.engine.volumeCreate({ name: "kh-stranded", sizeBytes: 1, labels });
  await cloud.engine.volumeCreate({ name: "somebodys", sizeBytes: 1, labels: {} });
  assert.deepEqual(await reconcile(), { ...nothing, orphans: [{ kind: "volume", name: "kh-stranded", labels }] });
  assert.ok(cloud.engine.volumes.has("somebodys") && cloud.engine.volumes.has("kh-stranded"));
  cloud.engine.volumes.delete("kh-stranded");
  cloud.engine.volumes.delete("somebodys");
});

test("copies that drills left are deleted, those at work stay and are no orphans", async () => {
  const bucket = await cloud.bucket();
  const instance = await cloud.instance();
  const backup = await cloud.backup({ instance: instance.id }, bucket.name);
  const labels = { "restore-drill": backup.id };
  await cloud.engine.volumeCreate({ name: "kh-left", sizeBytes: 1, labels });
  cloud.engine.faults.slow("instanceStart", 500, { times: 1 });
  const drill = await cloud.call("editor", "POST", `/backups/${backup.id}/verify`, {});
  while (cloud.engine.faults.count("instanceImport") === 0) await new Promise((resolve) => setTimeout(resolve, 20));
  await new Promise((resolve) => setTimeout(resolve, 100));
  assert.deepEqual(await reconcile(), nothing);
  const orphans = (await cloud.compute.parts.instances.reconcile()).orphans;
  assert.deepEqual([orphans, cloud.engine.volumes.has("kh-left")], [[], false]);
  await cloud.done(drill.body.id);
  assert.equal((await cloud.get(`/backups/${backup.id}`)).verification, "passed");
});
