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
        // Skipped when another process is at it.
        await database.whileLocked(`khmara worker ${worker.name}`, () => worker.run(signal));
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
