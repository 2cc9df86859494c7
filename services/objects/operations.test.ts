import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { silentLog } from "../../kernel/log.ts";
import type { StepContext } from "../../kernel/operations/definition.ts";
import { collectChanges } from "./changes.ts";
import type { ObjectStore } from "./driver.ts";
import { defineObjectOperations } from "./operations.ts";
import { type TestCloud, testCloud } from "./testing/fixture.ts";

let cloud: TestCloud;
let copyDelayMs = 0;

/** No operation runs before a test starts the runner; copies are as slow as a test wants. */
before(async () => {
  const wrapStore = (store: ObjectStore): ObjectStore =>
    new Proxy(store, {
      get(target, name) {
        const value = Reflect.get(target, name) as unknown;
        if (name === "copy")
          return async (...args: Parameters<ObjectStore["copy"]>) => {
            if (copyDelayMs > 0) await new Promise((resolve) => setTimeout(resolve, copyDelayMs));
            return target.copy(...args);
          };
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
  cloud = await testCloud({ runner: false, wrapStore });
});
afterEach(() => cloud.stopRunner());
after(() => cloud.stop());

async function filled(names: string[]): Promise<string> {
  const { id } = await cloud.bucket();
  await Promise.all(names.map((key) => cloud.put(id, key, `content of ${key}`)));
  return id;
}

test("a move that meets something new at its target is undone", async () => {
  const id = await filled(Array.from({ length: 40 }, (_, index) => `f/${index}`));
  const definitions = defineObjectOperations({ store: cloud.store, changes: collectChanges(cloud.database, silentLog) });
  const asOfMs = Date.now();
  await new Promise((resolve) => setTimeout(resolve, 5));
  const context = stepContext({
    bucketId: id as never,
    overwrite: false,
    asOfMs,
    plan: { keys: [], folders: [{ from: "f/", to: "g/" }] },
  });
  await cloud.put(id, "g/27", "somebody else's");
  const move = definitions.objectMove.steps[1]!;
  await assert.rejects(move.run(context), { code: "already_exists" });
  await move.undo?.(context);
  const keys = await cloud.keys(id);
  assert.equal(keys.filter((key) => key.startsWith("f/")).length, 40);
  assert.deepEqual(
    keys.filter((key) => key.startsWith("g/")),
    ["g/27"],
  );
  assert.equal(await cloud.text(id, "g/27"), "somebody else's");
});

test("while a bucket is emptied nobody writes to it; while something moves nobody empties it", async () => {
  const { id, name } = await cloud.bucket();
  await cloud.put(id, "a", "x");
  await cloud.call("editor", "POST", `/buckets/${id}/trash`, { keys: ["a"] });
  const busy = await cloud.call("editor", "POST", `/buckets/${id}/empty`, { confirm: name });
  assert.deepEqual([busy.status, busy.body.reason], [409, "operation_active"]);
  assert.equal((await cloud.call("editor", "DELETE", `/buckets/${id}`)).status, 409);
  await cloud.database.sql`delete from kernel.operations`;
  assert.equal((await cloud.call("editor", "POST", `/buckets/${id}/empty`, { confirm: name })).status, 202);
  assert.equal((await cloud.call("editor", "POST", `/buckets/${id}/trash`, { keys: ["a"] })).status, 409);
  assert.equal((await cloud.fetch("editor", `/buckets/${id}/object/content?key=b`, { method: "PUT", body: "x" })).status, 409);
});

// As a process dies: in the middle of a step, between a copy and its deletion, and nothing after that.
for (const diesAfter of [1, 7, 40]) {
  test(`killed after ${diesAfter} calls of the store, an operation is carried on by the next process`, async () => {
    const names = Array.from({ length: 30 }, (_, index) => `f/${index}.txt`);
    const id = await filled(names);
    const start = async (path: string, body: unknown, killed: boolean) => {
      const answer = await cloud.call("editor", "POST", `/buckets/${id}/${path}`, body);
      assert.equal(answer.status, 202, JSON.stringify(answer.body));
      if (killed) await runAndDie(answer.body.id, diesAfter);
      return answer.body.id as string;
    };
    const moved = await start("objects/move", { prefixes: ["f/"], targetPrefix: "g/" }, true);
    await cloud.startRunner();
    assert.equal((await cloud.ended(moved)).state, "succeeded");
    assert.deepEqual((await cloud.keys(id)).sort(), names.map((key) => `g/${key}`).sort());

    const trashed = await cloud.ended(await start("trash", { prefixes: ["g/f/"] }, false));
    assert.deepEqual([trashed.result.objects, await cloud.keys(id)], [30, []]);
    const restored = await cloud.ended(await start(`trash/${trashed.result.trashId}/restore`, {}, false));
    assert.deepEqual([restored.state, restored.result.renamed], ["succeeded", []]);
    for (const key of names) assert.equal(await cloud.text(id, `g/${key}`), `content of ${key}`);
  });

  test(`killed after ${diesAfter} calls, trash and restore lose nothing, not even what was written meanwhile`, async () => {
    const names = Array.from({ length: 30 }, (_, index) => `f/${index}.txt`);
    const id = await filled(names);
    const trashing = (await cloud.call("editor", "POST", `/buckets/${id}/trash`, { prefixes: ["f/"] })).body.id;
    await runAndDie(trashing, diesAfter);
    await new Promise((resolve) => setTimeout(resolve, 3));
    await cloud.put(id, "f/0.txt", "written after the crash");
    await cloud.startRunner();
    const { result } = await cloud.ended(trashing);
    assert.deepEqual(await cloud.keys(id), ["f/0.txt"]);
    const restoring = (await cloud.call("editor", "POST", `/buckets/${id}/trash/${result.trashId}/restore`, {})).body.id;
    assert.equal((await cloud.ended(restoring)).state, "succeeded");
    assert.equal(await cloud.text(id, "f/0.txt"), "written after the crash");
    const keys = await cloud.keys(id);
    // What had not reached the trash when it was overwritten is gone by that, as anywhere.
    assert.ok(keys.length === 31 ? keys.includes("f/0 (2).txt") : keys.length === 30);
    assert.equal((await cloud.store.totals(await trashOf(id))).objects, 0);
  });
}

test("a cancelled deletion is undone", async () => {
  const names = Array.from({ length: 100 }, (_, index) => `${index}`);
  const id = await filled(names);
  await cloud.startRunner();
  copyDelayMs = 25;
  const trashing = (await cloud.call("editor", "POST", `/buckets/${id}/trash`, { keys: names })).body.id;
  while ((await cloud.keys(id)).length > 80) await new Promise((resolve) => setTimeout(resolve, 5));
  await cloud.database.sql`update kernel.operations set cancel_requested = true where id = ${trashing}`;
  await cloud.database.sql`select pg_notify('khmara_operations', ${trashing})`;
  copyDelayMs = 0;
  assert.equal((await cloud.ended(trashing)).state, "cancelled");
  assert.deepEqual((await cloud.keys(id)).sort(), names.sort());
  assert.deepEqual((await cloud.call("viewer", "GET", `/buckets/${id}/trash`)).body.items, []);
});

async function trashOf(bucketId: string) {
  const [row] = await cloud.database.sql`select trash_bucket_id as id from objects.buckets where id = ${bucketId}`;
  return row?.["id"];
}

function stepContext<Input extends Record<string, unknown>>(
  input: Input,
  place: Partial<StepContext<Input>> = {},
): StepContext<Input> {
  return {
    operationId: "",
    input,
    actor: { kind: "system", name: "test" },
    organisationId: undefined,
    projectId: undefined,
    attempt: 1,
    begunAt: new Date(),
    memory: {},
    remember: async () => {},
    signal: new AbortController().signal,
    progress: () => {},
    database: cloud.database,
    log: silentLog,
    ...place,
  };
}

/** Runs the steps of a recorded operation until the store fails for ever, and leaves the record as a killed process leaves it. */
async function runAndDie(operationId: string, calls: number): Promise<void> {
  const [row] = await cloud.database
    .sql`select kind, input, organisation_id, project_id from kernel.operations where id = ${operationId}`;
  let left = calls;
  const dying = new Proxy(cloud.store, {
    get(target, name) {
      const value = Reflect.get(target, name) as unknown;
      if (typeof value !== "function") return value;
      return (...args: unknown[]) => {
        if ((name === "copy" || name === "delete") && left-- <= 0) throw new Error("killed");
        return (value as (...args: unknown[]) => unknown).apply(target, args);
      };
    },
  });
  const changes = collectChanges(cloud.database, silentLog);
  const definition = Object.values(defineObjectOperations({ store: dying, changes })).find(({ kind }) => kind === row?.["kind"]);
  const context = stepContext(row?.["input"], {
    organisationId: row?.["organisation_id"],
    projectId: row?.["project_id"],
    database: cloud.database,
  });
  await assert.rejects(async () => {
    for (const step of definition?.steps ?? []) await step.run(context as never);
  }, /killed/);
  await changes.stop();
  await cloud.database
    .sql`update kernel.operations set state = 'running', worker = 'dead', lease_until = now() - interval '1 second' where id = ${operationId}`;
}
