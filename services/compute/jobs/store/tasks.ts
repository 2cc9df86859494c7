import type { Tx } from "../../../../kernel/db/database.ts";
import type { Id } from "../../../../kernel/ids.ts";
import type { TaskState } from "../contract.ts";

/** How a past attempt went, as it is kept. */
export interface AttemptRecord {
  attempt: number;
  outcome: "succeeded" | "failed" | "timed_out" | "cancelled" | "interrupted";
  exitCode?: number | undefined;
  reason?: string | undefined;
  startedAt: string;
  runningAt?: string | undefined;
  finishedAt: string;
}

export interface TaskRow {
  id: Id<"task">;
  organisationId: Id<"organisation">;
  projectId: Id<"project">;
  jobId: Id<"job">;
  index: number;
  state: TaskState;
  stateReason: string | null;
  attempt: number;
  retriesUsed: number;
  interruptions: number;
  exitCode: number | null;
  logBytes: number;
  logTruncated: boolean;
  outputObjects: number;
  outputBytes: number;
  attempts: AttemptRecord[];
  waitsUntil: Date | null;
  instanceId: Id<"instance"> | null;
  operationId: Id<"operation"> | null;
  cancelRequested: boolean;
  leaseOwner: string | null;
  leaseUntil: Date | null;
  createdAt: Date;
  startedAt: Date | null;
  runningAt: Date | null;
  finishedAt: Date | null;
}

const columns = `id, organisation_id as "organisationId", project_id as "projectId", job_id as "jobId", index, state, state_reason as "stateReason",
  attempt, retries_used as "retriesUsed", interruptions, exit_code as "exitCode", log_bytes as "logBytes", log_truncated as "logTruncated",
  output_objects as "outputObjects", output_bytes as "outputBytes", attempts, waits_until as "waitsUntil", instance_id as "instanceId",
  operation_id as "operationId", cancel_requested as "cancelRequested", lease_owner as "leaseOwner", lease_until as "leaseUntil", created_at as "createdAt",
  started_at as "startedAt", running_at as "runningAt", finished_at as "finishedAt"`;

const changeable = {
  state: "state",
  stateReason: "state_reason",
  attempt: "attempt",
  retriesUsed: "retries_used",
  interruptions: "interruptions",
  exitCode: "exit_code",
  logBytes: "log_bytes",
  logTruncated: "log_truncated",
  outputObjects: "output_objects",
  outputBytes: "output_bytes",
  attempts: "attempts",
  waitsUntil: "waits_until",
  instanceId: "instance_id",
  operationId: "operation_id",
  leaseOwner: "lease_owner",
  leaseUntil: "lease_until",
  startedAt: "started_at",
  runningAt: "running_at",
  finishedAt: "finished_at",
} as const satisfies Partial<Record<keyof TaskRow, string>>;
export type TaskChange = Partial<Pick<TaskRow, keyof typeof changeable>>;

const active = ["starting", "running", "uploading"] as const;

/** How long a process may be silent until another one looks after its tasks. */
export const leaseSeconds = 15;

export const taskStore = {
  async find(tx: Tx, id: string, options: { lock?: boolean } = {}): Promise<TaskRow | undefined> {
    const [row] = await tx.sql<TaskRow[]>`select ${tx.sql.unsafe(columns)} from compute.tasks where id = ${id}
      ${options.lock ? tx.sql`for update` : tx.sql``}`;
    return row;
  },

  async update(tx: Tx, id: string, change: TaskChange): Promise<TaskRow> {
    const values = Object.fromEntries(
      Object.entries(change).map(([field, value]) => [
        changeable[field as keyof TaskChange],
        field === "attempts" ? tx.sql.json(value as never) : value,
      ]),
    );
    const [row] = await tx.sql<TaskRow[]>`update compute.tasks set ${tx.sql(values as never)}
      where id = ${id} returning ${tx.sql.unsafe(columns)}`;
    return row as TaskRow;
  },

  page: (
    tx: Tx,
    filter: { jobId: string; state?: TaskState | undefined; after?: number | undefined; limit: number },
  ): Promise<TaskRow[]> => tx.sql<TaskRow[]>`
    select ${tx.sql.unsafe(columns)} from compute.tasks where job_id = ${filter.jobId}
      ${filter.state === undefined ? tx.sql`` : tx.sql`and state = ${filter.state}`}
      ${filter.after === undefined ? tx.sql`` : tx.sql`and index > ${filter.after}`}
    order by index limit ${filter.limit}`,

  /** The next one of a job whose time has come. */
  async takeQueued(tx: Tx, jobId: string): Promise<TaskRow | undefined> {
    const [row] = await tx.sql<TaskRow[]>`select ${tx.sql.unsafe(columns)} from compute.tasks
      where job_id = ${jobId} and state = 'queued' and (waits_until is null or waits_until <= now())
      order by index limit 1 for update skip locked`;
    return row;
  },

  /** None of them is begun any more: how many they were. */
  async cancelQueued(tx: Tx, jobId: string): Promise<number> {
    const rows = await tx.sql`update compute.tasks set state = 'cancelled', finished_at = now(), waits_until = null
      where job_id = ${jobId} and state = 'queued' returning id`;
    return rows.length;
  },
  async failQueued(tx: Tx, jobId: string, reason: string): Promise<number> {
    const rows =
      await tx.sql`update compute.tasks set state = 'failed', state_reason = ${reason}, finished_at = now(), waits_until = null
      where job_id = ${jobId} and state = 'queued' returning id`;
    return rows.length;
  },
  async requestCancel(tx: Tx, jobId: string): Promise<string[]> {
    const rows = await tx.sql<{ id: string }[]>`update compute.tasks set cancel_requested = true
      where job_id = ${jobId} and state = any (${active as never}::text[]) returning id`;
    return rows.map(({ id }) => id);
  },

  /** Takes those that nobody looks after. */
  async claim(tx: Tx, owner: string, limit: number): Promise<TaskRow[]> {
    return tx.sql<
      TaskRow[]
    >`update compute.tasks set lease_owner = ${owner}, lease_until = now() + make_interval(secs => ${leaseSeconds})
      where id in (select id from compute.tasks where state in ('starting', 'running', 'uploading')
          and (lease_until is null or lease_until < now())
        order by started_at limit ${limit} for update skip locked)
      returning ${tx.sql.unsafe(columns)}`;
  },
  /** Which of them are still ours, and whether they are to be cancelled. */
  async renew(tx: Tx, owner: string, ids: readonly string[]): Promise<Map<string, boolean>> {
    const rows = await tx.sql<{ id: string; cancel: boolean }[]>`update compute.tasks
      set lease_until = now() + make_interval(secs => ${leaseSeconds})
      where id = any (${ids as string[]}::text[]) and lease_owner = ${owner} and state in ('starting', 'running', 'uploading')
      returning id, cancel_requested as cancel`;
    return new Map(rows.map(({ id, cancel }) => [id, cancel]));
  },
  async release(tx: Tx, owner: string, ids: readonly string[]): Promise<void> {
    await tx.sql`update compute.tasks set lease_owner = null, lease_until = null
      where id = any (${ids as string[]}::text[]) and lease_owner = ${owner}`;
  },

  /** The state of the operation that makes its instance, with the reason when it failed. */
  async operation(tx: Tx, id: string): Promise<{ state: string; message: string | undefined } | undefined> {
    const [row] = await tx.sql<
      { state: string; error: { message: string } | null }[]
    >`select state, error from kernel.operations where id = ${id}`;
    return row && { state: row.state, message: row.error?.message };
  },
};
