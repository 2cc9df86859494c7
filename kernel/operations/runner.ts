import { randomUUID } from "node:crypto";
import type { Database } from "../db/database.ts";
import { CloudError, type ErrorCode } from "../errors.ts";
import type { Log } from "../log.ts";
import { NotYet, type OperationDefinition, type OperationStep, type StepContext } from "./definition.ts";
import { failureOf } from "./failure.ts";
import {
  claim,
  conclude,
  leaseSeconds,
  type OperationRecord,
  operationsChannel,
  release,
  renew,
  type StepRecord,
  save,
} from "./store.ts";

export interface OperationRunner {
  /** Aborts what runs (its record stays, the next process goes on with it) and waits until all is written. */
  stop(): Promise<void>;
}

interface RunnerOptions {
  database: Database;
  // biome-ignore lint/suspicious/noExplicitAny: each operation has an input of its own.
  definitions: OperationDefinition<any>[];
  log: Log;
  concurrency?: number;
  /** How many of these may be long ones; 3 unless said. */
  longConcurrency?: number;
  /** How often to look for work that no notification told of: what a dead process left, what waits for its time. */
  pollMs?: number;
}

/** An engine that is started again, by its supervisor or an upgrade of the system, takes up to half a minute: so long go seven attempts. */
const attemptsOfKind: Partial<Record<ErrorCode, number>> = { unavailable: 7, deadline_exceeded: 3 };
const attemptsOf = (step: Pick<OperationStep<never>, "attempts">, error: unknown): number => {
  const attempts = CloudError.is(error) ? attemptsOfKind[error.code] : undefined;
  return attempts === undefined ? 0 : (step.attempts ?? attempts);
};
const progressWriteMs = 500;
const cheapToRepeatMs = 5000;
const undoAttempts = 5;
const stopGraceMs = 15_000;

class LeaseLost extends Error {}
class Stopping extends Error {}
class Cancelled extends Error {}

/** Carries operations out, several at a time, in any number of processes on one database. */
export async function openOperationRunner(options: RunnerOptions): Promise<OperationRunner> {
  const { database, log } = options;
  const byKind = new Map(options.definitions.map((definition) => [definition.kind, definition]));
  const kinds = [...byKind.keys()];
  const shortKinds = kinds.filter((kind) => !byKind.get(kind)?.long);
  const active = new Map<string, { kind: string; controller: AbortController; done: Promise<void> }>();
  const concurrency = options.concurrency ?? 8;
  const longConcurrency = options.longConcurrency ?? 3;
  let stopping = false;
  let looking: Promise<void> | undefined;
  let lookAgain = false;

  async function look(): Promise<void> {
    while (!stopping && active.size < concurrency) {
      const longOnes = [...active.values()].filter(({ kind }) => byKind.get(kind)?.long).length;
      const wanted = longOnes < longConcurrency ? kinds : shortKinds;
      if (wanted.length === 0) return;
      const worker = randomUUID();
      const record = await claim(database, worker, wanted);
      if (!record) return;
      const controller = new AbortController();
      const done = carryOut(record, worker, controller)
        .catch((error) => log.error({ err: error, operation: record.id }, "operation could not be carried on"))
        .finally(() => {
          active.delete(record.id);
          wake();
        });
      active.set(record.id, { kind: record.kind, controller, done });
    }
  }

  function wake(): void {
    if (stopping) return;
    if (looking) {
      lookAgain = true;
      return;
    }
    looking = look()
      .catch((error) => log.warn({ err: error }, "cannot look for operations"))
      .finally(() => {
        looking = undefined;
        if (lookAgain) {
          lookAgain = false;
          wake();
        }
      });
  }

  async function carryOut(record: OperationRecord, worker: string, controller: AbortController): Promise<void> {
    const definition = byKind.get(record.kind) as OperationDefinition;
    const heartbeat = setInterval(
      () => {
        renew(database, record.id, worker).then(
          (row) => {
            if (!row) controller.abort(new LeaseLost());
            else if (row.cancelRequested && record.state === "running") controller.abort(new Cancelled());
          },
          () => {}, // The lease outlives a short outage of the database; if not, it is lost and the next save says so.
        );
      },
      (leaseSeconds * 1000) / 4,
    );
    try {
      if (record.cancelRequested && record.state === "running") fail(record, new Cancelled());
      if (record.state === "running") await runSteps(definition, record, worker, controller);
      if (record.state === "undoing") await undoSteps(definition, record, worker, controller);
      await finish(definition, record, worker);
    } catch (error) {
      if (error instanceof LeaseLost) return;
      const pauseSeconds = error instanceof Stopping ? 0 : error instanceof NotYet ? error.seconds : 2;
      await release(database, record.id, worker, pauseSeconds).catch(() => {});
      if (!(error instanceof Stopping || error instanceof NotYet)) throw error;
    } finally {
      clearInterval(heartbeat);
    }
  }

  const keep = async (record: OperationRecord, worker: string): Promise<void> => {
    const row = await save(database, record, worker);
    if (!row) throw new LeaseLost();
    record.cancelRequested = row.cancelRequested;
  };

  function fail(record: OperationRecord, error: unknown, step?: StepRecord): void {
    record.state = "undoing";
    record.error =
      error instanceof Cancelled
        ? { code: "cancelled", message: "It was cancelled; what was done is undone." }
        : failureOf(error, step?.name);
    if (record.error.code === "internal")
      log.error({ err: error, operation: record.id, step: step?.name }, "operation step failed");
  }

  async function runSteps(
    definition: OperationDefinition,
    record: OperationRecord,
    worker: string,
    controller: AbortController,
  ): Promise<void> {
    for (const [index, step] of definition.steps.entries()) {
      const state = record.steps[index] as StepRecord;
      if (state.state === "done") continue;
      for (;;) {
        state.state = "running";
        state.startedAt ??= new Date().toISOString();
        state.attempts++;
        record.progress = index / definition.steps.length;
        await keep(record, worker);
        const begun = Date.now();
        try {
          if (record.cancelRequested) throw new Cancelled();
          await runOne(step, "run", definition, record, worker, controller, index);
          state.state = "done";
          state.finishedAt = new Date().toISOString();
          record.progress = (index + 1) / definition.steps.length;
          // Written down together with the beginning of the next step, or with the end; by itself only where repeating it would cost much.
          if (Date.now() - begun > cheapToRepeatMs) await keep(record, worker);
          break;
        } catch (error) {
          const reason = controller.signal.aborted ? controller.signal.reason : error;
          if (reason instanceof LeaseLost || reason instanceof Stopping) throw reason;
          if (reason instanceof NotYet) {
            state.attempts--;
            await keep(record, worker);
            throw reason;
          }
          const again = !(reason instanceof Cancelled) && state.attempts < attemptsOf(step, error);
          if (again) {
            await pause(Math.min(30_000, 250 * 2 ** state.attempts), controller.signal);
            continue;
          }
          state.state = "failed";
          state.finishedAt = new Date().toISOString();
          fail(record, reason instanceof Cancelled ? reason : error, state);
          await keep(record, worker);
          return;
        }
      }
    }
  }

  async function undoSteps(
    definition: OperationDefinition,
    record: OperationRecord,
    worker: string,
    controller: AbortController,
  ): Promise<void> {
    // A cancel has aborted the controller; the undo needs one that only stopping and a lost lease abort.
    const undoing = new AbortController();
    const pass = () => {
      if (!(controller.signal.reason instanceof Cancelled)) undoing.abort(controller.signal.reason);
    };
    if (controller.signal.aborted) pass();
    else controller.signal.addEventListener("abort", pass);
    for (let index = definition.steps.length - 1; index >= 0; index--) {
      const step = definition.steps[index] as OperationStep<Record<string, unknown>>;
      const state = record.steps[index] as StepRecord;
      if (state.state === "pending" || state.state === "undone") continue;
      if (step.undo) {
        for (let attempt = 1; ; attempt++) {
          try {
            await runOne(step, "undo", definition, record, worker, undoing, index);
            break;
          } catch (error) {
            const reason = undoing.signal.aborted ? undoing.signal.reason : error;
            if (reason instanceof LeaseLost || reason instanceof Stopping) throw reason;
            if (reason instanceof NotYet) {
              await keep(record, worker);
              throw reason;
            }
            log.error({ err: error, operation: record.id, step: step.name, attempt }, "undo failed");
            if (attempt >= undoAttempts) {
              record.message = `The step ${step.name} could not be undone: ${(error as Error).message}`;
              break;
            }
            await pause(250 * 2 ** attempt, undoing.signal);
          }
        }
      }
      state.state = "undone";
      await keep(record, worker);
    }
  }

  async function runOne(
    step: OperationStep<Record<string, unknown>>,
    what: "run" | "undo",
    definition: OperationDefinition,
    record: OperationRecord,
    worker: string,
    controller: AbortController,
    index: number,
  ): Promise<void> {
    let written = Date.now();
    let writing: Promise<unknown> = Promise.resolve();
    const deadline = AbortSignal.timeout(step.deadlineSeconds * 1000);
    const signal = AbortSignal.any([controller.signal, deadline]);
    const state = record.steps[index] as StepRecord;
    const context: StepContext<Record<string, unknown>> = {
      ...stepBasics(record),
      attempt: state.attempts,
      begunAt: new Date(state.startedAt ?? record.createdAt),
      remember: () => keep(record, worker),
      signal,
      progress(fraction, message) {
        record.progress = (index + Math.min(1, Math.max(0, fraction))) / definition.steps.length;
        if (message !== undefined) record.message = message;
        if (Date.now() - written < progressWriteMs) return;
        written = Date.now();
        writing = writing
          .then(() => keep(record, worker))
          .catch((error) => controller.abort(error instanceof LeaseLost ? error : undefined));
      },
    };
    const work = Promise.resolve(what === "run" ? step.run(context) : step.undo?.(context));
    const interrupted = aborted(signal, deadline, step);
    interrupted.catch(() => {});
    try {
      await Promise.race([work, interrupted]);
      // One that comes back because it was told to stop has not done its work.
      if (signal.aborted) await interrupted;
    } finally {
      // A step that was told to stop gets a moment to do so, lest its undo runs beside it.
      if (signal.aborted)
        await Promise.race([work.catch(() => {}), new Promise((resolve) => setTimeout(resolve, stopGraceMs).unref())]);
      await writing;
    }
  }

  const stepBasics = (record: OperationRecord) => ({
    operationId: record.id,
    input: record.input,
    actor: record.actor,
    organisationId: record.organisationId ?? undefined,
    projectId: record.projectId ?? undefined,
    memory: record.memory,
    database,
    log,
  });

  async function finish(definition: OperationDefinition, record: OperationRecord, worker: string): Promise<void> {
    const outcome = record.state === "running" ? "succeeded" : record.error?.code === "cancelled" ? "cancelled" : "failed";
    await database.transaction("system", async (tx) => {
      const result = await definition.finish?.(tx, { ...stepBasics(record), error: record.error ?? undefined }, outcome);
      if (!(await conclude(tx, record, worker, outcome, result))) throw new LeaseLost();
    });
  }

  const listener = await database.listen(
    operationsChannel,
    (id) => {
      const running = active.get(id);
      if (!running) return wake();
      database.sql<
        { cancel: boolean }[]
      >`select cancel_requested as cancel from kernel.operations where id = ${id} and state = 'running'`.then(
        ([row]) => row?.cancel && running.controller.abort(new Cancelled()),
        () => {},
      );
    },
    wake,
  );
  const poll = setInterval(wake, options.pollMs ?? 2000);
  wake();

  return {
    async stop() {
      stopping = true;
      clearInterval(poll);
      await listener.close().catch(() => {});
      await looking;
      for (const { controller } of active.values()) controller.abort(new Stopping());
      await Promise.all([...active.values()].map(({ done }) => done));
    },
  };
}

function aborted(signal: AbortSignal, deadline: AbortSignal, step: { name: string; deadlineSeconds: number }): Promise<never> {
  return new Promise((_, reject) => {
    const stop = () =>
      reject(
        deadline.aborted
          ? new CloudError("deadline_exceeded", `The step ${step.name} took longer than ${step.deadlineSeconds} seconds.`, {
              details: { reason: "step_too_long", step: step.name, seconds: step.deadlineSeconds },
            })
          : (signal.reason ?? new Stopping()),
      );
    if (signal.aborted) stop();
    else signal.addEventListener("abort", stop, { once: true });
  });
}

const pause = (ms: number, signal: AbortSignal): Promise<void> =>
  new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener(
      "abort",
      () => {
        clearTimeout(timer);
        reject(signal.reason);
      },
      { once: true },
    );
  });
