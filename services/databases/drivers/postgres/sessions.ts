/** Who is connected. */
import { notFound } from "../../../../kernel/errors.ts";
import type { ContainerHost, SessionReport } from "../../driver.ts";
import { withSession } from "./session.ts";

const states: Record<string, SessionReport["state"]> = {
  active: "active",
  idle: "idle",
  "idle in transaction": "idle_in_transaction",
  "idle in transaction (aborted)": "idle_in_failed_transaction",
};

export const sessions = (host: ContainerHost, name: string, database: string, limit: number): Promise<SessionReport[]> =>
  withSession(host, name, { database }, async (sql) => {
    type Nullable<K extends keyof SessionReport> = { [N in K]: Exclude<SessionReport[N], undefined> | null };
    type Row = Pick<SessionReport, "pid" | "blockedBy" | "startedAt"> &
      Nullable<"user" | "application" | "address" | "waitsFor" | "query" | "queryStartedAt" | "transactionStartedAt"> & {
        state: string | null;
      };
    const rows = await sql<Row[]>`
      select pid, usename as "user", nullif(application_name, '') as application, host(client_addr) as address, state,
        case when state = 'active' and wait_event_type is not null then wait_event_type || ': ' || wait_event end as "waitsFor",
        to_json(pg_blocking_pids(pid)) as "blockedBy", nullif(left(query, 4000), '') as query, backend_start as "startedAt",
        query_start as "queryStartedAt", xact_start as "transactionStartedAt"
      from pg_stat_activity
      where datname = current_database() and backend_type = 'client backend' and usename <> 'postgres' and pid <> pg_backend_pid()
      order by state = 'active' desc, xact_start nulls last, query_start limit ${limit}`;
    return rows.map((row) => ({
      pid: row.pid,
      user: row.user ?? undefined,
      application: row.application ?? undefined,
      address: row.address ?? undefined,
      state: states[row.state ?? ""] ?? "other",
      waitsFor: row.waitsFor ?? undefined,
      blockedBy: row.blockedBy,
      query: row.query ?? undefined,
      startedAt: row.startedAt,
      queryStartedAt: row.queryStartedAt ?? undefined,
      transactionStartedAt: row.transactionStartedAt ?? undefined,
    }));
  });

export const sessionEnd = (host: ContainerHost, name: string, database: string, pid: number): Promise<void> =>
  withSession(host, name, { database }, async (sql) => {
    const [row] = await sql`
      select pg_terminate_backend(pid) from pg_stat_activity
      where pid = ${pid} and datname = current_database() and backend_type = 'client backend' and usename <> 'postgres'`;
    if (!row) throw notFound("session");
  });
