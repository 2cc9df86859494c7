import type { Tx } from "../../../../kernel/db/database.ts";

export interface ProcessRow {
  appId: string;
  name: string;
  organisationId: string;
  projectId: string;
  command: string | null;
  inRelease: boolean;
  count: number;
  memoryBytes: number;
  cpus: number;
  autoscaleMinimum: number | null;
  autoscaleMaximum: number | null;
  autoscaleCpuPercent: number | null;
  scaledAt: Date | null;
  revision: number;
}

const columns = `app_id as "appId", name, organisation_id as "organisationId", project_id as "projectId", command, in_release as "inRelease", count,
  memory_bytes as "memoryBytes", cpus, autoscale_minimum as "autoscaleMinimum", autoscale_maximum as "autoscaleMaximum",
  autoscale_cpu_percent as "autoscaleCpuPercent", scaled_at as "scaledAt", revision`;

export type ProcessChange = Partial<
  Pick<
    ProcessRow,
    | "command"
    | "inRelease"
    | "count"
    | "memoryBytes"
    | "cpus"
    | "autoscaleMinimum"
    | "autoscaleMaximum"
    | "autoscaleCpuPercent"
    | "scaledAt"
  >
>;

const names: Record<keyof ProcessChange, string> = {
  command: "command",
  inRelease: "in_release",
  count: "count",
  memoryBytes: "memory_bytes",
  cpus: "cpus",
  autoscaleMinimum: "autoscale_minimum",
  autoscaleMaximum: "autoscale_maximum",
  autoscaleCpuPercent: "autoscale_cpu_percent",
  scaledAt: "scaled_at",
};

export const processStore = {
  /** All rows of an app, those too that its newest release has not. `lock`: changes of an app's processes line up. */
  async ofApp(tx: Tx, appId: string, options: { lock?: boolean } = {}): Promise<ProcessRow[]> {
    return tx.sql<ProcessRow[]>`select ${tx.sql.unsafe(columns)} from apps.processes where app_id = ${appId} order by name
      ${options.lock ? tx.sql`for update` : tx.sql``}`;
  },

  ofApps: (tx: Tx, appIds: readonly string[]): Promise<ProcessRow[]> =>
    tx.sql<ProcessRow[]>`select ${tx.sql.unsafe(columns)} from apps.processes
      where app_id = any (${appIds as string[]}::text[]) and in_release order by app_id, name`,

  page: (tx: Tx, filter: { appId: string; after?: string | undefined; limit: number }): Promise<ProcessRow[]> =>
    tx.sql<ProcessRow[]>`select ${tx.sql.unsafe(columns)} from apps.processes where app_id = ${filter.appId} and in_release
      ${filter.after === undefined ? tx.sql`` : tx.sql`and name > ${filter.after}`} order by name limit ${filter.limit}`,

  /** Those that scale by themselves, of the whole cloud. */
  autoscaled: (tx: Tx): Promise<ProcessRow[]> =>
    tx.sql<ProcessRow[]>`select ${tx.sql.unsafe(columns)} from apps.processes
      where in_release and autoscale_minimum is not null order by app_id, name`,

  async insert(
    tx: Tx,
    row: Pick<ProcessRow, "appId" | "name" | "organisationId" | "projectId" | "command" | "count" | "memoryBytes" | "cpus">,
  ): Promise<void> {
    await tx.sql`insert into apps.processes (app_id, name, organisation_id, project_id, command, count, memory_bytes, cpus)
      values (${row.appId}, ${row.name}, ${row.organisationId}, ${row.projectId}, ${row.command}, ${row.count}, ${row.memoryBytes}, ${row.cpus})`;
  },

  async update(tx: Tx, appId: string, name: string, change: ProcessChange): Promise<ProcessRow> {
    const values = Object.fromEntries(
      Object.entries(change).map(([field, value]) => [names[field as keyof ProcessChange], value]),
    );
    const [row] = await tx.sql<ProcessRow[]>`update apps.processes set ${tx.sql(values as never)}, revision = revision + 1
      where app_id = ${appId} and name = ${name} returning ${tx.sql.unsafe(columns)}`;
    return row as ProcessRow;
  },

  async remove(tx: Tx, appId: string): Promise<void> {
    await tx.sql`delete from apps.processes where app_id = ${appId}`;
  },

  /** What there is of everything, for /metrics. */
  async totals(tx: Tx): Promise<{ containers: number; healthy: number; memoryBytes: number }> {
    const [row] = await tx.sql<{ containers: number; healthy: number; memoryBytes: number }[]>`
      select count(*)::int as containers, count(*) filter (where state = 'healthy')::int as healthy,
        coalesce(sum(memory_bytes), 0)::float8 as "memoryBytes" from apps.containers`;
    return row ?? { containers: 0, healthy: 0, memoryBytes: 0 };
  },
};
