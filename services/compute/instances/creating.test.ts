import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { after, before, test } from "node:test";
import { type TestCompute, testCompute } from "../testing/fixture.ts";

let cloud: TestCompute;
before(async () => {
  cloud = await testCompute({
    noVms: "Virtual machines need KVM, and this host has none.",
  });
});
after(() => cloud.stop());

const gib = 1024 ** 3;
const rows = async () => (await cloud.database.sql`select count(*) as count from compute.instances`)[0]?.["count"];
const used = async (scope = cloud.project) =>
  Object.fromEntries(
    (await cloud.database.sql`select name, used from kernel.quota_usage where scope_id = ${scope} and name like 'compute.%'`).map(
      (row) => [row["name"], row["used"]],
    ),
  );
async function create(body: Record<string, unknown>, caller: "editor" | "admin" | "viewer" | "stranger" = "editor") {
  return cloud.call(caller, "POST", "/instances", {
    project: cloud.project,
    size: "small",
    image: (await cloud.image()).name,
    ...body,
  });
}

test("the default sizes are there, the smallest first; whoever signs in sees them", async () => {
  const { items } = (await cloud.call("stranger", "GET", "/sizes")).body;
  assert.deepEqual(
    items.slice(0, 3).map((size: { name: string; pricePerHour: string }) => [size.name, size.pricePerHour]),
    [
      ["nano", "0.003"],
      ["small", "0.005"],
      ["medium", "0.009"],
    ],
  );
  const first = (await cloud.call("stranger", "GET", "/sizes?limit=4")).body;
  const rest = (await cloud.call("stranger", "GET", `/sizes?limit=1000&cursor=${first.nextCursor}`)).body;
  assert.deepEqual([...first.items, ...rest.items], items);
});

test("sizes are changed by the cloud's administrators only, and a size in use is not deleted", async () => {
  const body = { name: "tiny", vcpus: 1, memoryBytes: 256 * 1024 ** 2, diskBytes: 2 * gib, pricePerHour: "0.001" };
  assert.equal((await cloud.call("owner", "POST", "/sizes", body)).status, 403);
  const size = await cloud.call("admin", "POST", "/sizes", body);
  assert.equal(size.status, 201);
  assert.equal((await cloud.call("admin", "POST", "/sizes", body)).status, 409);
  const path = `/sizes/${size.body.id}`;
  const priced = await cloud.call("admin", "PATCH", path, { pricePerHour: "0.0015" }, { "if-match": '"r1"' });
  assert.deepEqual([priced.status, priced.body.pricePerHour, priced.body.revision], [200, "0.0015", 2]);
  assert.equal((await cloud.call("admin", "PATCH", path, { retired: true }, { "if-match": '"r1"' })).status, 412);
  const instance = await cloud.instance({ size: "tiny" });
  const inUse = await cloud.call("admin", "DELETE", path);
  assert.deepEqual([inUse.status, inUse.body.reason], [409, "size_in_use"]);
  await cloud.call("admin", "PATCH", path, { retired: true });
  const retired = await create({ name: "late", size: "tiny" });
  assert.deepEqual([retired.status, retired.body.errors?.[0]?.path ?? retired.body.fields?.[0]?.path], [400, "body.size"]);
  await cloud.done((await cloud.call("editor", "DELETE", `/instances/${instance.id}`)).body.id);
  assert.equal((await cloud.call("admin", "DELETE", path)).status, 204);
});

test("bad input gets a clear error and changes nothing", async () => {
  const key = (
    await cloud.call("stranger", "POST", "/ssh-keys", { project: cloud.strangersProject, name: "k", publicKey: ed25519() })
  ).body;
  const big = await cloud.image({ minimumDiskBytes: 100 * gib });
  const vm = await cloud.image({ kind: "vm" });
  const before = [await rows(), JSON.stringify(await used())];
  for (const [body, status, says] of [
    [{ name: "-web" }, 400, /small letters/],
    [{ name: "web", size: "gigantic" }, 400, /no size gigantic. There are: nano, small/],
    [{ name: "web", image: "nothing" }, 404, /no image nothing/],
    [{ name: "web", image: big.name }, 400, /disk of 10 GiB; this image needs at least 100 GiB/],
    [{ name: "web", image: vm.name }, 400, /for virtual machines/],
    [{ name: "web", image: vm.name, kind: "vm" }, 409, /need KVM/],
    [{ name: "web", sshKeys: [key.id] }, 400, /no such SSH key/],
    [{ name: "web", userData: "apt-get install nginx" }, 400, /#cloud-config/],
    [{ name: "web", labels: { "": "x" } }, 400, /label/],
    [{ name: "web", group: "igr_0192f0c1d2e37a4b8c5d6e7f80912a3b" }, 400, /no such instance group/],
    [{ name: "web", member: "host" }, 403, /administrators of the cloud/],
  ] as const) {
    const answer = await create(body);
    assert.equal(answer.status, status, `${JSON.stringify(body)}: ${JSON.stringify(answer.body)}`);
    assert.match(JSON.stringify(answer.body), says);
  }
  assert.equal((await create({ name: "web" }, "viewer")).status, 403);
  assert.equal((await create({ name: "web" }, "stranger")).status, 404);
  assert.deepEqual([await rows(), JSON.stringify(await used())], before);
  assert.deepEqual([...cloud.engine.instances.keys()], []);
});

test("a name is taken once in a project; another project may have the same", async () => {
  const first = await cloud.instance({ name: "db" });
  const second = await create({ name: "db" });
  assert.deepEqual([second.status, second.body.code, second.body.reason], [409, "already_exists", "name_taken"]);
  const image = await cloud.image();
  const other = await cloud.call("neighbour", "POST", "/instances", {
    project: cloud.otherProject,
    name: "db",
    size: "small",
    image: image.id,
  });
  assert.equal(other.status, 202);
  await cloud.done(other.body.id);
  const renaming = await cloud.instance({ name: "db-2" });
  const taken = await cloud.call("editor", "PATCH", `/instances/${renaming.id}`, { name: "db" });
  assert.deepEqual([taken.status, taken.body.reason], [409, "name_taken"]);
  assert.equal((await cloud.call("viewer", "GET", `/instances/${first.id}`)).body.name, "db");
});

test("quotas bind creating and growing, and are given back", async () => {
  const scope = cloud.project;
  const before = await used();
  const limit = (name: string, value: number) => cloud.database.sql`
    insert into kernel.quota_limits (scope_id, organisation_id, name, limit_value) values (${scope}, ${cloud.organisation}, ${name}, ${value})
    on conflict (scope_id, name) do update set limit_value = excluded.limit_value`;
  await limit("compute.vcpus", (before["compute.vcpus"] ?? 0) + 3);
  const two = await cloud.size({ vcpus: 2, diskBytes: 10 * gib });
  const four = await cloud.size({ vcpus: 4, diskBytes: 10 * gib });
  const one = await cloud.size({ vcpus: 1, diskBytes: 10 * gib, memoryBytes: 2 * gib });
  const instance = await cloud.instance({ size: two, name: "bound" });
  const second = await create({ name: "unbound", size: two });
  assert.deepEqual([second.status, second.body.code, second.body.quota], [403, "quota_exceeded", "compute.vcpus"]);
  const grown = await cloud.call("editor", "POST", `/instances/${instance.id}/resize`, { size: four });
  assert.equal(grown.body.code, "quota_exceeded");
  assert.equal((await used())["compute.vcpus"], (before["compute.vcpus"] ?? 0) + 2);
  const shrunk = await cloud.call("editor", "POST", `/instances/${instance.id}/resize`, { size: one });
  await cloud.done(shrunk.body.id);
  const after = await used();
  assert.equal(after["compute.vcpus"], (before["compute.vcpus"] ?? 0) + 1);
  assert.equal(after["compute.memory"], (before["compute.memory"] ?? 0) + 2 * gib);
  await cloud.done((await cloud.call("editor", "DELETE", `/instances/${instance.id}`)).body.id);
  assert.deepEqual(await used(), before);
  await cloud.database.sql`delete from kernel.quota_limits`;
});

test("keys, user data and the image's user reach cloud-init; user data is sealed at rest", async () => {
  const key = (await cloud.call("editor", "POST", "/ssh-keys", { project: cloud.project, name: "mine", publicKey: ed25519() }))
    .body;
  assert.match(key.fingerprint, /^SHA256:[A-Za-z0-9+/]{43}$/);
  const image = await cloud.image({ defaultUser: "ubuntu" });
  const userData = "#cloud-config\npackages: [nginx]\n# the password is hunter2\n";
  const instance = await cloud.instance({ image: image.name, sshKeys: [key.id], userData });
  assert.deepEqual(instance.sshKeyIds, [key.id]);
  const made = [...cloud.engine.instances.values()].find(({ spec }) => spec.labels["instance"] === instance.id);
  const { vendorData, userData: given, sshKeys } = made?.spec.cloudInit ?? {};
  assert.equal(given, userData);
  assert.deepEqual(sshKeys, [key.publicKey]);
  const config = JSON.parse((vendorData ?? "").replace("#cloud-config\n", ""));
  assert.deepEqual([config.ssh_pwauth, config.disable_root, config.user.name], [false, false, "ubuntu"]);
  assert.deepEqual(config.ssh_authorized_keys, [key.publicKey]);
  const [row] = await cloud.database.sql`select user_data from compute.instances where id = ${instance.id}`;
  assert.ok(!Buffer.from(row?.["user_data"]).includes("hunter2"));
  const everywhere = await cloud.database
    .sql`select input::text || memory::text || coalesce(result::text, '') as all from kernel.operations`;
  assert.ok(everywhere.every((each) => !String(each["all"]).includes("hunter2")));
  const audited = await cloud.database.sql`select coalesce(after::text, '') as after from kernel.audit_entries`;
  assert.ok(audited.every((each) => !String(each["after"]).includes("hunter2")));

  assert.equal((await cloud.call("editor", "DELETE", `/ssh-keys/${key.id}`)).status, 204);
  const rebuilt = await cloud.call("editor", "POST", `/instances/${instance.id}/rebuild`, { confirm: instance.name });
  await cloud.done(rebuilt.body.id);
  assert.deepEqual(made?.spec.cloudInit.sshKeys, [key.publicKey]);
});

test("an SSH key that is none gets a clear error", async () => {
  for (const [publicKey, says] of [
    ["-----BEGIN OPENSSH PRIVATE KEY-----", /private key/],
    ["ssh-ed25519 AAAA", /cut off or damaged/],
    ["hello", /begins with its type/],
  ] as const) {
    const answer = await cloud.call("editor", "POST", "/ssh-keys", { project: cloud.project, name: "bad", publicKey });
    assert.equal(answer.status, 400);
    assert.match(answer.body.detail, says);
  }
});

test("a strict group refuses a second instance where there is only one member; a soft one does not", async () => {
  const group = async (policy: string) =>
    (
      await cloud.call("editor", "POST", "/instance-groups", {
        project: cloud.project,
        name: policy.replaceAll("_", "-"),
        policy,
      })
    ).body;
  const strict = await group("anti_affinity");
  await cloud.instance({ name: "first", group: strict.id });
  const second = await create({ name: "second", group: strict.id });
  assert.deepEqual([second.status, second.body.reason], [409, "anti_affinity"]);
  assert.match(second.body.detail, /only one member/);
  const soft = await group("soft_anti_affinity");
  await cloud.instance({ name: "third", group: soft.id });
  await cloud.instance({ name: "fourth", group: soft.id });
  const { items } = (await cloud.call("viewer", "GET", `/instance-groups?project=${cloud.project}`)).body;
  assert.deepEqual(
    items.map((each: { name: string; instances: number }) => [each.name, each.instances]),
    [
      ["anti-affinity", 1],
      ["soft-anti-affinity", 2],
    ],
  );
  const full = await cloud.call("editor", "DELETE", `/instance-groups/${soft.id}`);
  assert.deepEqual([full.status, full.body.reason], [409, "group_not_empty"]);
});

test("in a cluster the instances of a group are put on different members, also when they are created at once", async () => {
  const cluster = await testCompute({ members: ["a", "b", "c"] });
  try {
    const offline = cluster.engine.memberList[1];
    if (offline) offline.state = "offline";
    const place = { project: cluster.project };
    const group = (await cluster.call("editor", "POST", "/instance-groups", { ...place, name: "apart" })).body;
    const image = await cluster.image();
    const begin = (name: string, body = {}, caller: "editor" | "admin" = "editor") =>
      cluster.call(caller, "POST", "/instances", { ...place, name, size: "small", image: image.id, ...body });
    const two = await Promise.all([begin("one", { group: group.id }), begin("two", { group: group.id })]);
    assert.deepEqual(
      two.map(({ status }) => status),
      [202, 202],
    );
    await Promise.all(two.map(({ body }) => cluster.done(body.id)));
    const { items } = (await cluster.call("viewer", "GET", `/instances?project=${cluster.project}`)).body;
    assert.deepEqual(items.map((each: { member: string }) => each.member).sort(), ["a", "c"]);
    const third = await begin("three", { group: group.id });
    assert.deepEqual([third.status, third.body.reason], [409, "anti_affinity"]);
    const elsewhere = await begin("four", { member: "b" }, "admin");
    assert.deepEqual([elsewhere.status, elsewhere.body.reason], [409, "member_offline"]);
    const placed = await begin("five", { member: "c" }, "admin");
    await cluster.done(placed.body.id);
    const free = await begin("six");
    await cluster.done(free.body.id);
    const shown = (await cluster.call("viewer", "GET", `/instances?project=${cluster.project}`)).body.items;
    const memberOf = (name: string) => shown.find((each: { name: string }) => each.name === name).member;
    assert.equal(memberOf("five"), "c");
    assert.ok(["a", "c"].includes(memberOf("six")));
  } finally {
    await cluster.stop();
  }
});

test("nobody sees or touches what another tenant has, whichever way they ask", async () => {
  const instance = await cloud.instance({ name: "mine" });
  for (const caller of ["stranger", "neighbour"] as const) {
    for (const [method, path, body] of [
      ["GET", `/instances/${instance.id}`],
      ["PATCH", `/instances/${instance.id}`, { description: "x" }],
      ["POST", `/instances/${instance.id}/stop`, {}],
      ["DELETE", `/instances/${instance.id}?force=true`],
      ["POST", `/instances/${instance.id}/password-reset`, {}],
    ] as const)
      assert.equal((await cloud.call(caller, method, path, body)).status, 404, `${caller} ${method} ${path}`);
    assert.equal((await cloud.call(caller, "GET", `/instances?project=${cloud.project}`)).status, 404);
  }
  // Row-level security by itself: a transaction of the other tenant finds nothing.
  const found = await cloud.database.transaction({ organisationIds: [cloud.otherOrganisation] }, async (tx) => ({
    instances: await tx.sql`select id from compute.instances`,
    keys: await tx.sql`select id from compute.ssh_keys where organisation_id <> ${cloud.otherOrganisation}`,
    groups: await tx.sql`select id from compute.instance_groups`,
  }));
  assert.deepEqual([found.instances.length, found.keys.length, found.groups.length], [0, 0, 0]);
});

test("lists go on by cursor, and filter by name, state and label", async () => {
  for (const [name, labels] of [
    ["list-a", { tier: "web" }],
    ["list-b", { tier: "db" }],
    ["list-c", { tier: "web", spare: "" }],
  ] as const)
    await cloud.instance({ name, labels, start: name !== "list-b" });
  const list = async (query: string) =>
    (await cloud.call("viewer", "GET", `/instances?project=${cloud.project}&${query}`)).body.items.map(
      (each: { name: string }) => each.name,
    );
  assert.deepEqual(await list("search=list-"), ["list-a", "list-b", "list-c"]);
  assert.deepEqual(await list("search=LIST-&state=stopped"), ["list-b"]);
  assert.deepEqual(await list("label=tier=web"), ["list-a", "list-c"]);
  assert.deepEqual(await list("label=spare"), ["list-c"]);
  const seen: string[] = [];
  for (let cursor = ""; ; ) {
    const { body } = await cloud.call("viewer", "GET", `/instances?project=${cloud.project}&limit=2${cursor}`);
    seen.push(...body.items.map((each: { name: string }) => each.name));
    if (!body.nextCursor) break;
    cursor = `&cursor=${body.nextCursor}`;
  }
  assert.deepEqual(seen, [...seen].sort());
  assert.equal(new Set(seen).size, seen.length);
});

function ed25519(): string {
  const { publicKey } = generateKeyPairSync("ed25519");
  const raw = publicKey.export({ type: "spki", format: "der" }).subarray(-32);
  const field = (bytes: Buffer) => Buffer.concat([Buffer.from([0, 0, 0, bytes.length]), bytes]);
  return `ssh-ed25519 ${Buffer.concat([field(Buffer.from("ssh-ed25519")), field(raw)]).toString("base64")} me@example.org`;
}
