import type { Tx } from "../../../../kernel/db/database.ts";
import type { MetricStep } from "../contract.ts";

/** The values of a point, in the order of the columns. */
export const valueNames = [
  "cpuPercent",
  "memoryBytes",
  "memoryPercent",
  "diskBytes",
  "diskPercent",
  "receivedPerSecond",
  "sentPerSecond",
  "processes",
] as const;
export type ValueName = (typeof valueNames)[number];
export type Values = Record<ValueName, number | null>;

export interface Counters {
  cpuSeconds: number | null;
  receivedBytes: number | null;
  sentBytes: number | null;
}
export interface Limits {
  cpus: number | null;
  memoryLimitBytes: number | null;
  diskLimitBytes: number | null;
}

/** One series with what was seen of it last. */
export interface SeriesRow extends Values, Counters, Limits {
  id: number;
  key: string;
  at: Date;
}
export interface Sample extends Values, Counters, Limits {
  key: string;
  organisationId: string | null;
}
export type SlotRow = Values & { slot: number };

/** A slot is ten seconds long. */
export const slotSeconds = 10;

const valueColumns = [
  "cpu_percent",
  "memory_bytes",
  "memory_percent",
  "disk_bytes",
  "disk_percent",
  "received_per_second",
  "sent_per_second",
  "processes",
] as const;
// As doubles: the text of a `real` has too few digits for what it holds.
const named = valueColumns.map((column, index) => `${column}::double precision as "${valueNames[index]}"`).join(", ");
const means = valueColumns.map((column, index) => `avg(${column}) as "${valueNames[index]}"`).join(", ");
const listed = valueColumns.join(", ");

export interface MeasuredInstance {
  id: string;
  organisationId: string;
  projectId: string;
  name: string;
  engineName: string;
  state: string;
  member: string | null;
  vcpus: number;
  memoryBytes: number;
  diskBytes: number;
  labels: Record<string, string>;
  hidden: boolean;
}

export const metricStore = {
  /** Whatever may be running or should be, the hidden instances of jobs too. */
  instances: (tx: Tx): Promise<MeasuredInstance[]> => tx.sql<MeasuredInstance[]>`
    select id, organisation_id as "organisationId", project_id as "projectId", name, engine_name as "engineName", state, member, vcpus,
      memory_bytes as "memoryBytes", disk_bytes as "diskBytes", labels, hidden from compute.instances where state not in ('creating', 'deleting')`,

  /** Takes a slot: false when it was taken before, by another process perhaps. */
  async takeSlot(tx: Tx, slot: number): Promise<boolean> {
    const rows =
      await tx.sql`update compute.metric_progress set slot = ${slot} where step = ${slotSeconds} and slot < ${slot} returning 1`;
    return rows.length > 0;
  },

  /** Of everything, as it was seen last. */
  allSeries: (tx: Tx): Promise<SeriesRow[]> => tx.sql<SeriesRow[]>`
    select id, key, at, cpu_seconds as "cpuSeconds", received_bytes as "receivedBytes", sent_bytes as "sentBytes", ${tx.sql.unsafe(named)},
      cpus, memory_limit_bytes as "memoryLimitBytes", disk_limit_bytes as "diskLimitBytes" from compute.metric_series`,

  async series(tx: Tx, key: string): Promise<SeriesRow | undefined> {
    const [row] = await tx.sql<SeriesRow[]>`
      select id, key, at, cpu_seconds as "cpuSeconds", received_bytes as "receivedBytes", sent_bytes as "sentBytes", ${tx.sql.unsafe(named)},
        cpus, memory_limit_bytes as "memoryLimitBytes", disk_limit_bytes as "diskLimitBytes" from compute.metric_series where key = ${key}`;
    return row;
  },

  /** Writes one round of samples: the latest values, and a row in the finest step. */
  async write(tx: Tx, slot: number, at: Date, samples: readonly Sample[], known: ReadonlyMap<string, number>): Promise<void> {
    if (samples.length === 0) return;
    const column = <T>(of: (sample: Sample) => T) => samples.map(of);
    const missing = samples.filter(({ key }) => !known.has(key));
    const ids = new Map(known);
    if (missing.length > 0) {
      const rows = await tx.sql<{ id: number; key: string }[]>`insert into compute.metric_series (key, organisation_id, at)
        select new.key, new.organisation_id, ${at} from unnest(${missing.map(({ key }) => key)}::text[],
          ${missing.map(({ organisationId }) => organisationId)}::text[]) as new (key, organisation_id)
        on conflict (key) do update set at = excluded.at returning id, key`;
      for (const { id, key } of rows) ids.set(key, id);
    }
    await tx.sql`
      with seen as (
        select * from unnest(${column(({ key }) => ids.get(key) as number)}::integer[],
          ${column(({ cpuSeconds }) => cpuSeconds)}::double precision[], ${column(({ receivedBytes }) => receivedBytes)}::double precision[],
          ${column(({ sentBytes }) => sentBytes)}::double precision[], ${column(({ cpuPercent }) => cpuPercent)}::real[],
          ${column(({ memoryBytes }) => memoryBytes)}::real[], ${column(({ memoryPercent }) => memoryPercent)}::real[],
          ${column(({ diskBytes }) => diskBytes)}::real[], ${column(({ diskPercent }) => diskPercent)}::real[],
          ${column(({ receivedPerSecond }) => receivedPerSecond)}::real[], ${column(({ sentPerSecond }) => sentPerSecond)}::real[],
          ${column(({ processes }) => processes)}::real[], ${column(({ cpus }) => cpus)}::real[],
          ${column(({ memoryLimitBytes }) => memoryLimitBytes)}::bigint[], ${column(({ diskLimitBytes }) => diskLimitBytes)}::bigint[])
          as seen (id, cpu_seconds, received_bytes, sent_bytes, ${tx.sql.unsafe(listed)}, cpus, memory_limit_bytes, disk_limit_bytes)
      ), latest as (
        update compute.metric_series s set at = ${at}, cpu_seconds = seen.cpu_seconds, received_bytes = seen.received_bytes,
          sent_bytes = seen.sent_bytes, cpu_percent = seen.cpu_percent, memory_bytes = seen.memory_bytes, memory_percent = seen.memory_percent,
          disk_bytes = seen.disk_bytes, disk_percent = seen.disk_percent, received_per_second = seen.received_per_second,
          sent_per_second = seen.sent_per_second, processes = seen.processes, cpus = seen.cpus, memory_limit_bytes = seen.memory_limit_bytes,
          disk_limit_bytes = seen.disk_limit_bytes
        from seen where s.id = seen.id
      )
      insert into compute.metrics_10 (series, slot, ${tx.sql.unsafe(listed)}) select id, ${slot}, ${tx.sql.unsafe(listed)} from seen
      on conflict do nothing`;
  },

  async progress(tx: Tx): Promise<Map<number, number>> {
    const rows = await tx.sql<{ step: number; slot: number }[]>`select step, slot from compute.metric_progress`;
    return new Map(rows.map(({ step, slot }) => [step, slot]));
  },

  /** Means of a finer step, from where the coarser one was done up to a slot (that one not); repeated it comes out the same. */
  async rollUp(tx: Tx, step: MetricStep, finer: MetricStep, from: number, to: number): Promise<void> {
    const width = step / slotSeconds;
    await tx.sql`insert into ${tx.sql.unsafe(`compute.metrics_${step}`)} (series, slot, ${tx.sql.unsafe(listed)})
      select series, slot - slot % ${width}, ${tx.sql.unsafe(means)} from ${tx.sql.unsafe(`compute.metrics_${finer}`)}
      where slot >= ${from} and slot < ${to} group by 1, 2
      on conflict do nothing`;
    await tx.sql`update compute.metric_progress set slot = ${to} where step = ${step}`;
  },

  /** Deletes what is older than it is kept, a bounded number of rows. */
  async prune(tx: Tx, step: MetricStep, before: number, limit: number): Promise<number> {
    const table = tx.sql.unsafe(`compute.metrics_${step}`);
    const rows = await tx.sql`delete from ${table} where ctid = any (array(
      select ctid from ${table} where slot < ${before} limit ${limit})) returning 1`;
    return rows.length;
  },

  /** The points of one series; slots from `from` on, before `to`. What the step has not reached yet is made of the finest. */
  async points(tx: Tx, series: number, step: MetricStep, range: { from: number; to: number; done: number }): Promise<SlotRow[]> {
    const { from, to, done } = range;
    const width = step / slotSeconds;
    const rows =
      step === slotSeconds
        ? []
        : await tx.sql<SlotRow[]>`select slot, ${tx.sql.unsafe(named)} from ${tx.sql.unsafe(`compute.metrics_${step}`)}
      where series = ${series} and slot >= ${from} and slot < ${Math.min(to, done)} order by slot`;
    const rest = step === slotSeconds ? from : Math.max(from, done);
    if (rest >= to) return [...rows];
    const fine = await tx.sql<SlotRow[]>`select slot - slot % ${width} as slot, ${tx.sql.unsafe(means)} from compute.metrics_10
      where series = ${series} and slot >= ${rest} and slot < ${to} group by 1 order by 1`;
    return [...rows, ...fine];
  },

  /** The latest values of the instances of a project, by name. */
  latest: (
    tx: Tx,
    filter: { projectId: string; after?: string | undefined; limit: number },
  ): Promise<(Values & { instanceId: string; name: string; state: string; at: Date | null })[]> => tx.sql<
    (Values & { instanceId: string; name: string; state: string; at: Date | null })[]
  >`
    select i.id as "instanceId", i.name, i.state, s.at, ${tx.sql.unsafe(
      valueColumns.map((each, index) => `s.${each}::double precision as "${valueNames[index]}"`).join(", "),
    )} from compute.instances i
      left join compute.metric_series s on s.key = i.id and s.at > now() - interval '1 minute' and i.state in ('running', 'frozen')
    where i.project_id = ${filter.projectId} and not i.hidden ${filter.after === undefined ? tx.sql`` : tx.sql`and i.name > ${filter.after}`}
    order by i.name limit ${filter.limit}`,

  /** Series of instances that are gone, and members that were not seen for a year. */
  async orphans(tx: Tx, limit: number): Promise<{ id: number; key: string }[]> {
    return tx.sql<{ id: number; key: string }[]>`select id, key from compute.metric_series s where
      (key like 'ins\\_%' and not exists (select 1 from compute.instances i where i.id = s.key)) or at < now() - interval '366 days'
      limit ${limit}`;
  },
  async forget(tx: Tx, series: readonly number[]): Promise<void> {
    for (const step of [10, 60, 900, 3600])
      await tx.sql`delete from ${tx.sql.unsafe(`compute.metrics_${step}`)} where series = any (${series as number[]}::integer[])`;
    await tx.sql`delete from compute.metric_series where id = any (${series as number[]}::integer[])`;
  },
};
