import { systemActor } from "../../../kernel/auth/principal.ts";
import type { Tx } from "../../../kernel/db/database.ts";
import { CloudError } from "../../../kernel/errors.ts";
import { emit } from "../../../kernel/events.ts";
import { reserveQuota } from "../../../kernel/quota.ts";
import type { ComputeParts } from "../parts.ts";
import { type JobState, type TaskState, taskTransitions } from "./contract.ts";
import { backOffSeconds, type JobTimes } from "./settings.ts";
import { type JobChange, type JobRow, jobStore } from "./store/jobs.ts";
import { type AttemptRecord, type TaskChange, type TaskRow, taskStore } from "./store/tasks.ts";

/**
 * The transitions of jobs and tasks. Everything that belongs to one happens in the same transaction: quota, the order to delete the
 * server, counts, events. The job's row is always locked before its tasks', so that nobody waits in a circle.
 */

const attemptsKept = 20;

/** How an attempt ended. */
export type Outcome =
  | { kind: "succeeded"; objects: number; bytes: number; note?: string | undefined }
  /** `final`: trying again would not help. */
  | { kind: "failed"; exitCode?: number | undefined; reason: string; final?: boolean }
  | { kind: "timed_out"; exitCode?: number | undefined; reason: string }
  | { kind: "cancelled" }
  /** No fault of the command: uses up no retry. */
  | { kind: "interrupted"; reason: string };

export async function emitJob(
  tx: Tx,
  job: Pick<JobRow, "id" | "name" | "organisationId" | "projectId">,
  state: JobState | "deleted",
): Promise<void> {
  const { organisationId, projectId } = job;
  await emit(tx, { type: "compute.job.changed", organisationId, projectId, payload: { jobId: job.id, name: job.name, state } });
}

/** One task goes on to another state, with all that follows from it for the counts. */
export async function enter(
  tx: Tx,
  task: TaskRow,
  to: TaskState,
  change: TaskChange = {},
): Promise<{ task: TaskRow; job: JobRow }> {
  if (!taskTransitions[task.state].includes(to)) throw new Error(`A task cannot go from ${task.state} to ${to}.`);
  const job = await jobStore.count(tx, task.jobId, task.state, to);
  const changed = await taskStore.update(tx, task.id, { ...change, state: to });
  await emit(tx, {
    type: "compute.task.changed",
    organisationId: task.organisationId,
    projectId: task.projectId,
    payload: { taskId: task.id, jobId: task.jobId, index: task.index, state: to },
  });
  return { task: changed, job };
}

/** What a task holds of the quotas while it is at work. */
export async function reserveForTask(
  tx: Tx,
  job: Pick<JobRow, "organisationId" | "projectId" | "vcpus" | "memoryBytes">,
  sign: 1 | -1,
): Promise<void> {
  await reserveQuota(tx, job, "compute.tasks_running", sign);
  await reserveQuota(tx, job, "compute.task_vcpus", sign * job.vcpus);
  await reserveQuota(tx, job, "compute.task_memory", sign * job.memoryBytes);
}

/** Ends the attempt that is at work: its server goes, and the task waits for the next attempt or has come to its end. */
export async function endAttempt(
  tx: Tx,
  parts: Pick<ComputeParts, "instances">,
  times: JobTimes,
  task: TaskRow,
  outcome: Outcome,
): Promise<void> {
  const job = (await jobStore.find(tx, task.jobId, { lock: true })) as JobRow;
  await removeServer(tx, parts, task.instanceId);
  await reserveForTask(tx, job, -1);
  const now = new Date();
  const { state, reason, change } = next(job, task, printable(outcome), times, now);
  const record: AttemptRecord = {
    attempt: task.attempt,
    outcome: outcome.kind,
    exitCode: exitCodeOf(outcome),
    reason: "reason" in outcome ? printed(outcome.reason) : undefined,
    startedAt: (task.startedAt as Date).toISOString(),
    runningAt: task.runningAt?.toISOString(),
    finishedAt: now.toISOString(),
  };
  const ended = await enter(tx, task, state, {
    ...change,
    stateReason: reason ?? null,
    exitCode: exitCodeOf(outcome) ?? null,
    attempts: [...task.attempts, record].slice(-attemptsKept),
    instanceId: null,
    operationId: null,
    leaseOwner: null,
    leaseUntil: null,
    finishedAt: state === "queued" ? null : now,
  });
  await settle(tx, ended.job);
}

/** Words from inside a guest, names of its files: one line without control characters, which PostgreSQL would not take all of. */
const printed = (text: string): string => text.replace(/\p{Cc}+/gu, " ").slice(0, 2000);
const printable = (outcome: Outcome): Outcome => ({
  ...outcome,
  ...("reason" in outcome ? { reason: printed(outcome.reason) } : {}),
  ...("note" in outcome && outcome.note !== undefined ? { note: printed(outcome.note) } : {}),
});

const exitCodeOf = (outcome: Outcome): number | undefined =>
  outcome.kind === "succeeded" ? 0 : "exitCode" in outcome ? outcome.exitCode : undefined;

function next(
  job: JobRow,
  task: TaskRow,
  outcome: Outcome,
  times: JobTimes,
  now: Date,
): { state: TaskState; reason?: string | undefined; change: TaskChange } {
  const later = (seconds: number) => new Date(now.getTime() + seconds * 1000);
  if (outcome.kind === "succeeded")
    return {
      state: "succeeded",
      reason: outcome.note,
      change: { outputObjects: outcome.objects, outputBytes: outcome.bytes },
    };
  if (outcome.kind === "cancelled" || job.state === "cancelling") return { state: "cancelled", change: {} };
  if (outcome.kind === "interrupted") {
    const interruptions = task.interruptions + 1;
    if (interruptions >= times.interruptions)
      return {
        state: "failed",
        reason: `Broken off ${interruptions} times, through no fault of the command; the last time: ${outcome.reason}`,
        change: { interruptions },
      };
    const waitsUntil = later(backOffSeconds(times.interruptedSeconds, interruptions));
    return { state: "queued", reason: `Begins again: ${outcome.reason}`, change: { interruptions, waitsUntil } };
  }
  const mayRetry = !("final" in outcome && outcome.final) && task.retriesUsed < job.maximumRetries;
  if (!mayRetry) return { state: outcome.kind, reason: outcome.reason, change: {} };
  const retriesUsed = task.retriesUsed + 1;
  return {
    state: "queued",
    reason: `Retry ${retriesUsed} of ${job.maximumRetries}: ${outcome.reason}`,
    change: { retriesUsed, waitsUntil: later(backOffSeconds(times.retrySeconds, retriesUsed)) },
  };
}

async function removeServer(tx: Tx, { instances }: Pick<ComputeParts, "instances">, instanceId: string | null): Promise<void> {
  if (!instanceId || !(await instances.find(tx, instanceId, { lock: true }))) return;
  try {
    await instances.remove(tx, { instanceId, actor: systemActor });
  } catch (error) {
    // Somebody else deletes it already.
    if (!CloudError.is(error, "not_found") && !CloudError.is(error, "failed_precondition")) throw error;
  }
}

/** Ends the job once its last task has ended. */
export async function settle(tx: Tx, job: JobRow): Promise<JobRow> {
  const { queued, starting, running, uploading, failed, timed_out } = job.counts;
  if (queued + starting + running + uploading > 0) return job;
  const bad = failed + timed_out;
  const state: JobState = job.state === "cancelling" ? "cancelled" : bad > 0 ? "failed" : "succeeded";
  const parts = [...(failed > 0 ? [`${failed} failed`] : []), ...(timed_out > 0 ? [`${timed_out} ran out of time`] : [])];
  const stateReason = bad > 0 ? `Of ${job.arraySize} task${job.arraySize === 1 ? "" : "s"} ${parts.join(" and ")}.` : null;
  await reserveQuota(tx, job, "compute.jobs", -1);
  // Nobody needs the secrets any more.
  await jobStore.forgetEnvironment(tx, job.id);
  return changeJob(tx, job, {
    state,
    stateReason: job.state === "cancelling" ? null : (job.stateReason ?? stateReason),
    finishedAt: new Date(),
  });
}

/** A job's own state; whoever looks is told. */
export async function changeJob(tx: Tx, job: JobRow, change: JobChange): Promise<JobRow> {
  const changed = await jobStore.update(tx, job.id, change);
  await emitJob(tx, changed, changed.state);
  return changed;
}
