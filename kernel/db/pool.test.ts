import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { testDatabase } from "../../testing/postgres.ts";
import { databaseHost } from "../config.ts";
import type { Sql } from "./database.ts";
import { openPool } from "./pool.ts";
import { postgres } from "./postgres-client.ts";

/** A pool of clients that only count. */
function countedPool(options: { size: number; longestMs: number }) {
  const ended: Sql[] = [];
  const made: Sql[] = [];
  const connect = () => {
    const sql = { end: async () => void ended.push(sql) } as unknown as Sql;
    made.push(sql);
    return sql;
  };
  return { pool: openPool({ ...options, connect, isBroken: () => false }), made, ended };
}

test("a client that is old is not kept for the next one", async () => {
  const { pool, made, ended } = countedPool({ size: 1, longestMs: 0 });
  const first = await pool.use(async (sql) => sql);
  assert.deepEqual(ended, [first]);
  assert.notEqual(await pool.use(async (sql) => sql), first);
  assert.equal(made.length, 2);
  await pool.close();
  assert.equal(ended.length, 2);
});

test("while others wait, an old client goes from one to the next: who wakes at the same moment and is quick makes no second one", async () => {
  const { pool, made, ended } = countedPool({ size: 2, longestMs: 0 });
  await Promise.all(Array.from({ length: 20 }, () => pool.use(async () => assert.equal(ended.length, 0))));
  assert.equal(made.length, 1);
  await pool.close();
  assert.equal(ended.length, 1);
});

test("who finds all clients lent for longer gets one more, as far as there may be", async () => {
  const { pool, made, ended } = countedPool({ size: 2, longestMs: 60_000 });
  const { promise: both, resolve: isBoth } = Promise.withResolvers<void>();
  const { promise: end, resolve: letEnd } = Promise.withResolvers<void>();
  const long = Array.from({ length: 2 }, () =>
    pool.use(async () => {
      if (made.length === 2) isBoth();
      await end;
    }),
  );
  await both;
  const third = pool.use(async () => made.length);
  letEnd();
  assert.equal(await third, 2);
  await Promise.all(long);
  await pool.close();
  assert.equal(ended.length, 2);
});

test("a client that is not old is used again", async () => {
  const { pool, made, ended } = countedPool({ size: 3, longestMs: 60_000 });
  for (let i = 0; i < 5; i++) await pool.use(async () => {});
  assert.deepEqual([made.length, ended.length], [1, 0]);
  await pool.close();
  assert.equal(ended.length, 1);
});

test("connections that are retired, or ended for idleness just as they are asked for, fail no transaction", async (t) => {
  const { url, drop } = await testDatabase();
  const made: Sql[] = [];
  const size = 4;
  const pool = openPool({
    size,
    longestMs: 20,
    isBroken: () => false,
    connect() {
      // Ended as soon as nobody asks for a few milliseconds: what happens after ten seconds in a cloud.
      const sql = postgres(url, { ...databaseHost(url), max: 1, idle_timeout: 0.004, max_lifetime: null, backoff: () => 0 });
      made.push(sql);
      return sql;
    },
  });
  t.after(async () => {
    await pool.close();
    await drop();
  });
  const rounds = Number(process.env["KHMARA_TEST_POOL_ROUNDS"] ?? 60);
  const one = async (index: number) => {
    for (let round = 0; round < rounds; round++) {
      // Around the time at which they are ended.
      await sleep((round + index) % 8);
      const wanted = round * 10 + index;
      const [[a], [b], [c]] = await pool.use((sql) =>
        sql.begin((tx) => [
          tx`select ${wanted}::int as n`,
          tx`select ${[wanted]}::int[] as n`,
          tx`select pg_sleep(0.001), 1 as n`,
        ]),
      );
      assert.deepEqual([a?.["n"], b?.["n"], c?.["n"]], [wanted, [wanted], 1]);
    }
  };
  await Promise.all(Array.from({ length: 6 }, (_, index) => one(index)));
  assert.ok(made.length > size, `${made.length} connections: none was ever retired`);
});
