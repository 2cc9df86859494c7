import type { Tx } from "../../../../kernel/db/database.ts";

/** A job that has tasks to begin, as the scheduler weighs it. */
export interface WaitingJob {
  id: string;
  organisationId: string;
  projectId: string;
  name: string;
  priority: number;
  vcpus: number;
  memoryBytes: number;
  parallel: number | null;
  atWork: number;
  stateReason: string | null;
  crowdedOutSince: Date | null;
}

export interface SettingsRow {
  vcpuPercent: number;
  memoryPercent: number;
  vcpus: number | null;
  memoryBytes: number | null;
  revision: number;
}

const settingsColumns = `vcpu_percent as "vcpuPercent", memory_percent as "memoryPercent", vcpus, memory_bytes as "memoryBytes", revision`;

export const queueStore = {
  /** In the order of each project: by priority, then age. Only those with a task whose time has come. */
  waiting: (tx: Tx): Promise<WaitingJob[]> => tx.sql<WaitingJob[]>`
    select id, organisation_id as "organisationId", project_id as "projectId", name, priority, vcpus, memory_bytes as "memoryBytes", parallel,
      starting + running + uploading as "atWork", state_reason as "stateReason", crowded_out_since as "crowdedOutSince"
    from compute.jobs j where queued > 0 and state in ('queued', 'running') and exists (select 1 from compute.tasks t
      where t.job_id = j.id and t.state = 'queued' and (t.waits_until is null or t.waits_until <= now()))
    order by priority desc, id`,

  /** What the tasks of each project hold. `freshMemoryBytes` is the memory of those that have hardly begun, and so have not taken it yet. */
  held: (
    tx: Tx,
  ): Promise<{ projectId: string; tasks: number; vcpus: number; memoryBytes: number; freshMemoryBytes: number }[]> => tx.sql<
    { projectId: string; tasks: number; vcpus: number; memoryBytes: number; freshMemoryBytes: number }[]
  >`
    select t.project_id as "projectId", count(*) as tasks, sum(j.vcpus)::bigint as vcpus, sum(j.memory_bytes)::bigint as "memoryBytes",
      coalesce(sum(j.memory_bytes) filter (where t.started_at > now() - interval '30 seconds'), 0)::bigint as "freshMemoryBytes"
    from compute.tasks t join compute.jobs j on j.id = t.job_id
    where t.state in ('starting', 'running', 'uploading') group by t.project_id`,

  async settings(tx: Tx, options: { lock?: boolean } = {}): Promise<SettingsRow> {
    const [row] = await tx.sql<SettingsRow[]>`select ${tx.sql.unsafe(settingsColumns)} from compute.job_settings
      ${options.lock ? tx.sql`for update` : tx.sql``}`;
    return row as SettingsRow;
  },
  async updateSettings(
    tx: Tx,
    change: { vcpuPercent?: number | undefined; memoryPercent?: number | undefined },
  ): Promise<SettingsRow> {
    const [row] = await tx.sql<
      SettingsRow[]
    >`update compute.job_settings set vcpu_percent = coalesce(${change.vcpuPercent ?? null}, vcpu_percent),
      memory_percent = coalesce(${change.memoryPercent ?? null}, memory_percent), revision = revision + 1
      returning ${tx.sql.unsafe(settingsColumns)}`;
    return row as SettingsRow;
  },
  async noteEngine(tx: Tx, vcpus: number, memoryBytes: number): Promise<void> {
    await tx.sql`update compute.job_settings set vcpus = ${vcpus}, memory_bytes = ${memoryBytes}
      where vcpus is distinct from ${vcpus} or memory_bytes is distinct from ${memoryBytes}`;
  },
  async totals(tx: Tx): Promise<{ queued: number; atWork: number; vcpus: number; memoryBytes: number }> {
    const [row] = await tx.sql<{ queued: number; atWork: number; vcpus: number; memoryBytes: number }[]>`
      select coalesce(sum(queued), 0)::bigint as queued, coalesce(sum(starting + running + uploading), 0)::bigint as "atWork",
        coalesce(sum((starting + running + uploading) * vcpus), 0)::bigint as vcpus,
        coalesce(sum((starting + running + uploading) * memory_bytes), 0)::bigint as "memoryBytes"
      from compute.jobs where state in ('queued', 'running', 'cancelling')`;
    return row as never;
  },
};
