import assert from "node:assert/strict";
import { test } from "node:test";
import { databaseHost } from "../kernel/config.ts";
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
