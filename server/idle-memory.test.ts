import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { collectWhenIdle } from "./idle-memory.ts";

const everyMs = 200;

test("garbage is collected when there is nothing to do, and again only when it is worth it", async (t) => {
  let collections = 0;
  const before = globalThis.gc;
  globalThis.gc = (() => void collections++) as unknown as NonNullable<typeof globalThis.gc>;
  const end = collectWhenIdle({ everyMs });
  t.after(() => {
    end();
    globalThis.gc = before;
  });
  const busyUntil = performance.now() + 3 * everyMs;
  while (performance.now() < busyUntil) await new Promise(setImmediate);
  assert.equal(collections, 0, "not while it works");
  const collected = async (count: number) => {
    const deadline = performance.now() + 60_000;
    while (collections < count && performance.now() < deadline) await sleep(20);
    assert.equal(collections, count);
  };
  await collected(1);
  await sleep(3 * everyMs);
  assert.equal(collections, 1, "nothing has grown");
  const much = Array.from({ length: 300_000 }, (_, index) => ({ index, half: index / 2, more: [index] }));
  await collected(2);
  assert.equal(much.length, 300_000);
});
