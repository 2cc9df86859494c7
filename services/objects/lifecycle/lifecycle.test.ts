import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type Id, newId } from "../../../kernel/ids.ts";
import type { ObjectStore } from "../driver.ts";
import { bodyOf } from "../drivers/conformance.bodies.ts";
import type { S3Caller } from "../s3/backend.ts";
import { type TestCloud, testCloud } from "../testing/fixture.ts";
import { carryOut } from "./carryOut.ts";
import type { LifecycleRule } from "./rules.ts";

const dayMs = 24 * 3_600_000;
let nowMs = Date.UTC(2030, 0, 1, 12);
let cloud: TestCloud;
let store: ObjectStore;
before(async () => {
  cloud = await testCloud({ runner: false, now: () => nowMs });
  store = cloud.store;
});
after(() => cloud.stop());

const rule = (rest: Partial<LifecycleRule>): LifecycleRule => ({ id: "r", enabled: true, filter: {}, ...rest });
const none = { objects: 0, versions: 0, markers: 0, uploads: 0, transitions: 0 };
const put = async (bucket: Id<"bucket">, key: string, options: Parameters<ObjectStore["put"]>[3] = {}, text = "x") =>
  (await store.put(bucket, key, bodyOf(text), options)).versionId as string;
async function run(bucket: Id<"bucket">, rules: LifecycleRule[], dryRun = false) {
  const { sizeBytes: _, isComplete, ...counts } = await carryOut(store, bucket, rules, { nowMs, dryRun });
  assert.ok(isComplete);
  return counts;
}
const keys = async (bucket: Id<"bucket">) => (await store.list(bucket, { limit: 1000 })).objects.map(({ key }) => key);
const versions = async (bucket: Id<"bucket">) =>
  (await store.versionList(bucket, { limit: 1000 })).versions.map(({ object, marker }) => (object ?? marker)!.versionId);

test("current objects expire by age, rounded up to midnight, or by date, where the filter fits", async () => {
  const bucket = newId("bucket");
  await put(bucket, "logs/a");
  await put(bucket, "logs/big", {}, "x".repeat(100));
  await put(bucket, "logs/tagged", { tags: { keep: "no", a: "b" } });
  await put(bucket, "other");
  const days = { days: 2 };
  const inLogs = rule({ filter: { prefix: "logs/" }, expiration: days });
  nowMs += 2 * dayMs;
  assert.deepEqual(await run(bucket, [inLogs]), none, "not before the next midnight");
  nowMs += dayMs / 2;
  assert.deepEqual(await run(bucket, [{ ...inLogs, enabled: false }]), none);
  assert.deepEqual(await run(bucket, [inLogs], true), { ...none, objects: 3 });
  assert.equal((await keys(bucket)).length, 4, "a dry run only counts");
  assert.deepEqual(await run(bucket, [rule({ filter: { tags: { keep: "no" } }, expiration: days })]), { ...none, objects: 1 });
  assert.deepEqual(await run(bucket, [rule({ filter: { largerThanBytes: 1, smallerThanBytes: 101 }, expiration: days })]), {
    ...none,
    objects: 1,
  });
  assert.deepEqual(await keys(bucket), ["logs/a", "other"]);
  assert.deepEqual(await run(bucket, [rule({ expiration: { atMs: nowMs + 1 } })]), none);
  assert.deepEqual(await run(bucket, [inLogs, rule({ id: "2", expiration: { atMs: nowMs } })]), { ...none, objects: 2 });
  assert.deepEqual(await keys(bucket), []);
});

test("objects get another storage class, down the waterfall only, and keep their date; small ones where sizes are asked for", async () => {
  const bucket = newId("bucket");
  const large = "x".repeat(128 * 1024);
  const classOf = async (key: string, at?: { versionId: string }) =>
    (await store.head(bucket, key, at ?? {}))?.headers.storageClass;
  await put(bucket, "large", {}, large);
  await put(bucket, "small");
  await put(bucket, "deep", { headers: { storageClass: "GLACIER_IR" } }, large);
  const [days30, days60] = [
    { days: 30, storageClass: "STANDARD_IA" } as const,
    { days: 60, storageClass: "ONEZONE_IA" } as const,
  ];
  const rules = [rule({ transitions: [days30, days60] })];
  nowMs += 29 * dayMs;
  assert.deepEqual(await run(bucket, rules), none);
  nowMs += 2 * dayMs;
  const { modifiedAtMs } = (await store.head(bucket, "large"))!;
  assert.deepEqual(await run(bucket, rules, true), { ...none, transitions: 1 });
  assert.equal(await classOf("large"), undefined, "a dry run only counts");
  assert.deepEqual(await run(bucket, rules), { ...none, transitions: 1 });
  assert.deepEqual(await run(bucket, rules), none, "once");
  assert.deepEqual(
    [await classOf("large"), await classOf("small"), await classOf("deep")],
    ["STANDARD_IA", undefined, "GLACIER_IR"],
  );
  assert.equal((await store.head(bucket, "large"))!.modifiedAtMs, modifiedAtMs);
  nowMs += 30 * dayMs;
  assert.deepEqual(await run(bucket, [rule({ ...rules[0], filter: { smallerThanBytes: 10 } })]), { ...none, transitions: 1 });
  assert.deepEqual(await run(bucket, rules), { ...none, transitions: 1 });
  assert.deepEqual([await classOf("large"), await classOf("small")], ["ONEZONE_IA", "ONEZONE_IA"]);

  await store.settingsUpdate(bucket, { versioning: "enabled" });
  const old = [await put(bucket, "kept", {}, large), await put(bucket, "kept", {}, large)];
  await put(bucket, "kept");
  nowMs += 31 * dayMs;
  const noncurrent = rule({ noncurrentTransitions: [{ ...days30, newerVersions: 1 }] });
  assert.deepEqual(await run(bucket, [noncurrent]), { ...none, transitions: 1 });
  const classes = await Promise.all(old.map((versionId) => classOf("kept", { versionId })));
  assert.deepEqual([...classes, await classOf("kept")], ["STANDARD_IA", undefined, undefined]);
});

test("where versions are kept: a marker first, then the versions, but for the newest; then the marker; locked ones stay", async () => {
  const bucket = newId("bucket");
  await store.settingsUpdate(bucket, { versioning: "enabled" });
  const old = [await put(bucket, "k"), await put(bucket, "k"), await put(bucket, "k")];
  const current = await put(bucket, "k");
  await put(bucket, "fresh");
  const rules = [
    rule({ id: "1", filter: { prefix: "k" }, expiration: { days: 1 } }),
    rule({ id: "2", noncurrent: { days: 3, newerVersions: 1 } }),
  ];
  nowMs += 2 * dayMs;
  assert.deepEqual(await run(bucket, rules), { ...none, objects: 1 });
  assert.equal((await store.marker(bucket, "k")) !== undefined, true);
  const marker = (await store.marker(bucket, "k"))!.versionId;
  nowMs += 2 * dayMs;
  await store.mark(bucket, "k", { legalHold: true }, { versionId: old[0]! });
  // Two of the three are old enough and not the newest noncurrent; one of these is held.
  assert.deepEqual(await run(bucket, rules), { ...none, versions: 2 });
  assert.deepEqual((await versions(bucket)).slice(1), [marker, current, old[0]]);
  await store.mark(bucket, "k", { legalHold: false }, { versionId: old[0]! });
  nowMs += 2 * dayMs;
  const all = [rule({ id: "3", noncurrent: { days: 1 } }), rule({ id: "4", expiration: { expiredMarkers: true } })];
  assert.deepEqual(await run(bucket, all), { ...none, versions: 2 });
  assert.deepEqual(await run(bucket, all), { ...none, markers: 1 }, "nothing is behind the marker now");
  assert.deepEqual(await keys(bucket), ["fresh"]);
  assert.deepEqual(await run(bucket, all), none);
});

test("many keys, over the borders of pages; and uploads that nobody finished", async () => {
  const bucket = newId("bucket");
  await store.settingsUpdate(bucket, { versioning: "enabled" });
  const names = Array.from({ length: 350 }, (_, i) => `k${i}`);
  for (let round = 0; round < 3; round++) await Promise.all(names.map((key) => put(bucket, key)));
  await Promise.all(["up/a", "b"].map((key) => store.uploadCreate(bucket, key)));
  nowMs += 5 * dayMs;
  await Promise.all(names.map((key) => put(bucket, key)));
  await store.uploadCreate(bucket, "up/young");
  const rules = [rule({ id: "1", noncurrent: { days: 4 } }), rule({ id: "2", filter: { prefix: "up/" }, abortUploadsDays: 4 })];
  assert.deepEqual(await run(bucket, rules), { ...none, versions: 700, uploads: 1 });
  assert.deepEqual((await store.totals(bucket)).versions, 350, "the last one was noncurrent for no time yet");
  assert.equal((await store.uploadList(bucket, { limit: 10 })).uploads.length, 2);
});

test("the worker carries out what was put by S3", async () => {
  const { s3Backend: backend } = cloud.objects;
  const caller = async (key: string): Promise<S3Caller> => (await cloud.objects.s3Credentials.resolve(key))!.caller;
  const editor = await caller("KEYEDITOR");
  const bucket = await backend.bucketCreate(editor, "lifecycle-bucket");
  const lifecycle = [rule({ filter: { prefix: "tmp/" }, expiration: { days: 1 } })];
  await backend.configurationUpdate(editor, bucket, { lifecycle, tags: { a: "b" } });
  await backend.configurationUpdate(editor, bucket, { tags: null });
  const row = await cloud.database.sql`select kind from objects.configurations where bucket_id = ${bucket.bucketId}`;
  assert.deepEqual(
    row.map(({ kind }) => kind),
    ["lifecycle"],
  );
  await put(bucket.bucketId, "tmp/a");
  await put(bucket.bucketId, "kept");
  const work = async () =>
    cloud.objects.service.workers!.find(({ name }) => name === "objects.lifecycle")!.run(AbortSignal.timeout(60_000));
  await work();
  assert.equal((await keys(bucket.bucketId)).length, 2);
  nowMs += 2 * dayMs;
  await work();
  assert.deepEqual(await keys(bucket.bucketId), ["kept"]);
});

test("an upload that nobody goes on with is given up after a week without a part, unless a rule of its bucket says when", async () => {
  const { s3Backend: backend } = cloud.objects;
  const { caller: editor } = (await cloud.objects.s3Credentials.resolve("KEYEDITOR"))!;
  const { bucketId, ...bucket } = await backend.bucketCreate(editor, "uploads-bucket");
  const lifecycle = [rule({ filter: { prefix: "slow/" }, abortUploadsDays: 30 })];
  await backend.configurationUpdate(editor, { bucketId, ...bucket }, { lifecycle });
  const begin = async (key: string) => (await store.uploadCreate(bucketId, key)).uploadId;
  await begin("left");
  await begin("slow/left");
  const busy = await begin("busy");
  const part = (number: number) => store.partPut(bucketId, busy, number, bodyOf("x"));
  await part(1);
  const work = async () => {
    await cloud.objects.service.workers!.find(({ name }) => name === "objects.uploads")!.run(AbortSignal.timeout(60_000));
    return (await store.uploadList(bucketId, { limit: 10 })).uploads.map(({ key }) => key);
  };
  nowMs += 5 * dayMs;
  await part(2);
  nowMs += 3 * dayMs;
  assert.deepEqual(await work(), ["busy", "slow/left"]);
  nowMs += 5 * dayMs;
  assert.deepEqual(await work(), ["slow/left"]);
});
