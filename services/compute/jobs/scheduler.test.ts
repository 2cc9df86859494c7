import assert from "node:assert/strict";
import { after, beforeEach, test } from "node:test";
import { type JobCloud, jobCloud } from "./testing/jobCloud.ts";

/** No server is ever made here: what has begun stays `starting`, and so holds what it holds. */
const gib = 1024 ** 3;
const cloud: JobCloud = await jobCloud({ runner: false });
after(() => cloud.stop());
let worker = cloud.newProcess();

beforeEach(async () => {
  cloud.killAll();
  worker = cloud.newProcess();
  await cloud.database.sql`delete from compute.jobs`;
  await cloud.database.sql`delete from kernel.quota_usage`;
  await cloud.database.sql`delete from kernel.quota_limits`;
  await cloud.database.sql`update compute.job_settings set vcpu_percent = 100, memory_percent = 80`;
  // 8 processors, 32 GiB, of which 28 are free.
  Object.assign(cloud.engine.memberList[0] as object, { cpus: 8, memoryBytes: 32 * gib, memoryUsedBytes: 4 * gib });
});

/** How many tasks of each job have begun. */
async function begun(): Promise<Record<string, number>> {
  const rows = await cloud.database.sql<
    { name: string; count: number }[]
  >`select j.name, count(t.id) filter (where t.state = 'starting') as count
    from compute.jobs j left join compute.tasks t on t.job_id = j.id group by j.name`;
  return Object.fromEntries(rows.map(({ name, count }) => [name, count]));
}
const reason = async (name: string) =>
  (await cloud.database.sql`select state_reason as reason from compute.jobs where name = ${name}`)[0]?.["reason"] as
    | string
    | null;
const otherJob = async (body: Record<string, unknown>) => {
  const answer = await cloud.call("neighbour", "POST", "/jobs", {
    project: cloud.otherProject,
    image: "tools",
    size: "tiny",
    script: "true",
    ...body,
  });
  assert.equal(answer.status, 201, JSON.stringify(answer.body));
};

test("as many as there are processors; the rest waits and says why", async () => {
  await cloud.job({ name: "many", array: 20, script: "true" });
  await worker.round();
  assert.deepEqual(await begun(), { many: 8 });
  await worker.round();
  assert.deepEqual(await begun(), { many: 8 });
  assert.match(String(await reason("many")), /^Waits for room/);
});

test("by priority, then age; `parallel` bounds a job", async () => {
  await cloud.job({ name: "old", array: 5, script: "true" });
  await cloud.job({ name: "young", array: 5, script: "true" });
  await cloud.job({ name: "urgent", array: 9, parallel: 3, priority: 90, script: "true" });
  await worker.round();
  assert.deepEqual(await begun(), { urgent: 3, old: 5, young: 0 });
});

test("between projects it is fair, whoever came first with however much", async () => {
  await cloud.job({ name: "flood", array: 100, priority: 100, script: "true" });
  await otherJob({ name: "modest", array: 3, priority: 1 });
  await worker.round();
  assert.deepEqual(await begun(), { flood: 5, modest: 3 });
});

test("a share of the engine is for jobs, of its processors and of its memory", async () => {
  const { body } = await cloud.call("admin", "GET", "/job-capacity");
  assert.equal((await cloud.call("owner", "GET", "/job-capacity")).status, 403);
  const changed = await cloud.call("admin", "PATCH", "/job-capacity", { vcpuPercent: 50 }, { "if-match": `"r${body.revision}"` });
  assert.deepEqual([changed.status, changed.body.vcpuPercent, changed.body.memoryPercent], [200, 50, 80]);
  assert.equal(
    (await cloud.call("admin", "PATCH", "/job-capacity", { vcpuPercent: 60 }, { "if-match": `"r${body.revision}"` })).status,
    412,
  );
  await cloud.job({ name: "half", array: 8, script: "true" });
  await worker.round();
  assert.deepEqual(await begun(), { half: 4 });
  const after = (await cloud.call("admin", "GET", "/job-capacity")).body;
  assert.deepEqual(
    [after.usedVcpus, after.runningTasks, after.queuedTasks, after.vcpus, after.memoryBytes],
    [4, 4, 4, 8, 32 * gib],
  );
});

test("what is free in the engine counts, not only what is promised; and what has just begun has not taken its memory yet", async () => {
  await cloud.size({ name: "memory-10", vcpus: 1, memoryBytes: 10 * gib });
  (cloud.engine.memberList[0] as { memoryUsedBytes: number }).memoryUsedBytes = 11 * gib;
  await cloud.job({ name: "large", array: 3, size: "memory-10", script: "true" });
  await worker.round();
  assert.deepEqual(await begun(), { large: 2 });
});

test("a size that can never fit says so, and keeps nobody waiting", async () => {
  await cloud.size({ name: "vcpus-9", vcpus: 9 });
  await cloud.size({ name: "memory-26", vcpus: 1, memoryBytes: 26 * gib });
  await cloud.job({ name: "too many", priority: 100, size: "vcpus-9", script: "true" });
  await cloud.job({ name: "too large", priority: 100, size: "memory-26", script: "true" });
  await cloud.job({ name: "fits", script: "true" });
  await worker.round();
  assert.deepEqual(await begun(), { "too many": 0, "too large": 0, fits: 1 });
  assert.match(String(await reason("too many")), /each task needs 9 processors, and jobs get at most 8 .* smaller size/);
  assert.match(String(await reason("too large")), /each task needs 26 GiB of memory, and jobs get at most 25\.6 GiB/);
});

test("small ones pass a large one for a while, then wait for it", async () => {
  await cloud.size({ name: "vcpus-6", vcpus: 6 });
  await cloud.job({ name: "first", array: 4, script: "true" });
  await worker.round();
  await cloud.job({ name: "large", priority: 90, size: "vcpus-6", script: "true" });
  await cloud.job({ name: "small", array: 2, script: "true" });
  await worker.round();
  assert.deepEqual(await begun(), { first: 4, large: 0, small: 2 });
  await cloud.database.sql`update compute.jobs set crowded_out_since = now() - interval '10 minutes' where name = 'large'`;
  await cloud.job({ name: "later", array: 2, script: "true" });
  await worker.round();
  assert.deepEqual(await begun(), { first: 4, large: 0, small: 2, later: 0 }, "the last two processors are kept for it");
  await cloud.database.sql`delete from compute.jobs where name = 'first'`;
  await worker.round();
  assert.deepEqual(await begun(), { large: 1, small: 2, later: 0 });
});

test("the quotas of project and organisation bound what is at work; the reason is told", async () => {
  await cloud.database.sql`insert into kernel.quota_limits (scope_id, organisation_id, name, limit_value)
    values (${cloud.project}, ${cloud.organisation}, 'compute.tasks_running', 2), (${cloud.organisation}, ${cloud.organisation}, 'compute.task_vcpus', 3)`;
  await cloud.job({ name: "mine", array: 9, script: "true" });
  await otherJob({ name: "theirs", array: 9 });
  await worker.round();
  assert.deepEqual(await begun(), { mine: 2, theirs: 1 });
  assert.match(String(await reason("mine")), /^Waits: The project may have 2 tasks of jobs at work at once/);
  assert.match(String(await reason("theirs")), /^Waits: The organisation may have 3 virtual processors of tasks/);
  const limited = await cloud.call("admin", "GET", "/job-capacity");
  assert.equal(limited.body.runningTasks, 3);
});

test("so many unfinished jobs, and no more", async () => {
  await cloud.database.sql`insert into kernel.quota_limits (scope_id, organisation_id, name, limit_value)
    values (${cloud.project}, ${cloud.organisation}, 'compute.jobs', 2)`;
  const first = await cloud.job({ name: "1", script: "true" });
  await cloud.job({ name: "2", script: "true" });
  await assert.rejects(cloud.job({ name: "3", script: "true" }), /quota_exceeded/);
  await cloud.call("editor", "POST", `/jobs/${first.id}/cancel`);
  await cloud.job({ name: "3", script: "true" });
});

test("a suspended organisation starts nothing; an image that is gone ends the job", async () => {
  await cloud.job({ name: "suspended", array: 2, script: "true" });
  await cloud.database
    .sql`update identity.organisations set state = 'suspended', suspended_reason = 'x' where id = ${cloud.organisation}`;
  await worker.round();
  await cloud.database
    .sql`update identity.organisations set state = 'active', suspended_reason = null where id = ${cloud.organisation}`;
  assert.deepEqual(await begun(), { suspended: 0 });
  assert.equal(await reason("suspended"), "Waits: The organisation is suspended.");
  const image = await cloud.image({ name: "passing" });
  const job = await cloud.job({ name: "orphaned", array: 2, image: image.id, script: "true" });
  await cloud.database.sql`delete from compute.images where id = ${image.id}`;
  await worker.round();
  const { body } = await cloud.call("viewer", "GET", `/jobs/${job.id}`);
  assert.deepEqual([body.state, body.tasks.failed], ["failed", 2]);
  assert.match(body.stateReason, /image/i);
});

test("an engine that does not answer is told; nothing is lost", async () => {
  await cloud.job({ name: "later", script: "true" });
  cloud.engine.faults.fail("members", { times: 1 });
  await worker.round();
  assert.deepEqual(await begun(), { later: 0 });
  assert.match(String(await reason("later")), /^Waits: members was told to fail/);
  await worker.round();
  assert.deepEqual(await begun(), { later: 1 });
  assert.equal(await reason("later"), null);
});

test("ten thousand tasks are made at once, and listed by pages", async () => {
  const job = await cloud.job({ name: "huge", array: 10_000, script: "true" });
  const page = await cloud.call("viewer", "GET", `/jobs/${job.id}/tasks?limit=1000`);
  assert.deepEqual([page.body.items.length, page.body.items[999].index], [1000, 999]);
  const next = await cloud.call("viewer", "GET", `/jobs/${job.id}/tasks?limit=1&cursor=${page.body.nextCursor}`);
  assert.equal(next.body.items[0].index, 1000);
  const cancelled = await cloud.call("editor", "POST", `/jobs/${job.id}/cancel`);
  assert.deepEqual([cancelled.body.state, cancelled.body.tasks.cancelled], ["cancelled", 10_000]);
});
