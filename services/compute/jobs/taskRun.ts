import { setTimeout as sleep } from "node:timers/promises";
import { CloudError } from "../../../kernel/errors.ts";
import { reserveQuota } from "../../../kernel/quota.ts";
import type { ComputeParts, InstanceView } from "../parts.ts";
import { maximumJobLogBytes, maximumLogBytes } from "./contract.ts";
import { type Guest, guestPath, openGuest, type Poll } from "./guest.ts";
import { enter } from "./lifecycle.ts";
import type { JobTimes } from "./settings.ts";
import { type JobRow, jobStore } from "./store/jobs.ts";
import { logStore } from "./store/logs.ts";
import { type TaskRow, taskStore } from "./store/tasks.ts";
import type { Attendance } from "./supervisor.ts";
import type { Transferred } from "./taskFiles.ts";

/** The attempt cannot go on, and the command is not to blame. */
class Interrupted extends Error {}
/** The attempt has failed for a reason of its own. */
class Failed extends Error {
  readonly final: boolean;
  constructor(message: string, final: boolean) {
    super(message);
    this.final = final;
  }
}

const logReadBytes = 512 * 1024;
const leastPollMs = 250;
/** Far behind the end of any log: a poll that asks from here gets none of it. */
const behindTheEnd = 2 ** 50;
/** What the runner inside the guest has not done by then it does not do any more. */
const overdueSeconds = 60;
const transferSeconds = 12 * 3600;
export const logLimitOf = ({ arraySize }: Pick<JobRow, "arraySize">): number =>
  Math.min(maximumLogBytes, Math.floor(maximumJobLogBytes / arraySize));

/**
 * Brings one task to the end of its attempt, from wherever it stands: everything that is asked first is asked of the records and of
 * the guest, so that it does not matter which process began it, or how far it came. Rejects when it should be tried again.
 */
export async function attend(
  parts: ComputeParts,
  times: JobTimes,
  attendance: Attendance,
  guestRoot: (instance: string) => string,
): Promise<void> {
  const { signal, end } = attendance;
  try {
    let { task, job } = await attendance.change(async (_tx, task, job) => ({ task, job }));
    const instance = await untilRunning(parts, times, task, signal);
    const guest = openGuest(parts.engine(), instance.engineName, guestRoot(instance.engineName));
    const patient = patience(parts, times, instance, signal);
    if (task.state === "starting") {
      // A process that died may have begun it without writing that down.
      const before = await patient(() => guest.poll(behindTheEnd, 1024, 0, signal));
      if (before.state === "none") await prepare(parts, attendance, patient, guest, task, job);
      task = await attendance.change(async (tx, row) => (await enter(tx, row, "running", { runningAt: new Date() })).task);
    }
    if (task.state === "running") {
      const over = await follow(attendance, times, patient, guest, task, job);
      if (over.state === "timed_out") {
        await end({ kind: "timed_out", exitCode: over.exitCode, reason: `It was killed after ${job.timeoutSeconds} seconds.` });
        return;
      }
      if (over.exitCode !== 0) {
        await end({ kind: "failed", exitCode: over.exitCode, reason: reasonOf(over.exitCode ?? -1) });
        return;
      }
      if (!job.outputBucketId) {
        await end({ kind: "succeeded", objects: 0, bytes: 0 });
        return;
      }
      task = await attendance.change(async (tx, row) => (await enter(tx, row, "uploading", { exitCode: 0 })).task);
    }
    const prefix = `${job.outputPrefix ?? ""}${job.arraySize > 1 ? `${task.index}/` : ""}`;
    const output = { bucketId: job.outputBucketId as string, prefix };
    const limited = AbortSignal.any([signal, AbortSignal.timeout(transferSeconds * 1000)]);
    const done = await patient(() =>
      attendance
        .inTurn(signal, () => guest.fetchOutput(parts.objects, output, limited))
        .catch((error) => {
          throw CloudError.is(error) && final.has(error.code)
            ? new Failed(`The output could not be stored: ${error.message}`, true)
            : error;
        }),
    );
    await end({ kind: "succeeded", objects: done.objects, bytes: done.bytes, note: noteOf("output", done) });
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    if (error instanceof Interrupted) await end({ kind: "interrupted", reason: error.message });
    else if (error instanceof Failed) await end({ kind: "failed", reason: error.message, final: error.final });
    else throw error;
  }
}

/** What another try does not change. */
const final = new Set(["not_found", "quota_exceeded", "storage_full", "failed_precondition", "invalid_argument"]);

const reasonOf = (exitCode: number): string =>
  exitCode === 126
    ? "The command cannot be executed (exit code 126)."
    : exitCode === 127
      ? "The command was not found (exit code 127)."
      : exitCode > 128 && exitCode <= 128 + 64
        ? `It was ended by signal ${exitCode - 128} (exit code ${exitCode})${exitCode === 137 ? ": the memory may have been too small" : ""}.`
        : `Exit code ${exitCode}.`;

function noteOf(what: string, { skipped, skippedCount }: Transferred): string | undefined {
  if (skippedCount === 0) return undefined;
  const more = skippedCount > skipped.length ? " and others" : "";
  return `Left out of the ${what} (${skippedCount}; links, special files, and names that cannot be kept): ${skipped.join(", ")}${more}`;
}

/** Waits until its server runs. */
async function untilRunning(parts: ComputeParts, times: JobTimes, task: TaskRow, signal: AbortSignal): Promise<InstanceView> {
  const deadline = Date.now() + times.createSeconds * 1000;
  for (let pauseMs = 50; ; pauseMs = Math.min(1000, pauseMs * 1.5)) {
    const { instance, operation } = await parts.database.transaction("system", async (tx) => {
      // In this order: when the operation is seen to be over, the instance is seen as it left it.
      const operation = task.operationId ? await taskStore.operation(tx, task.operationId) : undefined;
      return { operation, instance: task.instanceId ? await parts.instances.find(tx, task.instanceId) : undefined };
    });
    if (instance?.state === "running") return instance;
    if (operation?.state === "failed" || operation?.state === "cancelled")
      throw new Interrupted(`its server could not be made: ${operation.message ?? "the making was cancelled"}`);
    if (!instance) throw new Interrupted("its server was deleted.");
    if (task.state !== "starting" || operation?.state === "succeeded")
      throw new Interrupted(`its server is ${instance.state} instead of running.`);
    if (Date.now() > deadline) throw new Interrupted(`its server was not ready after ${times.createSeconds} seconds.`);
    await sleep(pauseMs, undefined, { signal });
  }
}

type Patience = <T>(work: () => Promise<T>) => Promise<T>;

/**
 * The engine may be away for a while, restarting perhaps, while the guest goes on: then we wait. When the guest itself is gone or
 * stopped the attempt is broken off; and when it does not answer for too long though it runs.
 */
function patience(parts: ComputeParts, times: JobTimes, instance: InstanceView, signal: AbortSignal): Patience {
  return async (work) => {
    let silentSince: number | undefined;
    for (let pauseMs = 200; ; pauseMs = Math.min(10_000, pauseMs * 2)) {
      try {
        return await work();
      } catch (error) {
        if (signal.aborted || error instanceof Failed || error instanceof Interrupted) throw error;
        const message = error instanceof Error ? error.message : String(error);
        const report = await parts
          .engine()
          .instanceGet(instance.engineName, { signal })
          .catch(() => "unknown" as const);
        signal.throwIfAborted();
        if (report === undefined) throw new Interrupted("its server was deleted.");
        if (report !== "unknown") {
          if (report.state !== "running" && report.state !== "frozen") throw new Interrupted("its server stopped.");
          silentSince ??= Date.now();
          if (report.state === "running" && Date.now() - silentSince > times.silentSeconds * 1000)
            throw new Interrupted(`its server does not answer: ${message}`);
        }
        await sleep(pauseMs, undefined, { signal });
      }
    }
  };
}

async function prepare(
  parts: ComputeParts,
  attendance: Attendance,
  patient: Patience,
  guest: Guest,
  task: TaskRow,
  job: JobRow,
): Promise<void> {
  const { signal } = attendance;
  await patient(() => guest.ready(signal));
  if (job.inputBucketId) {
    const input = { bucketId: job.inputBucketId, prefix: job.inputPrefix ?? "" };
    const limited = AbortSignal.any([signal, AbortSignal.timeout(transferSeconds * 1000)]);
    await patient(() =>
      attendance
        .inTurn(signal, () => guest.bringInput(parts.objects, input, limited))
        .catch((error) => {
          throw CloudError.is(error) && final.has(error.code)
            ? new Failed(`The input could not be brought in: ${error.message}`, false)
            : error;
        }),
    );
  }
  const sealed = await parts.database.transaction("system", (tx) => jobStore.environment(tx, job.id));
  const own = sealed
    ? (JSON.parse(parts.secrets.decrypt(environmentPurpose(job.id), sealed).toString()) as Record<string, string>)
    : {};
  const command = {
    command: job.command ?? undefined,
    script: job.script ?? undefined,
    environment: {
      PATH: guestPath,
      HOME: "/root",
      LANG: "C.UTF-8",
      ...own,
      KHMARA_JOB_ID: job.id,
      KHMARA_TASK_ID: task.id,
      KHMARA_TASK_INDEX: String(task.index),
      KHMARA_TASK_COUNT: String(job.arraySize),
      KHMARA_ATTEMPT: String(task.attempt),
    },
    timeoutSeconds: job.timeoutSeconds,
    logLimitBytes: logLimitOf(job),
  };
  await patient(() => guest.start(command, signal));
}

export const environmentPurpose = (jobId: string): string => `compute.job:${jobId}`;

/** Keeps the log up with the guest's until the command is over and all of it is here. */
async function follow(
  attendance: Attendance,
  times: JobTimes,
  patient: Patience,
  guest: Guest,
  begun: TaskRow,
  job: JobRow,
): Promise<{ state: "exited" | "timed_out"; exitCode: number | undefined }> {
  const { signal } = attendance;
  const overdueAt = (begun.runningAt as Date).getTime() + (job.timeoutSeconds + overdueSeconds) * 1000;
  let offset = begun.logBytes;
  let truncated = begun.logTruncated;
  for (;;) {
    const from = truncated ? behindTheEnd : offset;
    const asked = Date.now();
    const poll: Poll = await patient(() => guest.poll(from, logReadBytes, times.pollWaits, signal));
    signal.throwIfAborted();
    if (poll.log.length > 0) {
      const kept = await keepLog(attendance, poll.log, offset, logLimitOf(job));
      offset += kept;
      if (kept < poll.log.length) truncated = true;
    }
    if (poll.state === "lost" || poll.state === "none") throw new Interrupted("its server was restarted.");
    // A log that is shorter than it says it is has no more to give.
    const complete = truncated || offset >= poll.sizeBytes || poll.log.length < logReadBytes;
    if (poll.state !== "running" && complete) {
      if ((poll.cut || truncated) && !begun.logTruncated)
        await attendance.change((tx, task) => taskStore.update(tx, task.id, { logTruncated: true }));
      return { state: poll.state, exitCode: poll.exitCode };
    }
    if (poll.state === "running" && Date.now() > overdueAt) return { state: "timed_out", exitCode: undefined };
    // It waits inside; where it does not, whatever the reason, we do.
    const early = leastPollMs - (Date.now() - asked);
    if (poll.state === "running" && early > 0) await sleep(early, undefined, { signal });
  }
}

/** Answers how many bytes were kept: fewer when the log is as long as it may be, or the quota is used up. */
async function keepLog(attendance: Attendance, bytes: Uint8Array, offset: number, limitBytes: number): Promise<number> {
  const kept = bytes.subarray(0, Math.max(0, limitBytes - offset));
  try {
    await attendance.change(async (tx, task, job) => {
      // Another process was quicker while our lease was lost and found again.
      if (task.logBytes !== offset) throw new Error(`The log has ${task.logBytes} bytes instead of ${offset}.`);
      await reserveQuota(tx, job, "compute.task_logs", kept.length);
      if (kept.length > 0)
        await logStore.append(tx, { taskId: task.id, attempt: task.attempt, organisationId: task.organisationId, offset }, kept);
      await taskStore.update(tx, task.id, {
        logBytes: offset + kept.length,
        ...(kept.length < bytes.length ? { logTruncated: true } : {}),
      });
    });
    return kept.length;
  } catch (error) {
    if (!CloudError.is(error, "quota_exceeded")) throw error;
    await attendance.change((tx, task) => taskStore.update(tx, task.id, { logTruncated: true }));
    return 0;
  }
}
