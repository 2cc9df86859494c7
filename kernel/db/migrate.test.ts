import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { testDatabase } from "../../testing/postgres.ts";
import { openDatabase } from "./database.ts";
import { awaitMigrations, kernelMigrations, migrate } from "./migrate.ts";

const { url, drop } = await testDatabase();
const database = openDatabase({ url });
const folder = await mkdtemp(join(tmpdir(), "khmara-migrations-"));
after(async () => {
  await database.close();
  await drop();
  await rm(folder, { recursive: true });
});
const source = { service: "things", directory: pathToFileURL(`${folder}/`) };

test("several processes that start at once migrate once", async () => {
  await writeFile(
    join(folder, "0001_things.sql"),
    "create table things.things (id text primary key, organisation_id text); insert into things.things values ('a');",
  );
  let waited = false;
  const waiting = awaitMigrations(database, [kernelMigrations, source]).then(() => {
    waited = true;
  });
  await sleep(150);
  assert.equal(waited, false, "whoever starts beside them waits");
  const results = await Promise.all(Array.from({ length: 4 }, () => migrate(database, [kernelMigrations, source])));
  await waiting;
  assert.deepEqual(results.map((result) => result.applied > 0).filter(Boolean), [true]);
  assert.equal((await database.sql`select * from things.things`).length, 1);
});

test("a migration that fails leaves nothing, and the next start tries it again", async () => {
  await writeFile(join(folder, "0002_more.sql"), "create table things.more (id text); select 1/0;");
  await assert.rejects(migrate(database, [kernelMigrations, source]), /0*2_more failed; nothing of it was kept/);
  assert.equal((await database.sql`select to_regclass('things.more') as name`)[0]?.["name"], null);
  await writeFile(join(folder, "0002_more.sql"), "create table things.more (id text);");
  assert.equal((await migrate(database, [kernelMigrations, source])).applied, 1);
});

test("a database of a newer version and an edited migration are refused", async () => {
  await writeFile(join(folder, "0002_more.sql"), "create table things.more (id text, other text);");
  await assert.rejects(migrate(database, [kernelMigrations, source]), /Migrations are never edited/);
  await rm(join(folder, "0002_more.sql"));
  for (const refuse of [migrate, awaitMigrations]) {
    await assert.rejects(
      refuse(database, [kernelMigrations, source]),
      /made by a newer version of Khmara \(it has things 0002_more\)/,
    );
  }
});

test("row-level security binds every table of a tenant", async () => {
  const open = await database.sql`
    select c.oid::regclass::text as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
    join pg_attribute a on a.attrelid = c.oid and a.attname = 'organisation_id' and not a.attisdropped
    where n.nspname = 'kernel' and c.relkind = 'r' and not c.relrowsecurity`;
  assert.deepEqual(
    open.map((row) => row["name"]),
    [],
  );
  const organisations = ["org_a", "org_b"];
  for (const organisation of organisations) {
    await database.sql`insert into kernel.quota_usage (scope_id, organisation_id, name, used) values (${organisation}, ${organisation}, 'things', 1)`;
  }
  const seen = (visibility: Parameters<typeof database.transaction>[0]) =>
    database.transaction(visibility, async (tx) =>
      (await tx.sql`select organisation_id from kernel.quota_usage order by 1`).map((row) => row["organisation_id"]),
    );
  assert.deepEqual(await seen({ organisationIds: ["org_a"] }), ["org_a"]);
  assert.deepEqual(await seen({ organisationIds: [] }), []);
  assert.deepEqual(await seen({ all: true }), organisations);
  await assert.rejects(
    database.transaction(
      { organisationIds: ["org_a"] },
      (tx) => tx.sql`insert into kernel.quota_usage (scope_id, organisation_id, name, used) values ('x', 'org_b', 'x', 1)`,
    ),
    /row-level security/,
  );
});
