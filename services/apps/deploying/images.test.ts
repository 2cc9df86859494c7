import assert from "node:assert/strict";
import { mkdtemp, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, afterEach, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { newId } from "../../../kernel/ids.ts";
import { setQuota } from "../../../kernel/quota.ts";
import { type TestDeploying, testDeploying } from "./testing/fixture.ts";

let cloud: TestDeploying;
before(async () => {
  cloud = await testDeploying();
});
afterEach(() => {
  for (const faults of Object.values(cloud.faults)) faults.clear();
});
after(() => cloud.stop());

const image = (text: string) => ({ Dockerfile: `FROM base.khmara.internal/base:12\nUSER 10001\nEXPOSE 9000\nCOPY . .\n`, text });

test("images: from a file with its port, from a public registry, and why there is none", async () => {
  const app = await cloud.app();
  const sent = await cloud.send("editor", `/apps/${app.id}/image-uploads?healthPath=/up`, Buffer.from("image of somebody"));
  await cloud.done(sent.body.id);
  const { items } = (await cloud.call("viewer", "GET", `/apps/${app.id}/releases`)).body;
  assert.deepEqual([items[0].port, items[0].healthPath, items[0].processes], [9000, "/up", [{ name: "web" }]]);
  const pulled = await cloud.call("editor", "POST", `/apps/${app.id}/image-deployments`, {
    image: "docker.io/library/there:1",
    port: 80,
  });
  await cloud.done(pulled.body.id);
  assert.equal((await cloud.show(app)).releaseNumber, 2);
  const gone = await cloud.call("editor", "POST", `/apps/${app.id}/image-deployments`, { image: "docker.io/library/nowhere:1" });
  assert.match((await cloud.ended(gone.body.id)).error.message, /cannot be reached/);
  for (const image of ["web:1", "localhost:5000/x", "10.0.0.1/x/y", "registry.local/x:1"]) {
    const answer = await cloud.call("editor", "POST", `/apps/${app.id}/image-deployments`, { image });
    assert.ok([400, 409].includes(answer.status), `${image}: ${answer.status}`);
  }
});

test("images that no release needs go after ten releases; the quota is given back", async () => {
  const app = await cloud.app();
  for (let index = 0; index < 12; index++) await cloud.deploy(app, image(`number ${index}`));
  const { items } = (await cloud.call("viewer", "GET", `/apps/${app.id}/releases`)).body;
  assert.deepEqual(
    items.map(({ canRollBack }: { canRollBack: boolean }) => canRollBack),
    [false, ...Array(9).fill(true), false, false],
  );
  const kept = [...cloud.engine.images.values()].filter(({ labels }) => labels["app"] === app.id && labels["deployment"]);
  assert.equal(kept.length, 10);
  const [sum] = await cloud.database.sql<{ bytes: number }[]>`select sum(size_bytes)::bigint as bytes from apps.images`;
  assert.equal(await cloud.quota("apps.images"), sum?.bytes);
});

test("a body that is too long, empty or broken off leaves nothing; one whose process was killed is swept", async () => {
  const app = await cloud.app();
  const path = `/apps/${app.id}/deployments`;
  const uploads = join(cloud.directory, "apps", "uploads");
  const left = async () => (await readdir(uploads)).filter((name) => name.startsWith(".part-"));
  assert.equal((await cloud.send("editor", path, new Uint8Array())).status, 400);
  const chunk = new Uint8Array(64 * 1024);
  const broken = new ReadableStream({
    start: (controller) => controller.enqueue(chunk),
    async pull(controller) {
      await sleep(20);
      controller.error(new Error("gone"));
    },
  });
  await assert.rejects(cloud.send("editor", path, broken));
  for (const until = Date.now() + 30_000; (await left()).length > 0 && Date.now() < until; ) await sleep(20);
  assert.deepEqual(await left(), []);
  const many = new ReadableStream({ pull: (controller) => controller.enqueue(new Uint8Array(8 * 1024 ** 2)) });
  // The answer may come before all is sent, or the connection is closed on a sender that does not stop.
  const answer = await cloud.send("editor", path, many).catch(() => undefined);
  if (answer) assert.equal(answer.status, 413);
  for (const until = Date.now() + 30_000; (await left()).length > 0 && Date.now() < until; ) await sleep(20);
  assert.deepEqual(await left(), []);
  assert.equal((await cloud.call("viewer", "GET", path)).body.items.length, 0);

  // No process has this number.
  await writeFile(join(uploads, `.part-4194305-${newId("deployment")}`), "half");
  const old = join(uploads, `${newId("deployment")}.upload`);
  const young = join(uploads, `${newId("deployment")}.upload`);
  for (const file of [old, young]) await writeFile(file, "whole");
  const logs = await readdir(uploads);
  await cloud.work("apps.uploads");
  const after = await readdir(uploads);
  assert.deepEqual(
    logs.filter((name) => !after.includes(name)).map((name) => name.startsWith(".part-")),
    [true],
    "what a killed process left goes; what was put into place a moment ago stays",
  );
});

test("a folder that a door made is deployed, and taken over", async () => {
  const app = await cloud.app();
  const folder = await mkdtemp(join(cloud.directory, "pushed-"));
  await writeFile(join(folder, "index.html"), "<h1>pushed</h1>");
  const actor = { kind: "user" as const, name: "editor" };
  const source = { kind: "git" as const, description: "first", branch: "main", commit: "a".repeat(40) };
  const begun = await cloud.parts.deploying.deployFolder({ appId: app.id, actor, folder, source });
  await cloud.done(begun.operationId);
  const deployed = await cloud.deployment(begun.deploymentId);
  assert.deepEqual([deployed.state, deployed.source], ["succeeded", source]);
  assert.ok(cloud.engine.builds.at(-1)?.files.includes("app/index.html"));
  await assert.rejects(readdir(folder), /ENOENT/);
  const gone = await mkdtemp(join(cloud.directory, "pushed-"));
  await assert.rejects(
    cloud.parts.deploying.deployFolder({ appId: newId("app"), actor, folder: gone, source }),
    /does not exist/,
  );
});

test("a quota that is used up refuses the app, and the image: what runs goes on", async () => {
  const app = await cloud.app();
  await cloud.deploy(app, image("one"));
  const [{ organisation } = { organisation: "" }] = await cloud.database.sql<
    { organisation: string }[]
  >`select organisation_id as organisation from apps.apps where id = ${app.id}`;
  const limit = (name: string, value: number | null) =>
    cloud.database.transaction("system", (tx) => setQuota(tx, { organisationId: organisation }, name, value));
  const [bytes, apps] = [await cloud.quota("apps.images"), await cloud.quota("apps.apps")];
  await limit("apps.images", bytes);
  await limit("apps.apps", apps);
  try {
    const refused = await cloud.ended((await cloud.begin(app, image("two"))).id);
    assert.equal(refused.error.code, "quota_exceeded");
    assert.equal((await cloud.show(app)).releaseNumber, 1);
    assert.equal(await cloud.quota("apps.images"), bytes);
    const answer = await cloud.call("editor", "POST", "/apps", { project: cloud.project, name: "one-too-many" });
    assert.equal(answer.body.code, "quota_exceeded");
  } finally {
    await limit("apps.images", null);
    await limit("apps.apps", null);
  }
});

test("package managers begin with what the build before downloaded, and a lock file that stays keeps its layers", async () => {
  const app = await cloud.app();
  const node = (lock: string, code: string) => ({
    "package.json": JSON.stringify({ name: "x", version: "1.0.0", scripts: { start: "node server.js" } }),
    "package-lock.json": JSON.stringify({ name: "x", version: lock, lockfileVersion: 3, packages: {} }),
    "server.js": code,
  });
  const cacheOf = (build: { dockerfile: string } | undefined) => /COPY --from=(\S*cache\S*)/.exec(build?.dockerfile ?? "")?.[1];
  const last = () => cloud.engine.builds.findLast(({ name }) => /:d\d+$/.test(name));
  await cloud.deploy(app, node("1.0.0", "one"));
  const first = last();
  assert.equal(cacheOf(first), undefined);
  await cloud.deploy(app, node("1.0.0", "two"));
  assert.equal(last()?.dockerfile, first?.dockerfile, "the same instructions: the engine has their layers");
  await cloud.deploy(app, node("2.0.0", "two"));
  const third = last();
  assert.match(cacheOf(third) ?? "", /:cache$/);
  await cloud.deploy(app, node("2.0.0", "three"));
  assert.match(cacheOf(last()) ?? "", /:cache-before$/, "the same content as before, under the name that it has now");
  const caches = [...cloud.engine.images.values()].filter(({ labels }) => labels["app"] === app.id && labels["cache"]);
  assert.equal(caches.length, 2);
});

test("what killed builds and old builds left in the engine is swept, and nothing else", async () => {
  const app = await cloud.app();
  await cloud.deploy(app, image("one"));
  const put = (name: string, labels: Record<string, string>, change: { names?: string[]; createdAt?: Date } = {}) => {
    const id = `sha256:${name.padEnd(64, "0")}`;
    const [any] = cloud.engine.images.values();
    if (!any) throw new Error("no image");
    cloud.engine.images.set(id, { ...any, id, labels, names: change.names ?? [], createdAt: change.createdAt ?? new Date() });
    return id;
  };
  const longAgo = new Date(Date.now() - 8 * 24 * 3600_000);
  const killed = put("a", { app: app.id, deployment: newId("deployment") });
  const oldStep = put("b", { base: "node-24" }, { createdAt: longAgo });
  const newStep = put("c", { base: "node-24" });
  const base = put("d", { base: "node-22" }, { names: ["base/node:22-x"], createdAt: longAgo });
  const before = [...cloud.engine.images.keys()];
  cloud.engine.networks.set("build-x", { role: "build", deployment: newId("deployment") });
  cloud.engine.networks.set("project-x", { kind: "project" });
  await cloud.work("apps.images");
  assert.deepEqual([...cloud.engine.networks.keys()], ["project-x"]);
  assert.deepEqual(before.filter((id) => !cloud.engine.images.has(id)).sort(), [killed, oldStep].sort());
  for (const id of [newStep, base]) cloud.engine.images.delete(id);
});
