import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { createReadStream, createWriteStream, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { after, before, test } from "node:test";
import { exec, newCloud } from "./cloud.ts";
import { rcloneEnvironment } from "./rclone.ts";

/** aws, s3cmd and rclone, as Debian ships them, do a person's day of work; the bytes are compared. */
const cloud = await newCloud();
const gib = 2 ** 30;
const smallFiles = 2000;
let key: { accessKeyId: string; secretAccessKey: string };
let big: { path: string; hash: string };
let small: string;

before(async () => {
  await cloud.start();
  const { client, projectId } = await cloud.signIn();
  key = await client.accessKeyCreate({ project: projectId as never, name: "clients" });
  big = { path: join(cloud.folder, "big.bin"), hash: "" };
  const hash = createHash("sha256");
  await pipeline(async function* () {
    const block = randomBytes(2 ** 20);
    for (let i = 0; i < 1024; i++) {
      block.writeUInt32LE(i, 0);
      hash.update(block);
      yield Buffer.from(block);
    }
  }, createWriteStream(big.path));
  big.hash = hash.digest("hex");
  small = join(cloud.folder, "small");
  for (let i = 0; i < smallFiles; i++) {
    const folder = join(small, `folder ${i % 20}`, i % 3 ? "нижче" : "a+b&c");
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, `file-${i}.txt`), randomBytes(i % 7 === 0 ? 0 : (i * 37) % 20_000));
  }
});
after(() => cloud.remove());

const hashOf = async (path: string): Promise<string> => {
  const hash = createHash("sha256");
  await pipeline(createReadStream(path), hash);
  return hash.digest("hex");
};

function assertSameTree(a: string, b: string): void {
  const files = (root: string) =>
    readdirSync(root, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name).slice(root.length));
  const [left, right] = [files(a).sort(), files(b).sort()];
  assert.equal(left.length, smallFiles);
  assert.deepEqual(right, left);
  for (const file of left) assert.ok(readFileSync(join(a, file)).equals(readFileSync(join(b, file))), file);
}

const fetchBytes = async (url: string) => {
  const response = await fetch(url.trim());
  return { status: response.status, body: Buffer.from(await response.arrayBuffer()) };
};

test("aws", async (t) => {
  const env = () => ({
    AWS_ACCESS_KEY_ID: key.accessKeyId,
    AWS_SECRET_ACCESS_KEY: key.secretAccessKey,
    AWS_DEFAULT_REGION: "us-east-1",
    AWS_CONFIG_FILE: "/nonexistent",
    AWS_EC2_METADATA_DISABLED: "true",
  });
  const aws = (...args: string[]) => exec("/usr/bin/aws", ["--endpoint-url", cloud.s3Url, ...args], { env: env() });
  await t.test("makes a bucket and lists it", async () => {
    await aws("s3", "mb", "s3://aws-bucket");
    assert.match(await aws("s3", "ls"), /aws-bucket/);
  });
  await t.test("sends 1 GiB in parts and gets the same bytes back", async () => {
    await aws("s3", "cp", "--quiet", big.path, "s3://aws-bucket/big.bin");
    const head = JSON.parse(await aws("s3api", "head-object", "--bucket", "aws-bucket", "--key", "big.bin"));
    assert.equal(head.ContentLength, gib);
    assert.match(head.ETag, /-\d+"$/);
    const back = join(cloud.folder, "back.bin");
    await aws("s3", "cp", "--quiet", "s3://aws-bucket/big.bin", back);
    assert.equal(await hashOf(back), big.hash);
    rmSync(back);
  });
  await t.test("syncs 2,000 small files both ways", async () => {
    await aws("s3", "sync", "--quiet", small, "s3://aws-bucket/small");
    const listed = (await aws("s3", "ls", "--recursive", "s3://aws-bucket/small/")).trim().split("\n");
    assert.equal(listed.length, smallFiles);
    const back = join(cloud.folder, "aws-back");
    await aws("s3", "sync", "--quiet", "s3://aws-bucket/small", back);
    assertSameTree(small, back);
    assert.equal((await aws("s3", "sync", "s3://aws-bucket/small", back)).trim(), "", "a second sync has nothing to do");
    rmSync(back, { recursive: true });
  });
  await t.test("presigns an address that a browser can open", async () => {
    const url = await aws("s3", "presign", "s3://aws-bucket/big.bin", "--expires-in", "60");
    const response = await fetch(url.trim(), { headers: { range: "bytes=100-199" } });
    assert.equal(response.status, 206);
    assert.equal((await response.arrayBuffer()).byteLength, 100);
    assert.equal((await fetchBytes(url.replace(/Signature=..../, "Signature=0000"))).status, 403);
  });
  await t.test("deletes everything and the bucket", async () => {
    await assert.rejects(aws("s3", "rb", "s3://aws-bucket"), /BucketNotEmpty/);
    await aws("s3", "rm", "--quiet", "--recursive", "s3://aws-bucket");
    await aws("s3", "rb", "s3://aws-bucket");
    assert.doesNotMatch(await aws("s3", "ls"), /aws-bucket/);
  });
  await t.test("keeps versions, brings back what was deleted, and locks", async () => {
    const bucket = ["--bucket", "aws-versions"];
    const api = async (verb: string, ...args: string[]) => JSON.parse((await aws("s3api", verb, ...bucket, ...args)) || "{}");
    const write = async (text: string): Promise<string> => {
      const path = join(cloud.folder, "version.txt");
      writeFileSync(path, text);
      return (await api("put-object", "--key", "k", "--body", path, "--tagging", `text=${text}`)).VersionId;
    };
    const read = async (...args: string[]): Promise<string> => {
      const path = join(cloud.folder, "version-back.txt");
      await api("get-object", "--key", "k", ...args, path);
      return readFileSync(path, "utf8");
    };
    await api("create-bucket", "--object-lock-enabled-for-bucket");
    assert.equal((await api("get-bucket-versioning")).Status, "Enabled");
    const [one, two] = [await write("one"), await write("two")];
    assert.deepEqual([await read(), await read("--version-id", one)], ["two", "one"]);
    const deleted = await api("delete-object", "--key", "k");
    assert.equal(deleted.DeleteMarker, true);
    await assert.rejects(read(), /NoSuchKey/);
    const listed = await api("list-object-versions");
    assert.deepEqual(
      listed.Versions.map((version: { VersionId: string; IsLatest: boolean }) => [version.VersionId, version.IsLatest]),
      [
        [two, false],
        [one, false],
      ],
    );
    assert.deepEqual([listed.DeleteMarkers.length, listed.DeleteMarkers[0].IsLatest], [1, true]);
    await api("delete-object", "--key", "k", "--version-id", deleted.VersionId);
    assert.equal(await read(), "two");
    assert.deepEqual((await api("get-object-tagging", "--key", "k")).TagSet, [{ Key: "text", Value: "two" }]);
    await api("copy-object", "--key", "k", "--copy-source", `aws-versions/k?versionId=${one}`);
    assert.equal(await read(), "one");

    const held = ["--key", "k", "--version-id", two];
    await api("put-object-legal-hold", ...held, "--legal-hold", "Status=ON");
    await assert.rejects(api("delete-object", ...held), /AccessDenied/);
    await api("put-object-legal-hold", ...held, "--legal-hold", "Status=OFF");
    const until = new Date(Date.now() + 3_600_000).toISOString();
    await api("put-object-retention", ...held, "--retention", `Mode=GOVERNANCE,RetainUntilDate=${until}`);
    await assert.rejects(api("delete-object", ...held), /AccessDenied/);
    await api("delete-object", ...held, "--bypass-governance-retention");

    const rule = { ID: "tmp", Status: "Enabled", Filter: { Prefix: "tmp/" }, Expiration: { Days: 7 } };
    await api("put-bucket-lifecycle-configuration", "--lifecycle-configuration", JSON.stringify({ Rules: [rule] }));
    assert.deepEqual((await api("get-bucket-lifecycle-configuration")).Rules, [rule]);
    await assert.rejects(aws("s3", "rb", "--force", "s3://aws-versions"), /BucketNotEmpty/);
    const rest = (await api("list-object-versions")).Versions as { VersionId: string }[];
    const Objects = rest.map(({ VersionId }) => ({ Key: "k", VersionId }));
    const markers = ((await api("list-object-versions")).DeleteMarkers ?? []) as { VersionId: string }[];
    Objects.push(...markers.map(({ VersionId }) => ({ Key: "k", VersionId })));
    assert.equal((await api("delete-objects", "--delete", JSON.stringify({ Objects }))).Errors, undefined);
    await aws("s3", "rb", "s3://aws-versions");
  });
  await t.test("takes a role for a while, with less than the role has", async () => {
    const json = async (...args: string[]) => JSON.parse(await aws(...args));
    const self = await json("sts", "get-caller-identity");
    assert.match(self.Arn, new RegExp(`^arn:aws:iam::${self.Account}:user/${self.UserId}$`));
    await aws("s3", "mb", "s3://aws-role");
    await aws("s3", "cp", "--quiet", join(small, "folder 1/a+b&c/file-21.txt"), "s3://aws-role/open/file");
    await aws("s3", "cp", "--quiet", join(small, "folder 1/a+b&c/file-21.txt"), "s3://aws-role/shut/file");

    const allowed = { Effect: "Allow", Action: ["s3:GetObject", "s3:PutObject"], Resource: "arn:aws:s3:::aws-role/open/*" };
    const policy = JSON.stringify({ Version: "2012-10-17", Statement: [allowed] });
    const role = (name: string) => ["--role-arn", `arn:aws:iam::${self.Account}:role/${name}`, "--role-session-name", "e2e"];
    const taken = await json("sts", "assume-role", ...role("editor"), "--policy", policy, "--duration-seconds", "900");
    assert.equal(taken.AssumedRoleUser.Arn, `arn:aws:sts::${self.Account}:assumed-role/editor/e2e`);
    const session = {
      ...env(),
      AWS_ACCESS_KEY_ID: taken.Credentials.AccessKeyId,
      AWS_SECRET_ACCESS_KEY: taken.Credentials.SecretAccessKey,
      AWS_SESSION_TOKEN: taken.Credentials.SessionToken,
    };
    const within = (...args: string[]) => exec("/usr/bin/aws", ["--endpoint-url", cloud.s3Url, ...args], { env: session });
    assert.equal(JSON.parse(await within("sts", "get-caller-identity")).Arn, taken.AssumedRoleUser.Arn);
    const back = join(cloud.folder, "role-back");
    await within("s3", "cp", "--quiet", "s3://aws-role/open/file", back);
    await within("s3", "cp", "--quiet", back, "s3://aws-role/open/second");
    const read = (key: string) => within("s3api", "get-object", "--bucket", "aws-role", "--key", key, back);
    await read("open/second");
    await assert.rejects(read("shut/file"), /AccessDenied/);
    await assert.rejects(within("s3", "rm", "s3://aws-role/open/file"), /AccessDenied/);
    await assert.rejects(within("sts", "assume-role", ...role("editor")), /AccessDenied/);
    await assert.rejects(aws("sts", "assume-role", ...role("emperor")), /AccessDenied|ValidationError/);
    await aws("s3", "rb", "--force", "s3://aws-role");
  });
  await t.test("is told clearly when the key is wrong", async () => {
    await assert.rejects(
      exec("/usr/bin/aws", ["--endpoint-url", cloud.s3Url, "s3", "ls"], { env: { ...env(), AWS_SECRET_ACCESS_KEY: "wrong" } }),
      /SignatureDoesNotMatch/,
    );
  });
});

test("s3cmd", async (t) => {
  const config = join(cloud.folder, "s3cfg");
  const host = `127.0.0.1:${cloud.s3Port}`;
  writeFileSync(
    config,
    `[default]\naccess_key = ${key.accessKeyId}\nsecret_key = ${key.secretAccessKey}\nhost_base = ${host}\nhost_bucket = ${host}\nuse_https = False\nbucket_location = us-east-1\n`,
  );
  const s3cmd = (...args: string[]) => exec("/usr/bin/s3cmd", ["-c", config, "--no-progress", ...args]);
  await t.test("makes a bucket", async () => {
    await s3cmd("mb", "s3://s3cmd-bucket");
    assert.match(await s3cmd("ls"), /s3:\/\/s3cmd-bucket/);
  });
  await t.test("sends 1 GiB in parts and gets the same bytes back", async () => {
    await s3cmd("put", "--multipart-chunk-size-mb=64", big.path, "s3://s3cmd-bucket/big.bin");
    const back = join(cloud.folder, "back.bin");
    await s3cmd("get", "s3://s3cmd-bucket/big.bin", back);
    assert.equal(await hashOf(back), big.hash);
    rmSync(back);
  });
  await t.test("syncs 2,000 small files both ways", async () => {
    await s3cmd("sync", `${small}/`, "s3://s3cmd-bucket/small/");
    const back = join(cloud.folder, "s3cmd-back");
    mkdirSync(back);
    await s3cmd("sync", "s3://s3cmd-bucket/small/", `${back}/`);
    assertSameTree(small, back);
    rmSync(back, { recursive: true });
  });
  await t.test("signs an address", async () => {
    const url = await s3cmd("signurl", "s3://s3cmd-bucket/big.bin", "+60");
    assert.ok(url.startsWith("http"));
  });
  await t.test("deletes everything and the bucket", async () => {
    await s3cmd("rb", "--recursive", "--force", "s3://s3cmd-bucket");
    assert.doesNotMatch(await s3cmd("ls"), /s3cmd-bucket/);
  });
});

test("rclone", async (t) => {
  const env = () => rcloneEnvironment(cloud.s3Url, key);
  const rclone = (...args: string[]) => exec("/usr/bin/rclone", args, { env: env() });
  await t.test("makes a bucket", async () => {
    await rclone("mkdir", "k:rclone-bucket");
    assert.match(await rclone("lsd", "k:"), /rclone-bucket/);
  });
  await t.test("sends 1 GiB in parts and gets the same bytes back", async () => {
    await rclone("copyto", "--s3-chunk-size=32M", big.path, "k:rclone-bucket/big.bin");
    const back = join(cloud.folder, "back.bin");
    await rclone("copyto", "k:rclone-bucket/big.bin", back);
    assert.equal(await hashOf(back), big.hash);
    rmSync(back);
  });
  await t.test("syncs 2,000 small files both ways and checks them", async () => {
    await rclone("sync", "--transfers=16", small, "k:rclone-bucket/small");
    await rclone("check", "--download", small, "k:rclone-bucket/small");
    const back = join(cloud.folder, "rclone-back");
    await rclone("sync", "--transfers=16", "k:rclone-bucket/small", back);
    assertSameTree(small, back);
    rmSync(back, { recursive: true });
  });
  await t.test("makes a link", async () => {
    const url = await rclone("link", "--expire", "1m", "k:rclone-bucket/small/folder 1/нижче/file-1.txt");
    const { status, body } = await fetchBytes(url);
    assert.equal(status, 200);
    assert.ok(body.equals(readFileSync(join(small, "folder 1/нижче/file-1.txt"))));
  });
  await t.test("deletes everything and the bucket", async () => {
    await rclone("purge", "k:rclone-bucket");
    assert.doesNotMatch(await rclone("lsd", "k:"), /rclone-bucket/);
  });
});
