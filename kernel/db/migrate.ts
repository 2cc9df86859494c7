import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { CloudError } from "../errors.ts";
import type { Database, Sql } from "./database.ts";

export interface MigrationSource {
  /** The service's name; also the schema that its tables live in. */
  service: string;
  directory: URL;
}

export const kernelMigrations: MigrationSource = { service: "kernel", directory: new URL("./migrations/", import.meta.url) };

interface Migration {
  service: string;
  number: number;
  name: string;
  sql: string;
  checksum: string;
}

async function read(source: MigrationSource): Promise<Migration[]> {
  const files = (await readdir(fileURLToPath(source.directory))).filter((file) => file.endsWith(".sql")).sort();
  return Promise.all(
    files.map(async (file, index) => {
      const match = /^(\d{4})_([a-z0-9_]+)\.sql$/.exec(file);
      if (!match || Number(match[1]) !== index + 1) {
        throw new Error(`${source.service}/migrations/${file}: name migrations 0001_what.sql, 0002_what.sql, … without gaps.`);
      }
      const sql = await readFile(new URL(file, source.directory), "utf8");
      return {
        service: source.service,
        number: index + 1,
        name: match[2] as string,
        sql,
        checksum: createHash("sha256").update(sql).digest("hex"),
      };
    }),
  );
}

// Any fixed number: all Khmara processes on one database take the same advisory lock.
const lockId = 7_240_114_201;

/**
 * Brings the database up to this version: forward only, each migration in a transaction of its own, one process at a time.
 * failed_precondition when the database was made by a newer version, or when an applied migration was edited.
 */
export function migrate(database: Pick<Database, "exclusive">, sources: MigrationSource[]): Promise<{ applied: number }> {
  return database.exclusive(async (connection) => {
    let applied = 0;
    await connection`select pg_advisory_lock(${lockId})`;
    try {
      await bootstrap(connection);
      const known = await Promise.all(sources.map(read));
      const rows = await readApplied(connection);
      check(rows, known.flat());
      for (const [index, source] of sources.entries()) {
        const done = rows.filter((row) => row.service === source.service).length;
        const open = (known[index] as Migration[]).slice(done);
        for (const migration of open) await apply(connection, migration);
        applied += open.length;
      }
    } finally {
      await connection`select pg_advisory_unlock(${lockId})`;
    }
    return { applied };
  });
}

const awaitPauseMs = 50;

/**
 * For a process that starts beside the one that migrates: resolves once the database is at this version.
 * failed_precondition as in `migrate`.
 */
export async function awaitMigrations(database: Pick<Database, "statement">, sources: MigrationSource[]): Promise<void> {
  const known = (await Promise.all(sources.map(read))).flat();
  for (;;) {
    const [existing] = await database.statement((sql) => sql`select to_regclass('kernel.migrations') as name`);
    const rows = existing?.["name"] ? await database.statement(readApplied) : [];
    check(rows, known);
    if (rows.length === known.length) return;
    await sleep(awaitPauseMs);
  }
}

interface Applied {
  service: string;
  number: number;
  name: string;
  checksum: string;
}

const readApplied = async (sql: Sql): Promise<Applied[]> =>
  sql<Applied[]>`select service, number, name, checksum from kernel.migrations`;

function check(rows: Applied[], known: Migration[]): void {
  for (const row of rows) {
    const migration = known.find((each) => each.service === row.service && each.number === row.number);
    if (!migration) {
      throw new CloudError(
        "failed_precondition",
        `This database was made by a newer version of Khmara (it has ${row.service} ${String(row.number).padStart(4, "0")}_${row.name}). Start that version, or restore a backup from before the update.`,
      );
    }
    if (migration.checksum !== row.checksum) {
      throw new CloudError(
        "failed_precondition",
        `The migration ${row.service} ${row.number}_${row.name} differs from the one that this database was made with. Migrations are never edited: add a new one.`,
      );
    }
  }
}

async function bootstrap(sql: Sql): Promise<void> {
  const [existing] = await sql`select to_regclass('kernel.migrations') as name`;
  if (existing?.["name"]) return;
  // The role is of the whole server: another database may have made it, even at this moment.
  // Such a change of the catalogue by two at once fails for one of them, which then finds it done.
  for (let attempt = 1; ; attempt++) {
    try {
      await createFoundations(sql);
      return;
    } catch (error) {
      if ((error as { code?: string }).code === "42501") throw await lacksRight(sql, error as Error);
      if (attempt === 5 || !/concurrently updated|already exists/.test((error as Error).message)) throw error;
    }
  }
}

/** On a server of the operator's own, whose user was not given what we need once. */
async function lacksRight(sql: Sql, error: Error): Promise<CloudError> {
  const [names] = await sql<{ user: string; database: string }[]>`
    select quote_ident(current_user) as user, quote_ident(current_database()) as database`;
  const { user, database } = names as { user: string; database: string };
  const remedy = /create role/.test(error.message)
    ? `alter role ${user} createrole`
    : /role/.test(error.message)
      ? `grant khmara_tenant to ${user}`
      : `alter database ${database} owner to ${user}`;
  return new CloudError(
    "failed_precondition",
    `The database's user ${user} lacks a right. Let the administrator of that PostgreSQL run: ${remedy};`,
    { cause: error },
  );
}

async function createFoundations(sql: Sql): Promise<void> {
  await sql.unsafe(`
    create schema if not exists kernel;
    do $$ begin
      create role khmara_tenant nologin;
    exception when duplicate_object or unique_violation then null;
    end $$;
    do $$ begin
      set local role khmara_tenant;
      reset role;
    exception when insufficient_privilege then execute format('grant khmara_tenant to %I', session_user);
    end $$;
    create or replace function kernel.visible(organisation text) returns boolean language sql stable parallel safe as
      $f$ select coalesce(current_setting('khmara.all', true) = 'on', false)
              or coalesce(organisation = any (string_to_array(current_setting('khmara.organisations', true), ',')), false) $f$;
    create table if not exists kernel.migrations (
      service text not null, number integer not null, name text not null, checksum text not null,
      applied_at timestamptz not null default now(), primary key (service, number)
    );
  `);
}

async function apply(sql: Sql, migration: Migration): Promise<void> {
  await sql`begin`;
  try {
    await sql.unsafe(`create schema if not exists ${migration.service}`);
    await sql.unsafe(migration.sql);
    // With it, not after all of them: whoever sees the migration can use its tables, also when we are killed in between.
    await grant(sql, migration.service);
    await sql`insert into kernel.migrations ${sql({ service: migration.service, number: migration.number, name: migration.name, checksum: migration.checksum })}`;
    await sql`commit`;
  } catch (error) {
    await sql`rollback`;
    throw new CloudError(
      "internal",
      `The migration ${migration.service} ${migration.number}_${migration.name} failed; nothing of it was kept.`,
      { cause: error },
    );
  }
}

/** Requests run as khmara_tenant, which row-level security binds; it owns nothing. */
async function grant(sql: Sql, schema: string): Promise<void> {
  await sql.unsafe(`
    grant usage on schema ${schema} to khmara_tenant;
    grant select, insert, update, delete on all tables in schema ${schema} to khmara_tenant;
    grant usage on all sequences in schema ${schema} to khmara_tenant;
  `);
}
