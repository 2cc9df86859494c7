import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { newId } from "../../../kernel/ids.ts";
import { silentLog } from "../../../kernel/log.ts";
import { lxdMissing, type TestProject, testLxd, testProject } from "../../../testing/lxd.ts";
import type { ComputeDriver } from "../driver.ts";
import { openLxdDriver } from "../drivers/lxd/index.ts";
import { createSampler, slotOf } from "../watch/sampler.ts";
import { type JobCloud, jobCloud } from "./testing/jobCloud.ts";

const skip = lxdMissing();
const settings = { skip, timeout: 900_000 };
const gib = 1024 ** 3;

let cloud: JobCloud;
let driver: ComputeDriver;
let project: TestProject;

/** On the real engine; the network is a stand-in, as the servers of this file have no cards. */
before(async () => {
  if (skip !== undefined) return;
  const lxd = await testLxd();
  project = await testProject(lxd, "khjob");
  driver = await openLxdDriver({ endpoint: lxd.socket, pool: lxd.poolName, engineProject: project.name, log: silentLog });
  cloud = await jobCloud({ standIns: ["networks", "volumes", "images"], drivers: { engine: { driver } } });
  cloud.standIns.networks.ports = async () => new Map();
  cloud.standIns.images.add({
    id: newId("image"),
    name: "debian-12",
    engineName: lxd.imageAlias,
    kind: "container",
    minimumDiskBytes: 2 * gib,
    defaultUser: "debian",
  });
  await cloud.size({ name: "of-this-test", vcpus: 1, memoryBytes: gib / 2, diskBytes: 4 * gib });
});
after(async () => {
  await cloud?.stop();
  await project?.remove();
});

const job = (body: Record<string, unknown>) => cloud.job({ image: "debian-12", size: "of-this-test", ...body });
async function untilGone(): Promise<void> {
  for (let tries = 0; tries < 1800; tries++) {
    const [left] = await cloud.database.sql`select count(*) as count from compute.instances`;
    if (left?.["count"] === 0) break;
    await sleep(100);
  }
  assert.deepEqual(await driver.instanceList(), [], "no server is left in the engine");
}

test(
  "three tasks with input and output buckets: one fails and is retried; logs, results, usage to the second",
  settings,
  async () => {
    const input = await cloud.bucket({ "words/a.txt": "alpha\n", "words/deep/b.txt": "beta\n", "words/файл.txt": "gamma\n" });
    const output = await cloud.bucket();
    const worker = cloud.newProcess({ pollWaits: 8 });
    worker.work();
    const made = await job({
      name: "Count words",
      array: 3,
      maximumRetries: 1,
      environment: { SECRET: "only inside" },
      input: { bucket: input, prefix: "words/" },
      output: { bucket: output, prefix: "out/" },
      script: `#!/bin/bash
set -e
echo "task $KHMARA_TASK_INDEX of $KHMARA_TASK_COUNT on $(uname -s), secret has \${#SECRET} letters"
if [ "$KHMARA_TASK_INDEX" = 2 ] && [ "$KHMARA_ATTEMPT" = 1 ]; then echo "no luck" >&2; exit 3; fi
find /input -type f | sort > /output/files.txt
cat /input/a.txt /input/deep/b.txt /input/файл.txt | wc -l > /output/lines.txt
head -c 3000000 /dev/zero > /output/large
echo done`,
    });
    const over = await cloud.jobOver(made.id);
    assert.equal(over.state, "succeeded", JSON.stringify(await cloud.tasks(made.id)));
    const results = await cloud.objects(output);
    assert.deepEqual(
      Object.keys(results).sort(),
      [0, 1, 2].flatMap((index) => ["files.txt", "large", "lines.txt"].map((name) => `out/${index}/${name}`)),
    );
    assert.equal(results["out/1/files.txt"], "/input/a.txt\n/input/deep/b.txt\n/input/файл.txt\n");
    assert.equal(results["out/2/lines.txt"], "3\n");
    assert.equal(results["out/0/large"]?.length, 3_000_000);
    const tasks = await cloud.tasks(made.id);
    assert.deepEqual(
      tasks.map(({ attempt, retriesUsed }) => [attempt, retriesUsed]),
      [
        [1, 0],
        [1, 0],
        [2, 1],
      ],
    );
    assert.equal((await cloud.log(tasks[0].id)).text, "task 0 of 3 on Linux, secret has 11 letters\ndone\n");
    assert.match((await cloud.log(tasks[2].id, "?attempt=1")).text, /no luck\n$/);
    await untilGone();
    const spans = await cloud.database.sql<{ meter: string; kind: string; seconds: number; rate: string }[]>`
    select meter, resource_kind as kind, extract(epoch from to_at - from_at)::double precision as seconds, quantity as rate
    from kernel.usage_records where resource_id = ${made.id}`;
    assert.equal(spans.length, 4 * 3, "four servers, three meters, each once");
    assert.ok(spans.every(({ kind, seconds }) => kind === "job" && seconds > 0));
    const vcpuSeconds = spans.filter(({ meter }) => meter === "compute.vcpus").reduce((sum, { seconds }) => sum + seconds, 0);
    const attempts = tasks.flatMap((task) => task.attempts as { startedAt: string; finishedAt: string }[]);
    const held = attempts.reduce((sum, each) => sum + (Date.parse(each.finishedAt) - Date.parse(each.startedAt)) / 1000, 0);
    // From when it runs to when it is deleted, which takes a moment longer than the attempt.
    assert.ok(vcpuSeconds > 0 && vcpuSeconds < held + attempts.length * 10, `${vcpuSeconds} of ${held} seconds`);
    await worker.stop();
  },
);

test(
  "a dead process: the command goes on inside, and the next one finds its result, its log and its output",
  settings,
  async () => {
    const output = await cloud.bucket();
    const first = cloud.newProcess();
    first.work();
    const made = await job({
      name: "Survivor",
      output: { bucket: output },
      timeoutSeconds: 60,
      script: "for n in 1 2 3 4 5 6; do echo step $n; sleep 1; done; cp /proc/sys/kernel/random/uuid /output/id; echo end",
    });
    const [task] = await cloud.tasks(made.id);
    for (let tries = 0; tries < 1800; tries++) {
      if ((await cloud.log(task.id)).text.includes("step 2")) break;
      await sleep(100);
    }
    first.kill();
    await sleep(2000);
    await cloud.leasesEnd();
    const second = cloud.newProcess();
    second.work();
    const over = await cloud.jobOver(made.id);
    assert.equal(over.state, "succeeded", JSON.stringify(await cloud.tasks(made.id)));
    assert.equal((await cloud.log(task.id)).text, "step 1\nstep 2\nstep 3\nstep 4\nstep 5\nstep 6\nend\n");
    assert.deepEqual(Object.keys(await cloud.objects(output)), ["id"]);
    assert.equal((await cloud.tasks(made.id))[0].attempt, 1);
    await second.stop();
    await untilGone();
  },
);

test("a timeout kills, cancelling kills, a server that is stopped from outside begins again", settings, async () => {
  const worker = cloud.newProcess({ pollWaits: 3 });
  worker.work();
  const late = await job({ name: "late", timeoutSeconds: 2, script: "sleep 600" });
  const stopped = await job({ name: "stopped", script: "if [ $KHMARA_ATTEMPT = 1 ]; then sleep 600; fi; echo second" });
  const cancelled = await job({ name: "cancelled", script: "sleep 600" });
  const running = async (id: string) => {
    for (let tries = 0; tries < 1800 && (await cloud.tasks(id))[0].state !== "running"; tries++) await sleep(100);
  };
  await running(stopped.id);
  const [row] = await cloud.database
    .sql`select i.engine_name as name from compute.instances i join compute.tasks t on t.instance_id = i.id where t.job_id = ${stopped.id}`;
  await driver.instanceStop(row?.["name"], { timeoutSeconds: 0 });
  await running(cancelled.id);
  await cloud.call("editor", "POST", `/jobs/${cancelled.id}/cancel`);
  assert.equal((await cloud.jobOver(cancelled.id)).state, "cancelled");
  assert.equal((await cloud.jobOver(late.id)).tasks.timed_out, 1);
  assert.equal((await cloud.jobOver(stopped.id)).state, "succeeded");
  const [task] = await cloud.tasks(stopped.id);
  assert.deepEqual([task.attempt, task.retriesUsed, task.attempts[0].outcome], [2, 0, "interrupted"]);
  await worker.stop();
  await untilGone();
});

test("the load of a real instance is measured: its processor, memory and disk", settings, async () => {
  const instance = await cloud.instance({ name: "busy", image: "debian-12", size: "of-this-test" });
  const name = `kh-${instance.id.slice(-12)}`;
  await driver.instanceExec(name, {
    command: ["sh", "-c", "timeout 30 yes > /dev/null 2>&1 < /dev/null &"],
    maxOutputBytes: 100,
  });
  await cloud.database.sql`update compute.metric_progress set slot = ${slotOf(Date.now()) - 1}`;
  const sampler = createSampler(cloud.compute.parts);
  const { signal } = new AbortController();
  for (let rounds = 0; rounds < 3; ) {
    if (await sampler.round(signal)) rounds++;
    await sleep(500);
  }
  const { body } = await cloud.call("viewer", "GET", `/instances/${instance.id}/metrics`);
  const last = body.points.findLast((point: { cpuPercent?: number }) => point.cpuPercent !== undefined);
  assert.ok(last.cpuPercent > 0.5, JSON.stringify(last));
  assert.ok(last.memoryBytes > 5e6 && last.memoryPercent > 1 && last.memoryPercent < 100, JSON.stringify(last));
  assert.ok(last.processes > 3);
  const engine = await cloud.call("admin", "GET", "/engine/metrics");
  assert.equal(engine.status, 200);
  assert.equal(engine.body.members.length, 1);
  const host = engine.body.points.findLast((point: { running?: number }) => point.running !== undefined);
  assert.ok(host.running >= 1 && host.memoryPercent > 0 && host.poolPercent > 0, JSON.stringify(host));
  await cloud.done((await cloud.call("editor", "DELETE", `/instances/${instance.id}`)).body.id);
});
