import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdir, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { type Id, newId } from "../../../../kernel/ids.ts";
import { openSecrets } from "../../../../kernel/secrets.ts";
import { installTestTools, storageTools } from "../../../../tools/test-tools.ts";
import type { ObjectStore } from "../../driver.ts";
import { bodyOf, bytesOf, pattern } from "../conformance.bodies.ts";
import { objectStoreConformance } from "../conformance.ts";
import { openLocalStore } from "../local/index.ts";
import { rebuildIndex } from "../local/rebuild.ts";
import { ClusterContents } from "./contents.ts";
import { fetchIndex } from "./indexCopy.ts";
import { startCeph } from "./testing/ceph.ts";

assert.deepEqual(await installTestTools(storageTools), []);
const ceph = await startCeph();
const root = await mkdtemp(join(tmpdir(), "khmara-cluster-"));
after(async () => {
  await ceph.stop();
  await rm(root, { recursive: true, force: true });
});

const secrets = openSecrets(randomBytes(32));
let directories = 0;
const newDirectory = (): string => join(root, `store-${directories++}`);
const openCluster = (change: Partial<Parameters<typeof openLocalStore>[0]> = {}): Promise<ObjectStore> =>
  openLocalStore({
    directory: newDirectory(),
    cluster: new ClusterContents(ceph.options),
    engine: "cluster",
    clusterGraceMs: 0,
    secrets,
    ...change,
  });

objectStoreConformance("cluster", (now) => openCluster(now && { now }));

const filesIn = async (directory: string): Promise<number> =>
  (await readdir(join(directory, "data"), { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile()).length;
const read = async (store: ObjectStore, bucketId: Id<"bucket">, key: string): Promise<Buffer> =>
  bytesOf((await store.get(bucketId, key)).body);

describe("contents in a Ceph cluster", { concurrency: false }, () => {
  const contents = new ClusterContents(ceph.options);
  after(() => contents.close());

  test("what was put comes back, whole and in parts, and is listed", async () => {
    await contents.check();
    const bytes = pattern(3_000_000);
    const id = "0".repeat(32);
    await contents.put(id, bytes);
    assert.ok((await bytesOf(await contents.read(id, 0, bytes.length))).equals(bytes));
    assert.ok((await bytesOf(await contents.read(id, 1_000_000, 17))).equals(bytes.subarray(1_000_000, 1_000_017)));
    const listed = (await Array.fromAsync(contents.all())).filter(({ contentId }) => contentId === id);
    assert.deepEqual(
      listed.map(({ sizeBytes }) => sizeBytes),
      [3_000_000],
    );
    await contents.remove([id, "1".repeat(32)]);
    await assert.rejects(contents.read(id, 0, 1), { code: "not_found" });
  });

  test("says what is wrong with the key, the bucket, the address", async () => {
    const wrong = async (change: object, words: RegExp) => {
      const other = new ClusterContents({ ...ceph.options, ...change });
      await assert.rejects(
        other.check(),
        (error: Error & { code: string }) => error.code === "unavailable" && words.test(error.message),
      );
      other.close();
    };
    await wrong({ secretAccessKey: "no" }, /refuses \(SignatureDoesNotMatch\)/);
    await wrong({ bucket: "another" }, /refuses \(NoSuchBucket\)/);
    await wrong({ endpoint: "http://127.0.0.1:9" }, /does not answer: .*ECONNREFUSED/);
  });

  test("while the gateway is away writes fail clearly and store nothing; afterwards all is as before", async () => {
    const store = await openCluster();
    const bucketId = newId("bucket");
    await store.put(bucketId, "before", bodyOf("kept"));
    await ceph.stopGateway();
    await assert.rejects(store.put(bucketId, "meanwhile", bodyOf("lost")), { code: "unavailable" });
    await assert.rejects(store.get(bucketId, "before"), { code: "unavailable" });
    assert.equal(await store.head(bucketId, "meanwhile"), undefined);
    await ceph.startGateway();
    assert.equal((await read(store, bucketId, "before")).toString(), "kept");
    await store.put(bucketId, "meanwhile", bodyOf("there"));
    await store.close();
  });
});

test("a machine that is lost with its index: the cluster has a copy, and the bytes", async () => {
  const directory = newDirectory();
  const store = await openCluster({ directory });
  const bucketId = newId("bucket");
  for (let i = 0; i < 20; i++) await store.put(bucketId, `key-${i}`, bodyOf(pattern(30_000, i)));
  await store.copyIndex();
  await store.put(bucketId, "later", bodyOf("late"));
  await store.delete(bucketId, "key-0");
  await store.copyIndex();
  await store.put(bucketId, "lost", bodyOf("after the last copy"));
  await store.close();
  const other = newDirectory();
  const contents = new ClusterContents(ceph.options);
  await assert.rejects(fetchIndex(contents, directory), /has a journal of its own/);
  await mkdir(other);
  assert.ok((await fetchIndex(contents, other)) > 0);
  contents.close();
  const { objects, gaps } = await rebuildIndex(other);
  assert.deepEqual({ objects, gaps }, { objects: 20, gaps: 0 });
  const again = await openCluster({ directory: other });
  assert.equal((await read(again, bucketId, "later")).toString(), "late");
  assert.ok((await read(again, bucketId, "key-7")).equals(pattern(30_000, 7)));
  assert.equal(await again.head(bucketId, "key-0"), undefined);
  assert.equal(await again.head(bucketId, "lost"), undefined);
  const { damaged } = await again.scrub();
  assert.deepEqual(damaged, []);
  await again.close();
});

describe("a bucket between engines", { concurrency: false }, () => {
  test("is moved to the cluster and back while it is read and written; nothing is lost, nothing stays behind", async () => {
    const directory = newDirectory();
    const store = await openCluster({ directory, engine: "local", clusterGraceMs: 5000 });
    const bucketId = newId("bucket");
    await store.settingsUpdate(bucketId, { versioning: "enabled" });
    const expected = new Map<string, Buffer>();
    const put = async (key: string, sizeBytes: number, seed: number): Promise<void> => {
      const bytes = pattern(sizeBytes, seed);
      await store.put(bucketId, key, bodyOf(bytes));
      expected.set(key, bytes);
    };
    for (let i = 0; i < 40; i++) await put(`key-${i}`, [0, 10, 16_385, 300_000][i % 4] as number, i);
    await put("key-1", 20_000, 99);
    const upload = await store.uploadCreate(bucketId, "parts");
    const parts = [pattern(5 * 1024 * 1024, 1), pattern(100, 2)];
    for (const [i, bytes] of parts.entries()) await store.partPut(bucketId, upload.uploadId, i + 1, bodyOf(bytes));
    await store.uploadComplete(bucketId, upload.uploadId, [{ number: 1 }, { number: 2 }]);
    expected.set("parts", Buffer.concat(parts));
    await store.put(bucketId, "sealed", bodyOf(pattern(70_000, 5)), { encryption: { kind: "server" } });
    expected.set("sealed", pattern(70_000, 5));
    await store.copy({ bucketId, key: "parts" }, { bucketId, key: "copy" });
    expected.set("copy", Buffer.concat(parts));
    const open = await store.uploadCreate(bucketId, "open");
    await store.partPut(bucketId, open.uploadId, 1, bodyOf(pattern(100_000, 3)));
    assert.ok((await filesIn(directory)) > 10);

    for (const engine of ["cluster", "local", "cluster"] as const) {
      await store.settingsUpdate(bucketId, { engine });
      let moving = true;
      const meanwhile = (async () => {
        for (let i = 0; moving; i++) {
          await put(`key-${i % 40}`, 20_000 + i, 1000 + i);
          const key = `key-${(i * 7) % 40}`;
          const { object, body } = await store.get(bucketId, key);
          assert.equal((await bytesOf(body)).length, object.sizeBytes);
        }
      })();
      let last = 0;
      const result = await store.relocate(bucketId, { onProgress: (done, total) => (last = done / total) });
      moving = false;
      await meanwhile;
      assert.ok(result.contents > 10);
      assert.equal(last, 1);
      await store.relocate(bucketId);
      assert.deepEqual(await store.relocate(bucketId), { contents: 0, sizeBytes: 0 });
      for (const [key, bytes] of expected) assert.ok((await read(store, bucketId, key)).equals(bytes), `${key} in ${engine}`);
    }
    const { parts: kept } = await store.partList(bucketId, open.uploadId, { limit: 10 });
    assert.equal(kept.length, 1);
    const { damaged } = await store.scrub();
    assert.deepEqual(damaged, []);
    await store.close();
    assert.equal(await filesIn(directory), 0, "all bytes are in the cluster");
  });

  test("without the cluster's settings its bytes are not lost, and the error says what to do", async () => {
    const directory = newDirectory();
    const bucketId = newId("bucket");
    const store = await openCluster({ directory });
    await store.put(bucketId, "far", bodyOf("away"));
    await store.close();
    const alone = await openLocalStore({ directory });
    await assert.rejects(alone.get(bucketId, "far"), /storage cluster that this cloud is not connected to/);
    await alone.close();
    const again = await openCluster({ directory });
    assert.equal((await read(again, bucketId, "far")).toString(), "away");
    await again.close();
  });
});
