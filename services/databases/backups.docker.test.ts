import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { dockerMissing } from "../../testing/docker.ts";
import { type TestDatabases, testDatabases } from "./testing/fixture.ts";

describe("backups of databases", { skip: dockerMissing() ?? false, concurrency: false, timeout: 900_000 }, () => {
  let cloud: TestDatabases;
  before(
    async () => {
      cloud = await testDatabases();
    },
    { timeout: 600_000 },
  );
  after(() => cloud?.stop());
  const ask = async (database: { id: string }, sql: string, readOnly = true): Promise<string | null> => {
    const { status, body } = await cloud.call("editor", "POST", `/databases/${database.id}/query`, { sql, readOnly });
    assert.equal(status, 200, JSON.stringify(body));
    return body.rows[0]?.[0] ?? null;
  };

  test("backed up, proven, dropped and back; recovered to a moment between two writes; upgraded", async () => {
    const bucket = await cloud.bucket();
    const made = await cloud.make({ name: "ledger", bucket: bucket.name });
    const path = `/databases/${made.id}`;
    assert.equal((await cloud.call("editor", "POST", `${path}/clone`, { name: "too-early" })).status, 409);
    await ask(made, "create table entries (id int primary key, word text)", false);
    await ask(made, "insert into entries select n, repeat('x', 100) from generate_series(1, 5000) n", false);
    // The clock makes the first backup at once, and proves it.
    await cloud.work("databases.backups");
    const [{ id: backup }] = (await cloud.get(`/database-backups?project=${cloud.project}&database=${made.id}`)).items;
    const settled = async () => {
      for (const until = Date.now() + 300_000; Date.now() < until; await sleep(100)) {
        const row = await cloud.get(`/database-backups/${backup}`);
        if (row.state === "available" && row.operationId === undefined) return row;
      }
      throw new Error("the backup does not come to an end");
    };
    const proven = await settled();
    assert.deepEqual([proven.verification, proven.automatic], ["passed", true], proven.verificationMessage);
    assert.match(proven.verificationMessage, / 1 tables with 5000 rows/);
    assert.deepEqual((await cloud.engine.volumeList()).length, 1, "what was restored for the proof is taken away");

    await ask(made, "insert into entries values (5001, 'before')", false);
    const moment = await ask(made, "select to_char(clock_timestamp() at time zone 'utc', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')");
    await sleep(50);
    await ask(made, "insert into entries values (5002, 'after')", false);
    await ask(made, "drop table entries", false);

    const restored = await cloud.act("POST", `/database-backups/${backup}/restore`, { name: "ledger-restored" });
    const first = await cloud.get(`/databases/${restored.result.databaseId}`);
    assert.equal(await ask(first, "select count(*) from entries"), "5000");
    const recovered = await cloud.act("POST", `${path}/recover`, { name: "ledger-recovered", at: moment });
    const second = await cloud.get(`/databases/${recovered.result.databaseId}`);
    assert.equal(await ask(second, "select string_agg(word, ',') from entries where id > 5000"), "before");
    assert.equal(await ask(made, "select to_regclass('entries')"), null, "the one that it was recovered from is as it was");

    // A new password of the owner is one of the copy's own.
    const url = await cloud.url(second);
    assert.equal((await cloud.psql(url, "select count(*) from entries")).stdout, "5001\n");
    await cloud.act("DELETE", `/databases/${first.id}?confirm=ledger-restored`);

    // From what is durable in the bucket alone: the copy hands its own log over, and is copied in turn.
    const again = await cloud.act("POST", `/databases/${second.id}/backups`);
    assert.ok(again.result.sizeBytes > 0);
    await ask(second, "insert into entries values (6000, 'late')", false);
    const cloned = await cloud.act("POST", `/databases/${second.id}/clone`, { name: "ledger-clone" });
    const third = await cloud.get(`/databases/${cloned.result.databaseId}`);
    assert.equal(await ask(third, "select word from entries where id = 6000"), "late");
    assert.equal(
      (await cloud.psql(url.replace(`:${second.port}/`, `:${third.port}/`), "select 1")).stdout,
      "1\n",
      "passwords come along",
    );
    await cloud.act("DELETE", `/databases/${third.id}?confirm=ledger-clone`);

    await cloud.act("POST", `/databases/${second.id}/upgrade`, { version: "18" });
    const newer = await cloud.get(`/databases/${second.id}`);
    assert.deepEqual([newer.version, newer.state, newer.port], ["18", "running", second.port]);
    assert.match((await ask(second, "show server_version")) as string, /^18/);
    assert.equal((await cloud.psql(url, "select count(*) from entries")).stdout, "5002\n", "the same password");
    assert.equal((await cloud.call("editor", "POST", `/databases/${second.id}/upgrade`, { version: "15" })).status, 409);

    const objects = async (prefix: string) => {
      const { items } = await cloud.get(`/buckets/${bucket.id}/objects?prefix=${encodeURIComponent(prefix)}&limit=1000`);
      return items as unknown[];
    };
    await cloud.act("DELETE", `/databases/${made.id}?confirm=ledger`);
    assert.ok((await objects(`databases/${made.id}/1/wal/`)).length > 0, "the backup of one that is deleted stays whole");
    await cloud.act("DELETE", `/database-backups/${backup}`);
    assert.equal((await objects(`databases/${made.id}/`)).length, 0);
    await cloud.act("DELETE", `/databases/${second.id}?confirm=ledger-recovered`);
    assert.deepEqual(await cloud.engine.volumeList(), []);
  });
});
