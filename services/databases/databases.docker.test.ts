import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { dockerMissing } from "../../testing/docker.ts";
import { GiB, MiB, type TestDatabases, testDatabases } from "./testing/fixture.ts";

describe("databases on the Docker of the tests", { skip: dockerMissing() ?? false, concurrency: false, timeout: 900_000 }, () => {
  let cloud: TestDatabases;
  before(
    async () => {
      cloud = await testDatabases();
    },
    { timeout: 600_000 },
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
    await cloud.act("DELETE", `${path}?confirm=${made.name}`);
  });
});
