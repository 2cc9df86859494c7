import type { Tx } from "../../../kernel/db/database.ts";

export interface Sample {
  databaseId: string;
  organisationId: string;
  cpuPercent: number | null;
  memoryBytes: number;
  diskBytes: number | null;
  connections: number;
  transactionsPerSecond: number | null;
}
export type Averages = Omit<Sample, "databaseId" | "organisationId"> & { at: Date };

export const sampleStore = {
  /** Of a database that was deleted in between nothing is kept. */
  async insert(tx: Tx, step: number, slot: number, sample: Sample): Promise<void> {
    await tx.sql`
      insert into databases.samples (database_id, step, slot, organisation_id, cpu_percent, memory_bytes, disk_bytes, connections, transactions_per_second)
      select id, ${step}, ${slot}, organisation_id, ${sample.cpuPercent}, ${Math.round(sample.memoryBytes)}, ${sample.diskBytes},
        ${sample.connections}, ${sample.transactionsPerSecond} from databases.databases where id = ${sample.databaseId}
      on conflict do nothing`;
  },

  async averages(
    tx: Tx,
    filter: { databaseId: string; from: Date; to: Date; stepSeconds: number; sampleStep: number },
  ): Promise<Averages[]> {
    const width = Math.max(1, Math.round(filter.stepSeconds / filter.sampleStep));
    const slotOf = (at: Date) => Math.floor(at.getTime() / 1000 / filter.sampleStep);
    return tx.sql<Averages[]>`
      select to_timestamp((slot / ${width})::float8 * ${width * filter.sampleStep}) as at, avg(cpu_percent)::float8 as "cpuPercent",
        avg(memory_bytes)::float8 as "memoryBytes", avg(disk_bytes)::float8 as "diskBytes", avg(connections)::float8 as connections,
        avg(transactions_per_second)::float8 as "transactionsPerSecond"
      from databases.samples
      where database_id = ${filter.databaseId} and step = ${filter.sampleStep} and slot >= ${slotOf(filter.from)} and slot <= ${slotOf(filter.to)}
      group by 1 order by 1`;
  },

  /** Fine samples before a moment become coarse ones; whole coarse steps only, so that repeating changes nothing. */
  async rollUp(tx: Tx, fine: number, coarse: number, before: Date): Promise<void> {
    const width = coarse / fine;
    const end = Math.floor(before.getTime() / 1000 / coarse) * width;
    await tx.sql`
      insert into databases.samples (database_id, step, slot, organisation_id, cpu_percent, memory_bytes, disk_bytes, connections, transactions_per_second)
      select database_id, ${coarse}, slot / ${width}, organisation_id, avg(cpu_percent), round(avg(memory_bytes)), round(avg(disk_bytes)),
        avg(connections), avg(transactions_per_second)
      from databases.samples where step = ${fine} and slot < ${end} group by 1, 3, 4
      on conflict do nothing`;
    await tx.sql`delete from databases.samples where step = ${fine} and slot < ${end}`;
  },

  async prune(tx: Tx, step: number, before: Date): Promise<void> {
    await tx.sql`delete from databases.samples where step = ${step} and slot < ${Math.floor(before.getTime() / 1000 / step)}`;
  },
};
