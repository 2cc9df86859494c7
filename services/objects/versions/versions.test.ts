import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type Answer, type TestCloud, testCloud } from "../testing/fixture.ts";

const dayMs = 24 * 3_600_000;
let cloud: TestCloud;
let bucket: string;
let aheadMs = 0;
before(async () => {
  cloud = await testCloud({ runner: false, now: () => Date.now() + aheadMs });
  bucket = (await cloud.bucket()).id;
  assert.equal((await settings(bucket, { versioning: "enabled" })).status, 200);
});
after(() => cloud.stop());

const settings = (of: string, body: unknown) => cloud.call("editor", "PUT", `/buckets/${of}/settings`, body);
const query = (values: Record<string, string | number>) => new URLSearchParams(values as Record<string, string>).toString();
const list = async (
  values: Record<string, string | number>,
  of = bucket,
): Promise<Answer<{ items: Listed[]; nextCursor?: string }>> =>
  cloud.call("viewer", "GET", `/buckets/${of}/versions?${query(values)}`);
interface Listed {
  kind: string;
  key: string;
  name: string;
  versionId: string;
  isCurrent?: boolean;
  sizeBytes?: number;
}
const shown = ({ kind, key, isCurrent, sizeBytes }: Listed) =>
  [kind, key, ...(isCurrent ? ["current"] : []), ...(sizeBytes === undefined ? [] : [sizeBytes])].join(" ");
const remove = (key: string) => cloud.call("editor", "DELETE", `/buckets/${bucket}/object?${query({ key })}`);
const content = async (values: Record<string, string>) =>
  (await cloud.fetch("viewer", `/buckets/${bucket}/object/content?${query(values)}`)).text();
const post = (what: string, body: unknown) => cloud.call("editor", "POST", `/buckets/${bucket}/${what}`, body);
const deleteVersion = (key: string, versionId: string, more: Record<string, string> = {}, as: "editor" | "owner" = "editor") =>
  cloud.call(as, "DELETE", `/buckets/${bucket}/versions?${query({ key, versionId, ...more })}`);

test("versions of a folder and of one key, in pages; an old one is read and restored", async () => {
  for (const text of ["1", "22", "333"]) await cloud.put(bucket, "plan", text, "text/plain");
  await cloud.put(bucket, "plans/autumn", "leaves");
  await cloud.put(bucket, "plan.old", "x");
  await remove("plan.old");
  const folder = await list({});
  assert.deepEqual(folder.body.items.map(shown), [
    "folder plans/",
    "object plan current 3",
    "object plan 2",
    "object plan 1",
    "marker plan.old current",
    "object plan.old 1",
  ]);
  const walked: string[] = [];
  for (let cursor: string | undefined = ""; cursor !== undefined; ) {
    const page = await list({ recursive: "true", limit: 2, ...(cursor && { cursor }) });
    walked.push(...page.body.items.map(shown));
    cursor = page.body.nextCursor;
  }
  assert.deepEqual(walked, [...folder.body.items.slice(1).map(shown), "object plans/autumn current 6"]);
  const one = await list({ key: "plan", limit: 2 });
  assert.deepEqual(one.body.items.map(shown), ["object plan current 3", "object plan 2"]);
  const rest = await list({ key: "plan", limit: 2, cursor: one.body.nextCursor as string });
  assert.deepEqual(rest.body.items.map(shown), ["object plan 1"]);
  assert.equal(rest.body.nextCursor, undefined);

  const { versionId } = rest.body.items[0]!;
  assert.equal(await content({ key: "plan", versionId }), "1");
  const detail = await cloud.call("viewer", "GET", `/buckets/${bucket}/object?${query({ key: "plan", versionId })}`);
  assert.deepEqual([detail.body.sizeBytes, detail.body.versionId, detail.body.legalHold], [1, versionId, false]);
  const restored = await post("versions/restore", { key: "plan", versionId });
  assert.deepEqual([restored.status, restored.body.sizeBytes, restored.body.contentType], [201, 1, "text/plain"]);
  assert.equal(await content({ key: "plan" }), "1");
  const all = await list({ key: "plan" });
  assert.deepEqual(
    all.body.items.map(({ sizeBytes }) => sizeBytes),
    [1, 3, 2, 1],
    "the old one stays where it was",
  );
  const again = await post("versions/restore", { key: "plan", versionId: all.body.items[0]!.versionId });
  assert.deepEqual([again.status, again.body.reason], [409, "version_current"]);
  const unknown = await post("versions/restore", { key: "plan", versionId: "0".repeat(32) });
  assert.equal(unknown.status, 404);
  assert.equal((await post("versions/restore", { key: "plan", versionId: "newest" })).status, 400);
});

test("a deleted object comes back; a version that is deleted for good does not", async () => {
  await cloud.put(bucket, "gone", "here");
  assert.equal((await post("object/undelete", { key: "gone" })).body.reason, "object_present");
  await remove("gone");
  await cloud.objects.s3Backend.store.delete(bucket as never, "gone");
  assert.deepEqual(
    (await list({ key: "gone" })).body.items.map(({ kind }) => kind),
    ["marker", "marker", "object"],
  );
  const back = await post("object/undelete", { key: "gone" });
  assert.deepEqual([back.status, back.body.key, back.body.sizeBytes], [200, "gone", 4]);
  const [only] = (await list({ key: "gone" })).body.items;
  assert.equal(shown(only!), "object gone current 4");
  assert.equal((await deleteVersion("gone", only!.versionId)).status, 204);
  assert.equal((await deleteVersion("gone", only!.versionId)).status, 404);
  assert.equal((await post("object/undelete", { key: "gone" })).status, 404);
  const told = await cloud.database
    .sql`select action from kernel.audit_entries where resource_name like '%/gone' order by sequence`;
  assert.deepEqual(
    told.map(({ action }) => action),
    ["objects.object.write", "objects.object.delete", "objects.object.write", "objects.object.delete"],
  );
});

test("tags and locks: who may end which, and that a locked version stays", async () => {
  const update = (what: "tags" | "lock", body: unknown, as: "editor" | "owner" | "viewer" = "editor") =>
    cloud.call(as, "PUT", `/buckets/${bucket}/object/${what}`, body);
  await cloud.put(bucket, "contract", "signed");
  const tagged = await update("tags", { key: "contract", tags: { кому: "школа №1" } });
  assert.deepEqual([tagged.status, tagged.status === 400], [400, true], "№ is no letter");
  assert.deepEqual((await update("tags", { key: "contract", tags: { кому: "школа 1" } })).body, { tags: { кому: "школа 1" } });
  assert.equal((await update("tags", { key: "contract", tags: { a: "" } }, "viewer")).status, 403);
  const early = await update("lock", { key: "contract", legalHold: true });
  assert.deepEqual([early.status, early.body.reason], [409, "lock_disabled"]);
  assert.equal((await settings(bucket, { lock: {} })).status, 200);

  const until = new Date(Date.now() + dayMs).toISOString();
  const retention = { mode: "governance", until };
  assert.deepEqual((await update("lock", { key: "contract", retention })).body, { retention, legalHold: false });
  const [{ versionId }] = (await list({ key: "contract" })).body.items as [Listed];
  const held = await deleteVersion("contract", versionId);
  assert.deepEqual([held.status, held.body.reason], [403, "object_locked"]);
  assert.equal((await update("lock", { key: "contract", retention: null })).status, 403);
  assert.equal((await update("lock", { key: "contract", retention: null, bypassGovernance: true })).status, 403);
  assert.equal((await deleteVersion("contract", versionId, { bypassGovernance: "true" })).status, 403);
  assert.equal((await update("lock", { key: "contract", legalHold: true })).body.legalHold, true);
  const underHold = await deleteVersion("contract", versionId, { bypassGovernance: "true" }, "owner");
  assert.equal(underHold.status, 403, "a hold is passed over by nobody");
  await update("lock", { key: "contract", legalHold: false });
  const past = await update("lock", { key: "contract", retention: { mode: "governance", until: "2020-01-01T00:00:00Z" } });
  assert.equal(past.status, 400);
  const detail = await cloud.call("viewer", "GET", `/buckets/${bucket}/object?key=contract`);
  assert.deepEqual(
    [detail.body.retention, detail.body.tags, detail.body.legalHold],
    [retention, { кому: "школа 1" }, false],
    "what failed has changed nothing",
  );
  assert.equal((await deleteVersion("contract", versionId, { bypassGovernance: "true" }, "owner")).status, 204);
});

test("lifecycle rules: the same that S3 has, counted beforehand", async () => {
  const fresh = (await cloud.bucket()).id;
  const change = (rules: unknown[], as: "editor" | "viewer" = "editor") =>
    cloud.call(as, "PUT", `/buckets/${fresh}/lifecycle`, { rules });
  const preview = (rules: unknown[]) => cloud.call("viewer", "POST", `/buckets/${fresh}/lifecycle/preview`, { rules });
  const logs = { id: "logs", filter: { prefix: "logs/" }, expiration: { days: 30 } };
  const date = { id: "date", enabled: false, filter: { tags: { a: "b" } }, expiration: { at: "2040-01-01T00:00:00.000Z" } };
  const old = { id: "old", noncurrent: { days: 3, newerVersions: 2 }, abortUploadsDays: 7 };
  const full = [{ ...logs, enabled: true }, date, { ...old, enabled: true, filter: {} }];
  assert.deepEqual((await change([logs, date, old])).body, { rules: full });
  assert.deepEqual((await cloud.call("viewer", "GET", `/buckets/${fresh}/lifecycle`)).body, { rules: full });
  assert.equal((await change([], "viewer")).status, 403);
  const s3Bucket = await cloud.objects.s3Backend.bucketByName((await cloud.call("viewer", "GET", `/buckets/${fresh}`)).body.name);
  const { lifecycle } = await cloud.objects.s3Backend.configuration(s3Bucket);
  assert.deepEqual(
    lifecycle?.map(({ id, expiration }) => [id, expiration]),
    [
      ["logs", { days: 30 }],
      ["date", { atMs: Date.UTC(2040, 0, 1) }],
      ["old", undefined],
    ],
  );
  for (const wrong of [
    { id: "nothing" },
    { ...logs, expiration: { days: 0 } },
    { ...logs, expiration: { days: 1, at: "2040-01-01T00:00:00Z" } },
    { ...logs, expiration: { at: "2040-01-01T11:00:00Z" } },
    { ...date, abortUploadsDays: 1 },
    { ...logs, filter: { largerThanBytes: 5, smallerThanBytes: 5 } },
  ])
    assert.equal((await change([wrong])).status, 400, JSON.stringify(wrong));
  assert.equal((await change([logs, logs])).status, 400, "two of one name");

  await cloud.put(fresh, "logs/monday", "12345");
  await cloud.put(fresh, "kept", "1");
  const none = { objects: 0, versions: 0, markers: 0, uploads: 0, transitions: 0, sizeBytes: 0, isComplete: true };
  assert.deepEqual((await preview([logs])).body, none);
  aheadMs = 40 * dayMs;
  assert.deepEqual((await preview([logs])).body, { ...none, objects: 1, sizeBytes: 5 });
  assert.deepEqual((await preview([{ ...logs, filter: {} }])).body, { ...none, objects: 2, sizeBytes: 6 });
  assert.equal((await cloud.keys(fresh)).length, 2, "nothing was deleted");
  assert.deepEqual((await change([])).body, { rules: [] });
});
