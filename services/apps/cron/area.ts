import { actorOf } from "../../../kernel/auth/principal.ts";
import { isoTime } from "../../../kernel/clock.ts";
import { checkSchedule, nextAfter } from "../../../kernel/cron.ts";
import type { Tx } from "../../../kernel/db/database.ts";
import { CloudError, notFound } from "../../../kernel/errors.ts";
import { decodeCursor, toPage } from "../../../kernel/http/cursor.ts";
import { newId } from "../../../kernel/ids.ts";
import type { RequestContext } from "../../../kernel/service.ts";
import { type AppsParts, type AppView, type Area, type CronPart, placeOf } from "../parts.ts";
import { openApp, subjectOf } from "../subjects.ts";
import type { CronJob, CronRun, cronRoutes } from "./contract.ts";
import { createRounds, insertRun } from "./rounds.ts";
import { type JobRow, jobStore, type RunRow, runStore } from "./store.ts";

const most = 100;
const everySeconds = 2;

const viewRun = (row: RunRow): CronRun => ({
  id: row.id,
  jobId: row.jobId,
  appId: row.appId,
  state: row.state,
  ...(row.reason === null ? {} : { reason: row.reason }),
  ...(row.startedBy === null ? {} : { startedBy: row.startedBy }),
  dueAt: isoTime(row.dueAt),
  ...(row.startedAt === null ? {} : { startedAt: isoTime(row.startedAt) }),
  ...(row.finishedAt === null ? {} : { finishedAt: isoTime(row.finishedAt) }),
  ...(row.exitCode === null ? {} : { exitCode: row.exitCode }),
  ...(row.releaseNumber === null ? {} : { releaseNumber: row.releaseNumber }),
});

const viewJob = (row: JobRow, last: RunRow | undefined): CronJob => ({
  id: row.id,
  appId: row.appId,
  projectId: row.projectId,
  name: row.name,
  origin: row.origin,
  schedule: row.schedule,
  timeZone: row.timeZone,
  command: row.command,
  timeoutSeconds: row.timeoutSeconds,
  concurrency: row.concurrency,
  paused: row.paused,
  ...(row.nextAt === null ? {} : { nextAt: isoTime(row.nextAt) }),
  ...(last === undefined ? {} : { lastRun: viewRun(last) }),
  createdAt: isoTime(row.createdAt),
  revision: row.revision,
});

const next = (row: Pick<JobRow, "paused" | "schedule" | "timeZone">): Date | null =>
  row.paused ? null : (nextAfter(row.schedule, row.timeZone, new Date()) ?? null);

/** Commands of apps that run by the clock. */
export function createCron(parts: AppsParts): Area<typeof cronRoutes> & { part: CronPart } {
  const { round } = createRounds(parts);

  async function openJob(context: RequestContext, id: string): Promise<{ app: AppView; job: JobRow }> {
    const found = await jobStore.find(context.tx, id);
    if (found === undefined) throw notFound("cronJob");
    // The app first, as everywhere.
    const app = await openApp(parts, context, context.tx, found.appId, { lock: true });
    const job = await jobStore.find(context.tx, id, { lock: true });
    if (job === undefined) throw notFound("cronJob");
    return { app, job };
  }

  async function openRun(context: RequestContext, id: string): Promise<RunRow> {
    const row = await runStore.find(context.tx, id);
    if (row === undefined) throw notFound("cronRun");
    context.authorize(placeOf(row), "cronRun");
    return row;
  }

  const view = async (tx: Tx, row: JobRow): Promise<CronJob> => viewJob(row, (await runStore.last(tx, [row.id]))[0]);
  const auditOf = ({ name, schedule, timeZone, command, timeoutSeconds, concurrency, paused }: JobRow) => ({
    cronJob: name,
    schedule,
    timeZone,
    command,
    timeoutSeconds,
    concurrency,
    paused,
  });
  const ofManifest = (row: JobRow, verb: string): CloudError =>
    new CloudError(
      "failed_precondition",
      `The cron job ${row.name} is of khmara.json: ${verb} there and deploy. Here it can be paused.`,
      { details: { resource: "cronJob", reason: "of_manifest" } },
    );

  return {
    part: {
      async live(tx, appId, wanted) {
        const app = await parts.deploying.find(tx, appId);
        if (app === undefined) return;
        const there = await jobStore.ofApp(tx, appId);
        for (const row of there)
          if (row.origin === "manifest" && !wanted.some(({ name }) => name === row.name)) await jobStore.delete(tx, row.id);
        for (const job of wanted) {
          const before = there.find(({ name }) => name === job.name);
          const said = {
            schedule: job.schedule,
            timeZone: job.timeZone ?? "UTC",
            command: job.command,
            timeoutSeconds: job.timeoutSeconds ?? 3600,
            concurrency: job.concurrency ?? ("skip" as const),
          };
          if (before === undefined) {
            const row = { ...said, paused: false };
            await jobStore.insert(tx, {
              id: newId("cronJob"),
              appId: app.id,
              organisationId: app.organisationId,
              projectId: app.projectId as JobRow["projectId"],
              name: job.name,
              origin: "manifest",
              ...row,
              nextAt: next(row),
              createdAt: new Date(),
              revision: 1,
            });
          } else {
            const row: JobRow = { ...before, ...said, origin: "manifest" };
            // A deployment is no reason for a job to miss its time.
            const same = before.schedule === row.schedule && before.timeZone === row.timeZone;
            if (JSON.stringify(row) !== JSON.stringify(before))
              await jobStore.update(tx, { ...row, nextAt: same ? before.nextAt : next(row) });
          }
        }
      },
    },
    handlers: {
      async cronJobList(context, { params, query }) {
        const app = await openApp(parts, context, context.tx, params.app);
        const [after] = decodeCursor(query.cursor, 1) ?? [];
        const rows = await jobStore.ofApp(context.tx, app.id, {
          after: after === undefined ? undefined : String(after),
          limit: query.limit + 1,
        });
        const last = await runStore.last(
          context.tx,
          rows.map(({ id }) => id),
        );
        return toPage(
          rows,
          query.limit,
          (row) =>
            viewJob(
              row,
              last.find(({ jobId }) => jobId === row.id),
            ),
          ({ name }) => [name],
        );
      },

      async cronJobCreate(context, { params, body }) {
        const { tx } = context;
        const app = await openApp(parts, context, tx, params.app, { lock: true });
        parts.deploying.checkAction(app, "configure");
        checkSchedule(body.schedule, body.timeZone);
        if ((await jobStore.ofApp(tx, app.id, { limit: most })).length >= most)
          throw new CloudError("failed_precondition", `An app has at most ${most} cron jobs. Delete one first.`, {
            details: { reason: "too_many_cron_jobs" },
          });
        const row: JobRow = {
          id: newId("cronJob"),
          appId: app.id,
          organisationId: app.organisationId,
          projectId: app.projectId as JobRow["projectId"],
          ...body,
          origin: "person",
          paused: false,
          nextAt: next({ ...body, paused: false }),
          createdAt: new Date(),
          revision: 1,
        };
        if (!(await jobStore.insert(tx, row)))
          throw new CloudError(
            "already_exists",
            `The app ${app.name} has a cron job ${body.name} already. Choose another name.`,
            {
              details: { resource: "cronJob", fields: [{ path: "body.name", message: "There is one of this name." }] },
            },
          );
        context.audit({ ...subjectOf(app), after: auditOf(row) });
        return view(tx, row);
      },

      async cronJobUpdate(context, { params, body }) {
        const { app, job } = await openJob(context, params.cronJob);
        parts.deploying.checkAction(app, "configure");
        if (context.ifMatch !== undefined && context.ifMatch !== job.revision)
          throw new CloudError(
            "precondition_failed",
            "The cron job was changed meanwhile. Look at it again, then repeat your change.",
            {
              details: { resource: "cronJob", revision: job.revision },
            },
          );
        const { paused, ...change } = body;
        if (job.origin === "manifest" && Object.values(change).some((value) => value !== undefined))
          throw ofManifest(job, "change it");
        const given = Object.fromEntries(Object.entries(body).filter(([, value]) => value !== undefined));
        const after: JobRow = { ...job, ...given };
        checkSchedule(after.schedule, after.timeZone);
        if (JSON.stringify(after) === JSON.stringify(job)) return view(context.tx, job);
        after.nextAt = next(after);
        await jobStore.update(context.tx, after);
        context.audit({ ...subjectOf(app), before: auditOf(job), after: auditOf(after) });
        return view(context.tx, { ...after, revision: job.revision + 1 });
      },

      async cronJobDelete(context, { params }) {
        const { app, job } = await openJob(context, params.cronJob);
        parts.deploying.checkAction(app, "configure");
        if (job.origin === "manifest") throw ofManifest(job, "take it out");
        await jobStore.delete(context.tx, job.id);
        context.audit({ ...subjectOf(app), before: auditOf(job) });
        return undefined;
      },

      async cronJobRun(context, { params }) {
        const { app, job } = await openJob(context, params.cronJob);
        parts.engine();
        parts.deploying.checkAction(app, "run");
        if (job.concurrency === "skip" && (await runStore.isRunning(context.tx, job.id)))
          throw new CloudError(
            "conflict",
            `The cron job ${job.name} is running, and runs once at a time. Wait for it, or end it.`,
            {
              details: { resource: "cronJob", reason: "already_running" },
            },
          );
        const run = await insertRun(context.tx, parts, job, { startedBy: actorOf(context.principal), dueAt: new Date() });
        if (run === undefined)
          throw new CloudError("failed_precondition", `The app ${app.name} does not run. Start it first.`, {
            details: { resource: "app", reason: "app_state", state: app.state },
          });
        context.audit({ ...subjectOf(app), after: { cronJob: job.name, run: run.id } });
        return viewRun(run);
      },

      async cronRunList(context, { params, query }) {
        const job = await jobStore.find(context.tx, params.cronJob);
        if (job === undefined) throw notFound("cronJob");
        context.authorize(placeOf(job), "cronJob");
        const [below] = decodeCursor(query.cursor, 1) ?? [];
        const rows = await runStore.page(context.tx, {
          jobId: job.id,
          below: below === undefined ? undefined : String(below),
          limit: query.limit + 1,
        });
        return toPage(rows, query.limit, viewRun, ({ id }) => [id]);
      },

      async cronRunGet(context, { params }) {
        const row = await openRun(context, params.cronRun);
        const { output = "", truncated = false } = (await runStore.output(context.tx, row.id)) ?? {};
        return { ...viewRun(row), output, truncated };
      },

      async cronRunCancel(context, { params }) {
        const row = await openRun(context, params.cronRun);
        if (row.finishedAt !== null)
          throw new CloudError("failed_precondition", "This run has ended already.", {
            details: { resource: "cronRun", reason: `state_${row.state}` },
          });
        await runStore.askCancel(context.tx, row.id);
        const app = await parts.deploying.find(context.tx, row.appId);
        if (app) context.audit({ ...subjectOf(app), before: { run: row.id, state: row.state } });
        return viewRun(row);
      },
    },
    workers: [{ name: "apps.cron", everySeconds, run: round }],
  };
}
