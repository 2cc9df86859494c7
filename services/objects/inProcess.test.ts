import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { Readable } from "node:stream";
import { after, before, test } from "node:test";
import type { Visibility } from "../../kernel/db/visibility.ts";
import { silentLog } from "../../kernel/log.ts";
import { setQuota } from "../../kernel/quota.ts";
import type { ObjectsService } from "./contract.ts";
import { type TestCloud, testCloud } from "./testing/fixture.ts";
import { flushUsage } from "./usage.ts";

let cloud: TestCloud;
let objects: ObjectsService;
before(async () => {
  cloud = await testCloud({ runner: false });
  objects = cloud.objects.objects;
});
after(() => cloud.stop());

const mebibyte = 2 ** 20;
async function* pieces(count: number) {
  for (let index = 0; index < count; index++) yield randomBytes(mebibyte);
}
const journal = async (bucketId: string) => {
  await flushUsage({ database: cloud.database, store: cloud.store, log: silentLog });
  const rows = await cloud.database.sql<{ meter: string; quantity: string }[]>`
    select meter, sum(quantity)::text as quantity from kernel.usage_records where resource_id = ${bucketId} group by meter`;
  return Object.fromEntries(rows.map(({ meter, quantity }) => [meter, Number(quantity)]));
};

test("what is written through it is read through it, listed, and gone when deleted", async () => {
  const { id } = await cloud.bucket();
  const content = randomBytes(3 * mebibyte + 17);
  const written = await objects.write({
    bucketId: id,
    key: "backups/one.tar",
    content: Readable.from([content.subarray(0, 5), content.subarray(5)]),
    contentType: "application/x-tar",
    metadata: { source: "ins_1" },
  });
  assert.equal(written.sizeBytes, content.length);
  const read = await objects.read({ bucketId: id, key: "backups/one.tar" });
  assert.deepEqual([read.sizeBytes, read.contentType, read.metadata], [content.length, "application/x-tar", { source: "ins_1" }]);
  assert.ok(Buffer.concat(await read.content.toArray()).equals(content));
  await objects.write({ bucketId: id, key: "backups/two.tar", content: Readable.from([Buffer.from("2")]) });
  assert.deepEqual(await objects.list({ bucketId: id, prefix: "backups/", limit: 1 }), [
    { key: "backups/one.tar", sizeBytes: content.length },
  ]);
  assert.deepEqual(await objects.list({ bucketId: id, prefix: "backups/", after: "backups/one.tar", limit: 9 }), [
    { key: "backups/two.tar", sizeBytes: 1 },
  ]);
  await objects.delete({ bucketId: id, key: "backups/one.tar" });
  await objects.delete({ bucketId: id, key: "backups/one.tar" });
  await assert.rejects(objects.read({ bucketId: id, key: "backups/one.tar" }), { code: "not_found" });
  assert.deepEqual(await cloud.keys(id), ["backups/two.tar"]);
});

test("a bucket is found by id and name, only in its own project, and only where the transaction sees it", async () => {
  const { id, name } = await cloud.bucket();
  const find = (projectId: string, idOrName: string, visibility: Visibility = "system") =>
    cloud.database.transaction(visibility, (tx) => objects.findBucket(tx, projectId, idOrName));
  assert.deepEqual(await find(cloud.project, name), { id, name });
  assert.deepEqual(await find(cloud.project, id), { id, name });
  assert.equal(await find(cloud.otherProject, name), undefined);
  assert.equal(await find(cloud.project, "no-such-bucket"), undefined);
  assert.deepEqual(await find(cloud.project, name, { organisationIds: [cloud.organisation] }), { id, name });
  assert.equal(await find(cloud.project, name, { organisationIds: [cloud.otherOrganisation] }), undefined);
});

test("its writes, reads, lists and deletions are in the journal as those of a person are", async () => {
  const [mine, theirs] = [await cloud.bucket(), await cloud.bucket()];
  const content = randomBytes(100_000);
  await objects.write({ bucketId: mine.id, key: "a/b", content: Readable.from([content]) });
  await (await objects.read({ bucketId: mine.id, key: "a/b" })).content.toArray();
  await objects.list({ bucketId: mine.id, prefix: "", limit: 10 });
  await objects.delete({ bucketId: mine.id, key: "a/b" });

  await cloud.put(theirs.id, "a/b", content);
  await (await cloud.fetch("editor", `/buckets/${theirs.id}/object/content?key=a/b`)).arrayBuffer();
  await cloud.call("editor", "GET", `/buckets/${theirs.id}/objects`);
  await cloud.call("editor", "DELETE", `/buckets/${theirs.id}/object?key=a/b`);
  // Requests that changed nothing are durable within a second.
  await new Promise((resolve) => setTimeout(resolve, 1200));
  const [one, other] = [await journal(mine.id), await journal(theirs.id)];
  delete one["objects.storage"];
  delete other["objects.storage"];
  assert.equal(one["objects.traffic_in"], 100_000);
  assert.equal(one["objects.traffic_out"], 100_000);
  assert.deepEqual(one, other);
});

test("whoever looks at the folder is told", async () => {
  const { id } = await cloud.bucket();
  await objects.write({ bucketId: id, key: "exports/x", content: Readable.from([Buffer.from("x")]) });
  await new Promise((resolve) => setTimeout(resolve, 1300));
  const events = await cloud.database.sql<{ payload: { bucketId: string; prefix: string } }[]>`
    select payload from kernel.events where type = 'objects.object.changed' and payload->>'bucketId' = ${id}`;
  assert.deepEqual(
    events.map(({ payload }) => payload.prefix),
    ["exports/"],
  );
});

test("aborted or broken in the middle, a write leaves nothing and says why", async () => {
  const { id } = await cloud.bucket();
  const controller = new AbortController();
  const endless = new Readable({
    read() {
      setTimeout(() => this.push(randomBytes(1000)), 1);
    },
  });
  setTimeout(() => controller.abort(new Error("told to stop")), 50);
  await assert.rejects(objects.write({ bucketId: id, key: "k", content: endless, signal: controller.signal }), /told to stop/);
  assert.ok(endless.destroyed);
  const broken = Readable.from(
    (async function* () {
      yield randomBytes(mebibyte);
      throw new Error("the engine went away");
    })(),
  );
  await assert.rejects(objects.write({ bucketId: id, key: "k", content: broken }), /the engine went away/);
  assert.deepEqual(await cloud.keys(id), []);
});

test("a bucket that is not there, or is being emptied, is refused; deleting from it is done already", async () => {
  const { id, name } = await cloud.bucket();
  await cloud.put(id, "a", "x");
  assert.equal((await cloud.call("editor", "POST", `/buckets/${id}/empty`, { confirm: name })).status, 202);
  const content = () => Readable.from([Buffer.from("x")]);
  await assert.rejects(objects.write({ bucketId: id, key: "k", content: content() }), { code: "failed_precondition" });
  await assert.rejects(objects.write({ bucketId: "bkt_00000000000000000000000000000000", key: "k", content: content() }), {
    code: "not_found",
  });
  await assert.rejects(objects.read({ bucketId: "bkt_00000000000000000000000000000000", key: "k" }), { code: "not_found" });
  await objects.delete({ bucketId: "bkt_00000000000000000000000000000000", key: "k" });
});

test("what passes the quota is refused in the middle, and nothing of it stays", async () => {
  const { id } = await cloud.bucket();
  const scope = { organisationId: cloud.organisation, projectId: cloud.project };
  await cloud.database.transaction("system", (tx) => setQuota(tx, scope, "objects.storage_bytes", 40 * mebibyte));
  // Limits are known for three seconds.
  await new Promise((resolve) => setTimeout(resolve, 3100));
  const content = Readable.from(pieces(80));
  await assert.rejects(objects.write({ bucketId: id, key: "big", content }), { code: "quota_exceeded" });
  assert.ok(content.destroyed);
  assert.deepEqual(await cloud.keys(id), []);
  await cloud.database.transaction("system", (tx) => setQuota(tx, scope, "objects.storage_bytes", null));
});
