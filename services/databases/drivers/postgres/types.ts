import type { ContainerHost } from "../../driver.ts";
import { withSession } from "./session.ts";

/** PostgreSQL's own most usual ones (pg_type.dat), for which nobody has to be asked. */
const known: ReadonlyMap<number, string> = new Map([
  [16, "boolean"],
  [17, "bytea"],
  [19, "name"],
  [20, "bigint"],
  [21, "smallint"],
  [23, "integer"],
  [25, "text"],
  [26, "oid"],
  [114, "json"],
  [700, "real"],
  [701, "double precision"],
  [1042, "character"],
  [1043, "character varying"],
  [1082, "date"],
  [1083, "time without time zone"],
  [1114, "timestamp without time zone"],
  [1184, "timestamp with time zone"],
  [1186, "interval"],
  [1700, "numeric"],
  [2950, "uuid"],
  [3802, "jsonb"],
]);

/** What types are called. */
export async function typeNames(
  host: ContainerHost,
  name: string,
  database: string,
  oids: ReadonlySet<number>,
): Promise<ReadonlyMap<number, string>> {
  const unknown = [...oids].filter((oid) => !known.has(oid));
  if (unknown.length === 0) return known;
  const rows = await withSession(
    host,
    name,
    { database },
    (sql) => sql<{ oid: number; type: string }[]>`
      select oid::int as oid, format_type(oid, null) as type from pg_type where oid in ${sql(unknown)}`,
  );
  return new Map([...known, ...rows.map(({ oid, type }) => [oid, type] as const)]);
}
