import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
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
      const rows = await connection<{ service: string; number: number; name: string; checksum: string }[]>`
        select service, number, name, checksum from kernel.migrations`;
      for (const row of rows) {
        const migration = known.flat().find((each) => each.service === row.service && each.number === row.number);
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
      for (const [index, source] of sources.entries()) {
        const done = rows.filter((row) => row.service === source.service).length;
        const open = (known[index] as Migration[]).slice(done);
        for (const migration of open) await apply(connection, migration);
        applied += open.length;
        if (open.length > 0) await grant(connection, source.service);
      }
    } finally {
      await connection`select pg_advisory_unlock(${lockId})`;
    }
    return { applied };
  });
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
      if (attempt === 5 || !/concurrently updated|already exists/.test((error as Error).message)) throw error;
    }
  }
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
