import { randomUUID } from "node:crypto";
import type { Tx } from "../../../kernel/db/database.ts";
import { CloudError } from "../../../kernel/errors.ts";
import type { ComputeParts } from "../parts.ts";
import { endAttempt, type Outcome } from "./lifecycle.ts";
import type { JobTimes } from "./settings.ts";
import { type JobRow, jobStore } from "./store/jobs.ts";
import { type TaskRow, taskStore } from "./store/tasks.ts";
import { attend } from "./taskRun.ts";
import { createTurns, type Turns } from "./turns.ts";

/** So many tasks one process looks after at the most. */
const attendedAtOnce = 500;
const claimedAtOnce = 50;
const transfersAtOnce = 4;
const stopMs = 10_000;

/** Why a task is let go of in the middle. */
export class LetGo extends Error {
  readonly why: "cancelled" | "stopping" | "lost";
  constructor(why: LetGo["why"]) {
    super(why);
    this.why = why;
  }
}

/** What whoever attends a task works with. */
export interface Attendance {
  taskId: string;
  signal: AbortSignal;
  /** In one transaction with the job and the task locked (in this order), as long as the task is still ours. */
  change<T>(work: (tx: Tx, task: TaskRow, job: JobRow) => Promise<T>): Promise<T>;
  end(outcome: Outcome): Promise<void>;
  /** Bytes of buckets flow through this process: a few streams at a time. */
  inTurn: Turns;
}

export interface Supervisor {
  /** Takes up what nobody looks after: what was begun now, and what a dead process left. */
  claim(): Promise<void>;
  /** Looks at once whether one of these is to be cancelled. */
  hurry(): void;
  stop(): Promise<void>;
}

/**
 * Looks after the tasks that are at work, each in a loop of its own. A lease in the task's row says whose it is; when a process dies,
 * it ends, and another process goes on from what the records and the guest say.
 */
export function createSupervisor(parts: ComputeParts, times: JobTimes, guestRoot: (instance: string) => string): Supervisor {
  const { database, log } = parts;
  const owner = randomUUID();
  const inTurn = createTurns(transfersAtOnce);
  const attended = new Map<string, { controller: AbortController; done: Promise<void> }>();
  let renewing: NodeJS.Timeout | undefined;
  let stopping = false;

  async function renew(): Promise<void> {
    const ids = [...attended.keys()];
    if (ids.length === 0) return;
    const ours = await database.transaction("system", (tx) => taskStore.renew(tx, owner, ids));
    for (const id of ids) {
      const cancel = ours.get(id);
      if (cancel === undefined) attended.get(id)?.controller.abort(new LetGo("lost"));
      else if (cancel) attended.get(id)?.controller.abort(new LetGo("cancelled"));
    }
  }
  // A lease outlives a short outage of the database.
  const hurry = () => void renew().catch((error) => log.debug({ err: error }, "leases of tasks could not be renewed yet"));

  async function run(task: TaskRow, controller: AbortController): Promise<void> {
    const { signal } = controller;
    const change: Attendance["change"] = (work) =>
      database.transaction("system", async (tx) => {
        const job = await jobStore.find(tx, task.jobId, { lock: true });
        const row = await taskStore.find(tx, task.id, { lock: true });
        if (!job || !row || row.leaseOwner !== owner) throw new LetGo("lost");
        return work(tx, row, job);
      });
    const end = (outcome: Outcome) => change((tx, row) => endAttempt(tx, parts, times, row, outcome));
    for (let pauseMs = 500; ; pauseMs = Math.min(10_000, pauseMs * 2)) {
      try {
        if (signal.aborted) throw signal.reason;
        await attend(parts, times, { taskId: task.id, signal, change, end, inTurn }, guestRoot);
        return;
      } catch (error) {
        const reason = signal.aborted ? signal.reason : error;
        if (reason instanceof LetGo && reason.why !== "cancelled") return;
        try {
          if (reason instanceof LetGo) {
            await end({ kind: "cancelled" });
            return;
          }
          // The database is away for a moment, say: whoever attends begins again from the records.
          log.warn({ err: error, task: task.id }, "a task could not be looked after; it is tried again");
        } catch (later) {
          if (later instanceof LetGo) return;
          if (!CloudError.is(later)) throw later;
        }
        await new Promise((resolve) => setTimeout(resolve, pauseMs));
      }
    }
  }

  function take(task: TaskRow): void {
    const before = attended.get(task.id);
    if (before) {
      // The loop of the attempt before has not quite ended yet.
      void before.done.then(() => stopping || take(task));
      return;
    }
    const controller = new AbortController();
    const done = run(task, controller)
      .catch((error) => log.error({ err: error, task: task.id }, "a task is not looked after any more; another try follows"))
      .finally(() => attended.delete(task.id));
    attended.set(task.id, { controller, done });
  }

  return {
    async claim() {
      const room = Math.min(claimedAtOnce, attendedAtOnce - attended.size);
      if (stopping || room <= 0) return;
      const tasks = await database.transaction("system", (tx) => taskStore.claim(tx, owner, room));
      for (const task of tasks) take(task);
      renewing ??= setInterval(hurry, times.renewMs).unref();
    },
    hurry,
    async stop() {
      stopping = true;
      clearInterval(renewing);
      const left = [...attended];
      for (const [, { controller }] of left) controller.abort(new LetGo("stopping"));
      await Promise.race([
        Promise.all(left.map(([, { done }]) => done)),
        new Promise((resolve) => setTimeout(resolve, stopMs).unref()),
      ]);
      if (left.length > 0)
        await database.transaction("system", (tx) =>
          taskStore.release(
            tx,
            owner,
            left.map(([id]) => id),
          ),
        );
    },
  };
}
