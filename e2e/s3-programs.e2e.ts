import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { after, before, test } from "node:test";
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  DeleteBucketCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListPartsCommand,
  PutBucketCorsCommand,
  PutObjectCommand,
  paginateListObjectsV2,
  S3Client,
  UploadPartCommand,
} from "@aws-sdk/client-s3";
import { exec, newCloud } from "./cloud.ts";
import { brokenLine } from "./s3Proxy.ts";

/** Programs that people write and use on top of S3: the SDKs for JavaScript and Python, restic, s3fs. */
const cloud = await newCloud();
let key: { accessKeyId: string; secretAccessKey: string };

before(async () => {
  await cloud.start();
  const { client, projectId } = await cloud.signIn();
  key = await client.accessKeyCreate({ project: projectId as never, name: "programs" });
});
after(() => cloud.remove());

const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");
const environment = () => ({
  AWS_ACCESS_KEY_ID: key.accessKeyId,
  AWS_SECRET_ACCESS_KEY: key.secretAccessKey,
  AWS_DEFAULT_REGION: "us-east-1",
  AWS_CONFIG_FILE: "/nonexistent",
  AWS_EC2_METADATA_DISABLED: "true",
});

test("the AWS SDK for JavaScript", async (t) => {
  const clientAt = (endpoint: string, more: object = {}) =>
    new S3Client({
      endpoint,
      region: "us-east-1",
      forcePathStyle: true,
      credentials: { accessKeyId: key.accessKeyId, secretAccessKey: key.secretAccessKey },
      ...more,
    });
  const s3 = clientAt(cloud.s3Url);
  const Bucket = "sdk-js";
  const bytesOf = async (Key: string, more: object = {}) =>
    Buffer.from((await (await s3.send(new GetObjectCommand({ Bucket, Key, ...more }))).Body?.transformToByteArray()) ?? []);
  await s3.send(new CreateBucketCommand({ Bucket }));

  await t.test("keeps an object whole, with the checksum that it sends by default", async () => {
    const body = randomBytes(3_000_001);
    const put = await s3.send(
      new PutObjectCommand({ Bucket, Key: "нотатки/a b+c.bin", Body: body, ContentType: "x/y", Metadata: { colour: "blue" } }),
    );
    assert.ok(put.ChecksumCRC32, "the SDK asks for CRC32 unless told otherwise");
    const head = await s3.send(new HeadObjectCommand({ Bucket, Key: "нотатки/a b+c.bin", ChecksumMode: "ENABLED" }));
    assert.deepEqual(
      [head.ContentLength, head.ContentType, head.Metadata, head.ChecksumCRC32, head.ETag],
      [body.length, "x/y", { colour: "blue" }, put.ChecksumCRC32, put.ETag],
    );
    assert.ok((await bytesOf("нотатки/a b+c.bin")).equals(body));
    const part = await bytesOf("нотатки/a b+c.bin", { Range: "bytes=1000-1999" });
    assert.ok(part.equals(body.subarray(1000, 2000)));
  });
  await t.test("sends a stream, whose checksum comes behind it", async () => {
    const body = randomBytes(1_500_000);
    const pieces = Readable.from([body.subarray(0, 700_000), body.subarray(700_000)]);
    await s3.send(
      new PutObjectCommand({ Bucket, Key: "stream", Body: pieces, ContentLength: body.length, ChecksumAlgorithm: "SHA256" }),
    );
    const head = await s3.send(new HeadObjectCommand({ Bucket, Key: "stream", ChecksumMode: "ENABLED" }));
    assert.equal(head.ChecksumSHA256, createHash("sha256").update(body).digest("base64"));
  });
  await t.test("sends parts, some of them twice, and gives up an upload", async () => {
    const parts = [randomBytes(5 * 2 ** 20), randomBytes(5 * 2 ** 20), randomBytes(100)];
    // As its own Upload (lib-storage) does: of an upload that was begun without one no checksum of a part may be named.
    const { UploadId } = await s3.send(new CreateMultipartUploadCommand({ Bucket, Key: "parts", ChecksumAlgorithm: "CRC32" }));
    const upload = { Bucket, Key: "parts", UploadId };
    const Parts: { PartNumber: number; ETag: string | undefined; ChecksumCRC32: string | undefined }[] = [];
    for (const [index, Body] of parts.entries()) {
      const PartNumber = index + 1;
      if (index === 1) await s3.send(new UploadPartCommand({ ...upload, PartNumber, Body: randomBytes(6 * 2 ** 20) }));
      const { ETag, ChecksumCRC32 } = await s3.send(new UploadPartCommand({ ...upload, PartNumber, Body }));
      Parts.push({ PartNumber, ETag, ChecksumCRC32 });
    }
    const listed = await s3.send(new ListPartsCommand({ ...upload, MaxParts: 2 }));
    assert.deepEqual([listed.Parts?.length, listed.IsTruncated, listed.NextPartNumberMarker], [2, true, "2"]);
    const wrong = { Parts: [{ ...Parts[0], ETag: '"00000000000000000000000000000000"' }] };
    await assert.rejects(s3.send(new CompleteMultipartUploadCommand({ ...upload, MultipartUpload: wrong })), {
      name: "InvalidPart",
    });
    const done = await s3.send(new CompleteMultipartUploadCommand({ ...upload, MultipartUpload: { Parts } }));
    assert.match(String(done.ETag), /-3"$/);
    assert.ok((await bytesOf("parts")).equals(Buffer.concat(parts)));
    assert.ok((await bytesOf("parts", { PartNumber: 3 })).equals(parts[2] as Buffer));

    const given = await s3.send(new CreateMultipartUploadCommand({ Bucket, Key: "given-up" }));
    const uploads = async () => (await s3.send(new ListMultipartUploadsCommand({ Bucket }))).Uploads?.map(({ Key }) => Key);
    assert.deepEqual(await uploads(), ["given-up"]);
    await s3.send(new AbortMultipartUploadCommand({ Bucket, Key: "given-up", UploadId: given.UploadId }));
    assert.equal(await uploads(), undefined);
  });
  await t.test("lists thousands of keys page by page, and deletes them by the thousand", async () => {
    const keys = Array.from({ length: 2100 }, (_, i) => `many/${i % 7}/${String(i).padStart(5, "0")}`).sort();
    for (let at = 0; at < keys.length; at += 50)
      await Promise.all(keys.slice(at, at + 50).map((Key) => s3.send(new PutObjectCommand({ Bucket, Key, Body: "x" }))));
    const seen: string[] = [];
    const pages: number[] = [];
    for await (const page of paginateListObjectsV2({ client: s3 }, { Bucket, Prefix: "many/" })) {
      seen.push(...(page.Contents ?? []).map(({ Key }) => String(Key)));
      pages.push(page.KeyCount ?? 0);
    }
    assert.deepEqual(seen, keys);
    assert.deepEqual(pages, [1000, 1000, 100]);
    for (let at = 0; at < keys.length; at += 1000) {
      const Objects = keys.slice(at, at + 1000).map((Key) => ({ Key }));
      const { Deleted, Errors } = await s3.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects } }));
      assert.deepEqual([Deleted?.length, Errors], [Objects.length, undefined]);
    }
  });
  await t.test("copies, and is told what is wrong by name", async () => {
    await s3.send(new CopyObjectCommand({ Bucket, Key: "copy", CopySource: `${Bucket}/parts` }));
    assert.equal((await bytesOf("copy")).length, 10 * 2 ** 20 + 100);
    await assert.rejects(bytesOf("nothing"), { name: "NoSuchKey" });
    await assert.rejects(s3.send(new HeadObjectCommand({ Bucket, Key: "nothing" })), { name: "NotFound" });
    await assert.rejects(s3.send(new PutObjectCommand({ Bucket, Key: "copy", Body: "", IfNoneMatch: "*" })), {
      name: "PreconditionFailed",
    });
    await assert.rejects(s3.send(new DeleteBucketCommand({ Bucket })), { name: "BucketNotEmpty" });
    const stranger = clientAt(cloud.s3Url, { credentials: { accessKeyId: key.accessKeyId, secretAccessKey: "wrong" } });
    await assert.rejects(
      stranger.send(new HeadObjectCommand({ Bucket, Key: "copy" })),
      (error: { $metadata?: { httpStatusCode?: number } }) => error.$metadata?.httpStatusCode === 403,
    );
  });
  await t.test("sends through a line that breaks, again and again", async () => {
    const line = await brokenLine(cloud.s3Port, { afterBytes: 700_000, times: 3 });
    const flaky = clientAt(`http://127.0.0.1:${line.port}`, { maxAttempts: 6 });
    const body = randomBytes(2 ** 20);
    await flaky.send(new PutObjectCommand({ Bucket, Key: "flaky", Body: body }));
    assert.equal(line.cuts(), 3);
    assert.ok((await bytesOf("flaky")).equals(body));
    flaky.destroy();
    await line.close();
  });
  await t.test("lets a page of another site in, and no other one", async () => {
    const CORSRules = [{ AllowedOrigins: ["https://shop.example.org"], AllowedMethods: ["GET"], ExposeHeaders: ["ETag"] }];
    await s3.send(new PutBucketCorsCommand({ Bucket, CORSConfiguration: { CORSRules } }));
    const ask = (origin: string) =>
      fetch(`${cloud.s3Url}/${Bucket}/copy`, { method: "OPTIONS", headers: { origin, "access-control-request-method": "GET" } });
    const yes = await ask("https://shop.example.org");
    assert.deepEqual([yes.status, yes.headers.get("access-control-allow-origin")], [200, "https://shop.example.org"]);
    assert.equal((await ask("https://other.example.org")).status, 403);
  });
  s3.destroy();
});

/** Prints one line of JSON: what it has seen. */
const pythonDay = `
import boto3, hashlib, io, json, os, sys
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError

endpoint, flaky = sys.argv[1:3]
def client(url, **more):
    return boto3.client("s3", endpoint_url=url, config=Config(s3={"addressing_style": "path"}, **more))
s3 = client(endpoint)
seen = {}
B = "sdk-python"
s3.create_bucket(Bucket=B)
s3.put_bucket_versioning(Bucket=B, VersioningConfiguration={"Status": "Enabled"})
small = os.urandom(100_000)
first = s3.put_object(Bucket=B, Key="a/\\u00e9\\n&<>.txt", Body=small, Metadata={"who": "me"}, Tagging="k=v%20w")
seen["small"] = s3.get_object(Bucket=B, Key="a/\\u00e9\\n&<>.txt")["Body"].read() == small
seen["key"] = [o["Key"] for o in s3.list_objects_v2(Bucket=B)["Contents"]]
seen["tags"] = s3.get_object_tagging(Bucket=B, Key="a/\\u00e9\\n&<>.txt")["TagSet"]
s3.put_object(Bucket=B, Key="a/\\u00e9\\n&<>.txt", Body=b"second")
seen["old"] = s3.get_object(Bucket=B, Key="a/\\u00e9\\n&<>.txt", VersionId=first["VersionId"])["Body"].read() == small

big = os.urandom(23 * 2**20)
parts = TransferConfig(multipart_threshold=5 * 2**20, multipart_chunksize=5 * 2**20, max_concurrency=4)
again = client(flaky, retries={"max_attempts": 10, "mode": "standard"})
again.upload_fileobj(io.BytesIO(big), B, "big.bin", Config=parts)
head = s3.head_object(Bucket=B, Key="big.bin")
seen["parts"] = head["ETag"].strip('"').split("-")[1]
back = io.BytesIO()
s3.download_fileobj(B, "big.bin", back, Config=parts)
seen["big"] = back.getvalue() == big

for i in range(25):
    s3.put_object(Bucket=B, Key="tree/%d/leaf-%02d" % (i % 5, i), Body=b"x")
pages = list(s3.get_paginator("list_objects_v2").paginate(Bucket=B, Prefix="tree/", Delimiter="/", PaginationConfig={"PageSize": 2}))
seen["folders"] = [p["Prefix"] for page in pages for p in page.get("CommonPrefixes", [])]
seen["pages"] = len(pages)
try:
    s3.get_object(Bucket=B, Key="nothing")
except ClientError as error:
    seen["missing"] = [error.response["Error"]["Code"], error.response["Error"]["Key"]]
asked = {"Bucket": B, "Key": "big.bin", "ResponseContentType": "text/x-big; of=boto3"}
# Left alone, boto3 signs addresses in version 2.
seen["urls"] = [client(endpoint, **more).generate_presigned_url("get_object", Params=asked, ExpiresIn=60) for more in ({}, {"signature_version": "s3v4"})]
put = s3.generate_presigned_url("put_object", Params={"Bucket": B, "Key": "нове слово+.txt", "ContentType": "text/x-new", "Metadata": {"by": "me"}})
seen["put"] = put
seen["sha256"] = hashlib.sha256(big).hexdigest()
versions = s3.list_object_versions(Bucket=B)
seen["versions"] = len(versions["Versions"])
gone = s3.delete_objects(Bucket=B, Delete={"Objects": [{"Key": v["Key"], "VersionId": v["VersionId"]} for v in versions["Versions"] if v["Key"] != "big.bin"]})
seen["deleted"] = len(gone["Deleted"])
print(json.dumps(seen))
`;

test("boto3", async () => {
  const script = join(cloud.folder, "day.py");
  writeFileSync(script, pythonDay);
  const line = await brokenLine(cloud.s3Port, { afterBytes: 3_000_000, times: 4 });
  const printed = await exec("/usr/bin/python3", [script, cloud.s3Url, `http://127.0.0.1:${line.port}`], { env: environment() });
  assert.equal(line.cuts(), 4);
  await line.close();
  const { urls, put, sha256: hash, ...seen } = JSON.parse(printed);
  assert.deepEqual(seen, {
    small: true,
    key: ["a/é\n&<>.txt"],
    tags: [{ Key: "k", Value: "v w" }],
    old: true,
    parts: "5",
    big: true,
    folders: ["tree/0/", "tree/1/", "tree/2/", "tree/3/", "tree/4/"],
    pages: 3,
    missing: ["NoSuchKey", "nothing"],
    versions: 28,
    deleted: 27,
  });
  assert.deepEqual(
    urls.map((url: string) => new URL(url).searchParams.has("AWSAccessKeyId")),
    [true, false],
  );
  for (const url of urls) {
    const response = await fetch(url);
    assert.deepEqual([response.status, response.headers.get("content-type")], [200, "text/x-big; of=boto3"]);
    assert.equal(sha256(new Uint8Array(await response.arrayBuffer())), hash);
  }
  const write = (type: string) => fetch(put, { method: "PUT", body: "new", headers: { "content-type": type } });
  assert.deepEqual([(await write("text/html")).status, (await write("text/x-new")).status], [403, 200]);
});

test("restic keeps backups, restores them, checks them and lets go of old ones", async () => {
  const env = {
    ...environment(),
    RESTIC_PASSWORD: "a secret of the backup",
    RESTIC_CACHE_DIR: join(cloud.folder, "restic-cache"),
  };
  const restic = (...args: string[]) => exec("/usr/bin/restic", ["--repo", `s3:${cloud.s3Url}/restic/backups`, ...args], { env });
  const source = join(cloud.folder, "house");
  for (let i = 0; i < 300; i++) {
    mkdirSync(join(source, `room ${i % 12}`), { recursive: true });
    writeFileSync(join(source, `room ${i % 12}`, `річ-${i}.bin`), randomBytes((i * 997) % 60_000));
  }
  writeFileSync(join(source, "big.bin"), randomBytes(12 * 2 ** 20));
  const treeOf = (root: string) =>
    readdirSync(root, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      .map((path) => `${path.slice(root.length)} ${sha256(readFileSync(path))}`)
      .sort();
  const restored = async (snapshot: string): Promise<string[]> => {
    const target = join(cloud.folder, `restored-${snapshot}`);
    await restic("restore", snapshot, "--target", target);
    const found = treeOf(join(target, source));
    rmSync(target, { recursive: true });
    return found;
  };
  await restic("init");
  await assert.rejects(restic("init"), /already (exists|initialized)/);
  await restic("backup", source);
  const before = treeOf(source);
  rmSync(join(source, "room 3"), { recursive: true });
  writeFileSync(join(source, "new.txt"), "new");
  await restic("backup", source);
  const snapshots = JSON.parse(await restic("snapshots", "--json")) as { short_id: string }[];
  assert.equal(snapshots.length, 2);
  const [first, second] = snapshots.map(({ short_id }) => short_id) as [string, string];
  assert.deepEqual(await restored(first), before);
  assert.deepEqual(await restored(second), treeOf(source));
  await restic("check", "--read-data");
  await restic("forget", "--keep-last", "1", "--prune");
  await restic("check", "--read-data");
  assert.deepEqual(await restored(second), treeOf(source));
});

// A container may have no FUSE: that is the kernel's to say, and no matter of tools that are missing.
test("s3fs is a folder of files", { skip: existsSync("/dev/fuse") ? false : "this machine has no /dev/fuse" }, async () => {
  const aws = (...args: string[]) => exec("/usr/bin/aws", ["--endpoint-url", cloud.s3Url, ...args], { env: environment() });
  await aws("s3", "mb", "s3://mounted");
  const [folder, passwords] = [join(cloud.folder, "mounted"), join(cloud.folder, "s3fs-password")];
  mkdirSync(folder);
  writeFileSync(passwords, `${key.accessKeyId}:${key.secretAccessKey}\n`, { mode: 0o600 });
  const mount = () =>
    exec("/usr/bin/s3fs", [
      "mounted",
      folder,
      "-o",
      `url=${cloud.s3Url},use_path_request_style,passwd_file=${passwords},multipart_size=10`,
    ]);
  const unmount = () => exec("umount", [folder]);
  await mount();
  try {
    const big = randomBytes(25 * 2 ** 20);
    mkdirSync(join(folder, "фото/2026"), { recursive: true });
    writeFileSync(join(folder, "фото/2026/big.bin"), big);
    writeFileSync(join(folder, "note.txt"), "one");
    writeFileSync(join(folder, "note.txt"), " and two", { flag: "a" });
    assert.equal(readFileSync(join(folder, "note.txt"), "utf8"), "one and two");
    for (let i = 0; i < 40; i++) writeFileSync(join(folder, "фото", `${i}.txt`), String(i));
    renameSync(join(folder, "note.txt"), join(folder, "фото/renamed.txt"));
    rmSync(join(folder, "фото/7.txt"));
    assert.equal(existsSync(join(folder, "note.txt")), false);
    await unmount();
    // Nothing of it is remembered: all comes from the bucket.
    await mount();
    assert.equal(sha256(readFileSync(join(folder, "фото/2026/big.bin"))), sha256(big));
    assert.equal(readdirSync(join(folder, "фото")).length, 41);
    assert.equal(statSync(join(folder, "фото/renamed.txt")).size, 11);
    const head = JSON.parse(await aws("s3api", "head-object", "--bucket", "mounted", "--key", "фото/2026/big.bin"));
    assert.equal(head.ContentLength, big.length);
    rmSync(join(folder, "фото"), { recursive: true });
    assert.deepEqual(readdirSync(folder), []);
  } finally {
    await unmount();
  }
});
