import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { gib, type TestDisks, testDisks } from "./testing/disks.ts";

let cloud: TestDisks;
let bucket: { id: string; name: string };
before(async () => {
  cloud = await testDisks();
  cloud.engine.onExec = () => ({ stdout: "running\n" });
  bucket = await cloud.bucket();
});
afterEach(() => cloud.engine.faults.clear());
after(() => cloud.stop());

const fake = (instance: { id: string }) => cloud.engine.instances.get(cloud.engineName(instance.id))!;
const fakeVolume = (volume: { id: string }) => cloud.engine.volumes.get(cloud.engineName(volume.id))!;

/** The process dies while the engine is at `call` (or has just done it), and another one goes on. Answers the resource. */
async function dieAt(call: string, when: "before" | "after", method: string, path: string, body?: unknown): Promise<string> {
  const hung = cloud.engine.faults.hang(call, when);
  const answer = await cloud.call("editor", method, path, body);
  assert.equal(answer.status, 202, JSON.stringify(answer.body));
  await hung;
  await cloud.stopRunner();
  await cloud.startRunner();
  return (await cloud.done(answer.body.id)).resource;
}

/** Records, engine, quotas and usage tell the same. */
async function allAgrees(): Promise<void> {
  const volumes = await cloud.list("/volumes");
  assert.deepEqual(volumes.map(({ id }) => cloud.engineName(id)).sort(), [...cloud.engine.volumes.keys()].sort());
  for (const volume of volumes) {
    const it = fakeVolume(volume);
    assert.ok(["available", "attached"].includes(volume.state), volume.state);
    assert.equal(it.spec.sizeBytes, volume.sizeBytes);
    const { attachment } = volume;
    assert.deepEqual([...it.attached], attachment ? [[cloud.engineName(attachment.instanceId), attachment.path]] : []);
    const open = (await cloud.usage(volume.id)).filter(({ to }) => to === null);
    assert.deepEqual(
      open.map(({ quantity }) => Number(quantity)),
      [volume.sizeBytes],
    );
  }
  const snapshots = await cloud.list("/snapshots");
  const atEngine = [
    ...[...cloud.engine.instances.values()].flatMap((it) => [...it.snapshots.keys()]),
    ...[...cloud.engine.volumes.values()].flatMap((it) => [...it.snapshots.keys()]),
  ];
  assert.deepEqual(snapshots.map(({ id }) => cloud.engineName(id)).sort(), atEngine.sort());
  const [{ disk } = { disk: 0 }] = await cloud.database.sql<
    { disk: number }[]
  >`select coalesce(sum(disk_bytes), 0)::bigint as disk from compute.instances`;
  const used = await cloud.used();
  assert.deepEqual(
    [used["compute.volumes"] ?? 0, used["compute.snapshots"] ?? 0, used["compute.disk"] ?? 0],
    [volumes.length, snapshots.length, disk + volumes.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)],
  );
}

for (const when of ["before", "after"] as const) {
  test(`a process that dies ${when} each call of a volume's life: the next one carries it on`, async () => {
    const { project } = cloud;
    const instance = await cloud.instance();
    const id = await dieAt("volumeCreate", when, "POST", "/volumes", { project, name: `made-${when}`, sizeBytes: gib });
    await dieAt("volumeAttach", when, "POST", `/volumes/${id}/attach`, { instance: instance.id, path: "/mnt/data" });
    await dieAt("volumeResize", when, "POST", `/volumes/${id}/resize`, { sizeBytes: 2 * gib });
    await allAgrees();
    const snapshot = await dieAt("volumeSnapshot", when, "POST", "/snapshots", { volume: id });
    fakeVolume({ id }).content = "broken";
    for (const call of ["instanceStop", "volumeRestore", "instanceStart"]) {
      fakeVolume({ id }).content = "broken";
      await dieAt(call, when, "POST", `/snapshots/${snapshot}/restore`, { confirm: `made-${when}`, stopFirst: true });
      assert.deepEqual([fakeVolume({ id }).content, fake(instance).state], ["", "running"]);
      assert.equal((await cloud.get(`/instances/${instance.id}`)).state, "running");
    }
    const clone = await dieAt("volumeClone", when, "POST", "/volumes", { project, name: `clone-${when}`, snapshot });
    await dieAt("volumeDetach", when, "POST", `/volumes/${id}/detach`, {});
    await allAgrees();
    await dieAt("volumeSnapshotDelete", when, "DELETE", `/snapshots/${snapshot}`);
    await dieAt("volumeDelete", when, "DELETE", `/volumes/${id}?confirm=made-${when}`);
    await cloud.act("DELETE", `/volumes/${clone}?confirm=clone-${when}`);
    await allAgrees();
  });

  test(`a process that dies ${when} each call of snapshots and backups of an instance: the next one carries it on`, async () => {
    const instance = await cloud.instance();
    fake(instance).disk = "good";
    const snapshot = await dieAt("instanceSnapshot", when, "POST", "/snapshots", { instance: instance.id });
    for (const call of ["instanceStop", "instanceRestore", "instanceStart"]) {
      fake(instance).disk = "broken";
      await dieAt(call, when, "POST", `/snapshots/${snapshot}/restore`, { confirm: instance.name, stopFirst: true });
      assert.deepEqual([fake(instance).disk, fake(instance).state], ["good", "running"]);
    }
    await dieAt("instanceSnapshotDelete", when, "DELETE", `/snapshots/${snapshot}`);
    const backup = await dieAt("instanceExport", when, "POST", "/backups", { instance: instance.id, bucket: bucket.name });
    for (const call of ["instanceImport", "instanceStart", "instanceExec", "instanceDelete"]) {
      await dieAt(call, when, "POST", `/backups/${backup}/verify`, {});
      assert.equal((await cloud.get(`/backups/${backup}`)).verification, "passed", call);
      assert.ok(
        [...cloud.engine.instances.values()].every(({ spec }) => spec.labels["restore-drill"] === undefined),
        call,
      );
    }
    const restored = await dieAt("instanceImport", when, "POST", `/backups/${backup}/restore`, { name: `again-${when}` });
    assert.equal(fake({ id: restored }).disk, "good");
    const { key } = await cloud.get(`/backups/${backup}`);
    await cloud.act("DELETE", `/backups/${backup}`);
    const gone = await cloud.fetch("editor", `/buckets/${bucket.id}/object/content?key=${encodeURIComponent(key)}`);
    assert.equal(gone.status, 404);
    await allAgrees();
  });

  test(`a process that dies ${when} the import of a volume: the next one has all of it`, async () => {
    const volume = await cloud.volume();
    fakeVolume(volume).content = "all of it";
    const backup = await cloud.backup({ volume: volume.id }, bucket.name);
    const id = await dieAt("volumeImport", when, "POST", `/backups/${backup.id}/restore`, { name: `back-${when}` });
    assert.equal(fakeVolume({ id }).content, "all of it");
    await allAgrees();
  });
}
