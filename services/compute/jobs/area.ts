import type { Area, ComputeParts } from "../parts.ts";
import { type jobRoutes, keptDays } from "./contract.ts";
import { deleteJob, jobRouteHandlers } from "./routes.ts";
import { createScheduler } from "./scheduler.ts";
import { defaultTimes, type JobTimes } from "./settings.ts";
import { jobStore } from "./store/jobs.ts";
import { queueStore } from "./store/queue.ts";
import { createSupervisor } from "./supervisor.ts";

export interface JobOptions {
  times?: Partial<JobTimes>;
  /** Where the folders of a server are, by its name in the engine: for tests whose servers are folders. */
  guestRoot?: (instance: string) => string;
}

export function createJobs(parts: ComputeParts, options: JobOptions = {}): Area<typeof jobRoutes> {
  const { database } = parts;
  const times = { ...defaultTimes, ...options.times };
  const scheduler = createScheduler(parts, times);
  const supervisor = createSupervisor(parts, times, options.guestRoot ?? (() => ""));
  return {
    handlers: jobRouteHandlers(parts, () => supervisor.hurry()),
    workers: [
      {
        name: "compute.jobs",
        everySeconds: 1,
        async run(signal) {
          await scheduler.round(signal);
          await supervisor.claim();
        },
      },
      {
        name: "compute.jobs.expired",
        everySeconds: 600,
        async run(signal) {
          const before = new Date(Date.now() - keptDays * 24 * 3_600_000);
          for (let more = true; more && !signal.aborted; ) {
            more = await database.transaction("system", async (tx) => {
              const job = await jobStore.takeExpired(tx, before);
              if (job) await deleteJob(tx, job);
              return job !== undefined;
            });
          }
        },
      },
    ],
    async metrics() {
      const totals = await database.transaction("system", queueStore.totals);
      return [
        { name: "khmara_compute_tasks_queued", help: "Tasks of jobs that wait.", value: totals.queued },
        { name: "khmara_compute_tasks_active", help: "Tasks of jobs at work.", value: totals.atWork },
        { name: "khmara_compute_tasks_vcpus", help: "Virtual processors that tasks of jobs hold.", value: totals.vcpus },
        { name: "khmara_compute_tasks_memory_bytes", help: "Memory that tasks of jobs hold.", value: totals.memoryBytes },
      ];
    },
    stop: () => supervisor.stop(),
  };
}
