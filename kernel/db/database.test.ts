import assert from "node:assert/strict";
import { test } from "node:test";
import { migratedDatabase } from "../../testing/kernel-fixture.ts";
import { openDatabase } from "./database.ts";
import { mended } from "./postgres-client.ts";

test("the mended lines of postgres.js are where they were", () => {
  // Zero or another number: a new version of postgres.js. See whether it still needs the mending.
  assert.equal(mended, 4);
});

test("however many ask at once, there are no more connections than allowed", async () => {
  const { url } = await migratedDatabase();
  const database = openDatabase({ url, maxConnections: 3 });
  const backends = await Promise.all(
    Array.from({ length: 100 }, () => database.transaction("system", (tx) => tx.sql`select pg_backend_pid() as pid`)),
  );
  assert.equal(new Set(backends.map(([row]) => row?.["pid"])).size, 3);
  await database.close();
});

test("a server that cannot be reached, or that others keep busy with the same rows, is told as such: trying again may help", async () => {
  const nowhere = openDatabase({ url: "postgres://khmara@does-not-exist.invalid/khmara", maxConnections: 1 });
  const unavailable = { code: "unavailable" };
  await assert.rejects(
    nowhere.transaction("system", (tx) => tx.sql`select 1`),
    unavailable,
  );
  await assert.rejects(nowhere.ping(), unavailable);
  await nowhere.close();
  const { url } = await migratedDatabase();
  const database = openDatabase({ url, maxConnections: 1 });
  let attempts = 0;
  const busy = database.transaction("system", async (tx) => {
    attempts++;
    await tx.sql`do $$ begin raise exception 'deadlock' using errcode = '40P01'; end $$`;
  });
  await assert.rejects(busy, unavailable);
  assert.equal(attempts, 5);
  await database.close();
});

test("work that goes on after its transaction was lost writes nothing", async () => {
  const { url } = await migratedDatabase();
  const database = openDatabase({ url, maxConnections: 1 });
  const admin = openDatabase({ url, maxConnections: 1 });
  let late: unknown;
  await assert.rejects(
    database.transaction("system", async (tx) => {
      await admin.sql`select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and usename = current_user and pid <> pg_backend_pid()`;
      // The pool is used by others meanwhile.
      await new Promise((resolve) => setTimeout(resolve, 600));
      await database.sql`select 1`;
      try {
        await tx.sql`insert into kernel.settings (name, value) values ('late', '1')`;
      } catch (error) {
        late = error;
      }
    }),
  );
  for (let i = 0; i < 40 && late === undefined; i++) await new Promise((resolve) => setTimeout(resolve, 100));
  assert.ok(late, "the late write was refused");
  assert.equal((await database.sql`select 1 from kernel.settings where name = 'late'`).length, 0);
  await database.close();
  await admin.close();
});

test("connections that the server ends, again and again, come back and answer", async () => {
  const { url } = await migratedDatabase();
  const database = openDatabase({ url, maxConnections: 4 });
  const admin = openDatabase({ url, maxConnections: 1 });
  let going = true;
  let answered = 0;
  let before = 0;
  const clients = Array.from({ length: 12 }, async () => {
    while (going) {
      await database
        .transaction("system", (tx) => tx.sql`select 1`)
        .then(
          () => answered++,
          () => new Promise((resolve) => setTimeout(resolve, 5)),
        );
    }
  });
  try {
    for (let round = 0; round < 15; round++) {
      await new Promise((resolve) => setTimeout(resolve, 60));
      await admin.sql`select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and usename = current_user and pid <> pg_backend_pid()`;
    }
    before = answered;
    await new Promise((resolve) => setTimeout(resolve, 1500));
  } finally {
    going = false;
  }
  await Promise.race([
    Promise.all(clients),
    new Promise((_, reject) => setTimeout(() => reject(new Error("a query waits for ever")), 10_000).unref()),
  ]);
  assert.ok(answered > before);
  await Promise.all(Array.from({ length: 8 }, () => database.ping()));
  await database.close();
  await admin.close();
});

test("a lock is one holder's, in this process and in others, takes no connection of transactions, and goes with its holder", async () => {
  const { url } = await migratedDatabase();
  const database = openDatabase({ url, maxConnections: 1 });
  const other = openDatabase({ url, maxConnections: 1 });
  const begun = Promise.withResolvers<void>();
  const end = Promise.withResolvers<void>();
  const nothing = async () => assert.fail("somebody else has it");
  const holder = database.whileLocked("round", async () => {
    begun.resolve();
    await end.promise;
  });
  await begun.promise;
  assert.deepEqual([await database.whileLocked("round", nothing), await other.whileLocked("round", nothing)], [false, false]);
  assert.equal(await other.whileLocked("another", async () => {}), true);
  await database.transaction("system", (tx) => tx.sql`select 1`);
  end.resolve();
  assert.equal(await holder, true);
  await assert.rejects(
    other.whileLocked("round", async () => {
      throw new Error("broken");
    }),
    /broken/,
  );
  assert.equal(await database.whileLocked("round", async () => {}), true);
  await database.close();
  await other.close();
});
