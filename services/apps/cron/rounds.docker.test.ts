import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { newId } from "../../../kernel/ids.ts";
import { dockerMissing } from "../../../testing/docker.ts";
import type { AppView } from "../parts.ts";
import { type TestRunning, testRunning, workCommand } from "../running/testing/fixture.ts";
import { createRounds, insertRun } from "./rounds.ts";
import { type JobRow, jobStore, type RunRow, runStore } from "./store.ts";

describe("runs of cron jobs, on an engine", { skip: dockerMissing() ?? false, concurrency: false, timeout: 300_000 }, () => {
  let cloud: TestRunning;
  let app: AppView;
  const signal = new AbortController().signal;
  /** Nothing is remembered in a process: each round is one that another began. */
  const round = () => createRounds(cloud.parts).round(signal);
  const system = <T>(work: Parameters<typeof cloud.database.transaction<T>>[1]) => cloud.database.transaction("system", work);
  const runsOf = (job: JobRow) => system((tx) => runStore.page(tx, { jobId: job.id, limit: 20 }));
  const containers = async () => (await cloud.engine.containerList()).filter(({ labels }) => labels["owner"] === "cron");

  const makeJob = async (command: string, more: Partial<JobRow> = {}): Promise<JobRow> => {
    const row: JobRow = {
      id: newId("cronJob"),
      appId: app.id,
      organisationId: app.organisationId,
      projectId: app.projectId as JobRow["projectId"],
      name: `job-${Math.random().toString(36).slice(2, 8)}`,
      origin: "person",
      schedule: "@hourly",
      timeZone: "UTC",
      command,
      timeoutSeconds: 60,
      concurrency: "skip",
      paused: false,
      // Three times went by while nobody looked.
      nextAt: new Date(Date.now() - 3 * 3_600_000),
      createdAt: new Date(),
      revision: 1,
      ...more,
    };
    await system((tx) => jobStore.insert(tx, row));
    return row;
  };
  const untilEnded = async (job: JobRow): Promise<RunRow> => {
    for (const until = Date.now() + 60_000; Date.now() < until; await new Promise((resolve) => setTimeout(resolve, 100))) {
      await round();
      const [last] = await runsOf(job);
      if (last?.finishedAt) return last;
    }
    throw new Error("The run does not end.");
  };

  before(
    async () => {
      cloud = await testRunning();
      const made = await cloud.app({
        processes: { web: { command: workCommand, memoryBytes: 64 * 1024 ** 2 } },
        environment: { GREETING: "hello" },
      });
      cloud.setLive(made.app, made.release);
      app = cloud.neighbours.apps.get(made.app.id) as AppView;
      const { sql } = cloud.database;
      await sql`insert into identity.organisations (id, name, slug, created_at) values (${app.organisationId}, 'school', 'school', now()) on conflict do nothing`;
      await sql`insert into identity.projects (id, organisation_id, name, slug, created_at)
        values (${app.projectId}, ${app.organisationId}, 'lessons', 'lessons', now()) on conflict do nothing`;
      await sql`insert into apps.apps (id, organisation_id, project_id, name, state, created_at)
        values (${app.id}, ${app.organisationId}, ${app.projectId}, ${app.name}, 'running', now())`;
    },
    { timeout: 200_000 },
  );
  after(() => cloud?.stop());

  test("what came due while nobody looked runs once, with the app's settings; how it ended and what it wrote stays", async () => {
    const job = await makeJob('echo "$GREETING"; echo careful >&2; exit 3');
    await round();
    await Promise.all([round(), round()]);
    const run = await untilEnded(job);
    assert.deepEqual([run.state, run.exitCode, run.releaseNumber], ["failed", 3, 1]);
    assert.match(run.reason ?? "", /exit code 3/);
    assert.equal((await runsOf(job)).length, 1, "three times that went by are one");
    const next = (await system((tx) => jobStore.find(tx, job.id)))?.nextAt as Date;
    assert.ok(next.getTime() > Date.now() && next.getTime() <= Date.now() + 3_600_000);
    const { output = "" } = (await system((tx) => runStore.output(tx, run.id))) ?? {};
    assert.deepEqual(output.trim().split("\n").sort(), ["careful", "hello"]);
    assert.deepEqual(await containers(), []);
    const [quota] = await cloud.database
      .sql`select used from kernel.quota_usage where scope_id = ${cloud.project} and name = 'apps.memory'`;
    assert.equal(Number(quota?.["used"]), 64 * 1024 ** 2, "what it held is given back");
    const good = await makeJob("true");
    assert.equal((await untilEnded(good)).state, "succeeded");
  });

  test("one that still runs is not started again; it goes on while Khmara is away, and is ended by its time or a person", async () => {
    const job = await makeJob("exec sleep 600");
    await round();
    await round();
    const [first] = await runsOf(job);
    assert.equal(first?.state, "running");
    const [container] = await containers();
    await cloud.database.sql`update apps.cron_jobs set next_at = now() - interval '1 second' where id = ${job.id}`;
    await round();
    assert.deepEqual(
      (await runsOf(job)).map(({ state }) => state),
      ["skipped", "running"],
    );
    assert.deepEqual(
      (await containers()).map(({ id }) => id),
      [container?.id],
      "the very same",
    );
    // What clears away commands that processes left does not take it for one.
    await cloud.database.sql`update apps.one_offs set seen_at = now() - interval '1 hour' where kind = 'cron'`;
    cloud.startWatching();
    await new Promise((resolve) => setTimeout(resolve, 3000));
    await cloud.stopWatching();
    assert.deepEqual(
      (await containers()).map(({ id }) => id),
      [container?.id],
    );
    await cloud.database.sql`update apps.cron_runs set started_at = now() - interval '2 hours' where id = ${first?.id as string}`;
    await round();
    const ended = await system((tx) => runStore.find(tx, first?.id as string));
    assert.equal(ended?.state, "timed_out");
    assert.match(ended?.reason ?? "", /longer than 60 seconds/);
    assert.deepEqual(await containers(), []);

    const again = await system((tx) =>
      insertRun(tx, cloud.parts, job, { startedBy: { kind: "system", name: "test" }, dueAt: new Date() }),
    );
    await round();
    await system((tx) => runStore.askCancel(tx, again?.id as string));
    await round();
    assert.equal((await system((tx) => runStore.find(tx, again?.id as string)))?.state, "cancelled");
    assert.deepEqual(await containers(), []);
  });

  test("an app that does not run has no runs, and makes none up", async () => {
    const job = await makeJob("true");
    cloud.neighbours.apps.set(app.id, { ...app, state: "stopped" });
    await round();
    cloud.neighbours.apps.set(app.id, app);
    await round();
    assert.equal((await runsOf(job)).length, 0);
  });
});
