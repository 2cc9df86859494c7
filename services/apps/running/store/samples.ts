import type { Tx } from "../../../../kernel/db/database.ts";

export interface Sample {
  appId: string;
  process: string;
  container: number;
  organisationId: string;
  cpuPercent: number | null;
  memoryBytes: number;
}

export interface Averages {
  at: Date;
  process: string;
  /** Of the containers, on average. */
  cpuPercent: number | null;
  /** Of all containers together. */
  memoryBytes: number;
}

export const sampleStore = {
  async insert(tx: Tx, step: number, slot: number, samples: readonly Sample[]): Promise<void> {
    if (samples.length === 0) return;
    await tx.sql`insert into apps.samples ${tx.sql(
      samples.map((sample) => ({
        app_id: sample.appId,
        step,
        slot,
        process: sample.process,
        container: sample.container,
        organisation_id: sample.organisationId,
        cpu_percent: sample.cpuPercent,
        memory_bytes: Math.round(sample.memoryBytes),
      })) as never,
    )} on conflict do nothing`;
  },

  /** By process and time: of each container its average over the step, then all of them together. */
  async averages(
    tx: Tx,
    filter: { appId: string; from: Date; to: Date; stepSeconds: number; sampleStep: number },
  ): Promise<Averages[]> {
    const width = Math.max(1, Math.round(filter.stepSeconds / filter.sampleStep));
    const slotOf = (at: Date) => Math.floor(at.getTime() / 1000 / filter.sampleStep);
    return tx.sql<Averages[]>`
      select to_timestamp(place::float8 * ${width * filter.sampleStep}) as at, process, avg(cpu)::float8 as "cpuPercent", sum(memory)::float8 as "memoryBytes"
      from (
        select slot / ${width} as place, process, container, avg(cpu_percent) as cpu, avg(memory_bytes) as memory from apps.samples
        where app_id = ${filter.appId} and step = ${filter.sampleStep} and slot >= ${slotOf(filter.from)} and slot <= ${slotOf(filter.to)}
        group by 1, 2, 3
      ) each_container group by place, process order by place, process`;
  },

  /** The newest of each container since a moment. */
  latest: (
    tx: Tx,
    appId: string,
    step: number,
    since: Date,
  ): Promise<Pick<Sample, "process" | "container" | "cpuPercent" | "memoryBytes">[]> =>
    tx.sql<Pick<Sample, "process" | "container" | "cpuPercent" | "memoryBytes">[]>`
      select distinct on (process, container) process, container, cpu_percent as "cpuPercent", memory_bytes::float8 as "memoryBytes"
      from apps.samples where app_id = ${appId} and step = ${step} and slot >= ${Math.floor(since.getTime() / 1000 / step)}
      order by process, container, slot desc`,

  /** Of the processes that scale by themselves: how busy their containers were since a moment, and from how many samples that is known. */
  async load(
    tx: Tx,
    appId: string,
    process: string,
    step: number,
    since: Date,
  ): Promise<{ cpuPercent: number | null; slots: number }> {
    const [row] = await tx.sql<{ cpuPercent: number | null; slots: number }[]>`
      select avg(cpu_percent)::float8 as "cpuPercent", count(distinct slot)::int as slots from apps.samples
      where app_id = ${appId} and step = ${step} and slot >= ${Math.floor(since.getTime() / 1000 / step)} and process = ${process}
        and cpu_percent is not null`;
    return row ?? { cpuPercent: null, slots: 0 };
  },

  /** Fine samples before a moment become coarse ones; whole coarse steps only, so that repeating changes nothing. */
  async rollUp(tx: Tx, fine: number, coarse: number, before: Date): Promise<void> {
    const width = coarse / fine;
    const end = Math.floor(before.getTime() / 1000 / coarse) * width;
    await tx.sql`insert into apps.samples (app_id, step, slot, process, container, organisation_id, cpu_percent, memory_bytes)
      select app_id, ${coarse}, place, process, container, organisation_id, avg(cpu_percent), round(avg(memory_bytes)) from (
        select *, slot / ${width} as place from apps.samples where step = ${fine} and slot < ${end}
      ) older group by app_id, place, process, container, organisation_id
      on conflict do nothing`;
    await tx.sql`delete from apps.samples where step = ${fine} and slot < ${end}`;
  },

  async prune(tx: Tx, step: number, before: Date): Promise<void> {
    await tx.sql`delete from apps.samples where step = ${step} and slot < ${Math.floor(before.getTime() / 1000 / step)}`;
  },

  async remove(tx: Tx, appId: string): Promise<void> {
    await tx.sql`delete from apps.samples where app_id = ${appId}`;
  },
};
