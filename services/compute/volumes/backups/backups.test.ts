import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { after, before, test } from "node:test";
import { CloudError } from "../../../../kernel/errors.ts";
import { gib, type TestDisks, testDisks } from "../testing/disks.ts";

let cloud: TestDisks;
let bucket: { id: string; name: string };
before(async () => {
  cloud = await testDisks();
  cloud.engine.onExec = () => ({ stdout: "running\n" });
  bucket = await cloud.bucket();
});
after(() => cloud.stop());

const fake = (instance: { id: string }) => cloud.engine.instances.get(cloud.engineName(instance.id))!;
const fakeVolume = (volume: { id: string }) => cloud.engine.volumes.get(cloud.engineName(volume.id))!;
const object = async (key: string, method = "GET", body?: string) => {
  const answer = await cloud.fetch("editor", `/buckets/${bucket.id}/object/content?key=${encodeURIComponent(key)}`, {
    method,
    ...(body === undefined ? {} : { body }),
  });
  return { status: answer.status, text: await answer.text() };
};
const verify = async (backup: { id: string }, body: object = {}) => {
  const answer = await cloud.call("editor", "POST", `/backups/${backup.id}/verify`, body);
  assert.equal(answer.status, 202, JSON.stringify(answer.body));
  const operation = await cloud.ended(answer.body.id);
  const [verification] = (await cloud.call("editor", "GET", `/backups/${backup.id}/verifications`)).body.items;
  return { operation, verification, backup: await cloud.get(`/backups/${backup.id}`) };
};

test("an instance is backed up into a bucket, outlives its source there, and comes back as a new one", async () => {
  const instance = await cloud.instance({ name: "shop" });
  fake(instance).disk = "all that the shop has sold";
  const backup = await cloud.backup({ instance: instance.id }, bucket.name);
  const bytes = fake(instance).disk;
  assert.match(backup.key, /^backups\/shop\/\d{8}-\d{6}-[0-9a-f]{6}\.tar$/);
  assert.deepEqual(
    [backup.state, backup.sizeBytes, backup.sha256, backup.bucketName, backup.diskBytes, backup.source.name],
    ["available", bytes.length, createHash("sha256").update(bytes).digest("hex"), bucket.name, instance.diskBytes, "shop"],
  );
  assert.equal((await object(backup.key)).text, bytes);
  await cloud.act("DELETE", `/instances/${instance.id}`);
  const orphaned = await cloud.get(`/backups/${backup.id}`);
  assert.deepEqual([orphaned.state, orphaned.source], ["available", { kind: "instance", id: instance.id, name: "shop" }]);
  const { resource } = await cloud.act("POST", `/backups/${backup.id}/restore`, { name: "shop-again" });
  const again = await cloud.get(`/instances/${resource}`);
  assert.deepEqual(
    [again.state, again.vcpus, again.memoryBytes, again.diskBytes, again.sizeName],
    ["running", instance.vcpus, instance.memoryBytes, instance.diskBytes, instance.sizeName],
  );
  assert.equal(fake(again).disk, bytes);
  await cloud.act("DELETE", `/backups/${backup.id}`);
  assert.equal(await cloud.get(`/backups/${backup.id}`), undefined);
  assert.equal((await object(backup.key)).status, 404);
});

test("a volume is exported the same way, while it is attached, and comes back as a new one, larger if asked", async () => {
  const [instance, volume] = [await cloud.instance(), await cloud.volume({ name: "photos" })];
  await cloud.attach(volume.id, instance.id);
  fakeVolume(volume).content = "cats";
  const answer = await cloud.call("editor", "POST", "/backups", {
    volume: volume.id,
    bucket: bucket.id,
    prefix: "exports/",
    name: "For the archive",
  });
  await cloud.done(answer.body.id);
  const backup = await cloud.get(`/backups/${answer.body.resource.id}`);
  assert.match(backup.key, /^exports\/photos\//);
  assert.equal(backup.name, "For the archive");
  fakeVolume(volume).content = "dogs";
  const { resource } = await cloud.act("POST", `/backups/${backup.id}/restore`, { name: "photos-again" });
  assert.equal(fakeVolume({ id: resource }).content, "cats");
  const larger = await cloud.volume({ name: "photos-larger", backup: backup.id, sizeBytes: 8 * gib });
  assert.deepEqual([fakeVolume(larger).content, fakeVolume(larger).spec.sizeBytes], ["cats", 8 * gib]);
  const small = await cloud.call("editor", "POST", "/volumes", {
    project: cloud.project,
    name: "s",
    backup: backup.id,
    sizeBytes: gib,
  });
  assert.equal(small.status, 400);
});

test("clear errors: no such bucket, one that was deleted meanwhile, an engine that fails; nothing is left of them", async () => {
  const volume = await cloud.volume();
  const unknown = await cloud.call("editor", "POST", "/backups", { volume: volume.id, bucket: "no-such-bucket" });
  assert.deepEqual([unknown.status, unknown.body.code], [404, "not_found"]);
  assert.match(unknown.body.detail, /no bucket no-such-bucket/);
  const foreign = await cloud.call("owner", "POST", "/buckets", { project: cloud.otherProject, name: "the-neighbours" });
  assert.equal(foreign.status, 201);
  assert.equal((await cloud.call("editor", "POST", "/backups", { volume: volume.id, bucket: "the-neighbours" })).status, 404);

  const lost = await cloud.bucket();
  cloud.engine.faults.slow("volumeExport", 300, { times: 1 });
  const begun = await cloud.call("editor", "POST", "/backups", { volume: volume.id, bucket: lost.name });
  const twin = await cloud.call("editor", "POST", "/backups", { volume: volume.id, bucket: lost.name });
  assert.deepEqual([twin.status, twin.body.reason], [409, "operation_active"]);
  assert.equal((await cloud.call("editor", "DELETE", `/buckets/${lost.id}`)).status, 204);
  const ended = await cloud.ended(begun.body.id);
  assert.equal(ended.state, "failed");
  assert.match(ended.error.message, new RegExp(`${lost.name} does not exist any more`));
  assert.equal(await cloud.get(`/backups/${begun.body.resource.id}`), undefined);

  cloud.engine.faults.fail("volumeExport", { error: new CloudError("storage_full", "The engine has no room for the export.") });
  const failed = await cloud.call("editor", "POST", "/backups", { volume: volume.id, bucket: bucket.name });
  assert.equal((await cloud.ended(failed.body.id)).error.code, "storage_full");
  assert.deepEqual(await cloud.list(`/backups?volume=${volume.id}`), []);
});

test("a restore drill really starts the copy, without a network, runs the check, and leaves nothing", async () => {
  const instance = await cloud.instance();
  fake(instance).disk = "the shop";
  const backup = await cloud.backup({ instance: instance.id }, bucket.name);
  const used = await cloud.used();
  const seen: { interfaces: unknown; disk: string; command: string[] }[] = [];
  cloud.engine.onExec = (name, { command }) => {
    const copy = cloud.engine.instances.get(name)!;
    seen.push({ interfaces: copy.spec.interfaces, disk: copy.disk, command });
    return command.at(-1)?.includes("systemctl") ? { stdout: "degraded\n" } : { stdout: "42 orders\n" };
  };
  const {
    operation,
    verification,
    backup: after,
  } = await verify(backup, { command: "sqlite3 /srv/shop.db 'select count(*) from orders'" });
  assert.equal(operation.state, "succeeded");
  assert.deepEqual([after.verification, after.operationId], ["passed", undefined]);
  assert.equal(after.verifiedAt, verification.finishedAt);
  assert.equal(verification.state, "passed");
  assert.ok(verification.durationSeconds >= 0);
  for (const words of [
    /restoring backups/,
    new RegExp(backup.sha256),
    /systemd says degraded/,
    /42 orders/,
    /exit code 0/,
    /copy is deleted/,
  ])
    assert.match(verification.log, words);
  assert.deepEqual(
    seen.map(({ interfaces, disk }) => [interfaces, disk]),
    [
      [[], "the shop"],
      [[], "the shop"],
    ],
  );
  // Neither lists nor quotas know of it, and the engine has forgotten it.
  assert.deepEqual(await cloud.used(), used);
  assert.ok([...cloud.engine.instances.values()].every(({ spec }) => spec.labels["restore-drill"] === undefined));
  cloud.engine.onExec = () => ({ stdout: "running\n" });
});

test("a drill fails where the backup is bad: an object that was changed, one that is gone, a check that fails, a copy that stops", async () => {
  const instance = await cloud.instance();
  fake(instance).disk = "precious";
  const backup = await cloud.backup({ instance: instance.id }, bucket.name);

  let drill = await verify(backup, { command: "true" });
  assert.equal(drill.backup.verification, "passed");
  cloud.engine.onExec = (_name, { command }) =>
    command.at(-1) === "false" ? { exitCode: 3, stderr: "no orders" } : { stdout: "running\n" };
  drill = await verify(backup, { command: "false" });
  assert.deepEqual([drill.operation.state, drill.backup.verification], ["failed", "failed"]);
  assert.match(drill.backup.verificationMessage, /exit code 3/);
  assert.match(drill.verification.log, /no orders/);

  cloud.engine.onExec = (name) => {
    cloud.engine.happens(name, "shutdown");
    throw new CloudError("failed_precondition", "It is not running.");
  };
  drill = await verify(backup);
  assert.match(drill.backup.verificationMessage, /stopped by itself/);
  cloud.engine.onExec = (_name, { command }) =>
    command.at(-1)?.includes("systemctl") ? { stdout: "maintenance\n", exitCode: 1 } : {};
  drill = await verify(backup);
  assert.match(drill.backup.verificationMessage, /rescue mode/);
  cloud.engine.onExec = () => ({ exitCode: 127 });
  drill = await verify(backup);
  assert.equal(drill.backup.verification, "passed");

  await object(backup.key, "PUT", "precioux");
  drill = await verify(backup);
  assert.deepEqual([drill.operation.state, drill.backup.verification, drill.backup.state], ["failed", "failed", "available"]);
  assert.match(drill.backup.verificationMessage, /is damaged/);
  const restored = await cloud.call("editor", "POST", `/backups/${backup.id}/restore`, { name: "from-damaged" });
  assert.match((await cloud.ended(restored.body.id)).error.message, /is damaged/);
  assert.equal(await cloud.get(`/instances/${restored.body.resource.id}`), undefined);

  await cloud.call("editor", "DELETE", `/buckets/${bucket.id}/object?key=${encodeURIComponent(backup.key)}`);
  drill = await verify(backup);
  assert.deepEqual(
    [drill.backup.verification, drill.backup.state, drill.backup.allowedActions],
    ["failed", "missing", ["delete"]],
  );
  assert.match(drill.backup.verificationMessage, /was deleted/);
  assert.equal((await cloud.call("editor", "GET", `/backups/${backup.id}/verifications`)).body.items.length, 7);
  await cloud.act("DELETE", `/backups/${backup.id}`);
  assert.ok([...cloud.engine.instances.values()].every(({ spec }) => spec.labels["restore-drill"] === undefined));
  cloud.engine.onExec = () => ({ stdout: "running\n" });
});

test("while it is tried out, a backup is neither deleted nor tried out again; cancelled, the drill leaves it as it was", async () => {
  const instance = await cloud.instance();
  const backup = await cloud.backup({ instance: instance.id }, bucket.name);
  cloud.engine.faults.slow("instanceImport", 20_000, { times: 1 });
  const begun = await cloud.call("editor", "POST", `/backups/${backup.id}/verify`, {});
  const busy = await cloud.get(`/backups/${backup.id}`);
  assert.deepEqual([busy.verification, busy.allowedActions], ["running", ["restore"]]);
  for (const [method, path] of [
    ["DELETE", ""],
    ["POST", "/verify"],
  ] as const) {
    const refused = await cloud.call("editor", method, `/backups/${backup.id}${path}`, method === "POST" ? {} : undefined);
    assert.deepEqual([refused.status, refused.body.reason], [409, "operation_active"]);
  }
  await new Promise((resolve) => setTimeout(resolve, 200));
  await cloud.database.sql`update kernel.operations set cancel_requested = true where id = ${begun.body.id}`;
  await cloud.database.sql`select pg_notify('khmara_operations', ${begun.body.id})`;
  assert.equal((await cloud.ended(begun.body.id)).state, "cancelled");
  const now = await cloud.get(`/backups/${backup.id}`);
  assert.deepEqual(
    [now.verification, now.verifiedAt, now.allowedActions],
    [undefined, undefined, ["restore", "verify", "delete"]],
  );
});

test("backups of another project are not there; a viewer makes none", async () => {
  const volume = await cloud.volume();
  fakeVolume(volume).content = "x";
  const backup = await cloud.backup({ volume: volume.id }, bucket.name);
  assert.equal((await cloud.call("viewer", "POST", "/backups", { volume: volume.id, bucket: bucket.name })).status, 403);
  assert.equal((await cloud.call("viewer", "GET", `/backups/${backup.id}`)).status, 200);
  for (const [path, body] of [
    ["/restore", { name: "x" }],
    ["/verify", {}],
  ] as const) {
    assert.equal((await cloud.call("stranger", "POST", `/backups/${backup.id}${path}`, body)).status, 404);
  }
  const foreign = await cloud.call("owner", "POST", "/volumes", { project: cloud.otherProject, name: "mine", backup: backup.id });
  assert.equal(foreign.status, 404);
});

test("a token that may do backups but no objects gets no way around that", async () => {
  const volume = await cloud.volume();
  fakeVolume(volume).content = "x";
  const backup = await cloud.backup({ volume: volume.id }, bucket.name);
  const editor = cloud.principals.editor;
  try {
    Object.assign(editor, { scopes: ["compute.*"] });
    for (const [method, path, body] of [
      ["POST", "/backups", { volume: volume.id, bucket: bucket.name }],
      ["POST", `/backups/${backup.id}/restore`, { name: "around" }],
      ["POST", `/backups/${backup.id}/verify`, {}],
      ["POST", "/volumes", { project: cloud.project, name: "around", backup: backup.id }],
      ["DELETE", `/backups/${backup.id}`, undefined],
    ] as const) {
      const answer = await cloud.call("editor", method, path, body);
      assert.deepEqual([answer.status, answer.body.code], [403, "permission_denied"], path);
      assert.match(answer.body.detail, /objects: a backup is one/);
    }
    Object.assign(editor, { scopes: ["*.read", "*.list"] });
    assert.equal((await cloud.call("editor", "GET", `/backups/${backup.id}`)).status, 200);
    assert.equal((await cloud.call("editor", "POST", `/backups/${backup.id}/verify`, {})).status, 403);
  } finally {
    Object.assign(editor, { scopes: undefined });
  }
});
