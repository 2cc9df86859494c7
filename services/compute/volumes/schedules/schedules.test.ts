import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { CloudError } from "../../../../kernel/errors.ts";
import type { Worker } from "../../../../kernel/service.ts";
import { openBackupContents } from "../backups/content.ts";
import { defineDrill } from "../backups/drill.ts";
import { defineBackupOperations } from "../backups/operations.ts";
import { defineSnapshotOperations } from "../snapshots/operations.ts";
import { type TestDisks, testDisks } from "../testing/disks.ts";
import { scheduleWorkers } from "./worker.ts";

let cloud: TestDisks;
let bucket: { id: string; name: string };
/** What the workers take for now. */
let now: Date;
let workers: Worker[];
before(async () => {
  cloud = await testDisks();
  cloud.engine.onExec = () => ({ stdout: "running\n" });
  bucket = await cloud.bucket();
  const { parts } = cloud.compute;
  const operations = {
    snapshots: defineSnapshotOperations(parts),
    backups: defineBackupOperations(parts, defineDrill(parts, openBackupContents(parts))),
  };
  workers = scheduleWorkers(parts, operations, () => now);
});
after(() => cloud.stop());

/** One round, and the end of all that it began. */
async function round(at: Date | string, worker = "compute.schedules"): Promise<void> {
  now = new Date(at);
  await workers.find(({ name }) => name === worker)?.run(new AbortController().signal);
  for (;;) {
    const rows = await cloud.database.sql`select id from kernel.operations where finished_at is null`;
    if (rows.length === 0) return;
    await cloud.ended(rows[0]?.["id"]);
  }
}
const schedule = async (body: object) => {
  const answer = await cloud.call("editor", "POST", "/snapshot-schedules", {
    name: "nightly",
    kind: "snapshot",
    frequency: "day",
    at: "03:00",
    timeZone: "Europe/Kyiv",
    ...body,
  });
  assert.equal(answer.status, 201, JSON.stringify(answer.body));
  return answer.body;
};
const shown = (id: string) => cloud.get(`/snapshot-schedules/${id}`);
const remove = (id: string) => cloud.call("editor", "DELETE", `/snapshot-schedules/${id}`);
const hours = (count: number, from: Date | string) => new Date(new Date(from).getTime() + count * 3_600_000);

test("made, shown with its next run, changed, switched off, deleted", async () => {
  const volume = await cloud.volume();
  const made = await schedule({ volume: volume.id, keepLast: 3, keepDays: 30 });
  const next = new Date(made.nextRunAt);
  assert.equal(next.toLocaleTimeString("en-GB", { timeZone: "Europe/Kyiv" }), "03:00:00");
  assert.ok(next > new Date() && next < hours(25, new Date()));
  assert.deepEqual(
    [made.source, made.keepLast, made.keepDays, made.verify, made.lastRun],
    [{ kind: "volume", id: volume.id, name: volume.name }, 3, 30, "never", undefined],
  );
  const path = `/snapshot-schedules/${made.id}`;
  const weekly = await cloud.call("editor", "PATCH", path, { frequency: "week", weekday: "monday", keepDays: null });
  assert.deepEqual(
    [weekly.body.frequency, weekly.body.weekday, weekly.body.at, weekly.body.keepDays, weekly.body.revision],
    ["week", "monday", "03:00", undefined, made.revision + 1],
  );
  assert.equal(new Date(weekly.body.nextRunAt).toLocaleDateString("en", { weekday: "long", timeZone: "Europe/Kyiv" }), "Monday");
  const hourly = await cloud.call("editor", "PATCH", path, { frequency: "hours", everyHours: 6 });
  assert.deepEqual([hourly.body.everyHours, hourly.body.at, hourly.body.weekday], [6, undefined, undefined]);
  assert.equal((await cloud.call("editor", "PATCH", path, { name: "x" }, { "if-match": '"r1"' })).status, 412);
  const off = await cloud.call("editor", "PATCH", path, { enabled: false });
  assert.equal(off.body.nextRunAt, undefined);
  await round(hours(1000, new Date()));
  assert.equal((await cloud.list(`/snapshots?volume=${volume.id}`)).length, 0);
  assert.deepEqual(
    (await cloud.list(`/snapshot-schedules?volume=${volume.id}`)).map(({ id }) => id),
    [made.id],
  );
  assert.equal((await remove(made.id)).status, 204);
  assert.equal(await shown(made.id), undefined);
});

test("bad times, zones and buckets are refused in words", async () => {
  const volume = await cloud.volume();
  for (const [body, words] of [
    [{ timeZone: "Mars/Olympus" }, /time zone/],
    [{ at: "25:00" }, /time of day/],
    [{ at: undefined }, /what time of day/],
    [{ frequency: "week" }, /which day/],
    [{ frequency: "hours", at: undefined }, /every how many hours/i],
    [{ frequency: "hours", everyHours: 5, at: undefined }, /everyHours/],
    [{ everyHours: 6 }, /frequency hours only/],
    [{ weekday: "monday" }, /frequency week only/],
    [{ kind: "backup" }, /which bucket/],
    [{ bucket: "some-bucket" }, /only backups need a bucket/],
    [{ verify: "each" }, /Restore drills are for backups/],
    [{ keepLast: 0 }, /keepLast/],
  ] as const) {
    const answer = await cloud.call("editor", "POST", "/snapshot-schedules", {
      volume: volume.id,
      name: "bad",
      kind: "snapshot",
      frequency: "day",
      at: "03:00",
      ...body,
    });
    assert.equal(answer.status, 400, JSON.stringify([body, answer.body]));
    assert.match(JSON.stringify(answer.body), words);
  }
  const missing = { volume: volume.id, name: "bad", kind: "backup", frequency: "day", at: "03:00", bucket: "no-such-bucket" };
  assert.equal((await cloud.call("editor", "POST", "/snapshot-schedules", missing)).status, 404);
  await schedule({ volume: volume.id, name: "twin" });
  const twin = await cloud.call("editor", "POST", "/snapshot-schedules", {
    ...missing,
    kind: "snapshot",
    bucket: undefined,
    name: "twin",
  });
  assert.deepEqual([twin.status, twin.body.code], [409, "already_exists"]);
  for (const caller of ["viewer", "neighbour"] as const) {
    assert.ok(
      [403, 404].includes(
        (await cloud.call(caller, "POST", "/snapshot-schedules", { ...missing, kind: "snapshot", bucket: undefined })).status,
      ),
    );
  }
});

test("what is due is made once, however many processes look; what was missed for days is made up for once", async () => {
  const volume = await cloud.volume();
  const made = await schedule({ volume: volume.id, name: "often" });
  const due = new Date(made.nextRunAt);
  await round(hours(-1 / 60, due));
  assert.equal((await cloud.list(`/snapshots?volume=${volume.id}`)).length, 0);
  now = due;
  const [worker] = workers;
  await Promise.all(Array.from({ length: 5 }, () => worker?.run(new AbortController().signal)));
  await round(due);
  await round(hours(1, due));
  let taken = await cloud.list(`/snapshots?volume=${volume.id}`);
  assert.equal(taken.length, 1);
  assert.match(taken[0].name, /^often \d{4}-/);
  assert.equal(taken[0].scheduleId, made.id);
  const ran = await shown(made.id);
  assert.deepEqual([ran.lastRun.state, ran.lastRun.startedAt, ran.lastRun.message], ["succeeded", due.toISOString(), undefined]);
  assert.deepEqual(new Date(ran.nextRunAt), hours(24, due));
  const late = hours(24 * 9 + 5, due);
  await round(late);
  await round(late);
  taken = await cloud.list(`/snapshots?volume=${volume.id}`);
  assert.equal(taken.length, 2);
  assert.ok(new Date((await shown(made.id)).nextRunAt) > late);
  await remove(made.id);
  assert.equal((await cloud.get(`/snapshots/${taken[0].id}`)).scheduleId, undefined);
});

test("retention: the newest so many, and whatever is younger; what people made stays, and no other schedule's is touched", async () => {
  const volume = await cloud.volume();
  const made = await schedule({ volume: volume.id, name: "kept", keepLast: 2 });
  const other = await schedule({ volume: volume.id, name: "other", at: "12:00", keepLast: 1 });
  const own = await cloud.snapshot({ volume: volume.id }, "by hand");
  let at = new Date(made.nextRunAt);
  for (let run = 0; run < 5; run++, at = hours(24, at)) await round(at);
  await round(now);
  const of = async (id: string | undefined) =>
    (await cloud.list(`/snapshots?volume=${volume.id}`)).filter(({ scheduleId }) => scheduleId === id);
  assert.equal((await of(made.id)).length, 2);
  assert.equal((await of(other.id)).length, 1);
  assert.deepEqual(
    (await of(undefined)).map(({ id }) => id),
    [own.id],
  );
  const audited = await cloud.database.sql`select actor_kind, action from kernel.audit_entries
    where coalesce(after, before)->>'schedule' = ${made.id} order by sequence`;
  const count = (action: string) =>
    audited.filter((entry) => entry["action"] === action && entry["actor_kind"] === "system").length;
  assert.deepEqual([count("compute.snapshot.create"), count("compute.snapshot.delete")], [5, 3]);
  await cloud.call("editor", "PATCH", `/snapshot-schedules/${made.id}`, { keepLast: 1, keepDays: 7 });
  await round(now);
  // Both are younger than a week, whatever the clock of this test says.
  assert.equal((await of(made.id)).length, 2);
  await cloud.database.sql`update compute.snapshots set created_at = now() - interval '8 days' where schedule_id = ${made.id}`;
  await round(now);
  assert.equal((await of(made.id)).length, 1);
  for (const { id } of [made, other]) await remove(id);
});

test("backups by the clock go to the bucket, are tried out each time, and the oldest go with their objects", async () => {
  const instance = await cloud.instance();
  const made = await schedule({
    instance: instance.id,
    kind: "backup",
    bucket: bucket.name,
    keepLast: 2,
    verify: "each",
    verifyCommand: "true",
  });
  assert.equal(made.bucketName, bucket.name);
  const objects = async () =>
    (await cloud.call("editor", "GET", `/buckets/${bucket.id}/objects?recursive=true`)).body.items.length;
  const before = await objects();
  let at = new Date(made.nextRunAt);
  for (let run = 0; run < 4; run++, at = hours(24, at)) await round(at);
  await round(now);
  const backups = await cloud.list(`/backups?instance=${instance.id}`);
  assert.deepEqual(
    backups.map(({ state, verification }) => [state, verification]),
    [
      ["available", "passed"],
      ["available", "passed"],
    ],
  );
  assert.equal(await objects(), before + 2);
  const [verification] = (await cloud.call("editor", "GET", `/backups/${backups[0].id}/verifications`)).body.items;
  assert.equal(verification.command, "true");
  await remove(made.id);
});

test("weekly drills: of the newest backup, once a week", async () => {
  const instance = await cloud.instance();
  const made = await schedule({ instance: instance.id, kind: "backup", bucket: bucket.name, verify: "weekly" });
  const due = new Date(made.nextRunAt);
  const drill = (at: Date) => round(at, "compute.restore_drills");
  await drill(due);
  await round(due);
  await round(hours(24, due));
  await drill(hours(24, due));
  await drill(hours(25, due));
  const [newest, older] = await cloud.list(`/backups?instance=${instance.id}`);
  assert.deepEqual([newest.verification, older.verification], ["passed", undefined]);
  const count = async () =>
    (await cloud.database.sql`select count(*) as count from compute.backup_verifications where backup_id = ${newest.id}`)[0]?.[
      "count"
    ];
  assert.equal(await count(), 1);
  await drill(hours(24 * 8 + 1, due));
  assert.equal(await count(), 2);
  await remove(made.id);
});

test("what fails is shown with its reason and tried again soon, a few times; then when it is due again", async () => {
  const volume = await cloud.volume();
  const made = await schedule({ volume: volume.id, name: "unlucky" });
  const due = new Date(made.nextRunAt);
  const full = new CloudError("storage_full", "The engine's disk is full.");
  cloud.engine.faults.fail("volumeSnapshot", { error: full, times: 10 });
  await round(due);
  let ran = await shown(made.id);
  assert.deepEqual([ran.lastRun.state, ran.lastRun.message], ["failed", full.message]);
  // By the real clock, as the operation ends by that: before the next regular run.
  const retries: number[] = [];
  for (let run = 0; run < 3; run++) {
    ran = await shown(made.id);
    retries.push(Math.round((new Date(ran.nextRunAt).getTime() - Date.now()) / 60_000));
    await round(new Date(Math.max(new Date(ran.nextRunAt).getTime(), due.getTime())));
  }
  assert.deepEqual(retries, [15, 30, 45]);
  assert.deepEqual(new Date((await shown(made.id)).nextRunAt), hours(24, due));
  cloud.engine.faults.clear();
  await round(hours(24, due));
  ran = await shown(made.id);
  assert.deepEqual([ran.lastRun.state, ran.lastRun.message], ["succeeded", undefined]);
  await remove(made.id);
});

test("what is busy just now is waited for; what is gone or broken fails in words", async () => {
  const [instance, volume] = [await cloud.instance(), await cloud.volume()];
  const made = await schedule({ volume: volume.id, name: "patient" });
  const due = new Date(made.nextRunAt);
  cloud.engine.faults.slow("volumeAttach", 400, { times: 1 });
  const attaching = await cloud.call("editor", "POST", `/volumes/${volume.id}/attach`, {
    instance: instance.id,
    path: "/mnt/data",
  });
  await round(due);
  assert.equal((await shown(made.id)).lastRun, undefined);
  await cloud.done(attaching.body.id);
  await round(hours(0.1, due));
  assert.equal((await shown(made.id)).lastRun.state, "succeeded");
  await remove(made.id);

  const doomed = await cloud.bucket();
  const backups = await schedule({ volume: volume.id, name: "to a bucket", kind: "backup", bucket: doomed.id });
  await cloud.call("editor", "DELETE", `/buckets/${doomed.id}`);
  await round(backups.nextRunAt);
  const ran = await shown(backups.id);
  assert.equal(ran.lastRun.state, "failed");
  assert.match(ran.lastRun.message, /bucket for these backups does not exist/);
  assert.equal(ran.bucketName, undefined);
  assert.deepEqual(await cloud.list(`/backups?volume=${volume.id}`), []);
  await remove(backups.id);
});
