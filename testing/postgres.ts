import { spawn } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { closeSync, mkdirSync, openSync, readdirSync, readFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { databaseHost } from "../kernel/config.ts";
import { openDatabase, type Sql } from "../kernel/db/database.ts";
import { kernelMigrations, type MigrationSource, migrate } from "../kernel/db/migrate.ts";
import { postgres } from "../kernel/db/postgres-client.ts";

export interface TestDatabase {
  /** For `postgres(url, { ...databaseHost(url) })`. */
  url: string;
  /** Drops the database, also while others are connected to it. */
  drop(): Promise<void>;
}

/**
 * A fresh database: empty, or with the migrations of the kernel and of these services applied in this order. It lies on the server of KHMARA_TEST_DATABASE_URL, or else on one throwaway embedded
 * server that all test processes of this user share; a watchdog stops that one half a minute after the last of them has ended.
 */
export async function testDatabase(services?: readonly string[]): Promise<TestDatabase> {
  server ??= process.env["KHMARA_TEST_DATABASE_URL"] ?? sharedServer();
  const base = await server;
  const migrations = services && [kernelMigrations, ...services.map(migrationsOf)];
  const name = `test_${randomBytes(8).toString("hex")}`;
  const url = new URL(base);
  url.pathname = `/${name}`;
  // A server of somebody's own is left without anything that stays.
  const isShared = process.env["KHMARA_TEST_DATABASE_URL"] === undefined;
  const template = migrations && isShared ? await templateOf(base, migrations) : undefined;
  await withAdmin(base, async (sql) =>
    template === undefined
      ? sql`create database ${sql(name)}`
      : sql`create database ${sql(name)} template ${sql(template)} strategy file_copy`,
  );
  if (migrations && template === undefined) await migrated(url.href, migrations);
  return {
    url: url.href,
    drop: async () => {
      for (let round = 1; ; round++) {
        try {
          return await withAdmin(base, (sql) => sql`drop database if exists ${sql(name)} with (force)`);
        } catch (error) {
          // Autovacuum works in it just now, and only a superuser may end that.
          if ((error as { code?: string }).code !== "42501" || round === 40) throw error;
          await sleep(100);
        }
      }
    },
  };
}

const migrationsOf = (service: string): MigrationSource => ({
  service,
  directory: new URL(`../services/${service}/migrations/`, import.meta.url),
});

/** The database that those with these migrations are copies of: a copy takes a third of the time that the migrations take. */
async function templateOf(base: string, migrations: MigrationSource[]): Promise<string> {
  const hash = createHash("sha256");
  for (const { service, directory } of migrations)
    for (const file of readdirSync(directory).sort())
      hash.update(`${service}/${file}\n`).update(readFileSync(new URL(file, directory)));
  const name = `migrated_${hash.digest("hex").slice(0, 16)}`;
  await withAdmin(base, async (sql) => {
    // Others may be making the same one. The lock goes with the connection.
    await sql`select pg_advisory_lock(hashtext(${name}))`;
    if ((await sql`select 1 from pg_database where datname = ${name}`).length > 0) return;
    const unfinished = `unfinished_${name}`;
    await sql`drop database if exists ${sql(unfinished)} with (force)`;
    await sql`create database ${sql(unfinished)}`;
    const url = new URL(base);
    url.pathname = `/${unfinished}`;
    await migrated(url.href, migrations);
    await sql.unsafe(`alter database ${unfinished} rename to ${name}`);
  });
  return name;
}

async function migrated(url: string, migrations: MigrationSource[]): Promise<void> {
  const database = openDatabase({ url, maxConnections: 1 });
  try {
    await migrate(database, migrations);
  } finally {
    await database.close();
  }
}

let server: string | Promise<string> | undefined;

async function withAdmin(url: string, work: (sql: Sql) => Promise<unknown>): Promise<void> {
  const sql = postgres(url, { ...databaseHost(url), max: 1, onnotice: () => {} });
  try {
    await work(sql);
  } finally {
    await sql.end({ timeout: 5 });
  }
}

/** The folder of the shared server: its socket is the one door, and whoever holds a connection to it keeps the server up. */
export const sharedFolder = (): string => join(tmpdir(), `khmara-test-${process.getuid?.() ?? 0}`);

export const watchdogSocket = (folder: string): string => join(folder, "watchdog.sock");

async function sharedServer(): Promise<string> {
  const folder = sharedFolder();
  mkdirSync(folder, { recursive: true, mode: 0o711 });
  const deadline = Date.now() + 60_000;
  for (let round = 0; Date.now() < deadline; round++) {
    const url = await joinServer(folder);
    if (url !== undefined) return url;
    // Once more after a while: the first may have been killed.
    if (round % 400 === 0) startWatchdog(folder);
    await sleep(25);
  }
  throw new Error(`The test database did not start; see ${join(folder, "watchdog.log")}.`);
}

/** The URL of the running server, or nothing when none runs. The connection stays open until this process ends. */
export function joinServer(folder: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect(watchdogSocket(folder));
    let text = "";
    socket.setEncoding("utf8");
    socket.on("error", () => resolve(undefined));
    socket.on("close", () => resolve(undefined));
    socket.on("data", (chunk) => {
      text += chunk;
      if (!text.endsWith("\n")) return;
      socket.unref();
      resolve(text.trim());
    });
  });
}

/** Several may be started at once; the first to take the lock serves, the others end. */
function startWatchdog(folder: string): void {
  const log = openSync(join(folder, "watchdog.log"), "a");
  spawn(process.execPath, [join(import.meta.dirname, "postgres-watchdog.ts"), folder], {
    detached: true,
    stdio: ["ignore", log, log],
    // A test runner's own variables would make the watchdog report to it as one of its tests.
    env: Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("NODE_"))),
  }).unref();
  closeSync(log);
}
