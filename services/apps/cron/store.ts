import type { Actor } from "../../../kernel/contract.ts";
import type { Tx } from "../../../kernel/db/database.ts";
import type { Id } from "../../../kernel/ids.ts";
import type { CronJob, CronRun } from "./contract.ts";

export interface JobRow {
  id: Id<"cronJob">;
  appId: Id<"app">;
  organisationId: string;
  projectId: Id<"project">;
  name: string;
  origin: CronJob["origin"];
  schedule: string;
  timeZone: string;
  command: string;
  timeoutSeconds: number;
  concurrency: CronJob["concurrency"];
  paused: boolean;
  nextAt: Date | null;
  createdAt: Date;
  revision: number;
}

export interface RunRow {
  id: Id<"cronRun">;
  jobId: Id<"cronJob">;
  appId: Id<"app">;
  organisationId: string;
  projectId: string;
  state: CronRun["state"];
  startedBy: Actor | null;
  dueAt: Date;
  releaseId: string | null;
  releaseNumber: number | null;
  engineName: string | null;
  startedAt: Date | null;
  finishedAt: Date | null;
  exitCode: number | null;
  reason: string | null;
  cancelAsked: boolean;
}

const jobColumns = `j.id, j.app_id as "appId", j.organisation_id as "organisationId", j.project_id as "projectId", j.name, j.origin, j.schedule,
  j.time_zone as "timeZone", j.command, j.timeout_seconds as "timeoutSeconds", j.concurrency, j.paused, j.next_at as "nextAt", j.created_at as "createdAt",
  j.revision`;
const runColumns = `r.id, r.job_id as "jobId", r.app_id as "appId", r.organisation_id as "organisationId", r.project_id as "projectId", r.state,
  r.started_by as "startedBy", r.due_at as "dueAt", r.release_id as "releaseId", r.release_number as "releaseNumber", r.engine_name as "engineName",
  r.started_at as "startedAt", r.finished_at as "finishedAt", r.exit_code as "exitCode", r.reason, r.cancel_asked as "cancelAsked"`;

export const jobStore = {
  async find(tx: Tx, id: string, options: { lock?: boolean } = {}): Promise<JobRow | undefined> {
    const [row] = await tx.sql<JobRow[]>`select ${tx.sql.unsafe(jobColumns)} from apps.cron_jobs j where j.id = ${id}
      ${options.lock ? tx.sql`for update` : tx.sql``}`;
    return row;
  },

  /** By name. */
  ofApp: (tx: Tx, appId: string, page: { after?: string | undefined; limit?: number } = {}): Promise<JobRow[]> => tx.sql<
    JobRow[]
  >`
    select ${tx.sql.unsafe(jobColumns)} from apps.cron_jobs j where j.app_id = ${appId}
      ${page.after === undefined ? tx.sql`` : tx.sql`and j.name > ${page.after}`}
    order by j.name ${page.limit === undefined ? tx.sql`` : tx.sql`limit ${page.limit}`}`,

  /** False when the app has one of this name. */
  async insert(tx: Tx, row: JobRow): Promise<boolean> {
    const rows = await tx.sql`
      insert into apps.cron_jobs (id, app_id, organisation_id, project_id, name, origin, schedule, time_zone, command, timeout_seconds, concurrency, paused,
        next_at, created_at)
      values (${row.id}, ${row.appId}, ${row.organisationId}, ${row.projectId}, ${row.name}, ${row.origin}, ${row.schedule}, ${row.timeZone}, ${row.command},
        ${row.timeoutSeconds}, ${row.concurrency}, ${row.paused}, ${row.nextAt}, ${row.createdAt})
      on conflict do nothing returning id`;
    return rows.length > 0;
  },

  async update(tx: Tx, row: JobRow): Promise<void> {
    await tx.sql`update apps.cron_jobs set origin = ${row.origin}, schedule = ${row.schedule}, time_zone = ${row.timeZone}, command = ${row.command},
      timeout_seconds = ${row.timeoutSeconds}, concurrency = ${row.concurrency}, paused = ${row.paused}, next_at = ${row.nextAt}, revision = revision + 1
      where id = ${row.id}`;
  },

  async setNext(tx: Tx, id: string, nextAt: Date | null): Promise<void> {
    await tx.sql`update apps.cron_jobs set next_at = ${nextAt} where id = ${id}`;
  },

  /** With its runs. A container that still runs is left to whoever clears away commands that nobody looks after. */
  async delete(tx: Tx, id: string): Promise<void> {
    await tx.sql`update apps.one_offs set kind = 'run' where engine_name in
      (select engine_name from apps.cron_runs where job_id = ${id} and finished_at is null)`;
    await tx.sql`delete from apps.cron_jobs where id = ${id}`;
  },

  due: async (tx: Tx, now: Date, limit: number): Promise<{ id: string; appId: string }[]> => tx.sql<
    { id: string; appId: string }[]
  >`
    select id, app_id as "appId" from apps.cron_jobs where next_at <= ${now} order by next_at limit ${limit}`,
};

export const runStore = {
  async find(tx: Tx, id: string, options: { lock?: boolean } = {}): Promise<RunRow | undefined> {
    const [row] = await tx.sql<RunRow[]>`select ${tx.sql.unsafe(runColumns)} from apps.cron_runs r where r.id = ${id}
      ${options.lock ? tx.sql`for update` : tx.sql``}`;
    return row;
  },

  /** Newest first. */
  page: (tx: Tx, filter: { jobId: string; below?: string | undefined; limit: number }): Promise<RunRow[]> => tx.sql<RunRow[]>`
    select ${tx.sql.unsafe(runColumns)} from apps.cron_runs r where r.job_id = ${filter.jobId}
      ${filter.below === undefined ? tx.sql`` : tx.sql`and r.id < ${filter.below}`} order by r.id desc limit ${filter.limit}`,

  last: (tx: Tx, jobIds: readonly string[]): Promise<RunRow[]> => tx.sql<RunRow[]>`
    select distinct on (r.job_id) ${tx.sql.unsafe(runColumns)} from apps.cron_runs r where r.job_id = any (${jobIds as string[]}::text[])
    order by r.job_id, r.id desc`,

  /** False when what came due then has a run already. */
  async insert(tx: Tx, row: RunRow): Promise<boolean> {
    const rows = await tx.sql`
      insert into apps.cron_runs (id, job_id, app_id, organisation_id, project_id, state, started_by, due_at, release_id, release_number, engine_name,
        finished_at, reason)
      values (${row.id}, ${row.jobId}, ${row.appId}, ${row.organisationId}, ${row.projectId}, ${row.state},
        ${row.startedBy === null ? null : tx.sql.json(row.startedBy as never)}, ${row.dueAt}, ${row.releaseId}, ${row.releaseNumber}, ${row.engineName},
        ${row.finishedAt}, ${row.reason})
      on conflict do nothing returning id`;
    return rows.length > 0;
  },

  async isRunning(tx: Tx, jobId: string): Promise<boolean> {
    return (await tx.sql`select 1 from apps.cron_runs where job_id = ${jobId} and finished_at is null limit 1`).length > 0;
  },

  unfinished: (tx: Tx): Promise<RunRow[]> => tx.sql<RunRow[]>`
    select ${tx.sql.unsafe(runColumns)} from apps.cron_runs r where r.finished_at is null order by r.id limit 500`,

  async started(tx: Tx, id: string, at: Date): Promise<void> {
    await tx.sql`update apps.cron_runs set state = 'running', started_at = coalesce(started_at, ${at}) where id = ${id} and finished_at is null`;
  },

  async askCancel(tx: Tx, id: string): Promise<void> {
    await tx.sql`update apps.cron_runs set cancel_asked = true where id = ${id} and finished_at is null`;
  },

  async finish(
    tx: Tx,
    id: string,
    end: {
      state: RunRow["state"];
      at: Date;
      exitCode?: number | undefined;
      reason?: string | undefined;
      output: string;
      truncated: boolean;
    },
  ): Promise<void> {
    await tx.sql`update apps.cron_runs set state = ${end.state}, finished_at = ${end.at}, exit_code = ${end.exitCode ?? null},
      reason = ${end.reason ?? null}, output = ${end.output}, truncated = ${end.truncated} where id = ${id} and finished_at is null`;
  },

  async output(tx: Tx, id: string): Promise<{ output: string; truncated: boolean } | undefined> {
    const [row] = await tx.sql<
      { output: string; truncated: boolean }[]
    >`select output, truncated from apps.cron_runs where id = ${id}`;
    return row;
  },

  /** All but the newest. */
  async forget(tx: Tx, jobId: string, keep: number): Promise<void> {
    await tx.sql`delete from apps.cron_runs where job_id = ${jobId} and finished_at is not null and id not in
      (select id from apps.cron_runs where job_id = ${jobId} order by id desc limit ${keep})`;
  },
};
