import assert from "node:assert/strict";
import { newId } from "../../../kernel/ids.ts";
import type { BucketTotals, ObjectStore, StorageFact } from "../driver.ts";
import { bodyOf, pattern } from "./conformance.bodies.ts";
import { seededRandom } from "./conformance.listing.ts";

const hourMs = 3_600_000;

/** Changes, requests and leaps of the clock at random; the facts must add up to what really was, hour by hour. */
export async function usageIsTrue(store: ObjectStore, setClock: (ms: number) => void, startMs: number): Promise<void> {
  const random = seededRandom(5);
  const bucket = newId("bucket");
  const sizes = new Map<string, number>();
  const requests = { write: 0, read: 0, delete: 0, receivedBytes: 0, sentBytes: 0 };
  const facts = new Map<string, StorageFact>();
  let nowMs = startMs;
  let latestMs = startMs;
  let truth = 0n;
  let changed = false;
  const collect = async (): Promise<void> => {
    for (;;) {
      const page = await store.facts(7);
      for (const fact of page) {
        assert.ok(!facts.has(fact.id), "an acknowledged fact does not come again");
        facts.set(fact.id, fact);
      }
      if (page.length > 0) assert.deepEqual(await store.facts(page.length), page, "the same until they are acknowledged");
      await store.factsAcknowledge(page.map(({ id }) => id));
      if (page.length < 7) return;
    }
  };
  for (let step = 0; step < 300; step++) {
    const leap = random();
    // Back only after a change: a store cannot know of a time at which nothing was asked of it.
    const byMs =
      leap < 0.9 || (leap >= 0.95 && !changed) ? Math.floor(random() * 600_000) : leap < 0.95 ? 5 * hourMs + 17 : -900_000;
    nowMs += byMs;
    const stored = [...sizes.values()].reduce((sum, sizeBytes) => sum + sizeBytes, 0);
    // While the clock is behind where it was already, no time passes.
    if (nowMs > latestMs) truth += BigInt(stored) * BigInt(nowMs - latestMs);
    latestMs = Math.max(latestMs, nowMs);
    setClock(nowMs);
    const key = `k${Math.floor(random() * 5)}`;
    const kind = random();
    changed = kind < 0.8;
    if (kind < 0.6) {
      const sizeBytes = Math.floor(random() * 40_000);
      await store.put(bucket, key, bodyOf(pattern(sizeBytes)), { meter: { requestClass: "write", receivedBytes: sizeBytes } });
      sizes.set(key, sizeBytes);
      requests.write++;
      requests.receivedBytes += sizeBytes;
    } else if (kind < 0.8) {
      await store.delete(bucket, key, { meter: { requestClass: "delete" } });
      sizes.delete(key);
      requests.delete++;
    } else {
      store.meter(bucket, { requestClass: "read", sentBytes: 11 });
      requests.read++;
      requests.sentBytes += 11;
    }
    // Only where the clock is not behind: to close a span then costs it a millisecond of the future.
    if (step % 40 === 39 && nowMs === latestMs) {
      await collect();
    }
  }
  nowMs = Math.max(nowMs, latestMs) + 1000;
  truth += BigInt([...sizes.values()].reduce((sum, sizeBytes) => sum + sizeBytes, 0)) * BigInt(nowMs - latestMs);
  setClock(nowMs);
  await collect();
  const all = [...facts.values()];
  const sum = (pick: (fact: StorageFact) => number): number => all.reduce((total, fact) => total + pick(fact), 0);
  assert.equal(
    all.reduce((total, fact) => total + BigInt(fact.byteMilliseconds), 0n),
    truth,
  );
  assert.deepEqual(
    {
      write: sum((fact) => fact.writeRequests),
      read: sum((fact) => fact.readRequests),
      delete: sum((fact) => fact.deleteRequests),
      receivedBytes: sum((fact) => fact.receivedBytes),
      sentBytes: sum((fact) => fact.sentBytes),
    },
    requests,
  );
  let reachedMs = 0;
  for (const fact of all) {
    assert.equal(fact.bucketId, bucket);
    assert.ok(fact.fromMs < fact.toMs, "a span has a length");
    assert.ok(fact.fromMs >= reachedMs, "spans do not overlap and come in their order");
    assert.equal(Math.floor(fact.fromMs / hourMs), Math.floor((fact.toMs - 1) / hourMs), "a span lies within one hour");
    reachedMs = fact.toMs;
  }
}

/** Of a bucket without versions, where nothing else is said. */
export const totalsOf = (held: Partial<BucketTotals>): BucketTotals => ({
  objects: 0,
  sizeBytes: 0,
  versions: 0,
  versionBytes: 0,
  uploadBytes: 0,
  ...held,
});
