import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, afterEach, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { type JobCloud, jobCloud } from "./testing/jobCloud.ts";

/** As `kill -9` at any point: nothing runs twice, nothing is lost, nothing is left behind. */
let cloud: JobCloud;
before(async () => {
  cloud = await jobCloud();
});
afterEach(() => cloud.killAll());
after(() => cloud.stop());

async function nothingIsLeft(): Promise<void> {
  const look = async () => {
    const [left] = await cloud.database.sql`select (select count(*) from compute.instances) as instances,
      (select count(*) from kernel.usage_records where is_span and to_at is null) as spans,
      (select coalesce(sum(used), 0)::bigint from kernel.quota_usage
        where name in ('compute.jobs', 'compute.tasks_running', 'compute.task_vcpus', 'compute.task_memory')) as quota`;
    return { engine: cloud.engine.instances.size, ...left };
  };
  for (let tries = 0; tries < 500 && Object.values(await look()).some((count) => count !== 0); tries++) await sleep(20);
  assert.deepEqual(await look(), { engine: 0, instances: 0, spans: 0, quota: 0 });
}

for (let diesAt = 1; diesAt <= 46; diesAt += 3) {
  test(`killed in its call ${diesAt}, the next process goes on`, async () => {
    const input = await cloud.bucket({ "a.txt": "alpha", "b.txt": "beta" });
    const output = await cloud.bucket();
    const proof = join(cloud.directory, `proof-${diesAt}`);
    const job = await cloud.job({
      name: `dying ${diesAt}`,
      array: 2,
      environment: { PROOF: proof },
      input: { bucket: input },
      output: { bucket: output },
      script: `echo "$KHMARA_TASK_INDEX" >> "$PROOF"; cd "$KHMARA_TEST_GUEST"; echo begun; sleep 0.4; cat input/*.txt > output/all; echo done`,
    });
    const first = cloud.newProcess({}, { diesAt });
    first.work();
    for (let tries = 0; !first.isDead && tries < 3000; tries++) await sleep(10);
    assert.ok(first.isDead, "it dies in the middle");
    await cloud.leasesEnd();
    const second = cloud.newProcess();
    second.work();
    const over = await cloud.jobOver(job.id);
    assert.deepEqual([over.state, over.tasks.succeeded], ["succeeded", 2]);
    assert.deepEqual(await cloud.objects(output), { "0/all": "alphabeta", "1/all": "alphabeta" });
    const runs = readFileSync(proof, "utf8").trim().split("\n").sort();
    assert.deepEqual(runs, ["0", "1"], "each command ran once");
    for (const task of await cloud.tasks(job.id)) {
      assert.equal(task.attempt, 1);
      assert.equal((await cloud.log(task.id)).text, "begun\ndone\n");
    }
    await second.stop();
    await nothingIsLeft();
  });
}

test("while nobody is there the command goes on; the result is found afterwards, timeouts too", async () => {
  const job = await cloud.job({
    name: "alone",
    array: 2,
    timeoutSeconds: 2,
    script: 'if [ "$KHMARA_TASK_INDEX" = 0 ]; then sleep 1; echo survived; else sleep 60; fi',
  });
  const first = cloud.newProcess();
  first.work();
  for (let tries = 0; tries < 3000; tries++) {
    if ((await cloud.tasks(job.id)).every(({ state }) => state === "running")) break;
    await sleep(20);
  }
  first.kill();
  await sleep(3500);
  assert.ok(
    (await cloud.tasks(job.id)).every(({ state }) => state === "running"),
    "nobody has looked",
  );
  await cloud.leasesEnd();
  const second = cloud.newProcess();
  second.work();
  await cloud.jobOver(job.id);
  const [zero, one] = await cloud.tasks(job.id);
  assert.deepEqual([zero.state, one.state], ["succeeded", "timed_out"]);
  assert.equal((await cloud.log(zero.id)).text, "survived\n");
  await second.stop();
  await nothingIsLeft();
});

test("a process that stops in order hands its tasks over at once", async () => {
  const job = await cloud.job({ name: "handed over", script: "sleep 1.5; echo done" });
  const first = cloud.newProcess();
  first.work();
  for (let tries = 0; tries < 3000 && (await cloud.tasks(job.id))[0].state !== "running"; tries++) await sleep(20);
  await first.stop();
  const second = cloud.newProcess();
  second.work();
  const began = Date.now();
  assert.equal((await cloud.jobOver(job.id)).state, "succeeded");
  assert.ok(Date.now() - began < 10_000, "no lease had to end first");
  assert.equal((await cloud.tasks(job.id))[0].attempt, 1);
  await second.stop();
  await nothingIsLeft();
});

test("a server that stops or is deleted is no fault of the command: it begins again, and uses up no retry", async () => {
  const worker = cloud.newProcess();
  worker.work();
  for (const what of ["crashed", "deleted"] as const) {
    const mark = join(cloud.directory, `mark-${what}`);
    const job = await cloud.job({
      name: what,
      environment: { MARK: mark },
      script: 'if [ -e "$MARK" ]; then echo again; else touch "$MARK"; sleep 60; fi',
    });
    for (let tries = 0; !existsSync(mark) && tries < 500; tries++) await sleep(20);
    const [name] = [...cloud.engine.instances.keys()];
    cloud.engine.happens(name as string, what);
    const over = await cloud.jobOver(job.id);
    assert.equal(over.state, "succeeded");
    const [task] = await cloud.tasks(job.id);
    assert.deepEqual([task.attempt, task.retriesUsed, task.attempts[0].outcome], [2, 0, "interrupted"]);
    assert.match(task.attempts[0].reason, /^its server (is stopped|stopped|was deleted|is missing)/);
  }
  await worker.stop();
  await nothingIsLeft();
});

test("an engine that cannot be reached for a while is waited for; one that never makes a server is not waited for for ever", async () => {
  const worker = cloud.newProcess({ interruptions: 2 });
  worker.work();
  const job = await cloud.job({ name: "patient", script: "sleep 1; echo done" });
  for (let tries = 0; tries < 3000 && (await cloud.tasks(job.id))[0].state !== "running"; tries++) await sleep(20);
  cloud.engine.faults.fail("instanceGet", { times: 3 });
  assert.equal((await cloud.jobOver(job.id)).state, "succeeded");
  cloud.engine.faults.clear();
  cloud.engine.faults.fail("instanceCreate", {
    times: Number.POSITIVE_INFINITY,
    error: Object.assign(new Error("no disk left"), {}),
  });
  const never = await cloud.job({ name: "never", script: "true" });
  const over = await cloud.jobOver(never.id);
  cloud.engine.faults.clear();
  assert.equal(over.state, "failed");
  const [task] = await cloud.tasks(never.id);
  assert.match(
    task.stateReason,
    /^Broken off 2 times, through no fault of the command; the last time: its server could not be made/,
  );
  await worker.stop();
  await nothingIsLeft();
});
