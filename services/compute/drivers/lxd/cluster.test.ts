import assert from "node:assert/strict";
import { createReadStream } from "node:fs";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { silentLog } from "../../../../kernel/log.ts";
import { lxdMissing, testLxd } from "../../../../testing/lxd.ts";
import { type LxdCluster, startLxdCluster } from "../../../../testing/lxdCluster.ts";
import type { ComputeDriver } from "../../driver.ts";
import { createMemberWatch } from "../../engine/members.ts";
import { defineEngineOperations } from "../../engine/operations.ts";
import { createReconciler, type Reconciler } from "../../engine/reconciler.ts";
import { type TestCompute, testCompute } from "../../testing/fixture.ts";
import { openLxdClient } from "./client.ts";
import { openLxdDriver } from "./index.ts";

/** Past one machine: three daemons on this host, in network namespaces of their own, are a real cluster. */
const skip = lxdMissing() ?? false;
let cluster: LxdCluster;
let engine: ComputeDriver;
let cloud: TestCompute;
let reconciler: Reconciler;

before(
  async () => {
    if (skip) return;
    const { imageFile } = await testLxd();
    cluster = await startLxdCluster(["one", "two", "three"]);
    engine = await openEngine();
    cloud = await testCompute({ drivers: { engine: { driver: engine } }, standIns: ["networks"] });
    // No cards: overlay.test.ts is about networks.
    cloud.standIns.networks.createPorts = async () => [];
    const { parts } = cloud.compute;
    reconciler = createReconciler(parts, createMemberWatch(parts, defineEngineOperations(parts), { graceMs: 0 }));
    const view = await cloud.image({ name: "debian-12" });
    await engine.imageImport(view.engineName, createReadStream(imageFile), { labels: { image: view.id } });
  },
  { timeout: 300_000 },
);
after(async () => {
  await cloud?.stop();
  await cluster?.stop();
});

const engineProject = "khmara-test";
const openEngine = () =>
  openLxdDriver({
    endpoint: cluster.members[0]?.socket as string,
    pool: cluster.poolName,
    engineProject,
    log: silentLog,
  });
const round = () => reconciler.run(new AbortController().signal);
const call: TestCompute["call"] = (...request) => cloud.call(...request);
const members = async () => (await call("admin", "GET", "/engine-members")).body.items;
const memberNow = async (name: string) => (await call("admin", "GET", `/engine-members/${name}`)).body;
const instanceNow = async (id: string) => (await call("owner", "GET", `/instances/${id}`)).body;
const differences = async () =>
  (await call("admin", "GET", "/differences")).body.items as { kind: string; resource: { name: string } }[];
const done = async (answer: { status: number; body: { id: string } }) => {
  assert.equal(answer.status, 202, JSON.stringify(answer.body));
  // Disks are copied: on a busy machine that takes longer than most operations do.
  const isOver = async () =>
    (await cloud.database.sql`select 1 from kernel.operations where id = ${answer.body.id} and finished_at is not null`).length >
    0;
  await until(isOver, 150_000);
  await cloud.done(answer.body.id);
};
// biome-ignore lint/suspicious/noExplicitAny: views of the API.
let web: any[] = [];

test("the members, with what each has", { skip }, async () => {
  assert.equal((await call("admin", "GET", "/engine")).body.clustered, true);
  const all = await members();
  assert.deepEqual(
    all.map(({ name, state }: { name: string; state: string }) => [name, state]),
    [
      ["one", "online"],
      ["three", "online"],
      ["two", "online"],
    ],
  );
  for (const { cpus, memoryBytes, pool, address, architecture } of all) {
    assert.ok(cpus > 0 && memoryBytes > 0 && pool.totalBytes > 1024 ** 3, JSON.stringify(all));
    assert.match(address, /^10\.77\.0\.\d:8443$/);
    assert.match(architecture, /^(amd64|arm64)$/);
  }
  const { capacity } = (await call("admin", "GET", "/engine")).body;
  assert.equal(
    capacity.pool.totalBytes,
    all.reduce((sum: number, { pool }: { pool: { totalBytes: number } }) => sum + pool.totalBytes, 0),
  );
});

test("a group with anti-affinity puts its instances on different members, and no more than there are", {
  skip,
  timeout: 180_000,
}, async () => {
  const group = (await call("editor", "POST", "/instance-groups", { project: cloud.project, name: "web" })).body;
  const size = await cloud.size({ memoryBytes: 128 * 1024 ** 2, diskBytes: 2 * 1024 ** 3 });
  const create = (name: string) =>
    call("editor", "POST", "/instances", { project: cloud.project, name, size, image: "debian-12", group: group.id });
  const answers = [];
  for (const name of ["web-1", "web-2", "web-3"]) answers.push(await create(name));
  for (const answer of answers) await done(answer);
  web = await Promise.all(answers.map(({ body }) => instanceNow(body.resource.id)));
  assert.deepEqual(web.map(({ member }) => member).toSorted(), ["one", "three", "two"]);
  assert.deepEqual(
    web.map(({ state }) => state),
    ["running", "running", "running"],
  );
  const fourth = await create("web-4");
  assert.deepEqual([fourth.status, fourth.body.reason], [409, "anti_affinity"]);
  for (const { instances, runningInstances } of await members()) assert.deepEqual([instances, runningInstances], [1, 1]);
});

test("an instance with cards goes to where its bridges are while they are on no other member", { skip }, async () => {
  const [image] = await engine.imageList();
  const create = (name: string, member?: string) =>
    engine.instanceCreate({
      name,
      kind: "container",
      image: { name: image?.name as string },
      size: { vcpus: 1, memoryBytes: 128 * 1024 ** 2, diskBytes: 1024 ** 3 },
      hostName: name,
      cloudInit: {},
      interfaces: [{ device: "eth0", bridge: "khnothere", macAddress: `02:00:00:00:00:0${name.at(-1)}`, hostDevice: `${name}e` }],
      autoRestart: false,
      labels: { test: name },
      ...(member === undefined ? {} : { member }),
    });
  for (const name of ["kh-1", "kh-2"]) await create(name);
  await create("kh-3", "one");
  await assert.rejects(create("kh-4", "two"), { code: "failed_precondition", details: { reason: "network_not_joined" } });
  const places = new Map((await engine.instanceList()).map(({ name, member }) => [name, member]));
  assert.deepEqual(
    ["kh-1", "kh-2", "kh-3"].map((name) => places.get(name)),
    ["one", "one", "one"],
  );
  // Made before the engine was a cluster, they would have no filter.
  const client = openLxdClient({ endpoint: cluster.members[0]?.socket as string }, engineProject);
  const cardOf = async () =>
    (await client.get<{ devices: Record<string, Record<string, string>> }>("/1.0/instances/kh-1")).devices["eth0"] ?? {};
  const { "security.mac_filtering": filter, ...open } = await cardOf();
  assert.equal(filter, "true");
  const { devices, ...rest } = await client.get<{ devices: Record<string, unknown> }>("/1.0/instances/kh-1");
  await client.put("/1.0/instances/kh-1", { ...rest, devices: { ...devices, eth0: open } });
  assert.equal((await cardOf())["security.mac_filtering"], undefined);
  await (await openEngine()).close();
  assert.equal((await cardOf())["security.mac_filtering"], "true");
  client.close();
  for (const name of ["kh-1", "kh-2", "kh-3"]) await engine.instanceDelete(name);
});

test("an instance moves to another member, with its disk", { skip, timeout: 120_000 }, async () => {
  const [instance] = web;
  const name = `kh-${instance.id.slice(-12)}`;
  await engine.fileWrite(name, "/root/precious", Buffer.from("data"));
  const target = ["one", "two", "three"].find((each) => each !== instance.member) as string;
  await done(await call("admin", "POST", `/instances/${instance.id}/move`, { member: target }));
  await until(async () => (await instanceNow(instance.id)).member === target);
  assert.equal((await instanceNow(instance.id)).state, "running");
  const file = await engine.fileRead(name, "/root/precious");
  assert.equal(file.kind === "file" && Buffer.concat(await file.content.toArray()).toString(), "data");
  await done(await call("admin", "POST", `/instances/${instance.id}/move`, { member: instance.member }));
  await until(async () => (await instanceNow(instance.id)).member === instance.member);
});

test("a member is emptied for maintenance, and gets its instances back", { skip, timeout: 180_000 }, async () => {
  const instance = web.find(({ member }) => member === "two");
  await done(await call("admin", "POST", "/engine-members/two/evacuate", {}));
  const away = await instanceNow(instance.id);
  assert.notEqual(away.member, "two");
  assert.equal(away.state, "running");
  assert.deepEqual([(await memberNow("two")).state, (await memberNow("two")).instances], ["evacuated", 0]);
  await done(await call("admin", "POST", "/engine-members/two/restore", {}));
  const back = await instanceNow(instance.id);
  assert.deepEqual([back.member, back.state], ["two", "running"]);
  assert.equal((await memberNow("two")).state, "online");
});

test("a member that dies is seen, its instances are said to be unavailable, and come back with it", {
  skip,
  timeout: 180_000,
}, async () => {
  await round();
  const lost = web.find(({ member }) => member === "three");
  const member = cluster.members.find(({ name }) => name === "three");
  assert.ok(member);
  await member.kill();
  // The engine itself waits eleven seconds before it calls a silent member offline.
  await until(async () => {
    await round();
    return (await memberNow("three")).state === "offline";
  }, 60_000);
  await round();
  const there = await differences();
  assert.deepEqual(
    there.map(({ kind, resource }) => [kind, resource.name]).toSorted(),
    [
      ["instance_unavailable", lost.name],
      ["member_offline", "three"],
    ],
    JSON.stringify(there),
  );
  const unavailable = await instanceNow(lost.id);
  assert.equal(unavailable.state, "error");
  assert.match(unavailable.stateReason, /member three that it is on is offline/);
  for (const { id, member: at } of web.filter(({ id }) => id !== lost.id)) {
    assert.equal((await instanceNow(id)).state, "running", `${at} goes on`);
  }
  const refused = await call("admin", "POST", `/instances/${web.find(({ id }) => id !== lost.id).id}/move`, { member: "three" });
  assert.deepEqual([refused.status, refused.body.reason], [409, "member_offline"]);

  await member.start();
  await until(async () => {
    await round();
    return (await memberNow("three")).state === "online" && (await differences()).length === 0;
  }, 60_000);
  const now = await instanceNow(lost.id);
  assert.equal(now.member, "three");
  // Its power was cut: the engine starts it again with its daemon.
  await until(async () => {
    await round();
    return (await instanceNow(lost.id)).state === "running";
  }, 30_000);
});

async function until(holds: () => Promise<boolean>, withinMs = 10_000): Promise<void> {
  for (const end = Date.now() + withinMs; !(await holds()); await sleep(200))
    if (Date.now() > end) throw new Error(`It does not come: ${holds}`);
}
