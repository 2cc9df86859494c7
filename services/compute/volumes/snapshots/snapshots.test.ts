import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { CloudError } from "../../../../kernel/errors.ts";
import { setQuota } from "../../../../kernel/quota.ts";
import { gib, type TestDisks, testDisks } from "../testing/disks.ts";

let cloud: TestDisks;
before(async () => {
  cloud = await testDisks();
});
after(() => cloud.stop());

const fake = (instance: { id: string }) => cloud.engine.instances.get(cloud.engineName(instance.id))!;
const fakeVolume = (volume: { id: string }) => cloud.engine.volumes.get(cloud.engineName(volume.id))!;

test("of an instance: taken while it runs, described, listed, restored by name, deleted", async () => {
  const instance = await cloud.instance();
  fake(instance).disk = "good";
  const snapshot = await cloud.snapshot({ instance: instance.id }, "Before the update");
  assert.deepEqual(
    [snapshot.state, snapshot.source, snapshot.diskBytes, snapshot.allowedActions],
    [
      "available",
      { kind: "instance", id: instance.id, name: instance.name },
      instance.diskBytes,
      ["restore", "clone", "rename", "delete"],
    ],
  );
  const described = await cloud.call("editor", "PATCH", `/snapshots/${snapshot.id}`, { description: "All is well." });
  assert.equal(described.body.description, "All is well.");
  const second = await cloud.snapshot({ instance: instance.id });
  assert.match(second.name, /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC$/);
  const twin = await cloud.call("editor", "POST", "/snapshots", { instance: instance.id, name: "Before the update" });
  assert.deepEqual([twin.status, twin.body.code], [409, "already_exists"]);
  const renamed = await cloud.call("editor", "PATCH", `/snapshots/${second.id}`, { name: "Before the update" });
  assert.equal(renamed.status, 409);
  const listed = await cloud.list(`/snapshots?instance=${instance.id}`);
  assert.deepEqual(
    listed.map(({ id }) => id),
    [second.id, snapshot.id],
  );

  fake(instance).disk = "broken";
  const path = `/snapshots/${snapshot.id}/restore`;
  const unconfirmed = await cloud.call("editor", "POST", path, { confirm: "wrong" });
  assert.equal(unconfirmed.status, 400);
  assert.match(unconfirmed.body.detail, new RegExp(`${instance.name}.*since ${snapshot.createdAt}.*lost`));
  const running = await cloud.call("editor", "POST", path, { confirm: instance.name });
  assert.deepEqual([running.status, running.body.reason], [409, "instance_running"]);
  assert.equal(fake(instance).disk, "broken");
  const { result } = await cloud.act("POST", path, { confirm: instance.name, stopFirst: true });
  assert.equal(result.lostFrom, snapshot.createdAt);
  assert.deepEqual([fake(instance).disk, fake(instance).state], ["good", "running"]);
  const now = await cloud.get(`/instances/${instance.id}`);
  assert.deepEqual([now.state, (await cloud.get(`/snapshots/${snapshot.id}`)).state], ["running", "available"]);
  // It was off for a moment: nothing was held then.
  const spans = (await cloud.usage(instance.id)).filter(({ meter }) => meter === "compute.vcpus");
  assert.equal(spans.length, 2);
  assert.ok(spans[0]?.to && !spans[1]?.to);

  await cloud.act("POST", `/instances/${instance.id}/stop`, { timeoutSeconds: 0 });
  fake(instance).disk = "broken again";
  await cloud.act("POST", path, { confirm: instance.name });
  assert.deepEqual([fake(instance).disk, (await cloud.get(`/instances/${instance.id}`)).state], ["good", "stopped"]);

  await cloud.act("DELETE", `/snapshots/${snapshot.id}`);
  assert.equal(await cloud.get(`/snapshots/${snapshot.id}`), undefined);
  assert.ok(!fake(instance).snapshots.has(cloud.engineName(snapshot.id)));
});

test("of a volume: with the instance that has it stopped and started again; the instance's own disk stays", async () => {
  const [instance, volume] = [await cloud.instance(), await cloud.volume()];
  await cloud.attach(volume.id, instance.id);
  fakeVolume(volume).content = "good";
  const snapshot = await cloud.snapshot({ volume: volume.id }, "s");
  fakeVolume(volume).content = "broken";
  fake(instance).disk = "mine";
  const path = `/snapshots/${snapshot.id}/restore`;
  const refused = await cloud.call("editor", "POST", path, { confirm: volume.name });
  assert.deepEqual([refused.status, refused.body.reason], [409, "instance_running"]);
  await cloud.act("POST", path, { confirm: volume.name, stopFirst: true });
  assert.deepEqual([fakeVolume(volume).content, fake(instance).disk, fake(instance).state], ["good", "mine", "running"]);
  assert.equal((await cloud.get(`/volumes/${volume.id}`)).state, "attached");
  await cloud.act("POST", `/volumes/${volume.id}/detach`, {});
  fakeVolume(volume).content = "broken";
  await cloud.act("POST", path, { confirm: volume.name });
  assert.deepEqual([fakeVolume(volume).content, (await cloud.get(`/volumes/${volume.id}`)).state], ["good", "available"]);
});

test("either an instance or a volume; those of others are not there; viewers only look", async () => {
  const volume = await cloud.volume();
  for (const body of [{}, { volume: volume.id, instance: "ins_00000000000000000000000000000000" }]) {
    assert.equal((await cloud.call("editor", "POST", "/snapshots", body)).status, 400);
  }
  const snapshot = await cloud.snapshot({ volume: volume.id });
  for (const caller of ["neighbour", "stranger"] as const) {
    assert.equal((await cloud.call(caller, "POST", "/snapshots", { volume: volume.id })).status, 404);
    assert.equal((await cloud.call(caller, "GET", `/snapshots/${snapshot.id}`)).status, 404);
    assert.equal((await cloud.call(caller, "POST", `/snapshots/${snapshot.id}/clone`, { name: "x" })).status, 404);
  }
  assert.equal((await cloud.call("viewer", "GET", `/snapshots/${snapshot.id}`)).status, 200);
  assert.equal((await cloud.call("viewer", "DELETE", `/snapshots/${snapshot.id}`)).status, 403);
});

test("what fails leaves nothing, or says so; the instance runs again whatever happened", async () => {
  const instance = await cloud.instance();
  const before = await cloud.used();
  const full = new CloudError("storage_full", "The engine's disk is full. Delete snapshots that are not needed.");
  cloud.engine.faults.fail("instanceSnapshot", { error: full, afterwards: true });
  const taken = await cloud.call("editor", "POST", "/snapshots", { instance: instance.id });
  assert.equal((await cloud.ended(taken.body.id)).error.message, full.message);
  assert.deepEqual([await cloud.used(), fake(instance).snapshots.size], [before, 0]);

  const snapshot = await cloud.snapshot({ instance: instance.id });
  cloud.engine.faults.fail("instanceRestore", { error: new CloudError("internal", "The disk does not come back.") });
  const restore = await cloud.call("editor", "POST", `/snapshots/${snapshot.id}/restore`, {
    confirm: instance.name,
    stopFirst: true,
  });
  assert.equal((await cloud.ended(restore.body.id)).state, "failed");
  assert.equal(fake(instance).state, "running");
  assert.equal((await cloud.get(`/instances/${instance.id}`)).state, "running");
  assert.equal((await cloud.get(`/snapshots/${snapshot.id}`)).state, "available");

  cloud.engine.faults.fail("instanceSnapshotDelete", { error: new CloudError("internal", "Not today.") });
  const deletion = await cloud.call("editor", "DELETE", `/snapshots/${snapshot.id}`);
  assert.equal((await cloud.ended(deletion.body.id)).state, "failed");
  const stuck = await cloud.get(`/snapshots/${snapshot.id}`);
  assert.deepEqual([stuck.state, stuck.allowedActions], ["error", ["rename", "delete"]]);
  await cloud.act("DELETE", `/snapshots/${snapshot.id}`);
  assert.deepEqual(await cloud.used(), before);
});

test("a snapshot becomes an instance of its own", async () => {
  const instance = await cloud.instance();
  fake(instance).disk = "golden";
  const snapshot = await cloud.snapshot({ instance: instance.id });
  const { resource } = await cloud.act("POST", `/snapshots/${snapshot.id}/clone`, { name: "born-of-a-snapshot" });
  const clone = await cloud.get(`/instances/${resource}`);
  assert.deepEqual(
    [clone.state, clone.name, clone.diskBytes, clone.sizeName],
    ["running", "born-of-a-snapshot", instance.diskBytes, instance.sizeName],
  );
  assert.equal(fake(clone).disk, "golden");
  const nano = await cloud.call("editor", "POST", `/snapshots/${snapshot.id}/clone`, { name: "too-small", size: "nano" });
  assert.equal(nano.status, 400);
  assert.match(nano.body.detail, /larger size/);
  const unknown = await cloud.call("editor", "POST", `/snapshots/${snapshot.id}/clone`, { name: "x", size: "gigantic" });
  assert.match(unknown.body.detail, /no size gigantic/);
});

test("quota: a snapshot too many is refused", async () => {
  const volume = await cloud.volume();
  const { "compute.snapshots": count = 0 } = await cloud.used();
  const scope = { organisationId: cloud.organisation, projectId: cloud.project };
  await cloud.database.transaction("system", (tx) => setQuota(tx, scope, "compute.snapshots", count + 1));
  await cloud.snapshot({ volume: volume.id });
  const refused = await cloud.call("editor", "POST", "/snapshots", { volume: volume.id });
  assert.deepEqual([refused.status, refused.body.code], [403, "quota_exceeded"]);
  await cloud.database.transaction("system", (tx) => setQuota(tx, scope, "compute.snapshots", null));
});

test("what they take is measured, shown and billed from one look to the next; one that is gone is missing", async () => {
  const [instance, volume] = [await cloud.instance(), await cloud.volume()];
  fake(instance).disk = "x".repeat(1000);
  fakeVolume(volume).content = "y".repeat(50);
  const [one, two] = [await cloud.snapshot({ instance: instance.id }), await cloud.snapshot({ volume: volume.id })];
  assert.equal(one.usedBytes, undefined);
  await cloud.work("compute.snapshot_sizes");
  const of = async (snapshot: { id: string }) => (await cloud.get(`/snapshots/${snapshot.id}`)).usedBytes;
  assert.deepEqual([await of(one), await of(two)], [1000, 50]);
  assert.deepEqual(
    (await cloud.usage(one.id)).map(({ meter, unit, quantity, to }) => [meter, unit, quantity, to]),
    [["compute.snapshots", "byte", "1000", null]],
  );
  // Within five minutes nobody asks again.
  cloud.engine.faults.clear();
  const asked = cloud.engine.faults.count("instanceSnapshotList");
  await cloud.work("compute.snapshot_sizes");
  assert.equal(cloud.engine.faults.count("instanceSnapshotList"), asked);
  const later = () => cloud.database.sql`update compute.snapshots set measured_at = measured_at - interval '10 minutes'`;
  await later();
  fake(instance).snapshots.get(cloud.engineName(one.id))!.disk = "x".repeat(3000);
  fakeVolume(volume).snapshots.delete(cloud.engineName(two.id));
  await new Promise((resolve) => setTimeout(resolve, 10));
  await cloud.work("compute.snapshot_sizes");
  assert.deepEqual([await of(one), (await cloud.get(`/snapshots/${two.id}`)).state], [3000, "missing"]);
  const spans = await cloud.usage(one.id);
  assert.deepEqual(
    spans.map(({ quantity }) => quantity),
    ["1000", "3000"],
  );
  assert.deepEqual(spans[0]?.to, spans[1]?.from);
  assert.ok((await cloud.usage(two.id)).every(({ to }) => to !== null));
  await cloud.act("DELETE", `/snapshots/${two.id}`);
  await cloud.act("DELETE", `/snapshots/${one.id}`);
  assert.ok((await cloud.usage(one.id)).every(({ to }) => to !== null));
});

test("a volume whose snapshot is being worked on is not deleted under it", async () => {
  const volume = await cloud.volume();
  cloud.engine.faults.slow("volumeSnapshot", 400, { times: 1 });
  const taken = await cloud.call("editor", "POST", "/snapshots", { volume: volume.id });
  const deletion = await cloud.call("editor", "DELETE", `/volumes/${volume.id}?confirm=${volume.name}`);
  assert.deepEqual([deletion.status, deletion.body.reason], [409, "operation_active"]);
  await cloud.done(taken.body.id);
  await cloud.act("DELETE", `/volumes/${volume.id}?confirm=${volume.name}`);
});

test("10,000 snapshots are listed in pages", async (t) => {
  const volume = await cloud.volume();
  await cloud.database
    .sql`insert into compute.snapshots (id, organisation_id, project_id, volume_id, name, engine_name, state, disk_bytes, created_at)
    select 'snp_' || lpad(to_hex(n), 32, '0'), ${cloud.organisation}, ${cloud.project}, ${volume.id}, 'n' || n, 'kh-many-' || n, 'available', ${gib}, now()
    from generate_series(1, 10000) n`;
  await cloud.database.sql`analyze compute.snapshots`;
  const page = () => cloud.call("editor", "GET", `/snapshots?project=${cloud.project}&volume=${volume.id}&limit=50`);
  await page();
  const began = performance.now();
  const { body } = await page();
  const ms = performance.now() - began;
  assert.equal(body.items.length, 50);
  t.diagnostic(`50 of 10,000 snapshots in ${Math.round(ms)} ms`);
  const next = await cloud.call(
    "editor",
    "GET",
    `/snapshots?project=${cloud.project}&volume=${volume.id}&limit=50&cursor=${body.nextCursor}`,
  );
  assert.ok(next.body.items[0].id < body.items.at(-1).id);
});
