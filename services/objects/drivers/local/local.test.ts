import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdir, mkdtemp, open, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { after, describe, test } from "node:test";
import { type Id, newId } from "../../../../kernel/ids.ts";
import { openSecrets } from "../../../../kernel/secrets.ts";
import type { ObjectStore, VersionList, VersionPosition } from "../../driver.ts";
import { purge } from "../../walk.ts";
import { bodyOf, bytesOf, pattern, refuses } from "../conformance.bodies.ts";
import { seededRandom } from "../conformance.listing.ts";
import { objectStoreConformance } from "../conformance.ts";
import { openLocalStore } from "./index.ts";
import { rebuildIndex } from "./rebuild.ts";
import { startWorker, verify, verifyVersions, type Worker } from "./testing/crashWorker.ts";

const root = await mkdtemp(join(tmpdir(), "khmara-objects-"));
after(() => rm(root, { recursive: true, force: true }));
let directories = 0;
const newDirectory = (): string => join(root, `store-${directories++}`);

const secrets = openSecrets(randomBytes(32));
objectStoreConformance("local", (now) => openLocalStore({ directory: newDirectory(), secrets, ...(now && { now }) }));

test("neither encrypted bytes nor a customer's key lie on the disk in the clear", async () => {
  const directory = newDirectory();
  const store = await openLocalStore({ directory, secrets });
  const [bucketId, customerKey] = [newId("bucket"), randomBytes(32)];
  const bytes = Buffer.from("what nobody may read on this disk. ".repeat(1000));
  for (const encryption of [{ kind: "server" }, { kind: "customer", key: customerKey }] as const)
    for (const [key, body] of Object.entries({ small: bytes.subarray(0, 350), large: bytes }))
      await store.put(bucketId, `${encryption.kind} ${key}`, Readable.from([body]), { encryption });
  await store.put(bucketId, "open", Readable.from([bytes]));
  await store.close();
  const holding = async (wanted: Buffer): Promise<number> => {
    const contents = await Promise.all((await filesBelow(directory)).map((file) => readFile(file)));
    return contents.filter((content) => content.includes(wanted)).length;
  };
  assert.equal(await holding(bytes.subarray(0, 35)), 1, "the one that is not encrypted");
  assert.equal(await holding(customerKey), 0);

  const again = await openLocalStore({ directory, secrets });
  const { body } = await again.get(bucketId, "server large");
  assert.ok(Buffer.concat(await body.toArray()).equals(bytes));
  const damaged = (await filesBelow(join(directory, "data")))[0] as string;
  await writeFile(damaged, (await readFile(damaged)).fill(0, 5, 6));
  assert.equal((await again.scrub()).damaged.length, 1, "what the disk damages of encrypted bytes is found");
  await again.close();
  const withoutKey = await openLocalStore({ directory });
  await assert.rejects(withoutKey.put(bucketId, "x", Readable.from(["x"]), { encryption: { kind: "server" } }), /master key/);
  await withoutKey.close();
});

const filesBelow = async (directory: string): Promise<string[]> =>
  (await readdir(directory, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));

/** Totals worked out from every object and every part. */
async function trueTotals(store: ObjectStore, bucketId: Id<"bucket">): Promise<Awaited<ReturnType<ObjectStore["totals"]>>> {
  const totals = { objects: 0, sizeBytes: 0, versions: 0, versionBytes: 0, uploadBytes: 0 };
  const listed: string[] = [];
  for (let after: string | undefined, more = true; more; more = after !== undefined) {
    const page = await store.list(bucketId, { limit: 1000, ...(after !== undefined && { after }) });
    totals.objects += page.objects.length;
    for (const { sizeBytes } of page.objects) totals.sizeBytes += sizeBytes;
    listed.push(...page.objects.map(({ key }) => key));
    after = page.next;
  }
  const latest: string[] = [];
  for (let after: VersionPosition | undefined, more = true; more; more = after !== undefined) {
    const page: VersionList = await store.versionList(bucketId, { limit: 7, ...(after !== undefined && { after }) });
    for (const { isLatest, object } of page.versions) {
      if (isLatest && object) latest.push(object.key);
      else {
        totals.versions++;
        totals.versionBytes += object?.sizeBytes ?? 0;
      }
    }
    after = page.next;
  }
  assert.deepEqual(latest, listed, "what is listed are the latest versions");
  let at: { after?: string; afterUploadId?: string } | undefined = {};
  while (at !== undefined) {
    const page: Awaited<ReturnType<ObjectStore["uploadList"]>> = await store.uploadList(bucketId, { limit: 1000, ...at });
    for (const { uploadId } of page.uploads)
      for (const part of (await store.partList(bucketId, uploadId, { limit: 1000 })).parts) totals.uploadBytes += part.sizeBytes;
    at = page.next;
  }
  return totals;
}

describe("local: a directory shared by processes that die", { concurrency: false }, () => {
  test("kill -9 at any moment loses nothing acknowledged and leaves nothing behind", async () => {
    const directory = newDirectory();
    const [plainId, versionedId] = [newId("bucket"), newId("bucket")];
    const setting = await openLocalStore({ directory });
    await setting.settingsUpdate(versionedId, { versioning: "enabled" });
    await setting.close();
    const random = seededRandom(Date.now());
    const workers: Worker[][] = [];
    for (let round = 0; round < 16; round++) {
      const bucketId = round % 2 === 0 ? plainId : versionedId;
      // In every third round two processes work at once, and one sees the other die and opens the store meanwhile.
      const pair = Array.from({ length: round % 3 === 2 ? 2 : 1 }, (_, i) =>
        startWorker(directory, bucketId, `${round}-${i}`, Math.floor(random() * 1e9)),
      );
      await Promise.all(pair.map(({ ready }) => ready));
      for (const { child, ended } of pair) {
        await new Promise((resolve) => setTimeout(resolve, random() * 300));
        child.kill("SIGKILL");
        await ended;
      }
      const store = await openLocalStore({ directory });
      for (const worker of pair) {
        await verify(store, bucketId, worker);
        await verifyVersions(store, bucketId, worker);
      }
      const tmp = await filesBelow(join(directory, "tmp"));
      assert.deepEqual(tmp, [], "no temporary file is left");
      assert.equal((await readdir(join(directory, "tmp"))).length, 1, "only the folder of this process is left");
      const { orphanFilesRemoved, damaged } = await store.scrub();
      assert.deepEqual({ orphanFilesRemoved, damaged }, { orphanFilesRemoved: 0, damaged: [] });
      assert.deepEqual(await store.totals(bucketId), await trueTotals(store, bucketId));
      await store.close();
      workers.push(pair);
    }
    const store = await openLocalStore({ directory });
    for (const [round, pair] of workers.entries())
      for (const worker of pair) await verify(store, round % 2 === 0 ? plainId : versionedId, worker);
    assert.ok(workers.flat().reduce((sum, { acknowledged }) => sum + acknowledged, 0) > 100, "the processes did work");
    assert.ok((await store.totals(versionedId)).versions > 10, "old versions are kept");
    for (const bucketId of [plainId, versionedId]) {
      await purge(store, bucketId, "");
      await store.bucketDrop(bucketId);
    }
    await store.close();
    assert.deepEqual(await filesBelow(join(directory, "data")), [], "an empty store has no files");
  });

  test("two processes see each other's writes at once and never lose one", async () => {
    const directory = newDirectory();
    const bucketId = newId("bucket");
    const store = await openLocalStore({ directory });
    const worker = startWorker(directory, bucketId, "other", 4);
    await worker.ready;
    for (let i = 0; worker.acknowledged < 60; i++) {
      await Promise.all(Array.from({ length: 8 }, (_, j) => store.put(bucketId, `mine/${j}`, bodyOf(pattern(100 * j, i)))));
      assert.equal((await store.head(bucketId, "mine/3"))?.sizeBytes, 300);
    }
    worker.child.kill("SIGKILL");
    await worker.ended;
    await verify(store, bucketId, worker);
    assert.deepEqual(await store.totals(bucketId), await trueTotals(store, bucketId));
    await store.close();
  });

  test("opening leaves alone what another one is writing", async () => {
    const directory = newDirectory();
    const bucketId = newId("bucket");
    const store = await openLocalStore({ directory });
    const { promise: pause, resolve: goOn } = Promise.withResolvers<void>();
    const { promise: paused, resolve: isPaused } = Promise.withResolvers<void>();
    const put = store.put(
      bucketId,
      "slow",
      (async function* () {
        yield pattern(400_000, 1);
        isPaused();
        await pause;
        yield pattern(400_000, 2);
      })(),
    );
    await paused;
    const other = await openLocalStore({ directory });
    assert.equal((await other.scrub()).orphanFilesRemoved, 0);
    await other.close();
    goOn();
    await put;
    const bytes = await bytesOf((await store.get(bucketId, "slow")).body);
    assert.ok(bytes.equals(Buffer.concat([pattern(400_000, 1), pattern(400_000, 2)])));
    await store.close();
  });
});

describe("local: bytes on disk", { concurrency: false }, () => {
  test("a range does not pass on what the disk damaged, encrypted or not, also after the index was made anew", async () => {
    const directory = newDirectory();
    const bucketId = newId("bucket");
    const bytes = pattern(700_001);
    const encryption = { kind: "server" } as const;
    let store = await openLocalStore({ directory, secrets });
    await store.put(bucketId, "plain", bodyOf(bytes));
    await store.put(bucketId, "sealed", bodyOf(bytes), { encryption });
    await store.put(bucketId, "one block", bodyOf(bytes.subarray(0, 100_000)));
    const [plain, sealed, oneBlock] = (await filesBelow(join(directory, "data"))).sort((a, b) =>
      a.slice(-32) < b.slice(-32) ? -1 : 1,
    ) as [string, string, string];
    const read = async (key: string, from: number, to: number) =>
      bytesOf((await store.get(bucketId, key, { range: { from, to } })).body);
    const ranges = [
      [0, 0],
      [131_071, 131_072],
      [5, 699_999],
      [655_360, 700_000],
      [0, 700_000],
    ] as const;
    for (const key of ["plain", "sealed"])
      for (const [from, to] of ranges)
        assert.ok((await read(key, from, to)).equals(bytes.subarray(from, to + 1)), `${key} ${from}-${to}`);

    for (const [file, at] of [
      [plain, 300_001],
      [sealed, 700_000],
      [oneBlock, 50],
    ] as const) {
      const opened = await open(file, "r+");
      const { buffer } = await opened.read(Buffer.alloc(1), 0, 1, at);
      await opened.write(Buffer.from([buffer[0]! ^ 4]), 0, 1, at);
      await opened.close();
    }
    const spoilt = [
      ["plain", 300_000, 300_002],
      ["plain", 0, 400_000],
      ["plain", 262_144, 262_144],
      ["sealed", 699_000, 700_000],
      ["one block", 99_000, 99_100],
    ] as const;
    const check = async () => {
      for (const [key, from, to] of spoilt)
        await assert.rejects(read(key, from, to), { code: "internal" }, `${key} ${from}-${to}`);
      assert.ok((await read("plain", 0, 262_143)).equals(bytes.subarray(0, 262_144)), "the blocks before it are whole");
      assert.ok((await read("sealed", 0, 600_000)).equals(bytes.subarray(0, 600_001)));
    };
    await check();
    await store.close();
    await rebuildIndex(directory);
    store = await openLocalStore({ directory, secrets });
    await check();
    await store.close();
  });

  test("damage is found by the scrub, and a whole read does not pass it on", async () => {
    const directory = newDirectory();
    const bucketId = newId("bucket");
    const store = await openLocalStore({ directory });
    const bytes = pattern(700_000);
    await store.put(bucketId, "good", bodyOf(bytes));
    await store.put(bucketId, "small", bodyOf("in the index"));
    await store.put(bucketId, "bad", bodyOf(bytes));
    const lost = await filesBelow(join(directory, "data"));
    await store.put(bucketId, "lost", bodyOf(bytes));
    const { uploadId } = await store.uploadCreate(bucketId, "open upload");
    await store.partPut(bucketId, uploadId, 1, bodyOf(bytes));
    const orphan = join(directory, "data", "00", "00", "0".repeat(32));
    await mkdir(join(orphan, ".."), { recursive: true });
    await writeFile(orphan, "no record names this");
    await new Promise((resolve) => setTimeout(resolve, 100));

    const files = (await filesBelow(join(directory, "data"))).filter((path) => path !== orphan).sort();
    const byTime = files.toSorted((a, b) => (a.slice(-32) < b.slice(-32) ? -1 : 1));
    assert.equal(lost.length, 2);
    const file = await open(byTime[1]!, "r+");
    await file.write(Buffer.from([bytes[300_001]! ^ 4]), 0, 1, 300_001);
    await file.close();
    await rm(byTime[2]!);
    const cut = await open(byTime[3]!, "r+");
    await cut.truncate(5);
    await cut.close();

    const progress: number[] = [];
    const report = await store.scrub({ onProgress: (done, total) => progress.push(done / total) });
    assert.deepEqual([report.objects, report.sizeBytes, report.orphanFilesRemoved], [4, 2_100_012, 1]);
    assert.deepEqual(
      report.damaged.map(({ key }) => key),
      ["bad", "lost", "open upload"],
    );
    assert.ok(report.damaged.every((entry) => entry.bucketId === bucketId));
    assert.equal(progress.at(-1), 1);
    await assert.rejects(bytesOf((await store.get(bucketId, "bad")).body), { code: "internal" });
    await refuses(store.get(bucketId, "lost"), "internal", "damaged");
    assert.ok((await bytesOf((await store.get(bucketId, "good")).body)).equals(bytes));
    await assert.rejects(store.scrub({ signal: AbortSignal.abort() }), { name: "AbortError" });

    // In slices, as the worker does it: each object once, the damaged file put aside.
    const found: string[] = [];
    let slices = 0;
    for (let from: string | undefined, more = true; more; more = from !== undefined) {
      const slice = await store.scrub({ forMs: 0, quarantine: true, bytesPerSecond: 1e9, ...(from !== undefined && { from }) });
      found.push(...slice.damaged.map(({ key }) => key));
      from = slice.next;
      slices++;
    }
    assert.deepEqual(found, ["bad", "lost", "open upload"]);
    assert.equal(slices, 6, "five things, and the end");
    const aside = await readdir(join(directory, "quarantine"));
    assert.deepEqual(
      aside,
      [byTime[1], byTime[3]].map((path) => path?.slice(-32)),
    );
    await refuses(store.get(bucketId, "bad"), "internal", "damaged");
    await store.close();
  });

  test("half a gigabyte in and out with flat memory", async () => {
    const bucketId = newId("bucket");
    const store = await openLocalStore({ directory: newDirectory() });
    const chunk = pattern(64 * 1024);
    const sizeBytes = 512 * 1024 * 1024;
    await store.put(bucketId, "warm", bodyOf(pattern(20_000_000)));
    const before = process.memoryUsage().rss;
    let peak = 0;
    const sample = setInterval(() => {
      peak = Math.max(peak, process.memoryUsage().rss - before);
    }, 20);
    await store.put(
      bucketId,
      "large",
      (async function* () {
        for (let sent = 0; sent < sizeBytes; sent += chunk.length) yield chunk;
      })(),
      { sizeBytes },
    );
    let received = 0;
    for await (const block of (await store.get(bucketId, "large")).body) received += (block as Buffer).length;
    clearInterval(sample);
    assert.equal(received, sizeBytes);
    assert.ok(peak < 128 * 1024 * 1024, `memory grew by ${Math.round(peak / 1e6)} MB`);
    await store.close();
  });

  test("a reader that stops early and a store that closes leave no temporary file", async () => {
    const directory = newDirectory();
    const bucketId = newId("bucket");
    const store = await openLocalStore({ directory });
    const { uploadId } = await store.uploadCreate(bucketId, "parts");
    const part = pattern(5 * 1024 * 1024);
    for (const number of [1, 2, 3]) await store.partPut(bucketId, uploadId, number, bodyOf(part));
    await store.uploadComplete(bucketId, uploadId, [{ number: 1 }, { number: 2 }, { number: 3 }]);
    const { body } = await store.get(bucketId, "parts");
    assert.ok((await filesBelow(join(directory, "tmp"))).length > 0, "the parts are pinned while they are read");
    for await (const _ of body) break;
    await once(body, "close").catch(() => {});
    await store.close();
    assert.deepEqual(await readdir(join(directory, "tmp")), []);
  });
});
