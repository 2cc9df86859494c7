import { z } from "zod";
import { actor, page, pageQuery, revision, route, timestamp } from "../../../kernel/contract.ts";
import { id } from "../../../kernel/ids.ts";
import { processName } from "../deploying/contract.ts";

export const cronTimeZone = z.string().min(1).max(64).describe("Of the tz database: Europe/Kyiv.");
export const cronTimeoutSeconds = z.int().min(1).max(86_400);
export const cronConcurrency = z
  .enum(["skip", "allow"])
  .describe("What happens when it is due while the one before still runs. skip: nothing; allow: they run side by side.");
const schedule = z
  .string()
  .min(1)
  .max(200)
  .describe('Five fields as in crontab(5), such as "0 3 * * *"; or @hourly, @daily, @weekly, @monthly, @yearly.');
const command = z.string().min(1).max(4096).describe("For sh -c, in a container of its own of the release that is live.");

export const cronRunState = z.enum(["starting", "running", "succeeded", "failed", "timed_out", "cancelled", "skipped"]);

export const cronRun = z.object({
  id: id("cronRun"),
  jobId: id("cronJob"),
  appId: id("app"),
  state: cronRunState,
  /** Why it failed or was skipped, for people. */
  reason: z.string().optional(),
  startedBy: actor.optional().describe("Absent: the clock."),
  dueAt: timestamp,
  startedAt: timestamp.optional(),
  finishedAt: timestamp.optional(),
  exitCode: z.number().int().optional(),
  releaseNumber: z.number().int().optional(),
});
export type CronRun = z.output<typeof cronRun>;

export const cronJob = z.object({
  id: id("cronJob"),
  appId: id("app"),
  projectId: id("project"),
  name: z.string(),
  origin: z
    .enum(["manifest", "person"])
    .describe("manifest: as khmara.json of the live release says; it can be paused here, and is changed there."),
  schedule: z.string(),
  timeZone: z.string(),
  command: z.string(),
  timeoutSeconds: z.number().int(),
  concurrency: cronConcurrency,
  paused: z.boolean(),
  nextAt: timestamp.optional().describe("Absent: paused, or its date never comes."),
  lastRun: cronRun.optional(),
  createdAt: timestamp,
  revision,
});
export type CronJob = z.output<typeof cronJob>;

const byApp = z.object({ app: id("app") });
const byJob = z.object({ cronJob: id("cronJob") });
const byRun = z.object({ cronRun: id("cronRun") });

/** So many of a job are kept. */
export const keptRuns = 50;

export const cronRoutes = {
  cronJobList: route({
    method: "GET",
    path: "/v1/apps/{app}/cron-jobs",
    summary: "List the cron jobs of an app",
    permission: "apps.cron_job.list",
    roles: ["viewer"],
    params: byApp,
    query: pageQuery,
    response: page(cronJob),
    errors: ["not_found"],
  }),
  cronJobCreate: route({
    method: "POST",
    path: "/v1/apps/{app}/cron-jobs",
    summary: "Have a command of an app run by the clock",
    description: "While the app runs. What came due while Khmara itself was away runs once when it is back.",
    permission: "apps.cron_job.create",
    roles: ["editor"],
    params: byApp,
    body: z.object({
      name: processName,
      schedule,
      timeZone: cronTimeZone.default("UTC"),
      command,
      timeoutSeconds: cronTimeoutSeconds.default(3600).describe("Then it is ended."),
      concurrency: cronConcurrency.default("skip"),
    }),
    response: cronJob,
    status: 201,
    errors: ["not_found", "already_exists", "failed_precondition", "invalid_argument"],
  }),
  cronJobUpdate: route({
    method: "PATCH",
    path: "/v1/cron-jobs/{cronJob}",
    summary: "Change, pause or resume a cron job",
    permission: "apps.cron_job.update",
    roles: ["editor"],
    params: byJob,
    body: z.object({
      schedule: schedule.optional(),
      timeZone: cronTimeZone.optional(),
      command: command.optional(),
      timeoutSeconds: cronTimeoutSeconds.optional(),
      concurrency: cronConcurrency.optional(),
      paused: z.boolean().optional(),
    }),
    response: cronJob,
    errors: ["not_found", "failed_precondition", "precondition_failed", "invalid_argument"],
  }),
  cronJobDelete: route({
    method: "DELETE",
    path: "/v1/cron-jobs/{cronJob}",
    summary: "Delete a cron job",
    description: "With the history of its runs; one that runs now is ended.",
    permission: "apps.cron_job.delete",
    roles: ["editor"],
    params: byJob,
    errors: ["not_found", "failed_precondition"],
  }),
  cronJobRun: route({
    method: "POST",
    path: "/v1/cron-jobs/{cronJob}/run",
    summary: "Run a cron job now",
    permission: "apps.cron_job.run",
    roles: ["editor"],
    params: byJob,
    response: cronRun,
    status: 201,
    errors: ["not_found", "failed_precondition", "conflict"],
  }),
  cronRunList: route({
    method: "GET",
    path: "/v1/cron-jobs/{cronJob}/runs",
    summary: "List the runs of a cron job",
    description: `Newest first; the last ${keptRuns} are kept.`,
    permission: "apps.cron_run.list",
    roles: ["viewer"],
    params: byJob,
    query: pageQuery,
    response: page(cronRun),
    errors: ["not_found"],
  }),
  cronRunGet: route({
    method: "GET",
    path: "/v1/cron-runs/{cronRun}",
    summary: "Show a run of a cron job with what it wrote",
    permission: "apps.cron_run.read",
    roles: ["viewer"],
    params: byRun,
    response: cronRun.extend({
      output: z.string().describe("Its last 64 KiB, once it has ended."),
      truncated: z.boolean().describe("It wrote more than that."),
    }),
    errors: ["not_found"],
  }),
  cronRunCancel: route({
    method: "POST",
    path: "/v1/cron-runs/{cronRun}/cancel",
    summary: "End a run of a cron job",
    permission: "apps.cron_run.cancel",
    roles: ["editor"],
    params: byRun,
    response: cronRun,
    errors: ["not_found", "failed_precondition"],
  }),
};
