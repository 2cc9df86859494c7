import assert from "node:assert/strict";
import { after, beforeEach, test } from "node:test";
import { CloudError } from "../../../kernel/errors.ts";
import { newId } from "../../../kernel/ids.ts";
import type { ImageBuilder } from "../driver.ts";
import { testCompute } from "../testing/fixture.ts";
import { createMemberWatch } from "./members.ts";
import { defineEngineOperations } from "./operations.ts";
import { createReconciler } from "./reconciler.ts";

const builder: ImageBuilder = {
  recipes: () => [
    {
      name: "debian-12",
      title: "Debian 12",
      distribution: "debian",
      release: "bookworm",
      kind: "container",
      defaultUser: "debian",
      minimumDiskBytes: 1024 ** 3,
      mirror: "http://mirror.test",
    },
  ],
  check: async () => ({ available: true }),
  build: () => Promise.reject(new Error("Not in this test.")),
};
const cloud = await testCompute({
  members: ["one", "two", "three"],
  noVms: "There is no /dev/kvm.",
  drivers: { imageBuilder: { driver: builder } },
  standIns: ["networks"],
});
after(() => cloud.stop());
const { call, engine, database, project } = cloud;
const { parts } = cloud.compute;

/** As the real one, without the patience. */
const operations = defineEngineOperations(parts);
const reconciler = createReconciler(parts, createMemberWatch(parts, operations, { graceMs: 0 }), { orphanGraceMs: 0 });
const round = () => reconciler.run(new AbortController().signal);
const differences = async (query = "") => (await call("admin", "GET", `/differences?${query}`)).body.items;
const instanceNow = async (id: string) => (await call("owner", "GET", `/instances/${id}`)).body;
const memberOf = (name: string) => {
  const member = engine.memberList.find((each) => each.name === name);
  assert.ok(member);
  return member;
};

beforeEach(async () => {
  for (const member of engine.memberList) member.state = "online";
  await round();
});

test("the engine, as everybody sees it, and as its administrators do", async () => {
  const seen = (await call("stranger", "GET", "/engine")).body;
  assert.deepEqual([seen.available, seen.kind, seen.clustered, seen.network], [true, "lxd", true, { available: true }]);
  assert.deepEqual(seen.kinds, { container: { available: true }, vm: { available: false, reason: "There is no /dev/kvm." } });
  assert.deepEqual(seen.firstImage, { recipe: "debian-12", title: "Debian 12", available: true });
  assert.equal(seen.capacity, undefined);
  await cloud.instance({ member: undefined });
  const own = (await call("admin", "GET", "/engine")).body;
  assert.equal(own.firstImage, undefined, "there is an image now");
  assert.equal(own.capacity.cpus, 24);
  assert.equal(own.capacity.pool.totalBytes, 1500 * 1024 ** 3);
  assert.deepEqual(
    [own.capacity.promised.instances, own.capacity.promised.runningInstances, own.capacity.promised.vcpus],
    [1, 1, 1],
  );
  assert.equal((await call(undefined, "GET", "/engine")).status, 401);
});

test("an engine that does not answer is said to be away, and nothing else breaks", async () => {
  engine.faults.fail("info", { error: new CloudError("unavailable", "The engine cannot be reached.") });
  const seen = (await call("viewer", "GET", "/engine")).body;
  assert.deepEqual([seen.available, seen.reason, seen.hint], [false, "engine_unreachable", "The engine cannot be reached."]);
  engine.faults.fail("members", { times: 2 });
  assert.equal((await call("admin", "GET", "/engine-members")).status, 503);
  await assert.rejects(round(), (error) => CloudError.is(error, "unavailable"));
});

test("without an engine the hint says what to do", async () => {
  const bare = await testCompute({
    runner: false,
    drivers: { engine: { missing: "Add one: ./khmara up --install-engines" }, network: { missing: "No root." } },
  });
  try {
    const seen = (await bare.call("viewer", "GET", "/engine")).body;
    assert.deepEqual(seen, {
      available: false,
      reason: "engine_missing",
      hint: "Add one: ./khmara up --install-engines",
      network: { available: false, reason: "No root." },
    });
    const refused = await bare.call("admin", "GET", "/engine-members");
    assert.deepEqual([refused.status, refused.body.reason], [409, "engine_missing"]);
    assert.equal((await bare.call("admin", "GET", "/differences")).status, 200);
    await bare.work("compute.engine.reconcile");
  } finally {
    await bare.stop();
  }
});

test("members with what they have and what they promised", async () => {
  const instance = await cloud.instance();
  const { body } = await call("admin", "GET", "/engine-members?limit=2");
  assert.deepEqual(
    body.items.map((each: { name: string }) => each.name),
    ["one", "three"],
  );
  const rest = (await call("admin", "GET", `/engine-members?cursor=${body.nextCursor}`)).body;
  assert.deepEqual(
    rest.items.map((each: { name: string }) => each.name),
    ["two"],
  );
  const member = (await call("admin", "GET", `/engine-members/${instance.member}`)).body;
  assert.ok(member.instances >= 1 && member.runningInstances >= 1 && member.vcpus >= 1);
  assert.deepEqual([member.cpus, member.state, member.allowedActions], [8, "online", ["evacuate"]]);
  assert.equal((await call("admin", "GET", "/engine-members/four")).status, 404);
  for (const path of ["/engine-members", "/engine-members/one", "/differences"])
    assert.equal((await call("owner", "GET", path)).status, 403, path);
});

test("a member is evacuated for maintenance, and comes back", async () => {
  const instance = await cloud.instance();
  const { member } = instance;
  const path = `/engine-members/${member}`;
  assert.equal((await call("owner", "POST", `${path}/evacuate`, {})).status, 403);
  const early = await call("admin", "POST", `${path}/restore`, {});
  assert.deepEqual([early.status, early.body.reason], [409, "member_online"]);
  const answer = await call("admin", "POST", `${path}/evacuate`, {});
  assert.equal(answer.status, 202, JSON.stringify(answer.body));
  await cloud.done(answer.body.id);
  const moved = await instanceNow(instance.id);
  assert.notEqual(moved.member, member);
  assert.equal(moved.state, "running");
  const empty = (await call("admin", "GET", path)).body;
  assert.deepEqual([empty.state, empty.allowedActions], ["evacuated", ["restore"]]);
  assert.equal((await call("admin", "POST", `${path}/evacuate`, {})).status, 409);
  await cloud.done((await call("admin", "POST", `${path}/restore`, {})).body.id);
  assert.equal((await call("admin", "GET", path)).body.state, "online");
});

test("the last member cannot be evacuated", async () => {
  memberOf("two").state = "offline";
  memberOf("three").state = "offline";
  const refused = await call("admin", "POST", "/engine-members/one/evacuate", {});
  assert.deepEqual([refused.status, refused.body.reason], [409, "no_other_member"]);
});

test("an instance is moved by an administrator of the cloud", async () => {
  const instance = await cloud.instance();
  const target = engine.memberList.find(({ name }) => name !== instance.member)?.name as string;
  const move = (member: string, caller: "admin" | "owner" | "stranger" = "admin") =>
    call(caller, "POST", `/instances/${instance.id}/move`, { member });
  assert.deepEqual(
    [(await move(target, "stranger")).status, (await move(target, "owner")).status, (await move("four")).status],
    [404, 403, 409],
  );
  assert.equal((await move(instance.member)).body.reason, "is_there");
  engine.faults.slow("instanceMove", 300, { times: 1 });
  const answer = await move(target);
  assert.equal(answer.status, 202, JSON.stringify(answer.body));
  assert.equal((await instanceNow(instance.id)).state, "moving");
  assert.deepEqual((await cloud.done(answer.body.id)).result, { member: target });
  await until(async () => (await instanceNow(instance.id)).member === target);
  assert.equal((await instanceNow(instance.id)).state, "running");
  engine.faults.fail("instanceMove", { error: new CloudError("failed_precondition", "The disk does not fit there.") });
  const failed = await cloud.ended((await move(instance.member)).body.id);
  assert.equal(failed.error.message, "The disk does not fit there.");
  await until(async () => (await instanceNow(instance.id)).state === "running");
});

test("an instance that somebody deleted in the engine: seen, and its record forgotten", async () => {
  const instance = await cloud.instance();
  const [name] = [...engine.instances].find(([, each]) => each.spec.labels["instance"] === instance.id) ?? [];
  engine.happens(name as string, "deleted", new Date(), "quietly");
  await round();
  assert.equal((await instanceNow(instance.id)).state, "missing");
  const [difference] = (await differences("kind=instance_missing")).filter(
    (each: { resource: { id: string } }) => each.resource.id === instance.id,
  );
  assert.deepEqual(difference.resource, { kind: "instance", id: instance.id, name: instance.name });
  assert.equal(difference.projectId, project);
  const [first, id] = [difference.firstSeenAt, difference.id];
  await round();
  const again = (await differences("kind=instance_missing")).find((each: { id: string }) => each.id === id);
  assert.equal(again.firstSeenAt, first, "it stays the same one");
  assert.ok(again.lastSeenAt > first);
  const path = `/differences/${id}`;
  assert.equal((await call("owner", "POST", `${path}/repair`, { action: "forget" })).status, 403);
  assert.equal((await call("admin", "POST", `${path}/repair`, { action: "delete" })).body.reason, "no_such_action");
  await cloud.done((await call("admin", "POST", `${path}/repair`, { action: "forget" })).body.id);
  assert.equal((await call("owner", "GET", `/instances/${instance.id}`)).status, 404);
  assert.equal((await call("admin", "POST", `${path}/repair`, { action: "forget" })).status, 404);
  const [entry] =
    await database.sql`select after from kernel.audit_entries where resource_id = ${id} and action = 'compute.difference.repair'`;
  assert.deepEqual(entry?.["after"], { action: "forget" });
});

test("a missing instance is made anew, with its addresses and volumes", async () => {
  const instance = await cloud.instance();
  const name = `kh-${instance.id.slice(-12)}`;
  const image = engine.instances.get(name)?.image;
  engine.happens(name, "deleted", new Date(), "quietly");
  await round();
  const { id } = await differenceOf(instance.id);
  engine.faults.fail("instanceCreate", { error: new CloudError("storage_full", "The pool is full.") });
  const failed = await cloud.ended((await call("admin", "POST", `/differences/${id}/repair`, { action: "recreate" })).body.id);
  assert.match(failed.error.message, /The pool is full/);
  assert.equal((await instanceNow(instance.id)).state, "missing");
  await cloud.done((await call("admin", "POST", `/differences/${id}/repair`, { action: "recreate" })).body.id);
  const now = await instanceNow(instance.id);
  assert.deepEqual([now.state, now.name], ["running", instance.name]);
  assert.deepEqual([engine.instances.get(name)?.image, engine.instances.get(name)?.state], [image, "running"]);
  const open = (await cloud.usage(instance.id)).filter(({ to }) => to === null).map(({ meter }) => meter);
  assert.deepEqual(open.toSorted(), ["compute.disk", "compute.memory", "compute.vcpus"]);
  assert.equal(await differenceOf(instance.id), undefined);
});

/** What a process leaves that died at the wrong moment, or a database that was put back from a backup. */
async function orphan(labels: Record<string, string> = {}): Promise<string> {
  const id = newId("instance");
  const name = `kh-${id.slice(-12)}`;
  engine.addImage("template");
  await engine.instanceCreate({
    name,
    kind: "container",
    image: { name: "template" },
    size: { vcpus: 2, memoryBytes: 1024 ** 3, diskBytes: 5 * 1024 ** 3 },
    hostName: "lost",
    cloudInit: {},
    interfaces: [],
    autoRestart: true,
    labels: { instance: id, project, organisation: cloud.organisation, ...labels },
  });
  return name;
}
const differenceOf = async (name: string) =>
  (await differences()).find((each: { resource: { id: string } }) => each.resource.id === name);

test("an orphan: shown after a while, ignored, deleted", async () => {
  const name = await orphan();
  const patient = createReconciler(parts, createMemberWatch(parts, operations), { orphanGraceMs: 60_000 });
  await patient.run(new AbortController().signal);
  assert.equal(await differenceOf(name), undefined, "what makes it may still be at work");
  await round();
  const difference = await differenceOf(name);
  assert.deepEqual([difference.kind, difference.allowedActions], ["instance_orphan", ["adopt", "delete"]]);
  const path = `/differences/${difference.id}`;
  assert.equal((await call("admin", "PATCH", path, { ignored: true })).body.ignored, true);
  await round();
  assert.equal(
    (await differences("ignored=false")).some((each: { id: string }) => each.id === difference.id),
    false,
  );
  assert.equal(
    (await differences("ignored=true")).some((each: { id: string }) => each.id === difference.id),
    true,
  );
  await cloud.done((await call("admin", "POST", `${path}/repair`, { action: "delete" })).body.id);
  assert.equal(engine.instances.has(name), false);
  assert.equal(await differenceOf(name), undefined);
});

test("an orphan is adopted: its disk goes on in an instance with a record", async () => {
  const name = await orphan();
  const found = engine.instances.get(name);
  assert.ok(found);
  found.disk = "precious data";
  await round();
  const { id } = await differenceOf(name);
  await cloud.done((await call("admin", "POST", `/differences/${id}/repair`, { action: "adopt" })).body.id);
  assert.equal(engine.instances.has(name), false);
  const [adopted] = (await call("owner", "GET", `/instances?project=${project}&search=adopted`)).body.items;
  assert.deepEqual([adopted.state, adopted.vcpus, adopted.diskBytes], ["stopped", 2, 5 * 1024 ** 3]);
  const [own] = [...engine.instances.values()].filter((each) => each.spec.labels["instance"] === adopted.id);
  assert.equal(own?.disk, "precious data");
});

test("a repair that is not right any more changes nothing", async () => {
  const name = await orphan();
  await round();
  const { id } = await differenceOf(name);
  // Somebody put the database right meanwhile: it has a record again.
  const instance = await cloud.instance();
  await database.sql`update compute.instances set engine_name = ${name} where id = ${instance.id}`;
  const ended = await cloud.ended((await call("admin", "POST", `/differences/${id}/repair`, { action: "delete" })).body.id);
  assert.equal(ended.state, "failed");
  assert.match(ended.error.message, /not so any more/);
  assert.ok(engine.instances.has(name));
  assert.equal((await differenceOf(name)).operationId, undefined);
  await round();
  assert.equal(await differenceOf(name), undefined);
});

test("what is not ours is not touched, nor even named", async () => {
  const name = await orphan();
  const found = engine.instances.get(name);
  assert.ok(found);
  found.spec.labels = {};
  engine.addImage("somebody-elses");
  await round();
  assert.equal(await differenceOf(name), undefined);
  assert.equal(await differenceOf("somebody-elses"), undefined);
  assert.ok(engine.instances.has(name) && engine.images.has("somebody-elses"));
  engine.instances.delete(name);
});

test("an image that is gone is in error until it is there again; its record can be forgotten", async () => {
  const view = await cloud.image();
  const kept = engine.images.get(view.engineName);
  assert.ok(kept);
  engine.images.delete(view.engineName);
  await round();
  const gone = (await call("admin", "GET", `/images/${view.id}`)).body;
  assert.equal(gone.state, "error");
  assert.match(gone.stateReason, /gone from the engine/);
  assert.equal((await differenceOf(view.id)).kind, "image_missing");
  engine.images.set(view.engineName, kept);
  await round();
  assert.equal((await call("admin", "GET", `/images/${view.id}`)).body.state, "ready");
  assert.equal(await differenceOf(view.id), undefined);
  engine.images.delete(view.engineName);
  await round();
  const { id } = await differenceOf(view.id);
  await cloud.done((await call("admin", "POST", `/differences/${id}/repair`, { action: "forget" })).body.id);
  assert.equal((await call("admin", "GET", `/images/${view.id}`)).status, 404);
});

test("an image without a record can be deleted", async () => {
  const id = newId("image");
  const name = `kh-${id.slice(-12)}`;
  engine.addImage(name);
  Object.assign(engine.images.get(name) ?? {}, { labels: { image: id } });
  await round();
  const difference = await differenceOf(name);
  assert.equal(difference.kind, "image_orphan");
  await cloud.done((await call("admin", "POST", `/differences/${difference.id}/repair`, { action: "delete" })).body.id);
  assert.equal(engine.images.has(name), false);
});

test("a network that cannot be made what its records say is shown, and tried again when asked", async () => {
  await database.sql`insert into compute.routers (project_id, organisation_id, router_id, error)
    values (${project}, ${cloud.organisation}, 'aaaa1111', 'nft is missing.')`;
  await round();
  const broken = await differenceOf(project);
  assert.equal(broken.kind, "router_broken");
  assert.match(broken.detail, /nft is missing/);
  cloud.standIns.networks.applied.length = 0;
  await cloud.done((await call("admin", "POST", `/differences/${broken.id}/repair`, { action: "retry" })).body.id);
  assert.deepEqual(cloud.standIns.networks.applied, [project]);
  await database.sql`update compute.routers set error = null`;
  await round();
  assert.equal(await differenceOf(project), undefined);
});

/** As LXD lists what is on a member that it cannot reach. */
function unplug(member: string): void {
  memberOf(member).state = "offline";
  for (const each of engine.instances.values()) if (each.member === member) each.state = "error";
}

test("a member that stays away: its instances are said to be unavailable, and come back with it", async () => {
  const [web, idle] = [await cloud.instance({ member: undefined }), await cloud.instance({ start: false })];
  const at = web.member;
  await engine.instanceMove(`kh-${idle.id.slice(-12)}`, at);
  await round();
  unplug(at);
  await round();
  const seen = await instanceNow(web.id);
  assert.equal(seen.state, "error");
  assert.match(seen.stateReason, new RegExp(`member ${at} that it is on is offline`));
  assert.equal((await differenceOf(at)).kind, "member_offline");
  assert.deepEqual((await differenceOf(web.id)).allowedActions, []);
  assert.ok((await call("admin", "GET", `/engine-members/${at}`)).body.offlineSince);
  await round();
  assert.ok(engine.instances.has(`kh-${web.id.slice(-12)}`), "nothing is given up");

  memberOf(at).state = "online";
  for (const [name, each] of engine.instances)
    if (each.member === at) each.state = name === `kh-${idle.id.slice(-12)}` ? "stopped" : "running";
  await round();
  assert.equal((await instanceNow(web.id)).state, "running");
  assert.equal((await instanceNow(idle.id)).state, "stopped");
  assert.equal(await differenceOf(at), undefined);
  assert.equal(await differenceOf(web.id), undefined);
});

test("a short absence is only noticed", async () => {
  const instance = await cloud.instance();
  const patient = createReconciler(parts, createMemberWatch(parts, operations, { graceMs: 60_000 }));
  memberOf(instance.member).state = "offline";
  await patient.run(new AbortController().signal);
  assert.equal((await differenceOf(instance.member)).kind, "member_offline");
  assert.equal((await instanceNow(instance.id)).state, "running");
  assert.equal(await differenceOf(instance.id), undefined);
});

test("with shared storage other members take over: what ran runs again", async () => {
  const { info } = engine;
  engine.info = async () => ({ ...(await info()), storageDriver: "ceph" });
  const [web, idle] = [await cloud.instance(), await cloud.instance({ start: false })];
  const at = web.member;
  await engine.instanceMove(`kh-${idle.id.slice(-12)}`, at);
  await round();
  unplug(at);
  // The move takes it from the dead member; there it does not run.
  const { instanceMove } = engine;
  engine.instanceMove = async (name, member, options) => {
    await instanceMove(name, member, options);
    const each = engine.instances.get(name);
    if (each) each.state = "stopped";
  };
  await round();
  await until(async () => (await instanceNow(web.id)).state === "running");
  await until(async () => (await instanceNow(idle.id)).state === "stopped");
  for (const { id } of [web, idle]) {
    // What the engine says of it is asked after the move has ended.
    await until(async () => (await instanceNow(id)).member !== at);
    assert.equal(await differenceOf(id), undefined);
  }
  engine.info = info;
  engine.instanceMove = instanceMove;
});

async function until(holds: () => Promise<boolean>): Promise<void> {
  for (const end = Date.now() + 10_000; !(await holds()); await new Promise((resolve) => setTimeout(resolve, 10)))
    if (Date.now() > end) throw new Error(`It does not come: ${holds}`);
}
