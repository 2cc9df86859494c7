import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { CloudError } from "../../../kernel/errors.ts";
import { setQuota } from "../../../kernel/quota.ts";
import { gib, type TestDisks, testDisks } from "./testing/disks.ts";

let cloud: TestDisks;
before(async () => {
  cloud = await testDisks();
});
after(() => cloud.stop());

test("a volume's life: made, attached, grown, detached, deleted; quota and usage follow it", async () => {
  const before = await cloud.used();
  const volume = await cloud.volume({ name: "life", labels: { tier: "gold" }, description: "Of a test." });
  assert.deepEqual(
    [volume.state, volume.sizeBytes, volume.labels, volume.description, volume.snapshots, volume.operationId],
    ["available", 2 * gib, { tier: "gold" }, "Of a test.", 0, undefined],
  );
  assert.deepEqual(volume.allowedActions, ["attach", "resize", "snapshot", "restore", "clone", "backup", "rename", "delete"]);
  const engineName = cloud.engineName(volume.id);
  assert.deepEqual(cloud.engine.volumes.get(engineName)?.spec.labels, {
    volume: volume.id,
    project: cloud.project,
    organisation: cloud.organisation,
  });
  let used = await cloud.used();
  assert.equal(used["compute.volumes"], (before["compute.volumes"] ?? 0) + 1);
  assert.equal(used["compute.disk"], (before["compute.disk"] ?? 0) + 2 * gib);

  const instance = await cloud.instance();
  await cloud.attach(volume.id, instance.id, "/mnt/data");
  const attached = await cloud.get(`/volumes/${volume.id}`);
  assert.deepEqual(
    [attached.state, attached.attachment],
    ["attached", { instanceId: instance.id, instanceName: instance.name, path: "/mnt/data" }],
  );
  assert.ok(!attached.allowedActions.includes("delete"));
  assert.deepEqual([...(cloud.engine.volumes.get(engineName)?.attached ?? [])], [[cloud.engineName(instance.id), "/mnt/data"]]);
  const listed = await cloud.list(`/volumes?instance=${instance.id}`);
  assert.deepEqual(
    listed.map(({ name }) => name),
    ["life"],
  );

  await cloud.act("POST", `/volumes/${volume.id}/resize`, { sizeBytes: 3 * gib });
  assert.deepEqual(
    [(await cloud.get(`/volumes/${volume.id}`)).state, cloud.engine.volumes.get(engineName)?.spec.sizeBytes],
    ["attached", 3 * gib],
  );
  await cloud.act("POST", `/volumes/${volume.id}/detach`, {});
  assert.equal((await cloud.get(`/volumes/${volume.id}`)).attachment, undefined);
  assert.equal(cloud.engine.volumes.get(engineName)?.attached.size, 0);

  await cloud.act("DELETE", `/volumes/${volume.id}?confirm=life`);
  assert.equal(await cloud.get(`/volumes/${volume.id}`), undefined);
  assert.ok(!cloud.engine.volumes.has(engineName));
  used = await cloud.used();
  assert.deepEqual(
    [used["compute.volumes"], used["compute.disk"]],
    [before["compute.volumes"] ?? 0, (before["compute.disk"] ?? 0) + instance.diskBytes],
  );
  const spans = await cloud.usage(volume.id);
  assert.deepEqual(
    spans.map(({ meter, unit, quantity }) => [meter, unit, quantity]),
    [
      ["compute.volumes", "byte", String(2 * gib)],
      ["compute.volumes", "byte", String(3 * gib)],
    ],
  );
  const [first, second] = spans;
  assert.deepEqual(first?.to, second?.from);
  assert.ok(second?.to && second.to > second.from);
});

test("bad input gets a clear error and changes nothing", async () => {
  const before = [await cloud.used(), cloud.engine.volumes.size];
  const { project } = cloud;
  const create = (body: object) => cloud.call("editor", "POST", "/volumes", { project, name: "bad", sizeBytes: gib, ...body });
  for (const [body, status, words] of [
    [{ sizeBytes: 1000 }, 400, /1 GiB/],
    [{ sizeBytes: undefined }, 400, /how large/],
    [{ name: "Bad Name" }, 400, /letters/],
    [{ snapshot: "snp_00000000000000000000000000000000" }, 404, /snapshot/],
    [{ snapshot: "snp_00000000000000000000000000000000", volume: "vol_00000000000000000000000000000000" }, 400, /only one/],
    [{ labels: { "": "x" } }, 400, /label/],
  ] as const) {
    const answer = await create(body);
    assert.equal(answer.status, status, JSON.stringify(answer.body));
    assert.match(JSON.stringify(answer.body), words);
  }
  assert.deepEqual([await cloud.used(), cloud.engine.volumes.size], before);

  const volume = await cloud.volume({ name: "taken" });
  const taken = await create({ name: "taken" });
  assert.deepEqual([taken.status, taken.body.code], [409, "already_exists"]);
  const other = await cloud.volume({ name: "free" });
  const renamed = await cloud.call("editor", "PATCH", `/volumes/${other.id}`, { name: "taken" });
  assert.deepEqual([renamed.status, renamed.body.code], [409, "already_exists"]);
  const shrunk = await cloud.call("editor", "POST", `/volumes/${volume.id}/resize`, { sizeBytes: gib });
  assert.deepEqual([shrunk.status, shrunk.body.reason], [409, "shrinking"]);
  assert.match(shrunk.body.detail ?? shrunk.body.message, /only grows/);
  const unconfirmed = await cloud.call("editor", "DELETE", `/volumes/${volume.id}?confirm=other`);
  assert.equal(unconfirmed.status, 400);
  assert.match(JSON.stringify(unconfirmed.body), /taken/);
});

test("paths: absolute, no system folder, one volume each, none inside another", async () => {
  const instance = await cloud.instance();
  const [one, two] = [await cloud.volume(), await cloud.volume()];
  const attach = (volume: string, path: string) =>
    cloud.call("editor", "POST", `/volumes/${volume}/attach`, { instance: instance.id, path });
  for (const path of [
    "mnt",
    "/",
    "/mnt/",
    "/mnt//x",
    "/mnt/../etc",
    "/etc",
    "/etc/ssl",
    "/usr/local",
    "/var/lib",
    "/proc/x",
    "/root",
    "/mnt/a b",
    "/var/run/x",
  ]) {
    assert.equal((await attach(one.id, path)).status, 400, path);
  }
  await cloud.attach(one.id, instance.id, "/var/lib/postgresql");
  const same = await attach(two.id, "/var/lib/postgresql");
  assert.deepEqual([same.status, same.body.code], [409, "already_exists"]);
  for (const path of ["/var/lib/postgresql/15"]) assert.equal((await attach(two.id, path)).status, 409);
  await cloud.attach(two.id, instance.id, "/srv");
  assert.equal((await cloud.list(`/volumes?instance=${instance.id}`)).length, 2);
});

test("one instance at a time; only of its own project; only where the instance's state allows it", async () => {
  const [first, second] = [await cloud.instance(), await cloud.instance()];
  const volume = await cloud.volume();
  await cloud.attach(volume.id, first.id);
  const again = await cloud.call("editor", "POST", `/volumes/${volume.id}/attach`, { instance: second.id, path: "/mnt/data" });
  assert.deepEqual([again.status, again.body.reason], [409, "state_attached"]);
  assert.match(again.body.detail, /one instance at a time/);
  const free = await cloud.volume();
  await cloud.act("POST", `/instances/${second.id}/freeze`, {});
  const frozen = await cloud.call("editor", "POST", `/volumes/${free.id}/attach`, { instance: second.id, path: "/mnt/data" });
  assert.equal(frozen.status, 409);
  const foreign = await cloud.call("owner", "POST", "/volumes", { project: cloud.otherProject, name: "foreign", sizeBytes: gib });
  await cloud.done(foreign.body.id);
  const across = await cloud.call("owner", "POST", `/volumes/${foreign.body.resource.id}/attach`, {
    instance: first.id,
    path: "/mnt/data",
  });
  assert.deepEqual([across.status, across.body.code], [404, "not_found"]);
  for (const [caller, status] of [
    ["viewer", 403],
    ["neighbour", 404],
    ["stranger", 404],
    [undefined, 401],
  ] as const) {
    assert.equal((await cloud.call(caller, "POST", `/volumes/${volume.id}/detach`, {})).status, status);
  }
});

test("a protected volume stays, an attached one too; If-Match is heeded; changes are audited", async () => {
  const volume = await cloud.volume({ name: "kept", protected: true });
  assert.ok(!volume.allowedActions.includes("delete"));
  const refused = await cloud.call("editor", "DELETE", `/volumes/${volume.id}?confirm=kept`);
  assert.deepEqual([refused.status, refused.body.reason], [409, "protected"]);
  const stale = await cloud.call("editor", "PATCH", `/volumes/${volume.id}`, { protected: false }, { "if-match": '"r1"' });
  assert.equal(stale.status, 412);
  const free = await cloud.call(
    "editor",
    "PATCH",
    `/volumes/${volume.id}`,
    { protected: false, name: "loose" },
    { "if-match": `"r${volume.revision}"` },
  );
  assert.deepEqual(
    [free.status, free.body.name, free.body.protected, free.body.revision],
    [200, "loose", false, volume.revision + 1],
  );
  const instance = await cloud.instance();
  await cloud.attach(volume.id, instance.id);
  const attached = await cloud.call("editor", "DELETE", `/volumes/${volume.id}?confirm=loose`);
  assert.deepEqual([attached.status, attached.body.reason], [409, "state_attached"]);
  assert.match(attached.body.detail, /Detach it first/);
  const [entry] = await cloud.database.sql`select before, after from kernel.audit_entries
    where resource_id = ${volume.id} and action = 'compute.volume.update'`;
  assert.deepEqual(
    [entry?.["before"], entry?.["after"]],
    [
      { name: "kept", protected: true },
      { name: "loose", protected: false },
    ],
  );
  const events = await cloud.database.sql`select payload from kernel.events where type = 'compute.volume.changed'
    and payload->>'volumeId' = ${volume.id} order by at, id`;
  assert.ok(events.some(({ payload }) => payload.state === "attached" && payload.name === "loose"));
});

test("when the engine fails, everything is as before, and the operation says why", async () => {
  const before = await cloud.used();
  cloud.engine.faults.fail("volumeCreate", {
    error: new CloudError("storage_full", "The engine's disk is full. Delete what is not needed, or make it larger."),
  });
  const made = await cloud.call("editor", "POST", "/volumes", { project: cloud.project, name: "unlucky", sizeBytes: gib });
  const ended = await cloud.ended(made.body.id);
  assert.deepEqual([ended.state, ended.error.code], ["failed", "storage_full"]);
  assert.equal(await cloud.get(`/volumes/${made.body.resource.id}`), undefined);
  assert.deepEqual(await cloud.used(), before);

  const volume = await cloud.volume({ name: "sturdy" });
  const instance = await cloud.instance();
  const refuse = (call: string) =>
    cloud.engine.faults.fail(call, { error: new CloudError("failed_precondition", "It does not want to.") });
  const attempt = async (method: string, path: string, body?: object) => {
    const { body: operation } = await cloud.call("editor", method, path, body);
    return cloud.ended(operation.id);
  };
  refuse("volumeAttach");
  assert.equal(
    (await attempt("POST", `/volumes/${volume.id}/attach`, { instance: instance.id, path: "/mnt/x" })).state,
    "failed",
  );
  let now = await cloud.get(`/volumes/${volume.id}`);
  assert.deepEqual([now.state, now.attachment], ["available", undefined]);
  const held = await cloud.used();
  refuse("volumeResize");
  assert.equal((await attempt("POST", `/volumes/${volume.id}/resize`, { sizeBytes: 5 * gib })).state, "failed");
  now = await cloud.get(`/volumes/${volume.id}`);
  assert.deepEqual([now.state, now.sizeBytes, await cloud.used()], ["available", 2 * gib, held]);
  // It failed, but had grown: what is there is what is counted.
  cloud.engine.faults.fail("volumeResize", { error: new CloudError("internal", "The answer was lost."), afterwards: true });
  assert.equal((await attempt("POST", `/volumes/${volume.id}/resize`, { sizeBytes: 5 * gib })).state, "failed");
  now = await cloud.get(`/volumes/${volume.id}`);
  assert.deepEqual([now.state, now.sizeBytes], ["available", 5 * gib]);
  assert.equal((await cloud.used())["compute.disk"], (held["compute.disk"] ?? 0) + 3 * gib);

  await cloud.attach(volume.id, instance.id);
  refuse("volumeDetach");
  assert.equal((await attempt("POST", `/volumes/${volume.id}/detach`, {})).state, "failed");
  assert.equal((await cloud.get(`/volumes/${volume.id}`)).state, "attached");
  await cloud.act("POST", `/volumes/${volume.id}/detach`, {});
  refuse("volumeDelete");
  assert.equal((await attempt("DELETE", `/volumes/${volume.id}?confirm=sturdy`)).state, "failed");
  now = await cloud.get(`/volumes/${volume.id}`);
  assert.equal(now.state, "error");
  assert.match(now.stateReason, /does not want to/);
  assert.deepEqual(now.allowedActions, ["rename", "delete"]);
  await cloud.act("DELETE", `/volumes/${volume.id}?confirm=sturdy`);
  assert.equal(await cloud.get(`/volumes/${volume.id}`), undefined);
});

test("what cannot even be undone stays visible and can be deleted", async () => {
  cloud.engine.faults.fail("volumeCreate", { error: new CloudError("internal", "Half of it is there."), afterwards: true });
  cloud.engine.faults.fail("volumeDelete", { error: new CloudError("unavailable", "The engine does not answer."), times: 5 });
  const made = await cloud.call("editor", "POST", "/volumes", { project: cloud.project, name: "half", sizeBytes: gib });
  assert.equal((await cloud.ended(made.body.id)).state, "failed");
  const volume = await cloud.get(`/volumes/${made.body.resource.id}`);
  assert.equal(volume.state, "error");
  assert.match(volume.stateReason, /Half of it is there/);
  await cloud.act("DELETE", `/volumes/${volume.id}?confirm=half`);
  assert.ok(!cloud.engine.volumes.has(cloud.engineName(volume.id)));
});

test("quotas: so many, so large; parallel creates never pass them", async () => {
  const scope = { organisationId: cloud.organisation, projectId: cloud.project };
  const { "compute.volumes": count = 0, "compute.disk": bytes = 0 } = await cloud.used();
  await cloud.database.transaction("system", (tx) => setQuota(tx, scope, "compute.volumes", count + 3));
  const answers = await Promise.all(
    Array.from({ length: 8 }, (_, index) =>
      cloud.call("editor", "POST", "/volumes", { project: cloud.project, name: `many-${index}`, sizeBytes: gib }),
    ),
  );
  assert.deepEqual(answers.map(({ status }) => status).sort(), [202, 202, 202, 403, 403, 403, 403, 403]);
  assert.match(answers.find(({ status }) => status !== 202)?.body.detail, /quota/);
  await cloud.database.transaction("system", (tx) => setQuota(tx, scope, "compute.volumes", null));
  await cloud.database.transaction("system", (tx) => setQuota(tx, scope, "compute.disk", bytes + 4 * gib));
  const volume = await cloud.volume({ sizeBytes: gib });
  const grown = await cloud.call("editor", "POST", `/volumes/${volume.id}/resize`, { sizeBytes: 20 * gib });
  assert.deepEqual([grown.status, grown.body.code], [403, "quota_exceeded"]);
  assert.equal((await cloud.get(`/volumes/${volume.id}`)).state, "available");
  await cloud.database.transaction("system", (tx) => setQuota(tx, scope, "compute.disk", null));
});

test("a volume larger than the engine's whole disk is refused in words", async () => {
  const made = await cloud.call("editor", "POST", "/volumes", { project: cloud.project, name: "huge", sizeBytes: 900 * gib });
  const ended = await cloud.ended(made.body.id);
  assert.equal(ended.error.code, "storage_full");
  assert.match(ended.error.message, /500 GiB in all/);
});

test("cancelled in the middle, a creation leaves nothing", async () => {
  cloud.engine.faults.slow("volumeCreate", 5000, { times: 1 });
  const before = await cloud.used();
  const made = await cloud.call("editor", "POST", "/volumes", { project: cloud.project, name: "slow", sizeBytes: gib });
  await new Promise((resolve) => setTimeout(resolve, 200));
  await cloud.database.sql`update kernel.operations set cancel_requested = true where id = ${made.body.id}`;
  await cloud.database.sql`select pg_notify('khmara_operations', ${made.body.id})`;
  assert.equal((await cloud.ended(made.body.id)).state, "cancelled");
  assert.deepEqual(await cloud.used(), before);
  assert.equal(await cloud.get(`/volumes/${made.body.resource.id}`), undefined);
});

test("clones: of a volume and of its snapshot, as large or larger, each on its own afterwards", async () => {
  const source = await cloud.volume({ name: "original" });
  const content = (id: string) => cloud.engine.volumes.get(cloud.engineName(id));
  content(source.id)!.content = "first";
  const snapshot = await cloud.snapshot({ volume: source.id }, "before");
  content(source.id)!.content = "second";
  const copy = await cloud.volume({ name: "copy", volume: source.id });
  const old = await cloud.volume({ name: "old", snapshot: snapshot.id, sizeBytes: 4 * gib });
  assert.deepEqual([content(copy.id)?.content, copy.sizeBytes], ["second", 2 * gib]);
  assert.deepEqual([content(old.id)?.content, old.sizeBytes, content(old.id)?.spec.sizeBytes], ["first", 4 * gib, 4 * gib]);
  const small = await cloud.call("editor", "POST", "/volumes", {
    project: cloud.project,
    name: "small",
    volume: source.id,
    sizeBytes: gib,
  });
  assert.equal(small.status, 400);
  const { resource } = await cloud.act("POST", `/snapshots/${snapshot.id}/clone`, { name: "third" });
  assert.equal(content(resource)?.content, "first");
  await cloud.act("DELETE", `/volumes/${source.id}?confirm=original`);
  assert.deepEqual([content(copy.id)?.content, await cloud.get(`/snapshots/${snapshot.id}`)], ["second", undefined]);
});

test("an instance that is deleted sets its volumes free and takes its snapshots and schedules with it", async () => {
  const before = await cloud.used();
  const instance = await cloud.instance();
  const volume = await cloud.volume();
  await cloud.attach(volume.id, instance.id);
  const own = await cloud.snapshot({ instance: instance.id });
  const ofVolume = await cloud.snapshot({ volume: volume.id });
  const schedule = await cloud.call("editor", "POST", "/snapshot-schedules", {
    instance: instance.id,
    name: "nightly",
    kind: "snapshot",
    frequency: "day",
    at: "03:00",
  });
  assert.equal(schedule.status, 201);
  await cloud.act("DELETE", `/instances/${instance.id}`);
  const now = await cloud.get(`/volumes/${volume.id}`);
  assert.deepEqual([now.state, now.attachment, now.snapshots], ["available", undefined, 1]);
  assert.equal(await cloud.get(`/snapshots/${own.id}`), undefined);
  assert.equal((await cloud.get(`/snapshots/${ofVolume.id}`)).state, "available");
  assert.equal(await cloud.get(`/snapshot-schedules/${schedule.body.id}`), undefined);
  const used = await cloud.used();
  assert.equal(used["compute.snapshots"], (before["compute.snapshots"] ?? 0) + 1);
});

test("a volume is saved from an instance that is gone from the engine", async () => {
  const [instance, volume] = [await cloud.instance(), await cloud.volume()];
  await cloud.attach(volume.id, instance.id);
  cloud.engine.happens(cloud.engineName(instance.id), "deleted");
  await cloud.compute.parts.instances.reconcile();
  assert.equal((await cloud.get(`/instances/${instance.id}`)).state, "missing");
  await cloud.act("POST", `/volumes/${volume.id}/detach`, {});
  const now = await cloud.get(`/volumes/${volume.id}`);
  assert.deepEqual([now.state, now.attachment], ["available", undefined]);
});
