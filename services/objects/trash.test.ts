import assert from "node:assert/strict";
import { after, before, test } from "node:test";
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

test("names beside what is there", () => {
  assert.equal(numbered("a/name.txt", 2), "a/name (2).txt");
  assert.equal(numbered("a.b/name", 3), "a.b/name (3)");
  assert.equal(numbered("a/.profile", 2), "a/.profile (2)");
  assert.equal(numbered("a/b/", 2), "a/b (2)/");
  const long = numbered(`${"я".repeat(510)}.txt`, 2);
  assert.ok(Buffer.byteLength(long) <= 1024 && long.endsWith(" (2).txt"));
});

async function* bytesOf(text: string) {
  yield Buffer.from(text);
}

test("where versions are kept, the trash and moves leave delete markers; emptying takes everything but what is locked", async () => {
  const bucket = await filled(["a.txt", "b.txt"]);
  const at = `/buckets/${bucket.id}`;
  const storeId = bucket.id as never;
  assert.equal((await cloud.call("editor", "PUT", `${at}/settings`, { versioning: "enabled" })).status, 200);
  await cloud.put(bucket.id, "a.txt", "newer");
  assert.equal((await (await bucket.trash({ keys: ["a.txt"] })).end()).state, "succeeded");
  assert.ok(await cloud.store.marker(storeId, "a.txt"));
  const [item] = await bucket.trashed();
  assert.equal((await (await bucket.restore(item.id)).end()).state, "succeeded");
  assert.equal(await cloud.text(bucket.id, "a.txt"), "newer");
  assert.equal((await (await bucket.move({ keys: ["b.txt"], targetPrefix: "f/" })).end()).state, "succeeded");
  assert.deepEqual(await bucket.keys(), ["a.txt", "f/b.txt"]);
  assert.ok(await cloud.store.marker(storeId, "b.txt"));
  assert.equal((await cloud.fetch("editor", `${at}/object?key=a.txt`, { method: "DELETE" })).status, 204);
  // Of a.txt: two versions, a marker, the restored one, a marker; of b.txt: a version and a marker.
  assert.equal((await cloud.store.totals(storeId)).versions, 7);

  await cloud.store.mark(storeId, "f/b.txt", { legalHold: true });
  const empty = async () =>
    cloud.ended((await cloud.call("editor", "POST", `${at}/empty`, { confirm: bucket.name, thenDelete: true })).body.id);
  assert.equal((await empty()).state, "failed");
  assert.deepEqual(await bucket.keys(), ["f/b.txt"]);
  assert.equal((await cloud.store.totals(storeId)).versions, 0);
  await cloud.store.mark(storeId, "f/b.txt", { legalHold: false });
  assert.equal((await empty()).state, "succeeded");
  assert.equal((await cloud.call("viewer", "GET", at)).status, 404);
});
