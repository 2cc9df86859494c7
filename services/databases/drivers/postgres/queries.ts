/** What people ask a database through us: a statement of their own, and what is in it. */
import { CloudError, invalid } from "../../../../kernel/errors.ts";
import type {
  CallOptions,
  ContainerHost,
  ExtensionReport,
  QueryOptions,
  QueryResult,
  ServerMetrics,
  StatementReport,
  TableReport,
} from "../../driver.ts";
import { inside } from "./server.ts";
import { type Sql, withSession } from "./session.ts";
import { paths } from "./settings.ts";
import { identifier } from "./users.ts";

export const mostAnswerBytes = 16 * 1024 ** 2;

/** What cannot be asked for here. */
export function refuseCopy(text: string): void {
  if (/^\s*copy\b[\s\S]*\b(stdin|stdout)\b/i.test(text))
    throw invalid("body.sql", "COPY to and from a client is for clients: use psql.");
}

export function query(host: ContainerHost, name: string, text: string, options: QueryOptions): Promise<QueryResult> {
  const { database, user, readOnly, maxRows, timeoutSeconds, signal } = options;
  const session = { database, user, timeoutSeconds, maxBytes: mostAnswerBytes, signal };
  if (isEmpty(text)) throw invalid("body.sql", "Write a statement: there are only spaces and comments.");
  refuseCopy(text);
  return withSession(host, name, session, async (sql) => {
    // One statement at a time (the extended protocol takes no more), so nothing in it ends the transaction and goes on.
    if (readOnly) await sql.unsafe("begin read only");
    const result = await runStatement(sql, text, maxRows);
    if (readOnly) await sql.unsafe("rollback");
    return result;
  });
}

/** One statement, whose rows are read up to so many. */
export async function runStatement(sql: Sql, text: string, maxRows: number): Promise<QueryResult> {
  const rows: (string | null)[][] = [];
  let columns: QueryResult["columns"] = [];
  let command = "";
  let affected: number | undefined;
  let truncated = false;
  type Raw = (Uint8Array | null)[][] & {
    columns?: { name: string; type: number }[] | undefined;
    command?: string | undefined;
    count?: number | undefined;
  };
  const take = (batch: Raw): void => {
    if (batch.columns) columns = batch.columns.map(({ name: column, type }) => ({ name: column, typeOid: type }));
    command = batch.command ?? command;
    affected = batch.count ?? affected;
    for (const row of batch) {
      if (rows.length === maxRows) truncated = true;
      else rows.push(row.map((value) => (value === null ? null : Buffer.from(value).toString())));
    }
  };
  const statement = sql.unsafe(text, [], { prepare: false }).raw() as unknown as {
    cursor(rows: number, take: (batch: Raw) => unknown): Promise<Raw>;
  };
  let last: Raw | undefined;
  const end = await statement.cursor(Math.min(maxRows + 1, 500), (batch) => {
    last = batch;
    take(batch);
    return truncated ? sql.CLOSE : undefined;
  });
  // What is not counted (CREATE, SHOW) comes only here.
  if (end !== last) take(end);
  return { command: command || "SELECT", columns, rows, affected, truncated };
}

/** The server says nothing to such a one, and a client would wait. */
function isEmpty(text: string): boolean {
  for (let at = 0; at < text.length; ) {
    if (/[\s;]/.test(text.charAt(at))) at++;
    else if (text.startsWith("--", at)) at = text.indexOf("\n", at) === -1 ? text.length : text.indexOf("\n", at);
    else if (text.startsWith("/*", at) && text.indexOf("*/", at + 2) !== -1) at = text.indexOf("*/", at + 2) + 2;
    else return false;
  }
  return true;
}

export function tables(
  host: ContainerHost,
  name: string,
  database: string,
  { after, limit }: { after?: [string, string] | undefined; limit: number },
): Promise<TableReport[]> {
  return withSession(host, name, { database, maxBytes: mostAnswerBytes }, async (sql) => {
    const kinds = { r: "table", p: "table", v: "view", m: "materialized_view", f: "foreign_table" } as const;
    type Row = {
      schema: string;
      name: string;
      kind: keyof typeof kinds;
      rows: number;
      sizeBytes: string;
      columns: (Omit<TableReport["columns"][number], "default"> & { default: string | null })[];
      indexes: TableReport["indexes"];
      foreignKeys: TableReport["foreignKeys"];
    };
    const rows = await sql<Row[]>`
      select n.nspname as schema, c.relname as name, c.relkind as kind, c.reltuples::float8 as rows,
        pg_total_relation_size(c.oid)::text as "sizeBytes",
        coalesce((select json_agg(json_build_object('name', a.attname, 'type', format_type(a.atttypid, a.atttypmod),
            'nullable', not a.attnotnull, 'primaryKey', exists (select 1 from pg_index i
              where i.indrelid = c.oid and i.indisprimary and a.attnum = any (i.indkey)),
            'default', pg_get_expr(d.adbin, d.adrelid)) order by a.attnum)
          from pg_attribute a left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
          where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped), '[]') as columns,
        coalesce((select json_agg(json_build_object('name', x.relname, 'definition', pg_get_indexdef(i.indexrelid), 'unique', i.indisunique,
            'primary', i.indisprimary, 'sizeBytes', pg_relation_size(i.indexrelid), 'valid', i.indisvalid) order by x.relname)
          from pg_index i join pg_class x on x.oid = i.indexrelid where i.indrelid = c.oid), '[]') as indexes,
        coalesce((select json_agg(json_build_object('name', k.conname, 'columns', (select json_agg(a.attname order by u.place)
              from unnest(k.conkey) with ordinality u (number, place) join pg_attribute a on a.attrelid = k.conrelid and a.attnum = u.number),
            'schema', fn.nspname, 'table', f.relname, 'foreignColumns', (select json_agg(a.attname order by u.place)
              from unnest(k.confkey) with ordinality u (number, place) join pg_attribute a on a.attrelid = k.confrelid and a.attnum = u.number))
            order by k.conname)
          from pg_constraint k join pg_class f on f.oid = k.confrelid join pg_namespace fn on fn.oid = f.relnamespace
          where k.conrelid = c.oid and k.contype = 'f'), '[]') as "foreignKeys"
      from pg_class c join pg_namespace n on n.oid = c.relnamespace
      where c.relkind in ('r', 'p', 'v', 'm', 'f') and n.nspname <> 'information_schema' and n.nspname !~ '^pg_'
        -- The views of what every database here has are nobody's tables.
        and not exists (select 1 from pg_depend d join pg_extension e on e.oid = d.refobjid and d.refclassid = 'pg_extension'::regclass
          where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e' and e.extname = any(string_to_array(${[...needed].join(" ")}, ' ')))
        and (${after === undefined} or (n.nspname::text, c.relname::text) > (${after?.[0] ?? ""}, ${after?.[1] ?? ""}))
      order by n.nspname::text, c.relname::text limit ${limit}`;
    return rows.map((row) => ({
      schema: row.schema,
      name: row.name,
      kind: kinds[row.kind],
      rows: row.rows < 0 ? undefined : row.rows,
      sizeBytes: Number(row.sizeBytes),
      columns: row.columns.map((column) => ({ ...column, default: column.default ?? undefined })),
      indexes: row.indexes,
      foreignKeys: row.foreignKeys,
    }));
  });
}

/**
 * Offered: what PostgreSQL itself trusts to owners of databases (its manual, CREATE EXTENSION), and some that only read. Procedural languages are not:
 * their interpreters are not in the image.
 */
const besides = ["bloom", "earthdistance", "pg_stat_statements", "pgrowlocks", "pgstattuple", "sslinfo"];
const offered = (sql: Sql) => sql`
  e.name !~ 'pl(perl|python|tcl)' and e.name <> 'plpgsql' and (e.name in ${sql(besides)} or exists (
    select 1 from pg_available_extension_versions v where v.name = e.name and v.version = e.default_version and v.trusted))`;

export const extensions = (host: ContainerHost, name: string, database: string): Promise<ExtensionReport[]> =>
  withSession(host, name, { database }, async (sql) => {
    const rows = await sql<{ name: string; description: string; availableVersion: string; version: string | null }[]>`
      select e.name, coalesce(e.comment, '') as description, e.default_version as "availableVersion", e.installed_version as version
      from pg_available_extensions e where ${offered(sql)} order by e.name`;
    return rows.map((row) => ({ ...row, version: row.version ?? undefined }));
  });

export async function extensionEnable(host: ContainerHost, name: string, database: string, extension: string): Promise<void> {
  await withSession(host, name, { database }, async (sql) => {
    const [row] = await sql`select 1 from pg_available_extensions e where e.name = ${extension} and ${offered(sql)}`;
    if (!row)
      throw new CloudError(
        "failed_precondition",
        `There is no extension ${extension} here. The list of extensions has those that can be enabled.`,
        {
          details: { resource: "extension", reason: "extension_missing" },
        },
      );
    await sql.unsafe(`create extension if not exists ${identifier(extension)} cascade`);
  });
}

/** What Khmara itself shows people from. */
const needed = new Set(["pg_stat_statements"]);

/** What is not enabled, is not; what needs it keeps it, and says so. */
export async function extensionDisable(host: ContainerHost, name: string, database: string, extension: string): Promise<void> {
  if (needed.has(extension))
    throw new CloudError("failed_precondition", `${extension} stays: the list of slow statements is made of it.`, {
      details: { resource: "extension", reason: "extension_needed" },
    });
  await withSession(host, name, { database }, async (sql) => {
    const [row] = await sql`select 1 from pg_available_extensions e where e.name = ${extension} and ${offered(sql)}`;
    if (!row)
      throw new CloudError("failed_precondition", `There is no extension ${extension} that could be disabled here.`, {
        details: { resource: "extension", reason: "extension_missing" },
      });
    try {
      await sql.unsafe(`drop extension if exists ${identifier(extension)}`);
    } catch (error) {
      // 2BP01: dependent_objects_still_exist.
      if ((error as { code?: string }).code !== "2BP01") throw error;
      const { detail = "" } = error as { detail?: string };
      throw new CloudError(
        "failed_precondition",
        `Something still uses ${extension}: ${detail.split("\n").slice(0, 3).join("; ")}. Change or drop that first.`,
        { details: { resource: "extension", reason: "extension_in_use" } },
      );
    }
  });
}

export const statements = (host: ContainerHost, name: string, database: string, limit: number): Promise<StatementReport[]> =>
  withSession(host, name, { database, maxBytes: mostAnswerBytes }, async (sql) => {
    const rows = await sql<(Omit<StatementReport, "user"> & { user: string | null })[]>`
      select left(s.query, 4000) as query, r.rolname as "user", s.calls::float8 as calls, s.total_exec_time as "totalMilliseconds",
        s.mean_exec_time as "meanMilliseconds", s.max_exec_time as "maxMilliseconds", s.rows::float8 as rows
      from pg_stat_statements s left join pg_roles r on r.oid = s.userid
      where s.dbid = (select oid from pg_database where datname = current_database()) and r.rolname is distinct from 'postgres'
      order by s.total_exec_time desc limit ${limit}`;
    return rows.map((row) => ({ ...row, user: row.user ?? undefined }));
  });

export async function metrics(host: ContainerHost, name: string, database: string): Promise<ServerMetrics> {
  const [row, used] = await Promise.all([
    withSession(host, name, { database }, async (sql) => {
      type Row = Record<"connections" | "maxConnections" | "sizeBytes" | "transactions" | "deadlocks", number> & {
        hit: number | null;
      };
      const [one] = await sql<Row[]>`
        select (select count(*)::int from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()) as connections,
          current_setting('max_connections')::int as "maxConnections", pg_database_size(current_database())::float8 as "sizeBytes",
          (xact_commit + xact_rollback)::float8 as transactions, deadlocks::float8 as deadlocks,
          (100.0 * blks_hit / nullif(blks_hit + blks_read, 0))::float8 as hit
        from pg_stat_database where datname = current_database()`;
      return one as Row;
    }),
    host.containerMetrics(name),
  ]);
  const { hit, ...rest } = row;
  return {
    ...rest,
    cacheHitPercent: hit ?? undefined,
    cpuSeconds: used?.cpuSeconds ?? 0,
    memoryBytes: used?.memoryBytes ?? 0,
    memoryLimitBytes: used?.memoryLimitBytes ?? 0,
  };
}

export async function usedBytes(host: ContainerHost, name: string, options?: CallOptions): Promise<number> {
  // Files come and go while they are counted.
  const output = await inside(host, name, `du --summarize --block-size=1 ${paths.volume} 2>/dev/null || true`, options);
  return Number(/^(\d+)/.exec(output)?.[1] ?? 0);
}

/** Of a restored server that nobody else uses: every row of every table is read, every index of the usual kind is compared with its table. */
export async function check(host: ContainerHost, name: string, options?: CallOptions): Promise<string> {
  const hours = 12 * 3600;
  const databases = await withSession(
    host,
    name,
    { database: "postgres", ...options },
    (sql) => sql<{ name: string }[]>`select datname as name from pg_database where datallowconn and not datistemplate order by 1`,
  );
  let [tablesRead, rowsRead, indexesChecked] = [0, 0, 0];
  for (const { name: database } of databases) {
    await withSession(host, name, { database, timeoutSeconds: hours, ...options }, async (sql) => {
      const found = await sql<{ schema: string; name: string }[]>`
        select n.nspname as schema, c.relname as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where c.relkind in ('r', 'm') and c.relpersistence = 'p' order by 1, 2`;
      try {
        for (const table of found) {
          const [row] = await sql.unsafe<{ rows: string; read: string | null }[]>(
            `select count(*)::text as rows, sum(pg_column_size(t.*))::text as read from ${identifier(table.schema)}.${identifier(table.name)} t`,
          );
          // The server's own are read too, but nobody knows them.
          if (/^pg_|^information_schema$/.test(table.schema)) continue;
          tablesRead++;
          rowsRead += Number(row?.rows ?? 0);
        }
        await sql.unsafe("create extension if not exists amcheck");
        const [indexes] = await sql<{ checked: number }[]>`
          select count(bt_index_check(i.indexrelid, true))::int as ignored, count(*)::int as checked
          from pg_index i join pg_class c on c.oid = i.indexrelid join pg_am a on a.oid = c.relam
          where a.amname = 'btree' and c.relpersistence = 'p' and i.indisready and i.indisvalid and c.relkind = 'i'`;
        indexesChecked += indexes?.checked ?? 0;
      } catch (error) {
        if (CloudError.is(error, "invalid_argument"))
          throw new CloudError("failed_precondition", `The restored database ${database} is damaged: ${error.message}`, {
            cause: error,
            details: { reason: "backup_damaged" },
          });
        throw error;
      }
    });
  }
  return `Read: ${databases.length} databases, ${tablesRead} tables with ${rowsRead} rows. Checked: ${indexesChecked} indexes.`;
}
