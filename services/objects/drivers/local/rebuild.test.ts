import assert from "node:assert/strict";
import { once } from "node:events";
import { appendFile, mkdir, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { type Id, newId } from "../../../../kernel/ids.ts";
import type { ObjectStore } from "../../driver.ts";
import { bodyOf, bytesOf, pattern } from "../conformance.bodies.ts";
import { Database } from "./database.ts";
import { openLocalStore } from "./index.ts";
import { Journal } from "./journal.ts";
import { rebuildIndex } from "./rebuild.ts";
import { startWorker } from "./testing/crashWorker.ts";

const root = await mkdtemp(join(tmpdir(), "khmara-rebuild-"));
after(() => rm(root, { recursive: true, force: true }));
let directories = 0;
const newDirectory = (): string => join(root, `store-${directories++}`);

/** All that can be read of a bucket: every version with its bytes, markers, marks, uploads with their parts, totals, settings. */
async function everythingOf(store: ObjectStore, bucketId: Id<"bucket">): Promise<unknown> {
  const { versions } = await store.versionList(bucketId, { limit: 1000 });
  const found: unknown[] = [];
  for (const entry of versions) {
    const { object } = entry;
    if (object === undefined) {
      found.push(entry);
      continue;
    }
    const { versionId } = object;
    const read = await store.get(bucketId, object.key, versionId === undefined ? {} : { versionId });
    found.push({ ...entry, whole: read.object, bytes: (await bytesOf(read.body)).toString("base64") });
  }
  const { uploads } = await store.uploadList(bucketId, { limit: 1000 });
  const parts = await Promise.all(uploads.map(({ uploadId }) => store.partList(bucketId, uploadId, { limit: 1000 })));
  return { found, uploads, parts, totals: await store.totals(bucketId), settings: await store.settings(bucketId) };
}

async function fill(store: ObjectStore, bucketId: Id<"bucket">, name: string): Promise<void> {
  const headers = { contentType: "text/plain; charset=utf-8", cacheControl: "no-store" };
  await store.put(bucketId, `${name}/small ü`, bodyOf("in the index"), { headers, metadata: { who: "me" }, tags: { a: "1" } });
  for (const size of [100_000, 50_000]) await store.put(bucketId, `${name}/large`, bodyOf(pattern(size)), { headers });
  await store.put(bucketId, `${name}/gone`, bodyOf(pattern(70_000)));
  await store.delete(bucketId, `${name}/gone`);
  await store.copy({ bucketId, key: `${name}/large` }, { bucketId, key: `${name}/copy` });
  await store.mark(bucketId, `${name}/copy`, { tags: { later: "yes" }, legalHold: true });
  const { uploadId } = await store.uploadCreate(bucketId, `${name}/parts`);
  for (const number of [1, 2]) await store.partPut(bucketId, uploadId, number, bodyOf(pattern(number === 1 ? 5 * 2 ** 20 : 9)));
  await store.uploadComplete(bucketId, uploadId, [{ number: 1 }, { number: 2 }]);
  const open = await store.uploadCreate(bucketId, `${name}/open`);
  await store.partPut(bucketId, open.uploadId, 3, bodyOf(pattern(40_000)));
}

describe("the index is made anew from its journal", { concurrency: false }, () => {
  test("everything is there as it was, byte by byte; and the journal goes on behind it", async () => {
    const directory = newDirectory();
    const [plainId, versionedId] = [newId("bucket"), newId("bucket")];
    const store = await openLocalStore({ directory });
    await store.settingsUpdate(versionedId, { versioning: "enabled" });
    await store.settingsUpdate(versionedId, { lock: {} });
    for (const bucketId of [plainId, versionedId]) await fill(store, bucketId, "one");
    await assert.rejects(rebuildIndex(directory), { code: "failed_precondition" }, "never under a living process");
    await store.close();
    for (const round of [1, 2]) {
      const before = await openLocalStore({ directory });
      await fill(before, versionedId, `round ${round}`);
      const expected = await Promise.all([plainId, versionedId].map((bucketId) => everythingOf(before, bucketId)));
      await before.close();
      await rm(join(directory, "index"), { recursive: true });
      const report = await rebuildIndex(directory);
      assert.deepEqual([report.gaps, report.lostFiles, report.unnamedFiles, report.oldIndexFolder], [0, 0, 0, undefined]);
      assert.ok(report.commits > 20 && report.objects > 6, JSON.stringify(report));
      const after = await openLocalStore({ directory });
      for (const [index, bucketId] of [plainId, versionedId].entries())
        assert.deepEqual(await everythingOf(after, bucketId), expected[index]);
      const { damaged, orphanFilesRemoved } = await after.scrub();
      assert.deepEqual({ damaged, orphanFilesRemoved }, { damaged: [], orphanFilesRemoved: 0 });
      await after.close();
    }
  });

  test("what several processes wrote that were killed is put together in its order", async () => {
    const directory = newDirectory();
    const bucketId = newId("bucket");
    for (const round of [0, 1, 2]) {
      const pair = [0, 1].map((i) => startWorker(directory, bucketId, `${round}-${i}`, round * 2 + i));
      await Promise.all(pair.map(({ ready }) => ready));
      for (const { child, ended, ...worker } of pair) {
        const line = once(child.stdout, "data");
        await line;
        await new Promise((resolve) => setTimeout(resolve, 150));
        child.kill("SIGKILL");
        await ended;
        assert.ok(worker.keys.size > 0);
      }
    }
    const before = await openLocalStore({ directory });
    const expected = await everythingOf(before, bucketId);
    await before.close();
    await rm(join(directory, "index"), { recursive: true });
    const { gaps, lostFiles } = await rebuildIndex(directory);
    assert.deepEqual({ gaps, lostFiles }, { gaps: 0, lostFiles: 0 });
    const after = await openLocalStore({ directory });
    assert.deepEqual(await everythingOf(after, bucketId), expected);
    await after.close();
  });

  test("what a process wrote to the journal and never committed does not come back after its files went", async () => {
    const directory = newDirectory();
    const bucketId = newId("bucket");
    const store = await openLocalStore({ directory });
    await fill(store, bucketId, "kept");
    await store.close();
    const own = join(directory, "tmp", "1-0123456789abcdef");
    await mkdir(own);
    const journal = await Journal.open(directory, own);
    const index = new Database(join(directory, "index"), Date.now, journal);
    const mark = journal.index?.mark();
    const [key] = index.keys("objects");
    journal.append(mark, [{ table: "objects", key: key! }], Date.now());
    await index.close();
    // A dead process's folder: what it left is settled now.
    const before = await openLocalStore({ directory });
    const expected = await everythingOf(before, bucketId);
    await before.close();
    await rm(join(directory, "index"), { recursive: true });
    assert.equal((await rebuildIndex(directory)).gaps, 0);
    const after = await openLocalStore({ directory });
    assert.deepEqual(await everythingOf(after, bucketId), expected);
    await after.close();
  });

  test("an index that is older than the journal gets a snapshot; a lost end is noticed and healed", async () => {
    const directory = newDirectory();
    const bucketId = newId("bucket");
    const store = await openLocalStore({ directory });
    await fill(store, bucketId, "one");
    await store.close();
    const journal = join(directory, "journal");
    // As after a power loss that took what was not synced: the index is further than the journal.
    for (const name of await readdir(journal)) await rm(join(journal, name));
    const again = await openLocalStore({ directory });
    await again.put(bucketId, "after", bodyOf("the loss"));
    const deadline = Date.now() + 60_000;
    while (!(await readdir(journal)).some((name) => /^snapshot-\d+$/.test(name))) {
      assert.ok(Date.now() < deadline, "a snapshot is made");
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    await again.put(bucketId, "after that", bodyOf("snapshot"));
    const expected = await everythingOf(again, bucketId);
    await again.close();
    await rm(join(directory, "index"), { recursive: true });
    assert.equal((await rebuildIndex(directory)).gaps, 0);
    const after = await openLocalStore({ directory });
    assert.deepEqual(await everythingOf(after, bucketId), expected);
    await after.close();
  });

  test("what cannot be read of the journal is told, and files that no record names are put aside", async () => {
    const directory = newDirectory();
    const bucketId = newId("bucket");
    const store = await openLocalStore({ directory });
    await store.put(bucketId, "kept", bodyOf(pattern(30_000)));
    await store.close();
    const journal = join(directory, "journal");
    const first = (await readdir(journal))[0] as string;
    await appendFile(join(journal, first), "half an entry");
    const second = await openLocalStore({ directory });
    await second.put(bucketId, "lost to the journal", bodyOf(pattern(30_000)));
    await second.close();
    const third = await openLocalStore({ directory });
    await third.put(bucketId, "later", bodyOf(pattern(30_000)));
    await third.close();
    const [, middle] = (await readdir(journal)).filter((name) => name.endsWith(".log"));
    assert.ok(middle, "each process has a file of its own");
    const { gaps } = await rebuildIndex(directory);
    assert.equal(gaps, 0, "what follows half an entry in another file is no gap");
    for (const name of await readdir(journal)) if (name.endsWith(".log") && name !== first) await rm(join(journal, name));
    const report = await rebuildIndex(directory);
    assert.equal(report.unnamedFiles, 2);
    assert.ok(report.oldIndexFolder !== undefined && report.unnamedFolder !== undefined);
    assert.equal((await readdir(report.unnamedFolder)).length, 2);
    const last = await openLocalStore({ directory });
    assert.deepEqual(
      (await last.list(bucketId, { limit: 10 })).objects.map(({ key }) => key),
      ["kept"],
    );
    await last.close();
    await assert.rejects(rebuildIndex(newDirectory()), { code: "failed_precondition" });
  });
});
