import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { createReadStream, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { silentLog } from "../../../kernel/log.ts";
import { lxdMissing, type TestLxd, testLxd, testProject } from "../../../testing/lxd.ts";
import type { ComputeDriver } from "../driver.ts";
import { openLxdDriver } from "../drivers/lxd/index.ts";
import { createMemberWatch } from "../engine/members.ts";
import { defineEngineOperations } from "../engine/operations.ts";
import { createReconciler } from "../engine/reconciler.ts";
import { type TestCompute, testCompute } from "../testing/fixture.ts";

/** Images, and the comparison with the engine, over a real LXD or Incus. */
const skip = lxdMissing() ?? false;
const gib = 1024 ** 3;
let cloud: TestCompute;
let engine: ComputeDriver;
let lxd: TestLxd;
let removeProject = async () => {};
const folder = mkdtempSync(join(tmpdir(), "khmara-image-files-"));

before(async () => {
  if (skip) return;
  lxd = await testLxd();
  const own = await testProject(lxd, "khimg", { ownImages: true });
  removeProject = own.remove;
  engine = await openLxdDriver({ endpoint: lxd.socket, pool: lxd.poolName, engineProject: own.name, log: silentLog });
  cloud = await testCompute({ drivers: { engine: { driver: engine } }, standIns: ["networks"] });
  // No cards: what the network of the host does is tested elsewhere.
  cloud.standIns.networks.createPorts = async () => [];
});
after(async () => {
  await cloud?.stop();
  await removeProject();
  rmSync(folder, { recursive: true });
});

const upload = async (name: string, file: string, query: Record<string, string> = {}) => {
  const response = await cloud.fetch(
    "editor",
    `/images/upload?${new URLSearchParams({ project: cloud.project, name, defaultUser: "debian", ...query })}`,
    {
      method: "POST",
      body: createReadStream(file) as never,
      duplex: "half",
      headers: { "content-type": "application/octet-stream", "content-length": String(statSync(file).size) },
    },
  );
  // biome-ignore lint/suspicious/noExplicitAny: a view or a problem.
  return { status: response.status, body: (await response.json()) as any };
};
const sha256 = async (content: AsyncIterable<Uint8Array>) => {
  const hash = createHash("sha256");
  for await (const piece of content) hash.update(piece);
  return hash.digest("hex");
};
const done = async (answer: { status: number; body: { id: string } }) => {
  assert.equal(answer.status, 202, JSON.stringify(answer.body));
  return (await cloud.done(answer.body.id)).result;
};
const { call } = { call: ((...args) => cloud.call(...args)) as TestCompute["call"] };

test("a file comes in, goes out the same, through a bucket too; equal bytes are kept once, and each name for itself", {
  skip,
}, async () => {
  const up = await upload("uploaded", lxd.imageFile);
  assert.equal(up.status, 201, JSON.stringify(up.body));
  const digest = await sha256(createReadStream(lxd.imageFile));
  assert.deepEqual([up.body.state, up.body.kind, up.body.fingerprint], ["ready", "container", digest]);
  assert.ok(up.body.sizeBytes > 50 * 1024 ** 2);
  const download = await cloud.fetch("editor", `/images/${up.body.id}/content`);
  assert.equal(await sha256(download.body as never), digest);

  const bucket = (await call("editor", "POST", "/buckets", { project: cloud.project, name: "images" })).body;
  await done(
    await call("editor", "POST", `/images/${up.body.id}/export`, { project: cloud.project, bucket: "images", key: "d" }),
  );
  const { imageId } = await done(
    await call("editor", "POST", "/images/import", { project: cloud.project, bucket: bucket.id, key: "d", name: "imported" }),
  );
  const imported = (await call("editor", "GET", `/images/${imageId}`)).body;
  assert.equal(imported.fingerprint, digest);
  await done(await call("editor", "DELETE", `/images/${up.body.id}`));
  assert.deepEqual(
    (await engine.imageList()).map(({ labels }) => labels["image"]),
    [imageId],
  );
  await done(await call("editor", "DELETE", `/images/${imageId}`));
  assert.deepEqual(await engine.imageList(), []);
});

test("an image of a running instance has what was on its disk; instances are made of it", {
  skip,
  timeout: 120_000,
}, async () => {
  const up = await upload("base", lxd.imageFile, { minimumDiskBytes: String(gib) });
  const first = await cloud.instance({ image: up.body.id, name: "first" });
  assert.equal(first.state, "running");
  const [report] = await engine.instanceList();
  await engine.fileWrite(report?.name as string, "/root/precious", Buffer.from("data"));
  await engine.instanceExec(report?.name as string, { command: ["sync"], maxOutputBytes: 100 });
  const { imageId } = await done(
    await call("editor", "POST", "/images", { instance: first.id, name: "mine", description: "Mine" }),
  );
  const mine = (await call("editor", "GET", `/images/${imageId}`)).body;
  assert.deepEqual(
    [mine.state, mine.defaultUser, mine.source, mine.visibility],
    ["ready", "debian", { kind: "instance", name: "first" }, "private"],
  );
  assert.ok(mine.minimumDiskBytes >= gib && mine.minimumDiskBytes <= first.diskBytes, String(mine.minimumDiskBytes));
  assert.equal((await call("owner", "GET", `/instances/${first.id}`)).body.state, "running", "it went on");
  assert.deepEqual(await engine.instanceSnapshotList(report?.name as string), [], "no snapshot stays");
  const second = await cloud.instance({ image: "mine", name: "second" });
  const file = await engine.fileRead(`kh-${second.id.slice(-12)}`, "/root/precious");
  assert.equal(file.kind === "file" && Buffer.concat(await file.content.toArray()).toString(), "data");
});

test("a bare root file system becomes an image; what is none is refused, and nothing stays", { skip }, async () => {
  const root = join(folder, "root");
  mkdirSync(join(root, "sbin"), { recursive: true });
  mkdirSync(join(root, "etc"));
  writeFileSync(join(root, "etc/hostname"), "bare\n");
  const tar = join(folder, "root.tar.xz");
  execFileSync("tar", ["-C", root, "-cJf", tar, "etc", "sbin"]);
  const bare = await upload("bare", tar);
  assert.equal(bare.status, 201, JSON.stringify(bare.body));
  assert.deepEqual([bare.body.kind, bare.body.architecture], ["container", (await engine.info()).architecture]);

  const before = (await engine.imageList()).length;
  // It looks like an image, and its metadata is broken.
  writeFileSync(join(root, "metadata.yaml"), "]]] no YAML [[[");
  const broken = join(folder, "broken.tar.gz");
  execFileSync("tar", ["-C", root, "-czf", broken, "metadata.yaml", "etc"]);
  const refused = await upload("broken", broken);
  assert.equal(refused.status, 400, JSON.stringify(refused.body));
  assert.match(refused.body.detail, /not an image/);
  assert.equal((await engine.imageList()).length, before);
  assert.equal((await call("editor", "GET", `/images?project=${cloud.project}&search=broken`)).body.items.length, 0);
});

test("what was deleted and what was left in the engine is found", { skip, timeout: 120_000 }, async () => {
  const { parts } = cloud.compute;
  const reconciler = createReconciler(parts, createMemberWatch(parts, defineEngineOperations(parts)), { orphanGraceMs: 0 });
  const round = () => reconciler.run(new AbortController().signal);
  const found = async () =>
    (await call("admin", "GET", "/differences")).body.items as { id: string; kind: string; resource: { id: string } }[];
  await round();
  assert.deepEqual(await found(), []);
  const up = await upload("lost", lxd.imageFile);
  const [alias] = (await engine.imageList()).filter(({ labels }) => labels["image"] === up.body.id);
  await engine.imageDelete(alias?.name as string);
  const instance = await cloud.instance({ image: "base", name: "lost", start: false });
  await engine.instanceDelete(`kh-${instance.id.slice(-12)}`);
  const orphan = await cloud.instance({ image: "base", name: "orphan", start: false });
  await cloud.database.sql`delete from compute.instances where id = ${orphan.id}`;
  await round();
  assert.deepEqual((await found()).map(({ kind, resource }) => [kind, resource.id]).sort(), [
    ["image_missing", up.body.id],
    ["instance_missing", instance.id],
    ["instance_orphan", `kh-${orphan.id.slice(-12)}`],
  ]);
  const actions = { image_missing: "forget", instance_missing: "forget", instance_orphan: "adopt" } as Record<string, string>;
  for (const { id, kind } of await found())
    await done(await call("admin", "POST", `/differences/${id}/repair`, { action: actions[kind] }));
  await round();
  assert.deepEqual(await found(), []);
  assert.equal(await engine.instanceGet(`kh-${orphan.id.slice(-12)}`), undefined);
  const [adopted] = (await call("owner", "GET", `/instances?project=${cloud.project}&search=adopted`)).body.items;
  assert.equal(adopted.state, "stopped");
});
