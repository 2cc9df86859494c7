import assert from "node:assert/strict";
import { test } from "node:test";
import { databaseHost } from "../kernel/config.ts";
import type { Sql } from "../kernel/db/database.ts";
import { postgres } from "../kernel/db/postgres-client.ts";
import { testDatabase } from "./postgres.ts";

test("databases are fresh, apart, and gone after drop", async () => {
  const [one, two] = await Promise.all([testDatabase(), testDatabase()]);
  assert.notEqual(one.url, two.url);
  const sql = postgres(one.url, { ...databaseHost(one.url), max: 1 });
  await sql`create table t (n int)`;
  const other = postgres(two.url, { ...databaseHost(two.url), max: 1 });
  const [row] = await other`select to_regclass('t') as t, (select rolsuper from pg_roles where rolname = current_user) as super`;
  assert.equal(row?.["t"], null);
  if (process.env["KHMARA_TEST_DATABASE_URL"] === undefined) assert.equal(row?.["super"], false);
  await Promise.all([sql.end(), other.end()]);
  await Promise.all([one.drop(), two.drop()]);
  await assert.rejects(async () => {
    const gone = postgres(one.url, { ...databaseHost(one.url), max: 1 });
    await gone`select 1`.finally(() => gone.end());
  });
});

test("those with migrations have the tables of their services alone, and nothing of each other", async () => {
  const made = await Promise.all([testDatabase(["identity"]), testDatabase(["identity"]), testDatabase([])]);
  const [one, two, kernel] = made.map(({ url }) => postgres(url, { ...databaseHost(url), max: 1 })) as [Sql, Sql, Sql];
  await one`insert into kernel.settings (name, value) values ('kernel.test', '1')`;
  const rows = async (sql: Sql) => (await sql`select 1 from kernel.settings where name = 'kernel.test'`).length;
  assert.deepEqual([await rows(one), await rows(two), await rows(kernel)], [1, 0, 0]);
  const tables = async (sql: Sql) => {
    const [row] = await sql`select to_regclass('identity.projects') as identity, to_regclass('objects.buckets') as objects`;
    return [row?.["identity"], row?.["objects"]];
  };
  assert.deepEqual(
    [await tables(two), await tables(kernel)],
    [
      ["identity.projects", null],
      [null, null],
    ],
  );
  await Promise.all([one, two, kernel].map((sql) => sql.end()));
  await Promise.all(made.map(({ drop }) => drop()));
});
