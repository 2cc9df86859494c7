import assert from "node:assert/strict";
import { test } from "node:test";
import { CloudError } from "../../../kernel/errors.ts";
import { copyKey, type Sending, singleRequestBytes, type UploadDoor, UploadQueue } from "./upload.ts";

const partSizeBytes = 8 * 2 ** 20;

/** A cloud in memory whose network can be told to fail. */
function fakeDoor() {
  const objects = new Map<string, number>();
  const uploads = new Map<string, { key: string; parts: Map<number, { number: number; sizeBytes: number; etag: string }> }>();
  const sends: string[] = [];
  let next = 1;
  const door: UploadDoor & { failing: number; hold: boolean } = {
    failing: 0,
    hold: false,
    exists: async (_bucket, key) => objects.has(key),
    create: async (_bucket, key) => {
      const id = `upl_${next++}`;
      uploads.set(id, { key, parts: new Map() });
      return { id, partSizeBytes, startedAt: new Date().toISOString() };
    },
    parts: async (_bucket, id) => {
      const upload = uploads.get(id);
      if (!upload) throw new CloudError("not_found", "no upload");
      return [...upload.parts.values()];
    },
    complete: async (_bucket, id, parts) => {
      const upload = uploads.get(id);
      assert.ok(upload);
      assert.deepEqual(
        parts.map(({ number }) => number),
        [...upload.parts.keys()].sort((a, b) => a - b),
      );
      objects.set(
        upload.key,
        [...upload.parts.values()].reduce((sum, part) => sum + part.sizeBytes, 0),
      );
      uploads.delete(id);
    },
    remove: async (_bucket, id) => void uploads.delete(id),
    putObject: async (_bucket, key, body, overwrite, sending) => {
      await transfer(`object:${key}`, body, sending);
      if (!overwrite && objects.has(key)) throw new CloudError("precondition_failed", "there");
      objects.set(key, body.size);
    },
    putPart: async (_bucket, id, part, body, sending) => {
      await transfer(`part:${id}:${part}`, body, sending);
      const stored = { number: part, sizeBytes: body.size, etag: `etag${part}` };
      uploads.get(id)?.parts.set(part, stored);
      return stored;
    },
  };
  async function transfer(what: string, body: Blob, { signal, onProgress }: Sending): Promise<void> {
    sends.push(what);
    await new Promise((resolve) => setTimeout(resolve, 2));
    while (door.hold && !signal.aborted) await new Promise((resolve) => setTimeout(resolve, 2));
    signal.throwIfAborted();
    if (door.failing > 0) {
      door.failing -= 1;
      throw new CloudError("unavailable", "The connection broke.");
    }
    onProgress(body.size);
  }
  return { door, objects, uploads, sends };
}

function memory() {
  let text: string | null = null;
  return {
    getItem: () => text,
    setItem: (_key: string, value: string) => {
      text = value;
    },
  };
}

const file = (name: string, size: number) => new File([new Uint8Array(size)], name, { lastModified: 1 });

async function until(queue: UploadQueue, test: () => boolean): Promise<void> {
  for (let i = 0; i < 2000; i++) {
    if (test()) return;
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  assert.fail(JSON.stringify(queue.snapshot().counts));
}

test("small files go in one request, large ones in parts", async () => {
  const { door, objects, sends } = fakeDoor();
  const queue = new UploadQueue(door, memory());
  queue.add("b", "in/", [
    { path: "a.txt", file: file("a.txt", 10) },
    { path: "sub/big.bin", file: file("big.bin", singleRequestBytes + 1) },
  ]);
  await until(queue, () => queue.snapshot().counts.done === 2);
  assert.equal(objects.get("in/a.txt"), 10);
  assert.equal(objects.get("in/sub/big.bin"), singleRequestBytes + 1);
  assert.equal(sends.filter((url) => url.startsWith("part:")).length, 3);
  assert.equal(queue.snapshot().sentBytes, queue.snapshot().totalBytes);
});

test("a broken connection is tried again", async () => {
  const { door, objects } = fakeDoor();
  door.failing = 1;
  const queue = new UploadQueue(door, memory());
  queue.add("b", "", [{ path: "a", file: file("a", 5) }]);
  await until(queue, () => queue.snapshot().counts.retrying === 1);
  await until(queue, () => queue.snapshot().counts.done === 1);
  assert.equal(objects.get("a"), 5);
});

test("a refusal is not tried again and says why", async () => {
  const { door } = fakeDoor();
  const queue = new UploadQueue(
    { ...door, putObject: async () => Promise.reject(new CloudError("quota_exceeded", "Full.")) },
    memory(),
  );
  queue.add("b", "", [{ path: "a", file: file("a", 5) }]);
  await until(queue, () => queue.snapshot().counts.failed === 1);
  assert.equal(queue.snapshot().items[0]?.error?.message, "Full.");
});

test("what is there already is asked about; keep both finds a free name, replace replaces, skip skips", async () => {
  const { door, objects } = fakeDoor();
  for (const key of ["a.txt", "a (2).txt", "b.txt", "c.txt"]) objects.set(key, 1);
  const queue = new UploadQueue(door, memory());
  queue.add(
    "b",
    "",
    ["a.txt", "b.txt", "c.txt"].map((name) => ({ path: name, file: file(name, 7) })),
  );
  await until(queue, () => queue.snapshot().counts.conflict === 3);
  const [a, b, c] = queue.snapshot().items;
  queue.answer(a!.id, "keepBoth", false);
  queue.answer(b!.id, "replace", false);
  queue.answer(c!.id, "skip", false);
  await until(queue, () => queue.snapshot().counts.done === 2 && queue.snapshot().counts.skipped === 1);
  assert.equal(objects.get("a (3).txt"), 7);
  assert.equal(objects.get("b.txt"), 7);
  assert.equal(objects.get("c.txt"), 1);
});

test("one answer for all holds for later conflicts of the same drop, large files included", async () => {
  const { door, objects } = fakeDoor();
  for (let i = 0; i < 9; i++) objects.set(`f${i}`, 1);
  objects.set("big", 1);
  const queue = new UploadQueue(door, memory());
  queue.add("b", "", [
    ...Array.from({ length: 9 }, (_, i) => ({ path: `f${i}`, file: file(`f${i}`, 2) })),
    { path: "big", file: file("big", singleRequestBytes + 5) },
  ]);
  await until(queue, () => queue.snapshot().counts.conflict > 0);
  queue.answer(queue.snapshot().items.find(({ state }) => state === "conflict")!.id, "replace", true);
  await until(queue, () => queue.snapshot().counts.done === 10);
  assert.equal(objects.get("f8"), 2);
  assert.equal(objects.get("big"), singleRequestBytes + 5);
});

test("pause stops, resume sends only the parts that are missing", async () => {
  const { door, sends, objects } = fakeDoor();
  const queue = new UploadQueue(door, memory());
  const size = partSizeBytes * 5;
  queue.add("b", "", [{ path: "big", file: file("big", size) }]);
  await until(queue, () => sends.length >= 4);
  door.hold = true;
  const id = queue.snapshot().items[0]!.id;
  queue.pause(id);
  await until(queue, () => queue.snapshot().counts.paused === 1);
  await new Promise((resolve) => setTimeout(resolve, 20));
  door.hold = false;
  const before = sends.length;
  queue.resume(id);
  await until(queue, () => queue.snapshot().counts.done === 1);
  assert.equal(objects.get("big"), size);
  assert.ok(sends.length - before < 5, "not everything again");
});

test("the same file goes on after a reload; a cancelled one is given up on the server", async () => {
  const { door, sends, uploads } = fakeDoor();
  const storage = memory();
  const first = new UploadQueue(door, storage);
  const big = file("big", partSizeBytes * 4);
  first.add("b", "", [{ path: "big", file: big }]);
  await until(first, () => sends.length >= 3);
  door.hold = true;
  first.pauseAll();
  await new Promise((resolve) => setTimeout(resolve, 20));
  door.hold = false;
  const had = [...uploads.values()][0]!.parts.size;

  const second = new UploadQueue(door, storage);
  assert.equal(second.remembered.list().length, 1);
  const before = sends.length;
  second.add("b", "", [{ path: "big", file: big }]);
  await until(second, () => second.snapshot().counts.done === 1);
  assert.equal(sends.length - before, 4 - had);
  assert.equal(second.snapshot().items[0]?.resumed, had > 0);
  assert.equal(second.remembered.list().length, 0);

  door.hold = true;
  second.add("b", "", [{ path: "big2", file: big }]);
  await until(second, () => uploads.size === 1);
  second.cancelAll();
  await until(second, () => uploads.size === 0);
  assert.equal(second.remembered.list().length, 0);
});

test("a copy's name keeps the extension", () => {
  assert.equal(copyKey("a/b.c/report.pdf", 2), "a/b.c/report (2).pdf");
  assert.equal(copyKey("a.b/.env", 3), "a.b/.env (3)");
  assert.equal(copyKey("Makefile", 2), "Makefile (2)");
});
