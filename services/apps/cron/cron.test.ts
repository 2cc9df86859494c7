import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { isTimeZone, nextAfter, wrongWith } from "../../../kernel/cron.ts";
import { type TestDeploying, testDeploying } from "../deploying/testing/fixture.ts";

let cloud: TestDeploying;
before(async () => {
  cloud = await testDeploying();
});
after(() => cloud?.stop());

// biome-ignore lint/suspicious/noExplicitAny: tests look into answers of all routes.
type Json = any;
const files = (cron?: object[]) => ({ "index.html": "x", ...(cron && { "khmara.json": JSON.stringify({ cron }) }) });
const jobs = async (app: { id: string }): Promise<Json[]> =>
  (await cloud.call("viewer", "GET", `/apps/${app.id}/cron-jobs`)).body.items;

test("schedules: five fields, nicknames, time zones over a change of the clock", () => {
  for (const good of ["0 3 * * *", "*/5 0-6 * jan mon-fri", "0 3 * * 7", "@hourly", "@yearly", "0 0 30 2 *"])
    assert.equal(wrongWith(good), undefined, good);
  for (const bad of ["60 * * * *", "* * * * * *", "every day", "@reboot", "", "5/15 * * * *"])
    assert.match(wrongWith(bad) ?? "", /five fields/, bad);
  assert.ok(isTimeZone("Europe/Kyiv") && isTimeZone("UTC") && !isTimeZone("Mars/Olympus"));
  const at = (schedule: string, zone: string, from: string) => nextAfter(schedule, zone, new Date(from))?.toISOString();
  assert.equal(at("0 3 * * *", "Europe/Kyiv", "2026-11-22T00:00:00Z"), "2026-11-22T01:00:00.000Z");
  assert.equal(
    at("0 9 * * *", "Europe/Paris", "2026-03-28T09:00:00Z"),
    "2026-03-29T07:00:00.000Z",
    "an hour earlier from then on",
  );
  assert.equal(at("@hourly", "UTC", "2026-11-22T00:00:00Z"), "2026-11-22T01:00:00.000Z", "not the same moment again");
  assert.equal(at("0 0 30 2 *", "UTC", "2026-11-22T00:00:00Z"), undefined);
});

test("a manifest's jobs are those of the live release; what a person made stays", async () => {
  const app = await cloud.app();
  const own = await cloud.call("editor", "POST", `/apps/${app.id}/cron-jobs`, {
    name: "mine",
    schedule: "30 4 * * 1",
    timeZone: "Europe/Kyiv",
    command: "echo mine",
  });
  assert.equal(own.status, 201, JSON.stringify(own.body));
  await cloud.deploy(
    app,
    files([{ name: "tidy", schedule: "@daily", command: "rm x", timeZone: "Europe/Paris", timeoutSeconds: 60 }]),
  );
  const [mine, tidy] = await jobs(app);
  assert.deepEqual([mine.name, mine.origin, mine.concurrency, mine.timeoutSeconds], ["mine", "person", "skip", 3600]);
  assert.deepEqual([tidy.name, tidy.origin, tidy.timeZone, tidy.timeoutSeconds], ["tidy", "manifest", "Europe/Paris", 60]);
  assert.ok(new Date(tidy.nextAt).getTime() > Date.now());
  assert.equal(
    (await cloud.call("editor", "PATCH", `/cron-jobs/${tidy.id}`, { command: "x" })).status,
    409,
    "changed in khmara.json",
  );
  const paused = await cloud.call("editor", "PATCH", `/cron-jobs/${tidy.id}`, { paused: true });
  assert.deepEqual([paused.body.paused, paused.body.nextAt], [true, undefined]);

  await cloud.deploy(app, files([{ name: "other", schedule: "@hourly", command: "y" }]));
  assert.deepEqual(
    (await jobs(app)).map(({ name }) => name),
    ["mine", "other"],
  );
  const rollback = await cloud.call("editor", "POST", `/apps/${app.id}/rollback`, { release: 1 });
  await cloud.done(rollback.body.id);
  assert.deepEqual(
    (await jobs(app)).map(({ name }) => name),
    ["mine", "tidy"],
  );

  const changed = await cloud.call("editor", "PATCH", `/cron-jobs/${mine.id}`, { schedule: "@hourly" });
  assert.equal(changed.body.schedule, "@hourly");
  for (const body of [{ schedule: "nonsense" }, { timeZone: "Mars/Olympus" }, { timeoutSeconds: 0 }])
    assert.equal((await cloud.call("editor", "PATCH", `/cron-jobs/${mine.id}`, body)).status, 400);
  const taken = { name: "mine", schedule: "@daily", command: "x" };
  assert.equal((await cloud.call("editor", "POST", `/apps/${app.id}/cron-jobs`, taken)).status, 409);
  assert.equal((await cloud.call("viewer", "POST", `/cron-jobs/${mine.id}/run`)).status, 403);
  assert.equal((await cloud.call("stranger", "GET", `/cron-jobs/${mine.id}/runs`)).status, 404);
  const run = await cloud.call("editor", "POST", `/cron-jobs/${mine.id}/run`);
  assert.equal(run.status, 201, JSON.stringify(run.body));
  assert.equal(run.body.startedBy.name, "editor");
  assert.equal((await cloud.call("editor", "POST", `/cron-jobs/${mine.id}/run`)).status, 409, "once at a time");
  assert.equal((await cloud.call("editor", "POST", `/cron-runs/${run.body.id}/cancel`)).status, 200);
  assert.equal((await cloud.call("editor", "DELETE", `/cron-jobs/${tidyOf(await jobs(app))}`)).status, 409);
  assert.equal((await cloud.call("editor", "DELETE", `/cron-jobs/${mine.id}`)).status, 204);
  assert.deepEqual(
    (await jobs(app)).map(({ name }) => name),
    ["tidy"],
  );
});

const tidyOf = (all: Json[]): string => all.find(({ name }) => name === "tidy").id;
