import assert from "node:assert/strict";
import { createHash, randomBytes, randomInt } from "node:crypto";
import { globSync, rmSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import {
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  ListObjectVersionsCommand,
  type ListObjectVersionsCommandOutput,
  PutBucketVersioningCommand,
  PutObjectCommand,
  S3Client,
  UploadPartCommand,
} from "@aws-sdk/client-s3";
import { createClient } from "../client/client.ts";
import { CloudError } from "../kernel/errors.ts";
import { eventually } from "../testing/launcher.ts";
import { processTree } from "../testing/processes.ts";
import { type Client, exec, newCloud, repository } from "./cloud.ts";

/**
 * Any process is killed with -9 at a random moment, again and again, while clients write. What was acknowledged is there afterwards;
 * what was not may be there or not, but never in part.
 */
const rounds = Number(process.env["KHMARA_CRASH_ROUNDS"] ?? 50);
/**
 * How often each is killed in as many rounds as these are together: mostly those that write objects, as they are back soonest. A start of the
 * whole cloud takes seconds. Every one has its turns, in an order of chance.
 */
const shares = { objects: 12, control: 2, backend: 2, postmaster: 2, supervisor: 1 };
let turns: string[] = [];
process.env["KHMARA_OBJECT_PROCESSES"] = "2";
const cloud = await newCloud();
const bucket = "crash";
const versionedBucket = "crash-versions";
let client: Client;
/** One that asks once: the test itself is the one who tries again. */
let impatient: Client;
let s3: S3Client;
let organisationId: string;
let projectId: string;

before(async () => {
  await cloud.start();
  const signedIn = await cloud.signIn();
  ({ client, organisationId, projectId } = signedIn);
  impatient = createClient({ baseUrl: cloud.url, retries: 0, headers: () => ({ authorization: `Bearer ${signedIn.token}` }) });
  await client.quotaUpdate({ organisation: organisationId as never, name: "objects.buckets", limit: 100_000 });
  await client.quotaUpdate({ organisation: organisationId as never, name: "identity.projects", limit: 100_000 });
  const key = await client.accessKeyCreate({ project: projectId as never, name: "crash" });
  for (const name of [bucket, versionedBucket]) await client.bucketCreate({ project: projectId as never, name });
  s3 = new S3Client({
    endpoint: cloud.s3Url,
    region: "us-east-1",
    forcePathStyle: true,
    maxAttempts: 1,
    credentials: { accessKeyId: key.accessKeyId, secretAccessKey: key.secretAccessKey },
  });
  const VersioningConfiguration = { Status: "Enabled" } as const;
  await s3.send(new PutBucketVersioningCommand({ Bucket: versionedBucket, VersioningConfiguration }));
});
after(() => cloud.remove());

/** What may stand under a key: the hash that was acknowledged last, and those of later writes without an answer (null: deleted). */
const objects = new Map<string, Set<string | null>>();
const projects = { acknowledged: new Set<string>(), attempted: new Set<string>() };
const puts = { acknowledged: 0, attempted: 0 };
const hash = (body: Buffer) => createHash("sha256").update(body).digest("hex");

async function attempt(key: string, outcome: string | null, write: () => Promise<unknown>): Promise<void> {
  const possible = objects.get(key) ?? new Set([null]);
  objects.set(key, possible);
  possible.add(outcome);
  try {
    await write();
    objects.set(key, new Set([outcome]));
  } catch {} // No answer: it may have happened.
}

async function writeObjects(worker: number, running: () => boolean): Promise<void> {
  while (running()) {
    const key = `w${worker}/${randomInt(40)}`;
    const kind = randomInt(10);
    if (kind < 2) await attempt(key, null, () => s3.send(new DeleteObjectCommand({ Bucket: bucket, Key: key })));
    else if (kind === 2) await multipart(key);
    else {
      const body = randomBytes(kind < 7 ? randomInt(6000) : randomInt(300_000));
      puts.attempted++;
      await attempt(key, hash(body), async () => {
        await s3.send(new PutObjectCommand({ Bucket: bucket, Key: key, Body: body }));
        puts.acknowledged++;
      });
    }
    if (!running()) return;
    await sleep(randomInt(8));
  }
}

/** Every version that was acknowledged, with the hash of its bytes; null: a delete marker. */
const versions = new Map<string, { key: string; hash: string | null }>();

async function writeVersions(running: () => boolean): Promise<void> {
  while (running()) {
    const Key = `v/${randomInt(5)}`;
    const Body = randomBytes(randomInt(randomInt(2) === 0 ? 6000 : 100_000));
    const deletes = randomInt(4) === 0;
    try {
      const { VersionId } = await (deletes
        ? s3.send(new DeleteObjectCommand({ Bucket: versionedBucket, Key }))
        : s3.send(new PutObjectCommand({ Bucket: versionedBucket, Key, Body })));
      versions.set(VersionId as string, { key: Key, hash: deletes ? null : hash(Body) });
    } catch {} // No answer: a version more, or not.
    await sleep(randomInt(8));
  }
}

async function multipart(key: string): Promise<void> {
  const parts = [randomBytes(5 * 2 ** 20), randomBytes(randomInt(100_000))];
  let uploadId: string | undefined;
  const numbered: { PartNumber: number; ETag: string | undefined }[] = [];
  try {
    uploadId = (await s3.send(new CreateMultipartUploadCommand({ Bucket: bucket, Key: key }))).UploadId;
    for (const [index, part] of parts.entries()) {
      const { ETag } = await s3.send(
        new UploadPartCommand({ Bucket: bucket, Key: key, UploadId: uploadId, PartNumber: index + 1, Body: part }),
      );
      numbered.push({ PartNumber: index + 1, ETag });
    }
  } catch {
    return; // Never completed: it may not show.
  }
  await attempt(key, hash(Buffer.concat(parts)), () =>
    s3.send(
      new CompleteMultipartUploadCommand({ Bucket: bucket, Key: key, UploadId: uploadId, MultipartUpload: { Parts: numbered } }),
    ),
  );
}

async function changeControlPlane(running: () => boolean): Promise<void> {
  while (running()) {
    const name = `p${randomBytes(6).toString("hex")}`;
    projects.attempted.add(name);
    try {
      await impatient.projectCreate(
        { organisation: organisationId as never, name, slug: name },
        { signal: AbortSignal.timeout(5000) },
      );
      projects.acknowledged.add(name);
    } catch (error) {
      if (CloudError.is(error, "invalid_argument") || CloudError.is(error, "quota_exceeded")) throw error;
    }
    await sleep(randomInt(20));
  }
}

/** Kills one process of the cloud, whose turn it is; starts the cloud again when it was the supervisor. */
async function killOne(): Promise<string> {
  const tree = processTree(cloud.pid);
  const kinds: Record<string, number[]> = {
    supervisor: [cloud.pid],
    control: tree.filter(({ command }) => command.includes("server/control.")).map(({ pid }) => pid),
    objects: tree.filter(({ command }) => command.includes("server/objects.")).map(({ pid }) => pid),
    postmaster: tree.filter(({ command }) => /bin\/postgres /.test(command)).map(({ pid }) => pid),
    backend: tree.filter(({ command }) => command.startsWith("postgres:")).map(({ pid }) => pid),
  };
  if (turns.length === 0) turns = Object.entries(shares).flatMap(([kind, share]) => Array.from({ length: share }, () => kind));
  // One that does not run just now has its turn later.
  const able = turns.filter((kind) => (kinds[kind]?.length ?? 0) > 0);
  const kind = able[randomInt(Math.max(able.length, 1))] ?? "supervisor";
  turns.splice(turns.indexOf(kind), turns.includes(kind) ? 1 : 0);
  const pids = kinds[kind] as number[];
  const pid = pids[randomInt(pids.length)] as number;
  if (kind === "supervisor") {
    await cloud.kill();
    await cloud.start();
  } else process.kill(pid, "SIGKILL");
  return kind;
}

/** Both doors answer again. */
async function untilServing(): Promise<void> {
  let last = "";
  for (const end = Date.now() + 30_000; ; await sleep(50)) {
    try {
      const ready = await fetch(`${cloud.url}/readyz`, { signal: AbortSignal.timeout(2000) });
      const door = await fetch(cloud.s3Url, { signal: AbortSignal.timeout(2000) });
      last = `readyz ${ready.status}, S3 ${door.status}`;
      if (ready.ok && door.status === 403) return;
    } catch (error) {
      last = String((error as Error).cause ?? error);
    }
    if (Date.now() > end) throw new Error(`the cloud does not serve again (${last}):\n${cloud.output.slice(-3000)}`);
  }
}

test(`${rounds} rounds of kill -9`, { timeout: 3_000_000 }, async (t) => {
  const killed: Record<string, number> = {};
  for (let round = 0; round < rounds; round++) {
    let going = true;
    const writers = [
      ...Array.from({ length: 6 }, (_, worker) => writeObjects(worker, () => going)),
      writeVersions(() => going),
      changeControlPlane(() => going),
    ];
    await sleep(randomInt(20, 400));
    const killedAt = performance.now();
    const kind = await killOne();

    killed[kind] = (killed[kind] ?? 0) + 1;
    await sleep(randomInt(30));
    going = false;
    await Promise.all(writers);
    const stopped = performance.now();
    await untilServing();
    if (process.env["KHMARA_CRASH_VERBOSE"])
      t.diagnostic(
        `round ${round}: ${kind}, back after ${Math.round(performance.now() - killedAt)} ms, of which clients ${Math.round(stopped - killedAt)}`,
      );
  }
  t.diagnostic(
    `killed: ${JSON.stringify(killed)}; puts ${puts.acknowledged} of ${puts.attempted} acknowledged; projects ${projects.acknowledged.size} of ${projects.attempted.size}`,
  );
  assert.ok(puts.acknowledged > rounds && projects.acknowledged.size > rounds / 4, "the clients came to do their work");
  // One clean stop and start: what recovery leaves must be clean. And the journal must know all that the index knew.
  const rebuild = () => exec(join(repository, "khmara"), ["objects", "rebuild-index", "--data", cloud.dataDirectory]);
  await assert.rejects(rebuild(), /Stop it first/);
  await cloud.stop();
  const index = join(cloud.dataDirectory, "objects", "index");
  await t.test("the index is lost, and made anew from its journal", async () => {
    rmSync(index, { recursive: true });
    const told = await rebuild();
    assert.match(told, /made anew: [1-9]\d* objects, [1-9]/);
    assert.doesNotMatch(told, /gaps|missing/);
  });
  await cloud.start();

  await t.test("every acknowledged object is there with its bytes, and no other", async () => {
    const listed = new Set<string>();
    let token: string | undefined;
    do {
      const page = await s3.send(new ListObjectsV2Command({ Bucket: bucket, ContinuationToken: token }));
      for (const { Key } of page.Contents ?? []) listed.add(Key as string);
      token = page.NextContinuationToken;
    } while (token);
    for (const [key, possible] of objects) {
      if (!listed.has(key)) {
        assert.ok(possible.has(null), `${key} is lost`);
        continue;
      }
      const { Body } = await s3.send(new GetObjectCommand({ Bucket: bucket, Key: key }));
      assert.ok(possible.has(hash(Buffer.from((await Body?.transformToByteArray()) as Uint8Array))), `${key} has other bytes`);
      listed.delete(key);
    }
    assert.deepEqual([...listed], []);
  });
  await t.test("every acknowledged version and delete marker is there", async () => {
    assert.ok(versions.size > rounds / 2, `${versions.size} versions`);
    const found = new Set<string>();
    for (let after: { KeyMarker?: string; VersionIdMarker?: string } | undefined = {}; after; ) {
      const page: ListObjectVersionsCommandOutput = await s3.send(
        new ListObjectVersionsCommand({ Bucket: versionedBucket, ...after }),
      );
      for (const { VersionId } of [...(page.Versions ?? []), ...(page.DeleteMarkers ?? [])]) found.add(VersionId as string);
      const { NextKeyMarker, NextVersionIdMarker } = page;
      after = page.IsTruncated
        ? { KeyMarker: NextKeyMarker as string, VersionIdMarker: NextVersionIdMarker as string }
        : undefined;
    }
    for (const [VersionId, { key, hash: expected }] of versions) {
      assert.ok(found.has(VersionId), `${VersionId} of ${key} is lost`);
      if (expected === null) continue;
      const { Body } = await s3.send(new GetObjectCommand({ Bucket: versionedBucket, Key: key, VersionId }));
      assert.equal(hash(Buffer.from((await Body?.transformToByteArray()) as Uint8Array)), expected, `${VersionId} of ${key}`);
    }
  });
  await t.test("every acknowledged project is there, once", async () => {
    const names: string[] = [];
    for await (const project of client.all("projectList", { organisation: organisationId as never, limit: 500 }))
      names.push(project.name);
    assert.equal(new Set(names).size, names.length);
    for (const name of projects.acknowledged) assert.ok(names.includes(name), `${name} is lost`);
    for (const name of names) assert.ok(projects.attempted.has(name) || name === "Default", name);
    const quotas = await client.quotaList({ organisation: organisationId as never });
    assert.equal(quotas.items.find((quota) => quota.name === "identity.projects")?.used, names.length);
  });
  await t.test("the audit chain verifies and has a row for each", async () => {
    const report = await client.auditVerify({});
    assert.equal(report.valid, true, JSON.stringify(report.firstInvalid));
    let created = 0;
    for await (const _ of client.all("auditEntryList", {
      organisation: organisationId as never,
      action: "identity.project.create",
      limit: 1000,
    }))
      created++;
    assert.ok(created >= projects.acknowledged.size && created <= projects.attempted.size + 1, `${created} rows`);
  });
  await t.test("usage equals the truth", async () => {
    let sizeBytes = 0;
    let count = 0;
    let token: string | undefined;
    do {
      const page = await s3.send(new ListObjectsV2Command({ Bucket: bucket, ContinuationToken: token }));
      for (const { Size } of page.Contents ?? []) {
        sizeBytes += Size ?? 0;
        count++;
      }
      token = page.NextContinuationToken;
    } while (token);
    const totals = await client.bucketGet({ bucket });
    assert.deepEqual([totals.objects, totals.sizeBytes], [count, sizeBytes]);
    // The journal is written every few seconds.
    await eventually(
      async () => {
        const { series } = await client.usageSummarize({
          organisation: organisationId as never,
          from: new Date(Date.now() - 6 * 3_600_000).toISOString(),
          to: new Date(Date.now() + 3_600_000).toISOString(),
          step: "hour",
        });
        const total = (meter: string) => Number(series.find((one) => one.meter === meter)?.total ?? 0);
        return [total("objects.requests_write"), total("objects.storage")] as const;
      },
      ([writes, storage]) => writes >= puts.acknowledged && storage > 0,
      60_000,
    );
  });
  await t.test("no temporary files are left", () => {
    const left = globSync(`${cloud.dataDirectory}/objects/**/*`, { withFileTypes: true }).filter(
      (entry) => entry.isFile() && /tmp|temp|partial|incoming/i.test(entry.parentPath.slice(cloud.dataDirectory.length)),
    );
    assert.deepEqual(
      left.map((entry) => entry.name),
      [],
    );
  });
});
