import assert from "node:assert/strict";
import { after, test } from "node:test";
import { migratedDatabase } from "../../testing/kernel-fixture.ts";
import { systemActor } from "../auth/principal.ts";
import { CloudError } from "../errors.ts";
import { silentLog } from "../log.ts";
import { defineOperation, NotYet, type OperationDefinition } from "./definition.ts";
import { becauseOf, failureOf } from "./failure.ts";
import { openOperationRunner } from "./runner.ts";
import { beginOperation, type OperationRecord, operationColumns, requestCancel } from "./store.ts";

const { database } = await migratedDatabase();

// biome-ignore lint/suspicious/noExplicitAny: operations of different inputs.
async function run(definition: OperationDefinition<any>): Promise<void> {
  const runner = await openOperationRunner({ database, definitions: [definition], log: silentLog, pollMs: 100 });
  after(() => runner.stop());
}
// biome-ignore lint/suspicious/noExplicitAny: operations of different inputs.
const begin = (definition: OperationDefinition<any>, input: Record<string, unknown> = {}) =>
  database.transaction("system", (tx) => beginOperation(tx, definition, { input, actor: systemActor }));

async function finished(id: string, within = 20_000): Promise<OperationRecord> {
  for (const end = Date.now() + within; Date.now() < end; await new Promise((resolve) => setTimeout(resolve, 20))) {
    const [record] = await database.sql<
      OperationRecord[]
    >`select ${database.sql.unsafe(operationColumns)} from kernel.operations where id = ${id}`;
    if (record?.finishedAt) return record;
  }
  throw new Error("the operation did not finish");
}

test("steps run in order, hand on what they remember, and end with a result", async () => {
  const definition = defineOperation<{ start: number }>({
    kind: "test.sum.add",
    steps: [
      {
        name: "one",
        deadlineSeconds: 5,
        run: async ({ memory, input }) => {
          memory["sum"] = input.start + 1;
        },
      },
      {
        name: "two",
        deadlineSeconds: 5,
        run: async ({ memory, progress }) => {
          progress(0.5, "half");
          memory["sum"] = (memory["sum"] as number) + 1;
        },
      },
    ],
    finish: async (_tx, { memory }) => ({ sum: memory["sum"] }),
  });
  await run(definition);
  const record = await finished((await begin(definition, { start: 40 })).id);
  assert.equal(record.state, "succeeded");
  assert.deepEqual(record.result, { sum: 42 });
  assert.equal(record.progress, 1);
});

test("a failure undoes what was begun, in reverse order, and says which step", async () => {
  const undone: string[] = [];
  const step = (name: string, fails = false) => ({
    name,
    deadlineSeconds: 5,
    run: async () => {
      if (fails)
        throw new CloudError("storage_full", "The disk is full.", {
          details: { reason: "disk_full", disk: "sda", bytes: 5n, output: "no\0room" },
        });
    },
    undo: async () => void undone.push(name),
  });
  const definition = defineOperation({ kind: "test.fail.run", steps: [step("a"), step("b"), step("c", true), step("d")] });
  await run(definition);
  const record = await finished((await begin(definition)).id);
  assert.equal(record.state, "failed");
  // As a refused request tells it, and as PostgreSQL can keep it.
  const details = { reason: "disk_full", disk: "sda", bytes: "5", output: "no\ufffdroom" };
  assert.deepEqual(record.error, { code: "storage_full", message: "The disk is full.", step: "c", details });
  assert.deepEqual(undone, ["c", "b", "a"]);
  assert.deepEqual(
    record.steps.map((each) => each.state),
    ["undone", "undone", "undone", "pending"],
  );
});

test("of long details only the reason is kept; one that fails because of another tells the reason of that", () => {
  const long = new CloudError("conflict", "Two.", { details: { reason: "two", output: "x".repeat(20_000) } });
  const failure = failureOf(long, "b");
  assert.deepEqual(failure, { code: "conflict", message: "Two.", step: "b", details: { reason: "two" } });
  const because = becauseOf(failure, "part_failed");
  assert.deepEqual([because.message, because.details], ["Two.", { reason: "two" }]);
  assert.equal(
    becauseOf({ code: "conflict", message: "Kept before reasons were." }, "part_failed").details.reason,
    "part_failed",
  );
  assert.deepEqual(failureOf(new Error("inside")).code, "internal");
});

test("what is unavailable is tried again; a step past its deadline fails", async () => {
  let tries = 0;
  const definition = defineOperation({
    kind: "test.retry.run",
    steps: [
      {
        name: "flaky",
        deadlineSeconds: 5,
        run: async () => {
          if (++tries < 3) throw new CloudError("unavailable", "Not now.");
        },
      },
      {
        name: "slow",
        deadlineSeconds: 0.2,
        attempts: 1,
        run: ({ signal }) => new Promise((resolve) => signal.addEventListener("abort", () => resolve())),
      },
    ],
  });
  await run(definition);
  const record = await finished((await begin(definition)).id);
  assert.equal(tries, 3);
  assert.deepEqual([record.state, record.error?.code, record.error?.step], ["failed", "deadline_exceeded", "slow"]);
  assert.deepEqual(record.error?.details, { reason: "step_too_long", step: "slow", seconds: 0.2 });
});

test("cancelling stops the running step and undoes", async () => {
  let undone = false;
  const definition = defineOperation({
    kind: "test.cancel.run",
    steps: [
      {
        name: "long",
        deadlineSeconds: 60,
        run: ({ signal }) => new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason))),
        undo: async () => {
          undone = true;
        },
      },
    ],
  });
  await run(definition);
  const { id } = await begin(definition);
  await new Promise((resolve) => setTimeout(resolve, 300));
  await database.transaction("system", (tx) => requestCancel(tx, id));
  const record = await finished(id);
  assert.equal(record.state, "cancelled");
  assert.ok(undone);
});

test("what a stopped or dead process left is carried on by the next one", async () => {
  const seen: string[] = [];
  let first = true;
  const definition = defineOperation({
    kind: "test.resume.run",
    steps: [
      { name: "done", deadlineSeconds: 5, run: async () => void seen.push("done") },
      {
        name: "interrupted",
        deadlineSeconds: 60,
        run: async ({ signal }) => {
          seen.push("interrupted");
          if (first) {
            first = false;
            await new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
          }
        },
      },
    ],
  });
  const runner = await openOperationRunner({ database, definitions: [definition], log: silentLog, pollMs: 100 });
  const { id } = await begin(definition);
  while (!seen.includes("interrupted")) await new Promise((resolve) => setTimeout(resolve, 20));
  await runner.stop();
  await run(definition);
  assert.equal((await finished(id)).state, "succeeded");
  assert.deepEqual(seen, ["done", "interrupted", "interrupted"]);
});

test("long operations leave room for short ones", async () => {
  const { promise: end, resolve } = Promise.withResolvers<void>();
  let running = 0;
  let most = 0;
  const long = defineOperation({
    kind: "test.bytes.move",
    long: true,
    steps: [
      {
        name: "move",
        deadlineSeconds: 60,
        async run() {
          most = Math.max(most, ++running);
          await end;
          running--;
        },
      },
    ],
  });
  const short = defineOperation({
    kind: "test.light.switch",
    steps: [{ name: "switch", deadlineSeconds: 5, run: async () => {} }],
  });
  const runner = await openOperationRunner({
    database,
    definitions: [long, short],
    log: silentLog,
    pollMs: 100,
    concurrency: 3,
    longConcurrency: 2,
  });
  after(() => runner.stop());
  const begun: string[] = [];
  for (let count = 0; count < 5; count++) begun.push((await begin(long)).id);
  assert.equal((await finished((await begin(short)).id)).state, "succeeded");
  // The second of the long ones may be claimed later than the short one is over.
  for (const end = Date.now() + 15_000; running < 2 && Date.now() < end; ) await new Promise((tick) => setTimeout(tick, 20));
  assert.equal(running, 2);
  resolve();
  for (const id of begun) assert.equal((await finished(id)).state, "succeeded");
  assert.equal(most, 2);
});

test("whoever waits for another leaves it a place, in a step and in its undo", async () => {
  let children = 0;
  const child = defineOperation({
    kind: "test.child.run",
    steps: [{ name: "run", deadlineSeconds: 5, run: async () => void children++ }],
  });
  const waiter = (after: number) => async (): Promise<void> => {
    if (children < after) throw new NotYet(0.05);
  };
  const parent = defineOperation<{ fails: boolean }>({
    kind: "test.parent.run",
    steps: [
      { name: "wait", deadlineSeconds: 5, run: waiter(1), undo: waiter(2) },
      {
        name: "fail",
        deadlineSeconds: 5,
        async run({ input }) {
          if (input.fails) throw new CloudError("storage_full", "The disk is full.");
        },
      },
    ],
  });
  const runner = await openOperationRunner({
    database,
    definitions: [parent, child],
    log: silentLog,
    pollMs: 50,
    concurrency: 1,
  });
  after(() => runner.stop());
  const [good, bad] = [await begin(parent, { fails: false }), await begin(parent, { fails: true })];
  await begin(child);
  const succeeded = await finished(good.id);
  assert.deepEqual([succeeded.state, succeeded.steps[0]?.attempts], ["succeeded", 1]);
  await begin(child);
  assert.equal((await finished(bad.id)).state, "failed");
});
