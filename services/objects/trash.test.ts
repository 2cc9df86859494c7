import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { silentLog } from "../../kernel/log.ts";
import type { StepContext } from "../../kernel/operations/definition.ts";
import { collectChanges } from "./changes.ts";
import type { ObjectStore } from "./driver.ts";
import { defineObjectOperations } from "./operations.ts";
import { type TestCloud, testCloud } from "./testing/fixture.ts";
import { numbered } from "./transfer.ts";

let cloud: TestCloud;
before(async () => {
  cloud = await testCloud();
});
after(() => cloud.stop());

async function filled(keys: string[]) {
  const { id, name } = await cloud.bucket();
  await Promise.all(keys.map((key) => cloud.put(id, key, `content of ${key}`)));
  const post = async (path: string, body: unknown) => {
    const answer = await cloud.call("editor", "POST", `/buckets/${id}/${path}`, body);
    return { ...answer, end: () => cloud.ended(answer.body.id) };
  };
  return {
    id,
    name,
    keys: () => cloud.keys(id),
    move: (body: unknown) => post("objects/move", body),
    trash: (body: unknown) => post("trash", body),
    restore: (trashId: string) => post(`trash/${trashId}/restore`, {}),
    trashed: async () => (await cloud.call("viewer", "GET", `/buckets/${id}/trash`)).body.items,
  };
}

test("objects and folders move, and their bytes with them", async () => {
  const bucket = await filled(["a.txt", "f/one", "f/g/two", "fold.txt", "h/x"]);
  const moved = await bucket.move({ keys: ["a.txt"], prefixes: ["f/"], targetPrefix: "h/" });
  assert.equal(moved.status, 202);
  const { state, result } = await moved.end();
  assert.deepEqual([state, result.objects], ["succeeded", 3]);
  assert.deepEqual(await bucket.keys(), ["fold.txt", "h/a.txt", "h/f/g/two", "h/f/one", "h/x"]);
  assert.equal(await cloud.text(bucket.id, "h/f/g/two"), "content of f/g/two");
  assert.equal((await (await bucket.move({ prefixes: ["h/f/"], targetPrefix: "h/", rename: "ф" })).end()).state, "succeeded");
  assert.deepEqual(await bucket.keys(), ["fold.txt", "h/a.txt", "h/x", "h/ф/g/two", "h/ф/one"]);
  assert.equal((await (await bucket.move({ keys: ["h/a.txt"], targetPrefix: "", rename: "b.md" })).end()).state, "succeeded");
  assert.equal(await cloud.text(bucket.id, "b.md"), "content of a.txt");
});

test("a move that makes no sense, or would overwrite, is refused before it begins", async () => {
  const bucket = await filled(["a.txt", "b.txt", "f/a.txt", "f/g/x", "g/y"]);
  const refused = async (body: unknown, status: number) => {
    const answer = await bucket.move(body);
    assert.equal(answer.status, status, JSON.stringify(answer.body));
  };
  await refused({ keys: ["a.txt"], targetPrefix: "f/" }, 409);
  await refused({ prefixes: ["g/"], targetPrefix: "f/" }, 409);
  await refused({ prefixes: ["f/"], targetPrefix: "f/" }, 400);
  await refused({ prefixes: ["f/"], targetPrefix: "f/g/" }, 400);
  await refused({ prefixes: ["f"], targetPrefix: "h/" }, 400);
  await refused({ keys: ["a.txt"], targetPrefix: "h" }, 400);
  await refused({ keys: ["a.txt"], targetPrefix: "" }, 400);
  await refused({ keys: ["a.txt", "b.txt"], targetPrefix: "", rename: "c" }, 400);
  await refused({ keys: ["a.txt"], targetPrefix: "", rename: "c/d" }, 400);
  await refused({ keys: ["a.txt", "f/a.txt"], targetPrefix: "h/" }, 400);
  await refused({ keys: ["none"], targetPrefix: "h/" }, 404);
  await refused({ targetPrefix: "h/" }, 400);
  assert.deepEqual(await bucket.keys(), ["a.txt", "b.txt", "f/a.txt", "f/g/x", "g/y"]);
  const overwritten = await bucket.move({ keys: ["a.txt"], targetPrefix: "f/", overwrite: true });
  assert.equal((await overwritten.end()).state, "succeeded");
  assert.equal(await cloud.text(bucket.id, "f/a.txt"), "content of a.txt");
});

test("a move that meets something new at its target is undone", async () => {
  const bucket = await filled(Array.from({ length: 40 }, (_, index) => `f/${index}`));
  const definitions = defineObjectOperations({ store: cloud.store, changes: collectChanges(cloud.database, silentLog) });
  const asOfMs = Date.now();
  await new Promise((resolve) => setTimeout(resolve, 5));
  const context = stepContext({
    bucketId: bucket.id as never,
    overwrite: false,
    asOfMs,
    plan: { keys: [], folders: [{ from: "f/", to: "g/" }] },
  });
  await cloud.put(bucket.id, "g/27", "somebody else's");
  const move = definitions.objectMove.steps[1]!;
  await assert.rejects(move.run(context), { code: "already_exists" });
  await move.undo?.(context);
  const keys = await bucket.keys();
  assert.equal(keys.filter((key) => key.startsWith("f/")).length, 40);
  assert.deepEqual(
    keys.filter((key) => key.startsWith("g/")),
    ["g/27"],
  );
  assert.equal(await cloud.text(bucket.id, "g/27"), "somebody else's");
});

test("the trash keeps names and bytes, and gives them back", async () => {
  const bucket = await filled(["a.txt", "f/one", "f/two", "stays"]);
  await cloud.store.put(bucket.id as never, "meta", bytesOf("m"), {
    headers: { contentType: "x/y" },
    metadata: { color: "blue" },
  });
  const deleted = await (await bucket.trash({ keys: ["a.txt", "meta", "f/one"], prefixes: ["f/"] })).end();
  assert.deepEqual(await bucket.keys(), ["stays"]);
  const [item] = await bucket.trashed();
  assert.deepEqual([item.names, item.objects, item.deletedBy], [["f/", "a.txt", "meta"], 4, "editor"]);
  assert.equal(item.id, deleted.result.trashId);
  assert.equal(Date.parse(item.expiresAt) - Date.parse(item.deletedAt), 7 * 24 * 3_600_000);
  const shown = (await cloud.call("viewer", "GET", `/buckets/${bucket.id}`)).body;
  assert.deepEqual([shown.objects, shown.trashObjects, shown.trashBytes], [1, 4, item.sizeBytes]);

  await cloud.put(bucket.id, "a.txt", "a new one");
  const restored = await (await bucket.restore(item.id)).end();
  assert.deepEqual([restored.state, restored.result.objects, restored.result.renamed], ["succeeded", 4, ["a (2).txt"]]);
  assert.deepEqual(await bucket.keys(), ["a (2).txt", "a.txt", "f/one", "f/two", "meta", "stays"]);
  assert.equal(await cloud.text(bucket.id, "a (2).txt"), "content of a.txt");
  assert.equal(await cloud.text(bucket.id, "a.txt"), "a new one");
  const meta = await cloud.store.head(bucket.id as never, "meta");
  assert.deepEqual([meta?.metadata, meta?.headers.contentType], [{ color: "blue" }, "x/y"]);
  assert.deepEqual(await bucket.trashed(), []);
  assert.equal((await bucket.restore(item.id)).status, 404);
});

test("from the trash for good: when asked, and after its days", async () => {
  const bucket = await filled(["a", "b", "c"]);
  const first = await (await bucket.trash({ keys: ["a"] })).end();
  const answer = await cloud.call("editor", "DELETE", `/buckets/${bucket.id}/trash/${first.result.trashId}`);
  assert.equal((await cloud.ended(answer.body.id)).state, "succeeded");
  assert.deepEqual(await bucket.trashed(), []);

  const second = await (await bucket.trash({ keys: ["b"] })).end();
  await (await bucket.trash({ keys: ["c"] })).end();
  await cloud.database
    .sql`update objects.trash_items set expires_at = now() - interval '1 second' where id = ${second.result.trashId}`;
  await cloud.objects.service.workers?.find((worker) => worker.name === "objects.trash")?.run(new AbortController().signal);
  const left = await bucket.trashed();
  assert.deepEqual(
    left.map(({ names }: { names: string[] }) => names),
    [["c"]],
  );
  assert.equal((await cloud.call("viewer", "GET", `/buckets/${bucket.id}`)).body.trashObjects, 1);
  assert.equal((await bucket.trash({ keys: ["none"] })).status, 404);
  assert.equal((await bucket.trash({})).status, 400);
});

test("while a bucket is emptied nobody writes to it; while something moves nobody empties it", async () => {
  const quiet = await testCloud({ runner: false });
  try {
    const { id, name } = await quiet.bucket();
    await quiet.put(id, "a", "x");
    await quiet.call("editor", "POST", `/buckets/${id}/trash`, { keys: ["a"] });
    const busy = await quiet.call("editor", "POST", `/buckets/${id}/empty`, { confirm: name });
    assert.deepEqual([busy.status, busy.body.reason], [409, "operation_active"]);
    assert.equal((await quiet.call("editor", "DELETE", `/buckets/${id}`)).status, 409);
    await quiet.database.sql`delete from kernel.operations`;
    assert.equal((await quiet.call("editor", "POST", `/buckets/${id}/empty`, { confirm: name })).status, 202);
    assert.equal((await quiet.call("editor", "POST", `/buckets/${id}/trash`, { keys: ["a"] })).status, 409);
    assert.equal((await quiet.fetch("editor", `/buckets/${id}/object/content?key=b`, { method: "PUT", body: "x" })).status, 409);
  } finally {
    await quiet.stop();
  }
});

test("names beside what is there", () => {
  assert.equal(numbered("a/name.txt", 2), "a/name (2).txt");
  assert.equal(numbered("a.b/name", 3), "a.b/name (3)");
  assert.equal(numbered("a/.profile", 2), "a/.profile (2)");
  assert.equal(numbered("a/b/", 2), "a/b (2)/");
  const long = numbered(`${"я".repeat(510)}.txt`, 2);
  assert.ok(Buffer.byteLength(long) <= 1024 && long.endsWith(" (2).txt"));
});

// As a process dies: in the middle of a step, between a copy and its deletion, and nothing after that.
for (const diesAfter of [1, 7, 40]) {
  test(`killed after ${diesAfter} calls of the store, an operation is carried on by the next process`, async () => {
    const quiet = await testCloud({ runner: false });
    try {
      const { id } = await quiet.bucket();
      const names = Array.from({ length: 30 }, (_, index) => `f/${index}.txt`);
      await Promise.all(names.map((key) => quiet.put(id, key, `content of ${key}`)));
      const start = async (path: string, body: unknown, killed: boolean) => {
        const answer = await quiet.call("editor", "POST", `/buckets/${id}/${path}`, body);
        assert.equal(answer.status, 202, JSON.stringify(answer.body));
        if (killed) await runAndDie(quiet, answer.body.id, diesAfter);
        return answer.body.id as string;
      };
      const moved = await start("objects/move", { prefixes: ["f/"], targetPrefix: "g/" }, true);
      await quiet.startRunner();
      assert.equal((await quiet.ended(moved)).state, "succeeded");
      assert.deepEqual((await quiet.keys(id)).sort(), names.map((key) => `g/${key}`).sort());

      const trashed = await quiet.ended(await start("trash", { prefixes: ["g/f/"] }, false));
      assert.deepEqual([trashed.result.objects, await quiet.keys(id)], [30, []]);
      const restored = await quiet.ended(await start(`trash/${trashed.result.trashId}/restore`, {}, false));
      assert.deepEqual([restored.state, restored.result.renamed], ["succeeded", []]);
      for (const key of names) assert.equal(await quiet.text(id, `g/${key}`), `content of ${key}`);
    } finally {
      await quiet.stop();
    }
  });

  test(`killed after ${diesAfter} calls, trash and restore lose nothing, not even what was written meanwhile`, async () => {
    const quiet = await testCloud({ runner: false });
    try {
      const { id } = await quiet.bucket();
      const names = Array.from({ length: 30 }, (_, index) => `f/${index}.txt`);
      await Promise.all(names.map((key) => quiet.put(id, key, `content of ${key}`)));
      const trashing = (await quiet.call("editor", "POST", `/buckets/${id}/trash`, { prefixes: ["f/"] })).body.id;
      await runAndDie(quiet, trashing, diesAfter);
      await new Promise((resolve) => setTimeout(resolve, 3));
      await quiet.put(id, "f/0.txt", "written after the crash");
      await quiet.startRunner();
      const { result } = await quiet.ended(trashing);
      assert.deepEqual(await quiet.keys(id), ["f/0.txt"]);
      const restoring = (await quiet.call("editor", "POST", `/buckets/${id}/trash/${result.trashId}/restore`, {})).body.id;
      assert.equal((await quiet.ended(restoring)).state, "succeeded");
      assert.equal(await quiet.text(id, "f/0.txt"), "written after the crash");
      const keys = await quiet.keys(id);
      // What had not reached the trash when it was overwritten is gone by that, as anywhere.
      assert.ok(keys.length === 31 ? keys.includes("f/0 (2).txt") : keys.length === 30);
      assert.equal((await quiet.store.totals(await trashOf(quiet, id))).objects, 0);
    } finally {
      await quiet.stop();
    }
  });
}

test("a cancelled deletion is undone", async () => {
  let slow = false;
  const lazy = await testCloud({
    wrapStore: (store) =>
      new Proxy(store, {
        get(target, name) {
          const value = Reflect.get(target, name) as unknown;
          if (name === "copy")
            return async (...args: Parameters<ObjectStore["copy"]>) => {
              if (slow) await new Promise((resolve) => setTimeout(resolve, 25));
              return target.copy(...args);
            };
          return typeof value === "function" ? value.bind(target) : value;
        },
      }),
  });
  try {
    const { id } = await lazy.bucket();
    const names = Array.from({ length: 200 }, (_, index) => `${index}`);
    await Promise.all(names.map((key) => lazy.put(id, key, key)));
    slow = true;
    const trashing = (await lazy.call("editor", "POST", `/buckets/${id}/trash`, { keys: names })).body.id;
    while ((await lazy.keys(id)).length > 150) await new Promise((resolve) => setTimeout(resolve, 5));
    await lazy.database.sql`update kernel.operations set cancel_requested = true where id = ${trashing}`;
    await lazy.database.sql`select pg_notify('khmara_operations', ${trashing})`;
    slow = false;
    assert.equal((await lazy.ended(trashing)).state, "cancelled");
    assert.deepEqual((await lazy.keys(id)).sort(), names.sort());
    assert.deepEqual((await lazy.call("viewer", "GET", `/buckets/${id}/trash`)).body.items, []);
  } finally {
    await lazy.stop();
  }
});

async function* bytesOf(text: string) {
  yield Buffer.from(text);
}

async function trashOf(quiet: TestCloud, bucketId: string) {
  const [row] = await quiet.database.sql`select trash_bucket_id as id from objects.buckets where id = ${bucketId}`;
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
async function runAndDie(quiet: TestCloud, operationId: string, calls: number): Promise<void> {
  const [row] = await quiet.database
    .sql`select kind, input, organisation_id, project_id from kernel.operations where id = ${operationId}`;
  let left = calls;
  const dying = new Proxy(quiet.store, {
    get(target, name) {
      const value = Reflect.get(target, name) as unknown;
      if (typeof value !== "function") return value;
      return (...args: unknown[]) => {
        if ((name === "copy" || name === "delete") && left-- <= 0) throw new Error("killed");
        return (value as (...args: unknown[]) => unknown).apply(target, args);
      };
    },
  });
  const changes = collectChanges(quiet.database, silentLog);
  const definition = Object.values(defineObjectOperations({ store: dying, changes })).find(({ kind }) => kind === row?.["kind"]);
  const context = stepContext(row?.["input"], {
    organisationId: row?.["organisation_id"],
    projectId: row?.["project_id"],
    database: quiet.database,
  });
  await assert.rejects(async () => {
    for (const step of definition?.steps ?? []) await step.run(context as never);
  }, /killed/);
  await changes.stop();
  await quiet.database
    .sql`update kernel.operations set state = 'running', worker = 'dead', lease_until = now() - interval '1 second' where id = ${operationId}`;
}
