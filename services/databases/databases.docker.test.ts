import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { requestCancel } from "../../kernel/operations/store.ts";
import { dockerMissing } from "../../testing/docker.ts";
import { GiB, MiB, type TestDatabases, testDatabases } from "./testing/fixture.ts";

describe("databases on the Docker of the tests", { skip: dockerMissing() ?? false, concurrency: false, timeout: 900_000 }, () => {
  let cloud: TestDatabases;
  before(
    async () => {
      cloud = await testDatabases();
      // Made by the first who need them, which takes minutes: not to be waited for in the middle of a test.
      for (const version of ["15", "18"]) await cloud.databases.parts.driver().prepare(version);
    },
    { timeout: 1_200_000 },
  );
  after(() => cloud?.stop());

  test("made, reached by psql with TLS and a password only, killed and there again with what was written", async () => {
    const made = await cloud.make({ name: "corner-shop" });
    assert.deepEqual([made.state, made.version, made.databaseName, made.owner], ["running", "15", "corner_shop", "corner_shop"]);
    const url = await cloud.url(made);
    const said = await cloud.psql(
      url,
      "create table goods (name text primary key); insert into goods values ('bread'); select count(*) from goods",
    );
    assert.deepEqual([said.code, said.stderr, said.stdout.trim().split("\n").at(-1)], [0, "", "1"]);
    const tls = await cloud.psql(url, "select version from pg_stat_ssl where pid = pg_backend_pid()");
    assert.match(tls.stdout, /^TLSv1\.[23]$/m);

    const wrong = await cloud.psql(url.replace(/:[^:@]+@/, ":wrong@"), "select 1");
    assert.match(wrong.stderr, /password authentication failed/);
    const plain = await cloud.psql(url.replace("sslmode=verify-full", "sslmode=disable"), "select 1");
    assert.match(plain.stderr, /no pg_hba.conf entry.*no encryption/);
    const superuser = await cloud.psql(url.replace("//corner_shop:", "//postgres:"), "select 1");
    assert.match(superuser.stderr, /pg_hba.conf rejects connection/);
    const before = url;
    const next = await cloud.url(made);
    assert.notEqual((await cloud.psql(before, "select 1")).code, 0, "the old password is not taken any more");

    await cloud.engine.containerKill(`db-${made.id.slice(-12)}`);
    await cloud.engine.containerWait(`db-${made.id.slice(-12)}`);
    await cloud.work("databases.health");
    assert.deepEqual(await cloud.psql(next, "select name from goods"), { code: 0, stdout: "bread\n", stderr: "" });
    assert.equal((await cloud.get(`/databases/${made.id}`)).state, "running");

    const dump = await cloud.client("pg_dump", ["--schema-only", next]);
    assert.match(dump.stdout, /CREATE TABLE public\.goods/);

    assert.equal((await cloud.call("stranger", "GET", `/databases/${made.id}`)).status, 404);
    assert.equal((await cloud.call("stranger", "POST", `/databases/${made.id}/query`, { sql: "select 1" })).status, 404);
    assert.equal((await cloud.call("viewer", "POST", `/databases/${made.id}/query`, { sql: "select 1" })).status, 403);

    const refused = await cloud.call("editor", "DELETE", `/databases/${made.id}?confirm=other`);
    assert.equal(refused.status, 400);
    await cloud.act("DELETE", `/databases/${made.id}?confirm=corner-shop`);
    assert.equal((await cloud.call("viewer", "GET", `/databases/${made.id}`)).status, 404);
    assert.deepEqual(await cloud.engine.containerList(), []);
    assert.deepEqual(await cloud.engine.volumeList(), []);
    const open = await cloud.database.sql`select 1 from kernel.usage_records where resource_id = ${made.id} and to_at is null`;
    assert.equal(open.length, 0);
    const used = await cloud.database.sql`select name, used from kernel.quota_usage where name like 'databases.%' and used <> 0`;
    assert.deepEqual([...used], []);
  });

  test("users, extensions, tables and statements", async () => {
    const made = await cloud.make();
    const path = `/databases/${made.id}`;
    const ask = async (sql: string, more: object = {}) =>
      (await cloud.call("editor", "POST", `${path}/query`, { sql, ...more })).body;
    const refusal = await ask("create table x (id int)");
    assert.match(refusal.detail, /read-only transaction/);
    assert.equal(
      (await ask("create table x (id int primary key, word text not null default 'a')", { readOnly: false })).command,
      "CREATE TABLE",
    );
    const inserted = await ask("insert into x select generate_series(1, 10)", { readOnly: false });
    assert.equal(inserted.affected, 10);
    const found = await ask("select id, null as nothing from x order by id", { maxRows: 3 });
    assert.deepEqual(
      [found.columns.map(({ name }: { name: string }) => name), found.rows, found.truncated],
      [
        ["id", "nothing"],
        [
          ["1", null],
          ["2", null],
          ["3", null],
        ],
        true,
      ],
    );
    assert.equal((await ask("select 1; select 2")).code, "invalid_argument");
    assert.equal((await ask("select pg_sleep(60)", { timeoutSeconds: 1 })).code, "deadline_exceeded");
    assert.equal((await ask("select repeat('x', 1000000) from generate_series(1, 100)")).code, "payload_too_large");
    assert.equal((await ask("select * from nowhere")).code, "invalid_argument");
    assert.equal((await ask("copy x to program 'id'", { readOnly: false })).code, "invalid_argument", "no command of the server");
    assert.equal((await ask(" -- nothing\n/* at all */ ;")).code, "invalid_argument");
    assert.equal((await ask("show server_version")).rows[0][0].slice(0, 2), "15");
    assert.equal((await ask("select current_user")).rows[0][0], made.owner);

    const { items: tables } = (await cloud.call("editor", "GET", `${path}/tables`)).body;
    assert.deepEqual(
      tables.filter(({ name }: { name: string }) => name === "x").map(({ columns }: { columns: unknown }) => columns),
      [
        [
          { name: "id", type: "integer", nullable: false, primaryKey: true },
          { name: "word", type: "text", nullable: false, primaryKey: false, default: "'a'::text" },
        ],
      ],
    );

    // Several statements in one session, to the first that fails; what is left open is undone.
    const script = async (sql: string, more: object = { readOnly: false }) =>
      (await cloud.call("editor", "POST", `${path}/script`, { sql, ...more })).body;
    const text =
      "create table y (x_id int references x, tags text[]);\ninsert into y values (1, '{a}');\nselect tags, 'є' as є, wrong from y; select 1";
    const failed = await script(text);
    assert.deepEqual(
      failed.results.map(({ command, affected }: { command: string; affected?: number }) => [command, affected]),
      [
        ["CREATE TABLE", undefined],
        ["INSERT", 1],
      ],
    );
    assert.deepEqual(
      [
        failed.problem.sqlState,
        text.slice(failed.problem.position).slice(0, 5),
        text.slice(failed.problem.start, failed.problem.end),
      ],
      ["42703", "wrong", "select tags, 'є' as є, wrong from y"],
    );
    const typed = await script("do $$ begin raise notice 'careful'; end $$; select tags, count(*) over () from y", {
      readOnly: true,
    });
    assert.deepEqual(typed.results[0].notices, ["NOTICE: careful"]);
    assert.deepEqual(typed.results[1].columns, [
      { name: "tags", type: "text[]" },
      { name: "count", type: "bigint" },
    ]);
    assert.equal((await script("begin; delete from y")).undone, true);
    const together = await script("begin; delete from y; rollback; select count(*) from y");
    assert.deepEqual([together.undone, together.results[3].rows], [false, [["1"]]]);
    const sneaky = await script("commit; set session characteristics as transaction read write; delete from y", {
      readOnly: true,
    });
    assert.equal(sneaky.problem.sqlState, "25006", "read-only stays so, whatever is said");
    assert.equal((await script("select pg_sleep(20)", { timeoutSeconds: 1 })).problem.sqlState, "57014");
    const { items: keyed } = (await cloud.call("editor", "GET", `${path}/tables`)).body;
    const y = keyed.find(({ name }: { name: string }) => name === "y");
    assert.deepEqual(y.foreignKeys, [
      { name: "y_x_id_fkey", columns: ["x_id"], schema: "public", table: "x", foreignColumns: ["id"] },
    ]);
    const x = keyed.find(({ name }: { name: string }) => name === "x");
    assert.deepEqual([x.indexes.length, x.indexes[0].primary, x.indexes[0].sizeBytes > 0], [1, true, true]);
    await script("drop table y");

    const reader = await cloud.call("editor", "POST", `${path}/users`, { name: "reader", access: "read_only" });
    assert.equal(reader.status, 201);
    assert.equal((await cloud.psql(reader.body.url, "select count(*) from x")).stdout, "10\n");
    assert.match((await cloud.psql(reader.body.url, "delete from x")).stderr, /read-only|permission denied/);
    assert.equal((await cloud.call("editor", "POST", `${path}/users`, { name: "reader" })).status, 409);
    const writer = await cloud.call("editor", "POST", `${path}/users`, { name: "writer" });
    assert.equal((await cloud.psql(writer.body.url, "create table theirs (id int); insert into x values (11)")).code, 0);
    assert.equal((await cloud.call("editor", "DELETE", `/database-users/${writer.body.user.id}`)).status, 204);
    assert.notEqual((await cloud.psql(writer.body.url, "select 1")).code, 0);
    assert.equal((await ask("select count(*) from theirs")).rows[0][0], "0", "what it made has stayed");
    const { items: users } = await cloud.get(`${path}/users`);
    assert.deepEqual(
      users.map(({ name, access }: { name: string; access: string }) => [name, access]),
      [
        ["reader", "read_only"],
        [made.owner, "owner"],
      ],
    );
    const noSecret = await cloud.database
      .sql`select 1 from kernel.audit_entries e where strpos(e::text, ${reader.body.password}) > 0`;
    assert.equal(noSecret.length, 0);

    assert.equal((await cloud.call("editor", "POST", `${path}/extensions`, { extension: "hstore" })).status, 204);
    assert.equal((await cloud.call("editor", "POST", `${path}/extensions`, { extension: "plpython3u" })).status, 409);
    assert.equal((await ask("select 'a=>1'::hstore -> 'a'")).rows[0][0], "1");
    await script("create table h (v hstore)");
    const inUse = await cloud.call("editor", "DELETE", `${path}/extensions/hstore`);
    assert.deepEqual([inUse.status, /column v of table h/.test(inUse.body.detail)], [409, true]);
    await script("drop table h");
    assert.equal((await cloud.call("editor", "DELETE", `${path}/extensions/hstore`)).status, 204);
    assert.equal((await ask("select 'a=>1'::hstore")).code, "invalid_argument");
    assert.equal((await cloud.call("editor", "POST", `${path}/extensions`, { extension: "hstore" })).status, 204);
    assert.equal((await cloud.call("editor", "DELETE", `${path}/extensions/pg_stat_statements`)).status, 409);

    // Who is connected: one waits for what another one holds, which is ended.
    const owner = await cloud.url(made);
    const holding = cloud.psql(owner, "begin; lock table x; select pg_sleep(600)");
    const waiting = async (count: number) => {
      for (const until = Date.now() + 60_000; Date.now() < until; await sleep(200)) {
        const { items } = (await cloud.call("editor", "GET", `${path}/sessions`)).body;
        if (items.length === count && items.every(({ state }: { state: string }) => state === "active")) return items;
      }
      throw new Error("the sessions are not seen");
    };
    const [holder] = await waiting(1);
    assert.deepEqual([holder.user, /pg_sleep/.test(holder.query), holder.application], [made.owner, true, "psql"]);
    const behind = cloud.psql(owner, "select count(*) from x");
    const blocked = (await waiting(2)).find(({ pid }: { pid: number }) => pid !== holder.pid);
    assert.deepEqual([blocked.blockedBy, blocked.waitsFor], [[holder.pid], "Lock: relation"]);
    assert.equal((await cloud.call("viewer", "DELETE", `${path}/sessions/${holder.pid}`)).status, 403);
    assert.equal((await cloud.call("editor", "DELETE", `${path}/sessions/${holder.pid}`)).status, 204);
    assert.notEqual((await holding).code, 0);
    assert.equal((await behind).stdout, "11\n");
    assert.equal((await cloud.call("editor", "DELETE", `${path}/sessions/${holder.pid}`)).status, 404);
    const { items: extensions } = (await cloud.call("editor", "GET", `${path}/extensions?limit=1000`)).body;
    assert.ok(extensions.find(({ name, version }: { name: string; version?: string }) => name === "hstore" && version));

    const { items: statements } = (await cloud.call("editor", "GET", `${path}/statements`)).body;
    assert.ok(statements.some(({ query }: { query: string }) => query.startsWith("insert into x")));
    const metrics = await cloud.get(`${path}/metrics`);
    assert.ok(metrics.sizeBytes > MiB && metrics.maxConnections >= 25 && metrics.memoryLimitBytes === 256 * MiB);

    await cloud.act("POST", `${path}/resize`, { memoryBytes: 320 * MiB, diskBytes: 2 * GiB });
    const larger = await cloud.get(path);
    assert.deepEqual([larger.state, larger.memoryBytes, larger.diskBytes], ["running", 320 * MiB, 2 * GiB]);
    assert.equal((await cloud.get(`${path}/metrics`)).memoryLimitBytes, 320 * MiB);
    assert.equal((await ask("select count(*) from x")).rows[0][0], "11");

    await cloud.work("databases.samples");
    await cloud.database.sql`update databases.samples set slot = slot - 1`;
    await ask("select 1");
    await cloud.work("databases.samples");
    const history = await cloud.get(`${path}/metrics/history`);
    assert.equal(history.stepSeconds, 30);
    const [, latest] = history.points;
    assert.ok(
      latest.memoryBytes > MiB && latest.transactionsPerSecond > 0 && latest.cpuPercent >= 0,
      JSON.stringify(history.points),
    );

    // Stopped it is reached by nobody and looked after by nobody; its name is another one when it comes back.
    await cloud.act("POST", `${path}/stop`);
    await cloud.work("databases.health");
    const stopped = await cloud.get(path);
    assert.deepEqual([stopped.state, stopped.allowedActions], ["stopped", ["start", "delete"]]);
    assert.deepEqual([(await cloud.engine.containerList()).length, (await cloud.engine.volumeList()).length], [0, 1]);
    assert.notEqual((await cloud.psql(owner, "select 1")).code, 0);
    const held = async () =>
      (
        await cloud.database
          .sql`select meter from kernel.usage_records where resource_id = ${made.id} and to_at is null order by 1`
      ).map(({ meter }) => meter);
    assert.deepEqual(await held(), ["databases.disk"]);
    assert.equal((await ask("select 1")).detail, `The database ${made.name} is stopped. Start it first.`);
    await cloud.act("POST", `${path}/start`);
    assert.deepEqual(await held(), ["databases.cpus", "databases.disk", "databases.memory"]);
    await cloud.act("POST", `${path}/rename`, { name: "called-otherwise" });
    const renamed = await cloud.get(path);
    assert.deepEqual(
      [renamed.state, renamed.name, renamed.internalHost, renamed.port],
      ["running", "called-otherwise", "called-otherwise", made.port],
    );
    assert.equal((await cloud.psql(owner, "select count(*) from x")).stdout, "11\n");

    // A full disk: the worker finds it, and that there is room again.
    const url = await cloud.url(made);
    await cloud.database.sql`update databases.databases set disk_bytes = 1000000 where id = ${made.id}`;
    await cloud.work("databases.health");
    assert.match((await cloud.get(path)).stateReason, /disk is full/);
    assert.match((await cloud.psql(url, "insert into x values (100)")).stderr, /read-only transaction/);
    await cloud.act("POST", `${path}/resize`, { diskBytes: 3 * GiB });
    await cloud.work("databases.health");
    assert.equal((await cloud.psql(url, "insert into x values (100)")).code, 0);
    assert.equal((await cloud.get(path)).stateReason, undefined);
    await cloud.act("DELETE", `${path}?confirm=called-otherwise`);
  });

  test("a process that ends in the middle of making and restarting one: the next carries it on; a cancelled upgrade", async () => {
    const begun = await cloud.call("editor", "POST", "/databases", { project: cloud.project, name: "carried-on", version: "15" });
    const isUnderWay = async (id: string, step: string) => {
      let steps: { name: string; state: string }[] = [];
      for (const until = Date.now() + 120_000; Date.now() < until; await sleep(10)) {
        const [row] = await cloud.database.sql`select steps from kernel.operations where id = ${id}`;
        steps = row?.["steps"] ?? [];
        if (steps.some(({ name, state }) => name === step && state === "running")) return;
      }
      throw new Error(`The step ${step} does not begin: ${JSON.stringify(steps)}`);
    };
    await isUnderWay(begun.body.id, "start");
    for (const pause of [50, 900, 1500]) {
      await sleep(pause);
      await cloud.restartRunner();
    }
    const { result } = await cloud.ended(begun.body.id);
    const made = await cloud.get(`/databases/${result.databaseId}`);
    const url = await cloud.url(made);
    assert.equal((await cloud.psql(url, "create table kept as select 1 as one")).code, 0);
    const again = await cloud.call("editor", "POST", `/databases/${made.id}/restart`);
    await isUnderWay(again.body.id, "restart");
    await sleep(700);
    await cloud.restartRunner();
    assert.equal((await cloud.ended(again.body.id)).state, "succeeded");
    assert.equal((await cloud.psql(url, "select one from kept")).stdout, "1\n");
    assert.equal((await cloud.engine.containerList()).length, 1);

    // An upgrade that is given up in the middle leaves everything as it was.
    const upgrade = await cloud.call("editor", "POST", `/databases/${made.id}/upgrade`, { version: "18" });
    await isUnderWay(upgrade.body.id, "copy");
    await sleep(1500);
    await cloud.database.transaction("system", (tx) => requestCancel(tx, upgrade.body.id));
    assert.equal((await cloud.ended(upgrade.body.id)).state, "cancelled");
    await cloud.work("databases.health");
    const still = await cloud.get(`/databases/${made.id}`);
    assert.deepEqual([still.state, still.version], ["running", "15"]);
    assert.equal((await cloud.psql(url, "select one from kept")).stdout, "1\n");
    assert.deepEqual([(await cloud.engine.containerList()).length, (await cloud.engine.volumeList()).length], [1, 1]);
    await cloud.act("DELETE", `/databases/${made.id}?confirm=carried-on`);
  });

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
