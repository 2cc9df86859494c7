import assert from "node:assert/strict";
import { test } from "node:test";
import type { Sql } from "./database.ts";
import { openPool } from "./pool.ts";

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

test("while others wait, an old client goes from one to the next", async () => {
  const { pool, made, ended } = countedPool({ size: 2, longestMs: 0 });
  await Promise.all(Array.from({ length: 20 }, () => pool.use(async () => assert.equal(ended.length, 0))));
  assert.equal(made.length, 2);
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
