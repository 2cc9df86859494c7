import assert from "node:assert/strict";
import { test } from "node:test";
import { silentLog } from "../../kernel/log.ts";
import type { ObjectStore } from "./driver.ts";
import { type TestCloud, testCloud } from "./testing/fixture.ts";
import { byteHours, flushUsage } from "./usage.ts";

const hourMs = 3_600_000;

async function* bytesOf(size: number) {
  yield Buffer.alloc(size);
}

/** What the journal says of one bucket, by meter; storage back in byte-milliseconds. */
async function journal(cloud: TestCloud, bucketId: string): Promise<Record<string, string>> {
  const rows = await cloud.database.sql<{ meter: string; unit: string; total: string }[]>`
    select meter, unit, sum(case when unit = 'byte_hours' then quantity * 3600000 else quantity end)::text as total
    from kernel.usage_records where resource_id = ${bucketId} group by meter, unit`;
  return Object.fromEntries(
    rows.map(({ meter, unit, total }) => {
      const [whole = "", fraction = ""] = total.split(".");
      // Twenty digits of byte-hours: what is lost is far below half a byte-millisecond.
      if (unit === "byte_hours") assert.match(fraction, /^(0{9}|9{9}|$)/);
      return [meter, fraction.startsWith("9") ? String(BigInt(whole) + 1n) : whole];
    }),
  );
}

test("byte-hours are exact to the last byte-millisecond, however many", () => {
  assert.equal(byteHours(3_600_000n), "1.00000000000000000000");
  assert.equal(byteHours(1n), "0.00000027777777777778");
  const huge = 5n * 10n ** 30n + 1n;
  const [whole = "", fraction = ""] = byteHours(huge).split(".");
  const back = BigInt(whole + fraction) * 3_600_000n;
  assert.equal((back + 10n ** 20n / 2n) / 10n ** 20n, huge);
});

test("after random work the journal says exactly what was stored, asked and sent", async () => {
  let nowMs = Date.UTC(2026, 0, 1);
  const cloud = await testCloud({ runner: false, now: () => nowMs });
  try {
    const buckets = [await cloud.bucket(), await cloud.bucket()];
    const trashes = await Promise.all(
      buckets.map(async ({ id }) => {
        const [row] = await cloud.database.sql`select trash_bucket_id as id from objects.buckets where id = ${id}`;
        return row?.["id"] as string;
      }),
    );
    const truth = buckets.map(() => ({ byteMilliseconds: 0n, write: 0, read: 0, received: 0, sent: 0 }));
    const held = new Map<string, number>();
    let seed = 42;
    const random = (below: number) => {
      seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31;
      return Math.floor((seed / 2 ** 31) * below);
    };
    const pass = (ms: number) => {
      nowMs += ms;
      for (const [place, size] of held) truth[Number(place[0])]!.byteMilliseconds += BigInt(size) * BigInt(ms);
    };
    const flush = () => {
      // Two looks in one millisecond would give what was asked between them a millisecond of its own.
      pass(1);
      return flushUsage({ database: cloud.database, store: cloud.store, log: silentLog });
    };
    for (let round = 0; round < 120; round++) {
      const index = random(2);
      const own = truth[index]!;
      const inTrash = random(4) === 0;
      const storeId = (inTrash ? trashes[index] : buckets[index]!.id) as never;
      const key = `k${random(6)}`;
      const place = `${index} ${inTrash} ${key}`;
      switch (random(5)) {
        case 0:
        case 1: {
          const size = random(200_000);
          await cloud.store.put(storeId, key, bytesOf(size), { meter: { requestClass: "write", receivedBytes: size } });
          held.set(place, size);
          own.write++;
          own.received += size;
          break;
        }
        case 2:
          await cloud.store.delete(storeId, key, { meter: { requestClass: "delete" } });
          held.delete(place);
          break;
        case 3: {
          const sentBytes = random(1000);
          cloud.store.meter(storeId, { requestClass: "read", sentBytes });
          own.read++;
          own.sent += sentBytes;
          break;
        }
        default:
          pass(1 + random(random(10) === 0 ? 3 * hourMs : 100_000));
      }
      if (random(40) === 0) await flush();
    }
    // What was counted in memory reaches the store within a second.
    await new Promise((resolve) => setTimeout(resolve, 800));
    pass(12_345);
    await flush();
    for (const [index, bucket] of buckets.entries()) {
      const own = truth[index]!;
      const said = await journal(cloud, bucket.id);
      assert.equal(said["objects.storage"], String(own.byteMilliseconds));
      assert.equal(said["objects.requests_write"], String(own.write));
      assert.equal(said["objects.requests_read"], String(own.read));
      assert.equal(said["objects.traffic_in"], String(own.received));
      assert.equal(said["objects.traffic_out"], String(own.sent));
    }
    const rows = await cloud.database.sql<{ n: number }[]>`
      select count(*)::int as n from kernel.usage_records where resource_kind <> 'bucket' or project_id <> ${cloud.project} or to_at - from_at > interval '1 hour'`;
    assert.equal(rows[0]?.n, 0);

    // A bucket that is gone has its last facts all the same.
    const names = ["k0", "k1", "k2", "k3", "k4", "k5"].map((key) => ({ key }));
    await cloud.store.deleteMany(buckets[0]!.id as never, names);
    await cloud.store.deleteMany(trashes[0] as never, names);
    await cloud.store.put(buckets[0]!.id as never, "last", bytesOf(1000));
    for (const place of [...held.keys()]) if (place.startsWith("0")) held.delete(place);
    held.set("0 last", 1000);
    pass(1000);
    await cloud.store.delete(buckets[0]!.id as never, "last");
    held.delete("0 last");
    assert.equal((await cloud.call("editor", "DELETE", `/buckets/${buckets[0]!.id}`)).status, 204);
    await flush();
    assert.equal((await journal(cloud, buckets[0]!.id))["objects.storage"], String(truth[0]!.byteMilliseconds));
  } finally {
    await cloud.stop();
  }
});

test("killed between the journal and the store, and by two at once, every fact counts once", async () => {
  let dies = false;
  const cloud = await testCloud({
    runner: false,
    wrapStore: (store) =>
      new Proxy(store, {
        get(target, name) {
          if (name === "factsAcknowledge")
            return async (ids: string[]) => {
              if (dies) throw new Error("killed");
              return target.factsAcknowledge(ids);
            };
          const value = Reflect.get(target, name as keyof ObjectStore) as unknown;
          return typeof value === "function" ? value.bind(target) : value;
        },
      }),
  });
  try {
    const { id } = await cloud.bucket();
    const flush = () => flushUsage({ database: cloud.database, store: cloud.store, log: silentLog });
    for (let round = 1; round <= 5; round++) {
      await cloud.store.put(id as never, "a", bytesOf(10), { meter: { requestClass: "write", receivedBytes: 10 } });
      dies = round % 2 === 1;
      if (dies) await assert.rejects(flush(), /killed/);
      else await Promise.all([flush(), flush(), flush()]);
      assert.equal((await journal(cloud, id))["objects.requests_write"], String(round));
    }
    dies = false;
    await flush();
    await flush();
    const said = await journal(cloud, id);
    assert.deepEqual([said["objects.requests_write"], said["objects.traffic_in"]], ["5", "50"]);
    const [marks] = await cloud.database.sql`select count(*)::int as n from objects.counted_facts`;
    assert.ok(marks?.["n"] <= 2, "marks are forgotten once the store has");
    assert.deepEqual(
      (await cloud.store.facts(100)).filter((fact) => fact.writeRequests > 0),
      [],
    );
  } finally {
    await cloud.stop();
  }
});
