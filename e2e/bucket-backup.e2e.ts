import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { type CephCluster, startCeph } from "../services/objects/drivers/cluster/testing/ceph.ts";
import { eventually } from "../testing/launcher.ts";
import { installTestTools, storageTools } from "../tools/test-tools.ts";
import { assertAccessible, shown, TestBrowser } from "./browser.ts";
import { type Client, exec, finished, newCloud } from "./cloud.ts";

/**
 * A bucket that aws fills is backed up to a Ceph, killed in the middle, emptied and restored; aws compares the bytes. Then a person does the
 * same with another one in the console.
 */
const cloud = await newCloud();
const browser = await TestBrowser.start({ story: true });
let ceph: CephCluster;
let client: Client;
const MiB = 2 ** 20;
const source = join(cloud.folder, "source");
const bucket = "precious";
let env: Record<string, string>;
let there: Record<string, string>;

before(async () => {
  assert.deepEqual(await installTestTools(storageTools), []);
  ceph = await startCeph();
  await cloud.start();
  const { client: signedIn, projectId } = await cloud.signIn();
  client = signedIn;
  const key = await client.accessKeyCreate({ project: projectId as never, name: "backup" });
  const common = { AWS_CONFIG_FILE: "/nonexistent", AWS_EC2_METADATA_DISABLED: "true", AWS_DEFAULT_REGION: "us-east-1" };
  env = { ...common, AWS_ACCESS_KEY_ID: key.accessKeyId, AWS_SECRET_ACCESS_KEY: key.secretAccessKey };
  there = { ...common, AWS_ACCESS_KEY_ID: ceph.options.accessKeyId, AWS_SECRET_ACCESS_KEY: ceph.options.secretAccessKey };
  const write = (name: string, bytes: Buffer) => {
    mkdirSync(dirname(join(source, name)), { recursive: true });
    writeFileSync(join(source, name), bytes);
  };
  write("теки/з пробілом/ї&+%.txt", Buffer.from("щось"));
  write("empty", Buffer.alloc(0));
  write("large.bin", randomBytes(40 * MiB));
  for (let i = 0; i < 200; i++) write(`many/file-${i}`, randomBytes(150_000));
});
after(async () => {
  await browser.close();
  await cloud.remove();
  await ceph?.stop();
});

const aws = (...words: string[]) => exec("/usr/bin/aws", ["--endpoint-url", cloud.s3Url, ...words], { env });
/** What lies there: its size and when it was written, by name. */
async function lying(): Promise<Map<string, string>> {
  const query = [
    "list-objects-v2",
    "--bucket",
    ceph.options.bucket,
    "--prefix",
    "safe/",
    "--query",
    "Contents[].[Key,LastModified]",
  ];
  const text = await exec("/usr/bin/aws", ["--endpoint-url", ceph.options.endpoint, "s3api", ...query, "--output", "json"], {
    env: there,
  });
  return new Map((JSON.parse(text || "[]") ?? []) as [string, string][]);
}
const contents = async () => new Map([...(await lying())].filter(([name]) => name.startsWith("safe/contents/")));
const files = () =>
  readdirSync(source, { recursive: true, withFileTypes: true })
    .filter((each) => each.isFile())
    .map((each) => join(each.parentPath, each.name).slice(source.length + 1));
const nameOf = (file: string) =>
  `safe/contents/${createHash("sha256")
    .update(readFileSync(join(source, file)))
    .digest("hex")}`;

test("a backup that is killed goes on and sends nothing twice; what comes back is what was there", async () => {
  await aws("s3", "mb", `s3://${bucket}`);
  await aws("s3", "cp", "--recursive", "--quiet", source, `s3://${bucket}/`);
  const { endpoint: targetEndpoint, region, bucket: targetBucket, accessKeyId, secretAccessKey } = ceph.options;
  const target = { targetEndpoint, region, targetBucket, accessKeyId, secretAccessKey, prefix: "safe/" };
  await assert.rejects(client.bucketBackupTargetUpdate({ bucket, ...target }), /inside of the cloud's own network/);
  await client.webhookSettingsUpdate({ allowedNetworks: ["127.0.0.0/8"] });
  await client.bucketBackupTargetUpdate({ bucket, ...target });

  const operation = await client.bucketBackupCreate({ bucket } as never);
  await eventually(
    async () => (await contents()).size,
    (size) => size >= 10,
    60_000,
  );
  await cloud.kill();
  const before = await contents();
  assert.ok(before.size < files().length - 1, "it was in the middle");
  await cloud.start();
  ({ client } = await cloud.signIn());
  const { result } = await finished(client, operation);
  assert.equal((result as { objects: number }).objects, files().length);
  const now = await contents();
  for (const [name, at] of before) assert.equal(now.get(name), at, "sent once");
  assert.deepEqual(
    [...now.keys()].sort(),
    files()
      .filter((file) => file !== "empty")
      .map(nameOf)
      .sort(),
  );

  writeFileSync(join(source, "many", "file-7"), "changed");
  await aws("s3", "cp", "--quiet", join(source, "many", "file-7"), `s3://${bucket}/many/file-7`);
  const second = (await finished(client, await client.bucketBackupCreate({ bucket } as never))).result;
  assert.equal((second as { sentBytes: number }).sentBytes, "changed".length);

  await aws("s3", "rm", "--quiet", "--recursive", `s3://${bucket}/`);
  const [latest] = (await client.bucketBackupList({ bucket })).items;
  await finished(client, await client.bucketBackupRestore({ bucketBackup: latest?.id as never, bucket }));
  const back = join(cloud.folder, "back");
  await aws("s3", "cp", "--recursive", "--quiet", `s3://${bucket}/`, back);
  for (const file of files()) assert.ok(readFileSync(join(back, file)).equals(readFileSync(join(source, file))), file);
});

test("in the console: a wrong key is told, a deleted file comes back", async () => {
  const papers = "papers";
  const { client: owner, projectId } = await cloud.signIn();
  await owner.webhookSettingsUpdate({ allowedNetworks: ["127.0.0.0/8"] });
  await owner.bucketCreate({ project: projectId as never, name: papers });
  for (const key of ["many/file-1", "many/file-2"])
    await owner.objectUpload({ bucket: papers, key }, { rawBody: new Blob([readFileSync(join(source, key))]) });
  const page = await browser.visitAsOwner(cloud);
  await page.goto(`/o/home/p/default/buckets/${papers}/backups`);
  await shown(page);
  const main = page.getByRole("main");
  await main.getByRole("heading", { name: "This bucket has no backups" }).waitFor();

  await main.getByRole("button", { name: "Set up backups" }).click();
  const form = page.getByRole("dialog", { name: "Set up backups" });
  await form.getByLabel("Address of the other S3").fill(`${ceph.options.endpoint}/folder`);
  await form.getByLabel("Bucket there").fill("no-such-bucket");
  await form.getByLabel("Region").fill(ceph.options.region);
  await form.getByLabel("Access key ID").fill(ceph.options.accessKeyId);
  await form.getByLabel("Secret access key").fill(`${ceph.options.secretAccessKey}x`);
  await assertAccessible(page, "the target");
  const save = form.getByRole("button", { name: "Try and save" });
  await save.click();
  await form.getByText("Give https://, host and port alone.").waitFor();
  await form.getByLabel("Address of the other S3").fill(ceph.options.endpoint);
  await save.click();
  await form.getByText(/^The other S3 refuses this access key\..*SignatureDoesNotMatch/).waitFor();
  await form.getByLabel("Secret access key").fill(ceph.options.secretAccessKey);
  await save.click();
  await form.getByText("The other S3 has no bucket no-such-bucket. Make it there first.").waitFor();
  await form.getByLabel("Bucket there").fill(ceph.options.bucket);
  await save.click();
  await form.waitFor({ state: "detached" });
  await main.getByText(`${ceph.options.endpoint}/${ceph.options.bucket}/${papers}/`).waitFor();
  await main.getByText(/^Every day, the next on .* kept for 30 days, and always at least 3\.$/).waitFor();

  await main.getByRole("button", { name: "Back up now" }).click();
  const row = main.getByRole("row").filter({ hasText: "By hand" });
  await row.getByText("Available").waitFor();
  await owner.objectDelete({ bucket: papers, key: "many/file-2" });
  await assertAccessible(page, "the backups");

  await row.getByRole("button", { name: /^Actions for/ }).click();
  await page.getByRole("menuitem", { name: "Restore…" }).click();
  await page
    .getByRole("dialog")
    .getByRole("button", { name: `Restore into ${papers}` })
    .click();
  await main.getByText(`1 object was restored into ${papers}.`).waitFor();
  await main.getByText("1 was there already.").waitFor();
  await main.getByRole("link", { name: "Files", exact: true }).click();
  await main.getByText("many", { exact: true }).click();
  await main.getByText("file-2", { exact: true }).waitFor();
  const back = await owner.objectDownload({ bucket: papers, key: "many/file-2" });
  assert.ok(Buffer.from(await back.arrayBuffer()).equals(readFileSync(join(source, "many", "file-2"))));
});
