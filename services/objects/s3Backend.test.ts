import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { CloudError } from "../../kernel/errors.ts";
import { setQuota } from "../../kernel/quota.ts";
import type { ObjectStore } from "./driver.ts";
import type { S3Caller } from "./s3/backend.ts";
import { type TestCloud, testCloud } from "./testing/fixture.ts";

let cloud: TestCloud;
let editor: S3Caller;
let viewer: S3Caller;
let neighbour: S3Caller;
let stranger: S3Caller;
let readOnly: S3Caller;
let settingsFail = false;
before(async () => {
  const wrapStore = (store: ObjectStore): ObjectStore => {
    const { settingsUpdate } = store;
    store.settingsUpdate = async (...change) => {
      if (settingsFail) throw new CloudError("internal", "The disk is gone.");
      return settingsUpdate(...change);
    };
    return store;
  };
  cloud = await testCloud({ runner: false, wrapStore });
  const resolve = async (key: string) => (await cloud.objects.s3Credentials.resolve(key))!.caller;
  [editor, viewer, neighbour, stranger, readOnly] = (await Promise.all(
    ["KEYEDITOR", "KEYVIEWER", "KEYNEIGHBOUR", "KEYSTRANGER", "KEYREADONLY"].map(resolve),
  )) as [S3Caller, S3Caller, S3Caller, S3Caller, S3Caller];
});
after(() => cloud.stop());

const isCode = (code: string) => (error: unknown) => (error as { code?: string }).code === code;
async function* bytesOf(text: string) {
  yield Buffer.from(text);
}

test("keys stand for their project", async () => {
  assert.equal(await cloud.objects.s3Credentials.resolve("KEYNONE"), undefined);
  assert.equal(editor.canonicalId, viewer.canonicalId);
  assert.notEqual(editor.canonicalId, neighbour.canonicalId);
  assert.match(editor.canonicalId, /^[0-9a-f]{64}$/);
});

test("buckets are made, listed and deleted, with audit and quota", async () => {
  const { s3Backend: backend } = cloud.objects;
  const made = await backend.bucketCreate(editor, "s3-one");
  await backend.bucketCreate(editor, "s3-two");
  await assert.rejects(
    backend.bucketCreate(editor, "s3-one"),
    (error: { details: { reason: string } }) => error.details.reason === "bucket_owned_by_you",
  );
  await assert.rejects(backend.bucketCreate(stranger, "s3-one"), isCode("already_exists"));
  await assert.rejects(backend.bucketCreate(viewer, "s3-three"), isCode("permission_denied"));
  await assert.rejects(backend.bucketCreate(readOnly, "s3-three"), isCode("permission_denied"));
  const page = await backend.bucketList(viewer, { limit: 1, prefix: "s3-" });
  assert.deepEqual([page.buckets.map(({ name }) => name), page.next], [["s3-one"], "s3-one"]);
  assert.deepEqual(
    (await backend.bucketList(viewer, { limit: 10, after: "s3-one" })).buckets.map(({ name }) => name),
    ["s3-two"],
  );
  assert.deepEqual((await backend.bucketList(stranger, { limit: 10 })).buckets, []);

  assert.deepEqual(await backend.bucketByName("s3-one"), made);
  await assert.rejects(backend.bucketByName("s3-none"), isCode("not_found"));

  await backend.store.put(made.bucketId, "a", bytesOf("x"));
  await assert.rejects(
    backend.bucketDelete(editor, made),
    (error: { details: { reason: string } }) => error.details.reason === "bucket_not_empty",
  );
  await backend.store.delete(made.bucketId, "a");
  assert.equal(await backend.standing(viewer, "objects.bucket.delete", made), "none");
  await backend.bucketDelete(editor, made);
  for (let round = 0; round < 50; round++) {
    const gone = await backend.bucketByName("s3-one").then(() => false, isCode("not_found"));
    if (gone) break;
    assert.ok(round < 49, "the cache hears of a deletion");
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  const audited = await cloud.database
    .sql`select action, user_agent, actor_name from kernel.audit_entries where resource_id = ${made.bucketId} order by sequence`;
  assert.deepEqual(
    audited.map((row) => [row["action"], row["user_agent"], row["actor_name"]]),
    [
      ["objects.bucket.create", "S3", "editor"],
      ["objects.bucket.delete", "S3", "editor"],
    ],
  );
});

test("who may do what in a bucket", async () => {
  const { s3Backend: backend } = cloud.objects;
  const bucket = await backend.bucketCreate(editor, "s3-rights");
  const may = (caller: S3Caller, action: "read" | "write" | "list" | "delete") =>
    backend.standing(caller, `objects.object.${action}`, bucket).then(
      (standing) => standing === "role",
      (error) => {
        assert.equal(error.code, "permission_denied");
        return false;
      },
    );
  for (const action of ["read", "list"] as const) {
    assert.deepEqual(await Promise.all([editor, viewer, readOnly, neighbour, stranger].map((caller) => may(caller, action))), [
      true,
      true,
      true,
      false,
      false,
    ]);
  }
  for (const action of ["write", "delete"] as const) {
    assert.deepEqual(await Promise.all([editor, viewer, readOnly, neighbour, stranger].map((caller) => may(caller, action))), [
      true,
      false,
      false,
      false,
      false,
    ]);
  }
});

test("an editor lets a bucket keep versions, by S3 or the API; only an administrator passes over a governance retention", async () => {
  const { s3Backend: backend } = cloud.objects;
  const bucket = await backend.bucketCreate(editor, "s3-settings");
  assert.equal(await backend.standing(viewer, "objects.bucket.update", bucket), "none");
  await assert.rejects(backend.standing(readOnly, "objects.bucket.update", bucket), isCode("permission_denied"));
  await backend.settingsUpdate(editor, bucket, { versioning: "enabled" });
  const path = `/buckets/${bucket.bucketId}/settings`;
  const lies = { engine: "local", engines: ["local"] };
  assert.deepEqual((await cloud.call("viewer", "GET", path)).body, { versioning: "enabled", ...lies });
  const lock = { retention: { mode: "governance", days: 3 } };
  const updated = await cloud.call("editor", "PUT", path, { lock });
  assert.deepEqual([updated.status, updated.body], [200, { versioning: "enabled", lock, ...lies }]);
  assert.deepEqual(await backend.store.settings(bucket.bucketId), { versioning: "enabled", lock });
  assert.equal((await cloud.call("editor", "PUT", path, { versioning: "suspended" })).body.reason, "versioning_locked");
  assert.equal((await cloud.call("editor", "PUT", path, {})).status, 400);
  assert.equal((await cloud.call("viewer", "PUT", path, { versioning: "enabled" })).status, 403);
  await assert.rejects(backend.settingsUpdate(editor, bucket, { versioning: "suspended" }), isCode("failed_precondition"));
  assert.equal(await backend.standing(editor, "objects.object.bypass", bucket), "none");
  const owner = (await cloud.objects.s3Credentials.resolve("KEYOWNER"))!.caller;
  assert.equal(await backend.standing(owner, "objects.object.bypass", bucket), "role");
  const audited = await cloud.database
    .sql`select user_agent from kernel.audit_entries where resource_id = ${bucket.bucketId} and action = 'objects.bucket.update'`;
  assert.equal(audited.length, 2);
});

test("a bucket that is to lock what it holds is never there without its lock", async () => {
  const { s3Backend: backend } = cloud.objects;
  const lock = { versioning: "enabled", lock: {} } as const;
  settingsFail = true;
  await assert.rejects(backend.bucketCreate(editor, "s3-locked", {}, lock), isCode("internal"));
  settingsFail = false;
  await assert.rejects(backend.bucketByName("s3-locked"), isCode("not_found"));
  const { bucketId } = await backend.bucketCreate(editor, "s3-locked", {}, lock);
  assert.deepEqual(await backend.store.settings(bucketId), lock);
});

test("a bucket that encrypts does so for all who write, and what has a customer's key is not given out without it", async () => {
  const { id } = await cloud.bucket();
  const { body: before } = await cloud.call("viewer", "GET", `/buckets/${id}/settings`);
  assert.equal(before.encryption, undefined);
  assert.equal((await cloud.call("viewer", "PUT", `/buckets/${id}/settings`, { encryption: "server" })).status, 403);
  const { body: after } = await cloud.call("editor", "PUT", `/buckets/${id}/settings`, { encryption: "server" });
  assert.deepEqual(after, { ...before, encryption: "server" });
  await cloud.put(id, "letter", "dear all");
  assert.equal(await cloud.text(id, "letter"), "dear all");
  const { store } = cloud.objects.s3Backend;
  assert.equal((await store.head(id as never, "letter"))?.encryption, "server");

  const key = new Uint8Array(32);
  await store.put(id as never, "locked", [Buffer.from("mine")] as never, { encryption: { kind: "customer", key } });
  const refused = await cloud.fetch("editor", `/buckets/${id}/object/content?key=locked`);
  assert.equal(refused.status, 400);
  assert.match(await refused.text(), /Give the key that it was stored with/);
});

test("a key of one bucket reaches no other, and leaves even its own where it is", async () => {
  const { s3Backend: backend } = cloud.objects;
  const [own, other] = [await backend.bucketCreate(editor, "s3-own"), await backend.bucketCreate(editor, "s3-other")];
  cloud.bucketOfKey.id = own.bucketId;
  const { caller } = (await cloud.objects.s3Credentials.resolve("KEYBUCKET"))!;
  for (const action of ["read", "list", "write", "delete"] as const) {
    assert.equal(await backend.standing(caller, `objects.object.${action}`, own), "role");
    await assert.rejects(backend.standing(caller, `objects.object.${action}`, other), isCode("permission_denied"));
  }
  assert.deepEqual((await backend.bucketList(caller, { limit: 10 })).buckets, [own]);
  assert.deepEqual((await backend.bucketList(caller, { limit: 10, after: "s3-own" })).buckets, []);
  assert.equal((await backend.bucketByName("s3-own")).bucketId, own.bucketId);
  await assert.rejects(backend.bucketCreate(caller, "s3-new"), isCode("permission_denied"));
  await assert.rejects(backend.standing(caller, "objects.bucket.delete", own), isCode("permission_denied"));
});

test("a bucket that somebody needs is not deleted, by whichever door, and says who needs it", async () => {
  const { s3Backend: backend, objects } = cloud.objects;
  const made = await backend.bucketCreate(editor, "s3-held");
  const holder = { id: "lnk_1", name: "app shop" };
  await cloud.database.transaction("system", (tx) => objects.hold(tx, made.bucketId, holder));
  await cloud.database.transaction("system", (tx) => objects.hold(tx, made.bucketId, { id: "lnk_2", name: "app mail" }));
  const isHeld = (error: unknown) => {
    assert.match((error as Error).message, /s3-held is in use: app mail, app shop\. Take it away from there first/);
    return true;
  };
  await assert.rejects(backend.bucketDelete(editor, made), isHeld);
  assert.equal((await cloud.call("editor", "DELETE", `/buckets/${made.bucketId}`)).status, 409);
  const emptied = await cloud.call("editor", "POST", `/buckets/${made.bucketId}/empty`, { confirm: "s3-held", thenDelete: true });
  assert.equal(emptied.status, 409);
  for (const id of ["lnk_1", "lnk_2"]) await cloud.database.transaction("system", (tx) => objects.letGo(tx, id));
  await backend.bucketDelete(editor, made);
  await assert.rejects(
    cloud.database.transaction("system", (tx) => objects.hold(tx, made.bucketId, holder)),
    isCode("not_found"),
  );
});

test("the quota of bytes holds at this door too", async () => {
  const { s3Backend: backend } = cloud.objects;
  const bucket = await backend.bucketCreate(neighbour, "s3-quota");
  const scope = { organisationId: cloud.organisation, projectId: cloud.otherProject };
  await cloud.database.transaction("system", (tx) => setQuota(tx, scope, "objects.storage_bytes", 100));
  const pause = () => new Promise((resolve) => setTimeout(resolve, 400));
  await backend.room(bucket, async (one) => {
    await backend.room(bucket, async (two) => {
      await one.take(60);
      await two.take(30);
      await two.take(10);
      await assert.rejects(two.take(1), isCode("quota_exceeded"));
      // However slowly they come: what is measured anew, as nothing fits, does not know of them.
      await pause();
      await assert.rejects(one.take(1), isCode("quota_exceeded"));
    });
    await pause();
    await one.take(40);
    await assert.rejects(one.take(1), isCode("quota_exceeded"));
  });
});

test("many puts are told in a few events, and a bucket made by the API is known at once", async () => {
  const { s3Backend: backend } = cloud.objects;
  const made = await cloud.bucket("s3-live");
  const bucket = await backend.bucketByName("s3-live");
  assert.equal(bucket.bucketId, made.id);
  const [before] = await cloud.database.sql`select count(*)::int as n from kernel.events where type = 'objects.object.changed'`;
  await Promise.all(
    Array.from({ length: 100 }, (_, index) => backend.store.put(bucket.bucketId, `deep/${index}/x`, bytesOf("x"))),
  );
  await Promise.all([backend.store.put(bucket.bucketId, "top", bytesOf("x")), backend.store.delete(bucket.bucketId, "deep/1/x")]);
  let events: { payload: { prefix: string } }[] = [];
  for (let round = 0; round < 60 && events.length === 0; round++) {
    await new Promise((resolve) => setTimeout(resolve, 50));
    events = await cloud.database
      .sql`select payload from kernel.events where type = 'objects.object.changed' order by at offset ${before?.["n"]}`;
  }
  assert.ok(events.length >= 1 && events.length <= 8, `${events.length} events`);
  assert.ok(events.some(({ payload }) => payload.prefix === "" || payload.prefix === "deep/"));
});

test("objects go on while the database is away", async () => {
  const { s3Backend: backend } = cloud.objects;
  const bucket = await backend.bucketCreate(editor, "s3-outage");
  await backend.bucketByName("s3-outage");
  await backend.room(bucket, (room) => room.take(1));
  const { transaction } = cloud.database;
  const { CloudError } = await import("../../kernel/errors.ts");
  cloud.database.transaction = async () => {
    throw new CloudError("unavailable", "away");
  };
  try {
    // Told of a change, it would look, and cannot.
    await cloud.database.sql`select pg_notify('khmara_objects_buckets', 's3-outage')`;
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.equal((await backend.bucketByName("s3-outage")).bucketId, bucket.bucketId);
    assert.equal(await backend.standing(editor, "objects.object.write", bucket), "role");
    await backend.room(bucket, (room) => room.take(1));
    await assert.rejects(backend.bucketByName("never-seen"), isCode("unavailable"));
  } finally {
    cloud.database.transaction = transaction;
  }
});
