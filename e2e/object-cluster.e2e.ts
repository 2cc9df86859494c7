import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { type CephCluster, startCeph } from "../services/objects/drivers/cluster/testing/ceph.ts";
import { eventually } from "../testing/launcher.ts";
import { assertAccessible, shown, TestBrowser } from "./browser.ts";
import { type Client, exec, finished, newCloud } from "./cloud.ts";

/** A cloud whose buckets may lie in a Ceph cluster; aws does not notice where they are. */
const cloud = await newCloud();
let ceph: CephCluster;
let client: Client;
let projectId: string;
let env: Record<string, string>;
const files = 60;
const browser = await TestBrowser.start({ story: true });

before(async () => {
  ceph = await startCeph();
  const { endpoint, bucket, region, accessKeyId, secretAccessKey } = ceph.options;
  const keys = join(cloud.folder, "keys");
  writeFileSync(keys, `${accessKeyId}:${secretAccessKey}\n`, { mode: 0o600 });
  process.env["KHMARA_OBJECT_CLUSTER"] = `${endpoint}/${bucket}?region=${region}`;
  process.env["KHMARA_OBJECT_CLUSTER_KEYS"] = keys;
  await cloud.start();
  ({ client, projectId } = await cloud.signIn());
  const key = await client.accessKeyCreate({ project: projectId as never, name: "cluster" });
  env = {
    AWS_ACCESS_KEY_ID: key.accessKeyId,
    AWS_SECRET_ACCESS_KEY: key.secretAccessKey,
    AWS_DEFAULT_REGION: "us-east-1",
    AWS_CONFIG_FILE: "/nonexistent",
    AWS_EC2_METADATA_DISABLED: "true",
    AWS_MAX_ATTEMPTS: "1",
  };
});
after(async () => {
  await cloud.remove();
  await browser.close();
  await ceph?.stop();
});

const aws = (...words: string[]) => exec("aws", ["--endpoint-url", cloud.s3Url, ...words], { env });
const filesOnDisk = () =>
  readdirSync(join(cloud.dataDirectory, "objects", "data"), { recursive: true, withFileTypes: true }).filter((each) =>
    each.isFile(),
  ).length;
const engineOf = async (bucket: string) => (await client.bucketSettingsGet({ bucket })).engine;
const relocate = async (bucket: string, engine: "local" | "cluster") =>
  finished(client, await client.bucketRelocate({ bucket, engine }));

test("a bucket goes to the cluster and comes back while aws uses it", async () => {
  const source = join(cloud.folder, "source");
  mkdirSync(source);
  for (let i = 0; i < files; i++) writeFileSync(join(source, `file-${i}`), randomBytes(i % 3 === 0 ? 900 : 200_000));
  writeFileSync(join(source, "large"), randomBytes(20_000_000));
  const same = async (name: string) => {
    const target = join(cloud.folder, name);
    await aws("s3", "cp", "--recursive", "--quiet", "s3://moving/", target);
    for (const file of readdirSync(source))
      assert.ok(readFileSync(join(target, file)).equals(readFileSync(join(source, file))), file);
  };
  await aws("s3", "mb", "s3://moving");
  await aws("s3", "cp", "--recursive", "--quiet", source, "s3://moving/");
  assert.equal(await engineOf("moving"), "local");
  assert.ok(filesOnDisk() >= files / 2);

  for (const engine of ["cluster", "local"] as const) {
    let moving = true;
    const using = (async () => {
      for (let i = 0; moving; i++) {
        const file = `file-${i % files}`;
        writeFileSync(join(source, file), randomBytes(i % 2 === 0 ? 700 : 150_000));
        await aws("s3", "cp", "--quiet", join(source, file), `s3://moving/${file}`);
        assert.equal(await aws("s3", "cp", "--quiet", `s3://moving/${file}`, "-").then((bytes) => bytes.length > 0), true);
      }
    })();
    const { result } = await relocate("moving", engine);
    moving = false;
    await using;
    assert.ok((result as { contents: number }).contents > 20);
    assert.equal(await engineOf("moving"), engine);
    await same(`out-${engine}-${Math.random()}`);
  }
  await relocate("moving", "cluster");
  await eventually(filesOnDisk, (files) => files === 0, 60_000);
});

test("a restart changes nothing; a move that was killed goes on", async () => {
  await relocate("moving", "local");
  const operation = await client.bucketRelocate({ bucket: "moving", engine: "cluster" });
  await cloud.kill();
  await cloud.start();
  ({ client } = await cloud.signIn());
  await finished(client, operation);
  await eventually(filesOnDisk, (files) => files === 0, 60_000);
  const out = join(cloud.folder, "after");
  await aws("s3", "cp", "--recursive", "--quiet", "s3://moving/", out);
  assert.equal(readdirSync(out).length, files + 1);
});

test("a cluster that is away: its buckets say so, the others go on, and it is found again", async () => {
  await aws("s3", "mb", "s3://here");
  const file = join(cloud.folder, "file");
  writeFileSync(file, "of this machine");
  await ceph.stopGateway();
  await assert.rejects(aws("s3", "cp", "s3://moving/large", join(cloud.folder, "no")), /ServiceUnavailable|503/);
  await assert.rejects(aws("s3", "cp", file, "s3://moving/new"), /ServiceUnavailable/);
  await aws("s3", "cp", "--quiet", file, "s3://here/file");
  assert.equal(await aws("s3", "cp", "--quiet", "s3://here/file", "-"), "of this machine");
  await ceph.startGateway();
  await aws("s3", "cp", "--quiet", file, "s3://moving/new");
  assert.equal(await aws("s3", "cp", "--quiet", "s3://moving/new", "-"), "of this machine");
});

test("the console says where a bucket lies, and moves it", async () => {
  const page = await browser.visitAsOwner(cloud);
  await page.goto("/o/home/p/default/buckets/here/settings");
  await shown(page);
  const section = page.locator("section").filter({ has: page.getByRole("heading", { name: "Where it lies", exact: true }) });
  await section.getByText("On the disks of this machine.").waitFor();
  await section.getByRole("button", { name: /^Move .* to the storage cluster$/ }).click();
  await page.getByText("here was moved").waitFor();
  await section.getByText("In the storage cluster").waitFor();
  await assertAccessible(page, "where a bucket lies");
  if (process.env["KHMARA_PICTURES"]) await section.screenshot({ path: join(process.env["KHMARA_PICTURES"], "engine.png") });
  assert.equal(await engineOf("here"), "cluster");
  assert.equal(await aws("s3", "cp", "--quiet", "s3://here/file", "-"), "of this machine");
});
