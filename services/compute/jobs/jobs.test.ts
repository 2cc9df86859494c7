import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { type JobCloud, type JobProcess, jobCloud } from "./testing/jobCloud.ts";

let cloud: JobCloud;
let worker: JobProcess;
before(async () => {
  cloud = await jobCloud();
  worker = cloud.newProcess();
  worker.work();
});
after(() => cloud.stop());

const hidden = async () => (await cloud.database.sql`select id from compute.instances where hidden`).length;

test("an array with input and output buckets; one task fails, is retried, and all is stored", async () => {
  const input = await cloud.bucket({ "set/a.txt": "alpha", "set/sub/b.txt": "beta", "other.txt": "not ours" });
  const output = await cloud.bucket();
  const job = await cloud.job({
    name: "Render",
    array: 3,
    maximumRetries: 2,
    environment: { GREETING: "it's a secret" },
    input: { bucket: input, prefix: "set/" },
    output: { bucket: output, prefix: "results/" },
    script: `
cd "$KHMARA_TEST_GUEST"
echo "task $KHMARA_TASK_INDEX of $KHMARA_TASK_COUNT, attempt $KHMARA_ATTEMPT: $GREETING"
if [ "$KHMARA_TASK_INDEX" = 1 ] && [ "$KHMARA_ATTEMPT" = 1 ]; then echo "bad luck" >&2; exit 9; fi
cat input/a.txt input/sub/b.txt > output/joined-$KHMARA_TASK_INDEX.txt
ls input > output/listing.txt`,
  });
  assert.deepEqual([job.state, job.tasks.queued, job.allowedActions], ["queued", 3, ["cancel"]]);
  const over = await cloud.jobOver(job.id);
  assert.deepEqual([over.state, over.tasks.succeeded, over.stateReason], ["succeeded", 3, undefined]);
  assert.deepEqual(await cloud.objects(output), {
    "results/0/joined-0.txt": "alphabeta",
    "results/0/listing.txt": "a.txt\nsub\n",
    "results/1/joined-1.txt": "alphabeta",
    "results/1/listing.txt": "a.txt\nsub\n",
    "results/2/joined-2.txt": "alphabeta",
    "results/2/listing.txt": "a.txt\nsub\n",
  });
  const tasks = await cloud.tasks(job.id);
  assert.deepEqual(
    tasks.map(({ index, state, attempt, retriesUsed, exitCode, outputObjects, outputBytes }) => [
      index,
      state,
      attempt,
      retriesUsed,
      exitCode,
      outputObjects,
      outputBytes,
    ]),
    [
      [0, "succeeded", 1, 0, 0, 2, 19],
      [1, "succeeded", 2, 1, 0, 2, 19],
      [2, "succeeded", 1, 0, 0, 2, 19],
    ],
  );
  assert.deepEqual(
    tasks[1].attempts.map(({ outcome, exitCode, reason }: Record<string, unknown>) => [outcome, exitCode, reason]),
    [
      ["failed", 9, "Exit code 9."],
      ["succeeded", 0, undefined],
    ],
  );
  assert.equal((await cloud.log(tasks[1].id, "?attempt=1")).text, "task 1 of 3, attempt 1: it's a secret\nbad luck\n");
  assert.equal((await cloud.log(tasks[1].id)).text, "task 1 of 3, attempt 2: it's a secret\n");
  // The secret is sealed, and gone when it is over.
  assert.deepEqual(over.environment, ["GREETING"]);
  const [row] = await cloud.database.sql`select environment from compute.jobs where id = ${job.id}`;
  assert.equal(row?.["environment"], null);
});

test("servers of tasks are in no list, metered once under the job's name, and gone at the end", async () => {
  const job = await cloud.job({ name: "Metered", array: 2, command: ["sh", "-c", "sleep 0.3"] });
  await cloud.jobOver(job.id);
  for (let tries = 0; (await hidden()) > 0 && tries < 200; tries++) await sleep(20);
  assert.equal(await hidden(), 0);
  assert.equal([...cloud.engine.instances.keys()].length, 0, "nothing is left in the engine");
  const rows = await cloud.database
    .sql`select meter, resource_kind as kind, resource_id as id, resource_name as name, from_at, to_at, quantity
    from kernel.usage_records where resource_id = ${job.id} order by meter, from_at`;
  assert.deepEqual(
    rows.map(({ meter, kind, name }) => `${meter} ${kind} ${name}`),
    ["compute.disk", "compute.disk", "compute.memory", "compute.memory", "compute.vcpus", "compute.vcpus"].map(
      (meter) => `${meter} job Metered`,
    ),
  );
  for (const row of rows) assert.ok(row["to_at"] > row["from_at"], `${row["meter"]} has ended`);
  const others = await cloud.database.sql`select 1 from kernel.usage_records where resource_kind = 'instance'`;
  assert.equal(others.length, 0, "counted once");
  const quota = await cloud.database
    .sql`select name, used from kernel.quota_usage where name like 'compute.task%' and name <> 'compute.task_logs'`;
  assert.ok(quota.length > 0 && quota.every(({ used }) => used === 0), JSON.stringify(quota));
});

test("what fails for good, runs out of time, or is not there is told as what it is", async () => {
  const failing = await cloud.jobOver(
    (await cloud.job({ name: "f", array: 2, maximumRetries: 1, script: "exit $((KHMARA_TASK_INDEX * 4))" })).id,
  );
  assert.deepEqual([failing.state, failing.stateReason], ["failed", "Of 2 tasks 1 failed."]);
  const [first, second] = await cloud.tasks(failing.id);
  assert.deepEqual(
    [first.state, second.state, second.exitCode, second.attempt, second.stateReason],
    ["succeeded", "failed", 4, 2, "Exit code 4."],
  );
  const late = await cloud.jobOver((await cloud.job({ name: "l", timeoutSeconds: 1, script: "echo begun; sleep 60" })).id);
  assert.deepEqual([late.state, late.tasks.timed_out], ["failed", 1]);
  const [lateTask] = await cloud.tasks(late.id);
  assert.deepEqual([lateTask.state, lateTask.stateReason], ["timed_out", "It was killed after 1 seconds."]);
  assert.equal((await cloud.log(lateTask.id)).text.split("\n")[0], "begun");
  const unknown = await cloud.jobOver((await cloud.job({ name: "u", command: ["no-such-program"] })).id);
  assert.equal((await cloud.tasks(unknown.id))[0].stateReason, "The command was not found (exit code 127).");
});

test("the log is followed live, by a wait that ends when there is more", async () => {
  const job = await cloud.job({ name: "live", script: "echo one; sleep 1; echo two ünd; sleep 1" });
  const [task] = await cloud.tasks(job.id);
  let offset = 0;
  let text = "";
  const seen: string[] = [];
  for (let rounds = 0; rounds < 50; rounds++) {
    const log = await cloud.log(task.id, `?offset=${offset}&waitSeconds=10`);
    if (log.text) seen.push(log.text);
    text += log.text;
    offset = log.nextOffset;
    if (log.finished) break;
  }
  assert.equal(text, "one\ntwo ünd\n");
  assert.equal(seen.length, 2, `it came in two pieces: ${JSON.stringify(seen)}`);
  const whole = await cloud.fetch("viewer", `/tasks/${task.id}/log/content`);
  assert.equal(await whole.text(), text);
  assert.match(String(whole.headers.get("content-disposition")), /task-0-attempt-1\.log/);
});

test("a log that is longer than is kept is cut, and says so", async () => {
  const job = await cloud.job({
    name: "long",
    array: 1,
    script: "yes 0123456789012345678901234567890123456789 | head -c 12000000; sleep 1.5; echo end",
  });
  await cloud.jobOver(job.id);
  const [task] = await cloud.tasks(job.id);
  assert.deepEqual([task.state, task.logBytes, task.logTruncated], ["succeeded", 10 * 1024 ** 2, true]);
  const tail = await cloud.log(task.id, "?limit=2000");
  assert.deepEqual([tail.nextOffset, tail.text.length, tail.truncated, tail.finished], [10 * 1024 ** 2, 2000, true, true]);
  await cloud.call("editor", "DELETE", `/jobs/${job.id}`);
  const [quota] = await cloud.database
    .sql`select used from kernel.quota_usage where name = 'compute.task_logs' and scope_id = ${cloud.project}`;
  const [kept] = await cloud.database.sql`select coalesce(sum(length(content)), 0)::bigint as bytes from compute.task_logs`;
  assert.equal(quota?.["used"], kept?.["bytes"], "the quota has what is kept, no more");
});

test("cancelling: what waits is not begun, what runs is killed, the server goes", async () => {
  const job = await cloud.job({ name: "c", array: 5, parallel: 2, script: "sleep 60" });
  for (let tries = 0; tries < 300; tries++) {
    const { body } = await cloud.call("viewer", "GET", `/jobs/${job.id}`);
    if (body.tasks.running === 2) break;
    await sleep(20);
  }
  assert.equal((await cloud.call("viewer", "POST", `/jobs/${job.id}/cancel`)).status, 403);
  assert.equal((await cloud.call("editor", "DELETE", `/jobs/${job.id}`)).status, 409);
  const cancelled = await cloud.call("editor", "POST", `/jobs/${job.id}/cancel`);
  assert.deepEqual([cancelled.status, cancelled.body.state, cancelled.body.tasks.cancelled], [200, "cancelling", 3]);
  const over = await cloud.jobOver(job.id);
  assert.deepEqual([over.state, over.tasks.cancelled], ["cancelled", 5]);
  assert.equal((await cloud.call("editor", "POST", `/jobs/${job.id}/cancel`)).status, 409);
  for (let tries = 0; cloud.engine.instances.size > 0 && tries < 200; tries++) await sleep(20);
  assert.equal(cloud.engine.instances.size, 0);
  assert.equal((await cloud.call("editor", "DELETE", `/jobs/${job.id}`)).status, 204);
  assert.equal((await cloud.call("editor", "GET", `/jobs/${job.id}`)).status, 404);
});

test("an output that cannot be stored fails the task, and says why; links are left out with a note", async () => {
  const output = await cloud.bucket();
  const job = await cloud.job({
    name: "o",
    output: { bucket: output },
    script: 'cd "$KHMARA_TEST_GUEST/output"; echo x > real; ln -s /etc/passwd link',
  });
  assert.equal((await cloud.jobOver(job.id)).state, "succeeded");
  assert.deepEqual(await cloud.objects(output), { real: "x\n" });
  assert.match((await cloud.tasks(job.id))[0].stateReason, /^Left out of the output \(1; .*link$/);
  await cloud.database.sql`insert into kernel.quota_limits (scope_id, organisation_id, name, limit_value)
    values (${cloud.project}, ${cloud.organisation}, 'objects.storage_bytes', 0)`;
  await sleep(3100);
  const full = await cloud.job({
    name: "full",
    output: { bucket: output },
    maximumRetries: 3,
    script: 'echo x > "$KHMARA_TEST_GUEST/output/more"',
  });
  const over = await cloud.jobOver(full.id);
  await cloud.database.sql`delete from kernel.quota_limits`;
  assert.equal(over.state, "failed");
  const [task] = await cloud.tasks(full.id);
  assert.equal(task.attempt, 1, "trying again would not help");
  assert.match(task.stateReason, /^The output could not be stored: The project may store 0 bytes/);
});

test("bad input gets a clear answer and leaves nothing behind", async () => {
  const bad = async (body: Record<string, unknown>, caller: "editor" | "viewer" = "editor") =>
    cloud.call(caller, "POST", "/jobs", {
      project: cloud.project,
      name: "x",
      image: "tools",
      size: "tiny",
      script: "true",
      ...body,
    });
  const before = await cloud.database.sql`select count(*) from compute.jobs`;
  const cases: [Record<string, unknown>, number, RegExp][] = [
    [{ size: "huge" }, 404, /There is no size huge\. There are: tiny/],
    [{ image: "none" }, 404, /image/],
    [{ command: ["a"], script: "b" }, 400, /Give a command or a script/],
    [{ script: undefined }, 400, /Give a command or a script/],
    [{ script: "echo \0" }, 400, /null byte/],
    [{ script: undefined, command: ["echo", "\0"] }, 400, /null byte/],
    [{ environment: { X: "\0" } }, 400, /null byte/],
    [{ environment: { "1X": "y" } }, 400, /variable/],
    [{ environment: { KHMARA_X: "y" } }, 400, /cloud's own/],
    [{ input: { bucket: "nowhere" } }, 404, /There is no bucket nowhere in this project/],
    [{ output: { bucket: "nowhere" } }, 404, /There is no bucket nowhere in this project/],
    [{ networks: ["net_0192f0c1d2e37a4b8c5d6e7f80912a3b"] }, 404, /no such network in this project/],
    [{ array: 0 }, 400, /./],
    [{ input: { bucket: "b", prefix: "no-slash" } }, 400, /slash/],
  ];
  for (const [body, status, message] of cases) {
    const answer = await bad(body);
    assert.equal(answer.status, status, JSON.stringify(answer.body));
    assert.match(JSON.stringify(answer.body), message);
  }
  assert.equal((await bad({}, "viewer")).status, 403);
  assert.equal(
    (
      await cloud.call("stranger", "POST", "/jobs", {
        project: cloud.project,
        name: "x",
        image: "tools",
        size: "tiny",
        script: "true",
      })
    ).status,
    404,
  );
  await cloud.size({ name: "giant", vcpus: 200 });
  const giant = await bad({ size: "giant" });
  assert.deepEqual([giant.status, giant.body.quota], [403, "compute.task_vcpus"]);
  assert.deepEqual(await cloud.database.sql`select count(*) from compute.jobs`, before);
  const [quota] = await cloud.database
    .sql`select used from kernel.quota_usage where name = 'compute.jobs' and scope_id = ${cloud.project}`;
  assert.equal(quota?.["used"] ?? 0, 0);
});

test("a command that lies about itself harms only itself", async () => {
  const job = await cloud.job({
    name: "liar",
    array: 3,
    script: `cd "$KHMARA_TEST_GUEST/khmara"
case "$KHMARA_TASK_INDEX" in
0) printf '#!/bin/sh\\necho "exited 99999999999 88888888888888888888 no"\\n' > poll ;;
1) printf '#!/bin/sh\\necho "exited 0 1000000 no"\\nprintf x\\n' > poll ;;
2) printf '#!/bin/sh\\necho "nonsense \\\\000"\\n' > poll ;;
esac
sleep 3`,
  });
  const over = await cloud.jobOver(job.id);
  const [huge, short, nonsense] = await cloud.tasks(job.id);
  assert.deepEqual([huge.state, huge.exitCode], ["failed", 255]);
  assert.equal(short.state, "succeeded");
  assert.equal(nonsense.state, "failed");
  assert.match(nonsense.stateReason, /^Broken off 5 times/);
  assert.equal(over.state, "failed");
});

test("lists: newest first, by state and name, page by page", async () => {
  for (const name of ["list-a", "list-b", "list-c"]) await cloud.job({ name, script: "true" });
  const names = async (query: string) =>
    (await cloud.call("viewer", "GET", `/jobs?project=${cloud.project}&search=LIST-&${query}`)).body;
  const first = await names("limit=2");
  assert.deepEqual(
    first.items.map(({ name }: { name: string }) => name),
    ["list-c", "list-b"],
  );
  assert.deepEqual(
    (await names(`limit=2&cursor=${first.nextCursor}`)).items.map(({ name }: { name: string }) => name),
    ["list-a"],
  );
  for (const { id } of first.items) await cloud.jobOver(id);
  assert.ok((await names("state=succeeded")).items.length >= 2);
  assert.equal((await cloud.call("stranger", "GET", `/jobs?project=${cloud.project}`)).status, 404);
  const [task] = await cloud.tasks(first.items[0].id);
  for (const path of [
    `/tasks/${task.id}`,
    `/tasks/${task.id}/log`,
    `/tasks/${task.id}/log/content`,
    `/jobs/${first.items[0].id}/tasks`,
  ])
    assert.equal((await cloud.call("stranger", "GET", path)).status, 404, path);
});

test("finished jobs go after their time, with their logs", async () => {
  const job = await cloud.job({ name: "old", script: "echo something" });
  await cloud.jobOver(job.id);
  await cloud.work("compute.jobs.expired");
  assert.equal((await cloud.call("viewer", "GET", `/jobs/${job.id}`)).status, 200);
  await cloud.database.sql`update compute.jobs set finished_at = now() - interval '31 days' where id = ${job.id}`;
  await cloud.work("compute.jobs.expired");
  assert.equal((await cloud.call("viewer", "GET", `/jobs/${job.id}`)).status, 404);
  const [left] = await cloud.database
    .sql`select count(*) as count from compute.task_logs l left join compute.tasks t on t.id = l.task_id where t.id is null`;
  assert.equal(left?.["count"], 0);
});
