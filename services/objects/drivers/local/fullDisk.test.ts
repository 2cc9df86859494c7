import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { CloudError } from "../../../../kernel/errors.ts";
import { newId } from "../../../../kernel/ids.ts";
import { bodyOf, bytesOf, pattern } from "../conformance.bodies.ts";
import { openLocalStore } from "./index.ts";

const disk = mkdtempSync(join(tmpdir(), "khmara-full-disk-"));
/** Needs root, and a kernel that lets it. */
const mounted = spawnSync("mount", ["-t", "tmpfs", "-o", "size=48m", "tmpfs", disk]).status === 0;
after(() => {
  if (mounted) spawnSync("umount", ["-l", disk]);
  rmSync(disk, { recursive: true, force: true });
});

test("a full disk refuses and tears nothing; deletions still work and make room again", {
  skip: !mounted && "no mounts here",
}, async () => {
  const bucketId = newId("bucket");
  const directory = join(disk, "store");
  const store = await openLocalStore({ directory });
  const there = new Map<string, Buffer>();
  const isFull = (error: unknown) => CloudError.is(error, "storage_full");
  /** Until small ones and large ones are refused, some at once. */
  async function fill(name: string): Promise<void> {
    for (const size of [400_000, 20_000, 8_000, 100]) {
      let refused = 0;
      for (let n = 0; refused < 3; n++) {
        const outcomes = await Promise.allSettled(
          [0, 1, 2, 3].map(async (i) => {
            const key = `${name}/${size}/${n}-${i}`;
            const bytes = pattern(size, n * 4 + i);
            await store.put(bucketId, key, bodyOf(bytes));
            there.set(key, bytes);
          }),
        );
        for (const outcome of outcomes)
          if (outcome.status === "rejected") assert.ok(isFull(outcome.reason), String((outcome.reason as Error).stack));
        refused += outcomes.some(({ status }) => status === "rejected") ? 1 : 0;
        assert.ok(n < 20_000, "the disk becomes full");
      }
    }
  }
  async function check(): Promise<void> {
    const listed: string[] = [];
    for (let after: string | undefined, more = true; more; more = after !== undefined) {
      const page = await store.list(bucketId, { limit: 1000, ...(after !== undefined && { after }) });
      listed.push(...page.objects.map(({ key }) => key));
      after = page.next;
    }
    assert.deepEqual(listed, [...there.keys()].sort());
    for (const [key, bytes] of there) assert.ok(bytes.equals(await bytesOf((await store.get(bucketId, key)).body)), key);
    assert.deepEqual((await store.scrub()).damaged, []);
  }

  for (const round of ["one", "two"]) {
    await fill(round);
    await check();
    const keys = [...there.keys()];
    for (const key of keys.filter((_, index) => index % 3 === 0)) {
      await store.delete(bucketId, key);
      there.delete(key);
    }
    await check();
  }
  // What was deleted goes from the disk a little later, and the room kept for deletions is made again first.
  for (const deadline = Date.now() + 60_000; ; await sleep(100)) {
    try {
      await store.put(bucketId, "again", bodyOf(pattern(300_000)));
      break;
    } catch (error) {
      if (!isFull(error) || Date.now() > deadline) throw error;
    }
  }
  there.set("again", pattern(300_000));
  await store.close();

  const again = await openLocalStore({ directory });
  for (const [key, bytes] of there) assert.ok(bytes.equals(await bytesOf((await again.get(bucketId, key)).body)), key);
  await again.close();
});
