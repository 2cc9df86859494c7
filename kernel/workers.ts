import type { Database } from "./db/database.ts";
import type { Log } from "./log.ts";
import type { Worker } from "./service.ts";

/** Runs what comes round by itself; with several processes on one database only one of them does each piece at a time. */
export interface WorkerLoop {
  stop(): Promise<void>;
}

export function startWorkers(database: Database, workers: readonly Worker[], log: Log): WorkerLoop {
  const controller = new AbortController();
  const { signal } = controller;
  const loops = workers.map(async (worker) => {
    while (!signal.aborted) {
      await pause(worker.everySeconds * 1000, signal);
      if (signal.aborted) return;
      try {
        await exclusively(database, worker.name, () => worker.run(signal));
      } catch (error) {
        if (!signal.aborted) log.warn({ err: error, worker: worker.name }, "worker failed; it will run again");
      }
    }
  });
  return {
    async stop() {
      controller.abort();
      await Promise.all(loops);
    },
  };
}

/** Skips the round when another process is at it. The lock goes with its connection, so a killed process leaves none. */
function exclusively(database: Database, name: string, work: () => Promise<void>): Promise<void> {
  return database.exclusive(async (connection) => {
    const [row] = await connection<
      { locked: boolean }[]
    >`select pg_try_advisory_lock(hashtextextended(${`khmara worker ${name}`}, 0)) as locked`;
    if (!row?.locked) return;
    try {
      await work();
    } finally {
      await connection`select pg_advisory_unlock(hashtextextended(${`khmara worker ${name}`}, 0))`;
    }
  });
}

const pause = (ms: number, signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    const timer = setTimeout(end, ms);
    function end() {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      resolve();
    }
    signal.addEventListener("abort", end);
  });
