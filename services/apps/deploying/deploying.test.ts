import assert from "node:assert/strict";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { after, afterEach, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { CloudError } from "../../../kernel/errors.ts";
import { newId } from "../../../kernel/ids.ts";
import { type TestDeploying, testDeploying } from "./testing/fixture.ts";

let cloud: TestDeploying;
before(async () => {
  cloud = await testDeploying();
});
afterEach(() => {
  for (const faults of Object.values(cloud.faults)) faults.clear();
});
after(() => cloud.stop());

const site = (text = "hello") => ({ "index.html": `<h1>${text}</h1>` });
const image = (text: string) => ({ Dockerfile: `FROM base.khmara.internal/base:12\nUSER 10001\nEXPOSE 9000\nCOPY . .\n`, text });
const liveOf = (id: string) => [...(cloud.running.live.get(id) ?? [])];

test("apps are created, listed, changed; a name is there once, and others see nothing of it", async () => {
  const before = await cloud.quota("apps.apps");
  const app = await cloud.app("first");
  assert.equal(app.state, "new");
  assert.deepEqual(app.allowedActions, ["deploy", "configure", "delete"]);
  assert.equal(await cloud.quota("apps.apps"), before + 1);
  assert.equal((await cloud.call("editor", "POST", "/apps", { project: cloud.project, name: "first" })).status, 409);
  await cloud.app("second");
  const page = (await cloud.call("viewer", "GET", `/apps?project=${cloud.project}&limit=1`)).body;
  assert.equal(page.items[0].name, "first");
  const rest = (await cloud.call("viewer", "GET", `/apps?project=${cloud.project}&limit=1&cursor=${page.nextCursor}`)).body;
  assert.equal(rest.items[0].name, "second");
  assert.equal((await cloud.call("stranger", "GET", `/apps/${app.id}`)).status, 404);
  assert.equal((await cloud.call("viewer", "PATCH", `/apps/${app.id}`, { protected: true })).status, 403);
  const changed = await cloud.call("editor", "PATCH", `/apps/${app.id}`, { protected: true, description: "the first one" });
  assert.deepEqual([changed.body.protected, changed.body.description], [true, "the first one"]);
  const refused = await cloud.call("editor", "DELETE", `/apps/${app.id}?confirm=first`);
  assert.deepEqual([refused.status, refused.body.reason ?? refused.body.details?.reason], [409, "protected"]);
});

test("a static site is deployed: release, live, log, quota, usage; the upload is gone", async () => {
  const app = await cloud.app();
  const deployed = await cloud.deploy(app, site());
  assert.equal(deployed.state, "succeeded");
  assert.equal(deployed.runtime, "Static site");
  const shown = await cloud.show(app);
  assert.deepEqual([shown.state, shown.releaseNumber, shown.runtime, shown.deployment], ["running", 1, "Static site", undefined]);
  assert.deepEqual(liveOf(app.id), [shown.releaseId]);
  assert.ok(cloud.routing.applied.at(-1)?.includes(shown.releaseId));
  const log = await cloud.log(deployed.id);
  assert.match(log, /Step: FROM kh-test\/base\/static/);
  assert.match(log, /--> done\n$/);
  const { items: releases } = (await cloud.call("viewer", "GET", `/apps/${app.id}/releases`)).body;
  assert.equal(releases.length, 1);
  assert.match(releases[0].processes[0].command, /nginx/);
  assert.equal((await cloud.quota("apps.images")) > 0, true);
  const usage = await cloud.database
    .sql`select meter, unit, to_at from kernel.usage_records where resource_id = ${app.id} order by meter`;
  assert.deepEqual(
    usage.map(({ meter, unit, to_at }) => [meter, unit, to_at === null]),
    [
      ["apps.build", "seconds", false],
      ["apps.images", "byte_seconds", true],
    ],
  );
  assert.equal(cloud.engine.builds.at(-1)?.network, `build-${deployed.id}`);
  assert.equal(cloud.engine.networks.size, 0, "a network for this build alone");
  const uploads = async () =>
    (await readdir(join(cloud.directory, "apps", "uploads"))).filter((name) => name.includes(deployed.id));
  for (const until = Date.now() + 30_000; (await uploads()).length > 0 && Date.now() < until; ) await sleep(20);
  assert.deepEqual(await uploads(), []);
});

test("what runs goes on when a build fails, a release command fails, or what is new is not healthy", async () => {
  const app = await cloud.app();
  await cloud.deploy(app, site());
  const live = (await cloud.show(app)).releaseId;
  const bytes = await cloud.quota("apps.images");

  const broken = await cloud.begin(app, { Dockerfile: "FROM base.khmara.internal/base:12\nRUN fail\n" });
  assert.equal((await cloud.ended(broken.id)).state, "failed");
  const failed = await cloud.deployment(broken.resource.id);
  assert.deepEqual([failed.state, failed.error], ["failed", "A step of the build failed (exit code 1)."]);
  assert.match(await cloud.log(failed.id), /Failed: A step of the build failed/);

  cloud.running.exitCodes.set("migrate", 3);
  const release = await cloud.begin(app, { ...image("two"), "khmara.json": JSON.stringify({ release: "migrate" }) });
  assert.match((await cloud.ended(release.id)).error.message, /exit code 3/);
  assert.match(await cloud.log(release.resource.id), /ran migrate/);

  cloud.faults.running.fail("awaitHealthy", {
    error: new CloudError("failed_precondition", "It did not become healthy."),
  });
  const sick = await cloud.begin(app, image("three"));
  assert.equal((await cloud.ended(sick.id)).state, "failed");

  const shown = await cloud.show(app);
  assert.deepEqual([shown.state, shown.releaseId], ["running", live]);
  assert.deepEqual(liveOf(app.id), [live]);
  assert.equal(await cloud.quota("apps.images"), bytes);
  const { items } = (await cloud.call("viewer", "GET", `/apps/${app.id}/releases`)).body;
  assert.deepEqual(
    items.map(({ id }: { id: string }) => id),
    [live],
    "a release that never served is not there",
  );
  const left = [...cloud.engine.images.values()].filter(({ labels }) => labels["app"] === app.id && labels["deployment"]);
  assert.equal(left.length, 1, "images of what failed are gone");
});

test("rollback and restart: content of an earlier release, its settings too, and no build", async () => {
  const app = await cloud.app();
  await cloud.call("editor", "PATCH", `/apps/${app.id}/settings`, { set: { COLOUR: "red" } });
  const first = await cloud.deploy(app, image("one"));
  await cloud.call("editor", "PATCH", `/apps/${app.id}/settings`, { set: { COLOUR: "blue" }, deploy: false });
  await cloud.deploy(app, image("two"));
  const builds = cloud.engine.builds.length;
  const rollback = await cloud.call("editor", "POST", `/apps/${app.id}/rollback`, { release: 1 });
  assert.equal(rollback.status, 202);
  await cloud.done(rollback.body.id);
  const shown = await cloud.show(app);
  assert.equal(shown.releaseNumber, 3);
  const read = (id: string) => cloud.database.transaction("system", (tx) => cloud.parts.deploying.release(tx, id));
  const [one, three] = [await read(first.releaseId), await read(shown.releaseId)];
  assert.deepEqual([three?.imageId, three?.environment], [one?.imageId, { COLOUR: "red", PORT: "9000" }]);
  assert.deepEqual(liveOf(app.id), [shown.releaseId]);
  const restart = await cloud.call("editor", "POST", `/apps/${app.id}/restart`);
  await cloud.done(restart.body.id);
  assert.equal((await cloud.show(app)).releaseNumber, 4);
  assert.equal(cloud.engine.builds.length, builds);
  assert.equal((await cloud.call("editor", "POST", `/apps/${app.id}/rollback`, { release: 99 })).status, 404);
  assert.equal((await cloud.call("editor", "POST", `/apps/${app.id}/rollback`, { release: 4 })).status, 409);
});

test("capabilities and user: of the source until a person says otherwise; a change is a new release, a rollback brings those of then", async () => {
  const app = await cloud.app();
  const manifest = { capabilities: ["CHOWN"], user: "1000" };
  await cloud.deploy(app, { ...site(), "khmara.json": JSON.stringify(manifest) });
  const live = async () => {
    const { capabilities, user } = (await cloud.call("viewer", "GET", `/apps/${app.id}/releases`)).body.items[0];
    const view = await cloud.database.transaction("system", async (tx) =>
      cloud.parts.deploying.release(tx, (await cloud.show(app)).releaseId),
    );
    assert.deepEqual([view?.capabilities, view?.user], [capabilities, user]);
    return [capabilities, user];
  };
  assert.deepEqual(await live(), [["CHOWN"], "1000"]);
  const update = async (body: object) => {
    const { status, body: shown } = await cloud.call("editor", "PATCH", `/apps/${app.id}`, body);
    assert.equal(status, 200);
    const { operationId } = await cloud.deployment(shown.deployment.id);
    await cloud.done(operationId);
    return shown;
  };
  const shown = await update({ capabilities: ["SETUID", "SETGID", "SETUID"], user: "nobody:nobody" });
  assert.deepEqual([shown.capabilities, shown.user], [["SETGID", "SETUID"], "nobody:nobody"]);
  assert.deepEqual(await live(), [["SETGID", "SETUID"], "nobody:nobody"]);
  await update({ capabilities: [] });
  assert.deepEqual(await live(), [[], "nobody:nobody"]);
  await update({ capabilities: null, user: null });
  assert.deepEqual(await live(), [["CHOWN"], "1000"], "what the source says holds again");
  const same = await cloud.call("editor", "PATCH", `/apps/${app.id}`, { capabilities: null });
  assert.equal(same.body.deployment, undefined, "nothing changed, nothing is deployed");
  const rollback = await cloud.call("editor", "POST", `/apps/${app.id}/rollback`, { release: 2 });
  await cloud.done(rollback.body.id);
  assert.deepEqual(await live(), [["SETGID", "SETUID"], "nobody:nobody"]);
  for (const body of [{ capabilities: ["SYS_ADMIN"] }, { capabilities: ["NET_RAW"] }, { user: "a b" }, { user: "-x" }])
    assert.equal((await cloud.call("editor", "PATCH", `/apps/${app.id}`, body)).status, 400);
  assert.equal((await cloud.call("viewer", "PATCH", `/apps/${app.id}`, { capabilities: [] })).status, 403);
});

test("settings: sealed at rest, required ones are asked for, made ones stay, a change is a new release", async () => {
  const app = await cloud.app();
  const manifest = {
    settings: {
      LEVEL: { value: "info", description: "How much it says" },
      API_KEY: { required: true },
      SESSION_SECRET: { generate: "secret" },
    },
  };
  const files = { ...site(), "khmara.json": JSON.stringify(manifest) };
  const refused = await cloud.ended((await cloud.begin(app, files)).id);
  assert.match(refused.error.message, /API_KEY/);
  const list = async () =>
    Object.fromEntries(
      (await cloud.call("editor", "GET", `/apps/${app.id}/settings`)).body.items.map((each: { name: string }) => [
        each.name,
        each,
      ]),
    );
  assert.equal((await list())["API_KEY"].isMissing, true);
  const secret = "correct-horse-battery";
  const set = await cloud.call("editor", "PATCH", `/apps/${app.id}/settings`, {
    setSecrets: { API_KEY: secret },
    set: { MOTTO: "plain-words-too" },
  });
  assert.deepEqual([set.status, set.body], [200, {}], "nothing runs yet");
  await cloud.deploy(app, files);
  const environment = async () => {
    const { releaseId } = await cloud.show(app);
    return (await cloud.database.transaction("system", (tx) => cloud.parts.deploying.release(tx, releaseId)))?.environment ?? {};
  };
  const first = await environment();
  assert.deepEqual([first["API_KEY"], first["LEVEL"], first["PORT"]], [secret, "info", "8080"]);
  assert.ok((first["SESSION_SECRET"]?.length ?? 0) > 40);
  assert.deepEqual((await list())["API_KEY"], {
    name: "API_KEY",
    isSecret: true,
    origin: "person",
    isMissing: false,
    updatedAt: (await list())["API_KEY"].updatedAt,
  });
  const changed = await cloud.call("editor", "PATCH", `/apps/${app.id}/settings`, { set: { LEVEL: "debug" } });
  await cloud.done(changed.body.operationId);
  const second = await environment();
  assert.deepEqual(second, { ...first, LEVEL: "debug" });
  const unset = await cloud.call("editor", "PATCH", `/apps/${app.id}/settings`, { unset: ["LEVEL", "MOTTO"] });
  await cloud.done(unset.body.operationId);
  const third = await environment();
  assert.deepEqual([third["LEVEL"], third["MOTTO"]], ["info", undefined], "the manifest's value holds again");
  assert.equal((await cloud.call("editor", "PATCH", `/apps/${app.id}/settings`, { set: { PORT: "1" } })).status, 400);
  assert.equal((await cloud.call("viewer", "GET", `/apps/${app.id}/settings`)).status, 403);

  const tables = await cloud.database.sql<{ name: string }[]>`select format('%I.%I', schemaname, tablename) as name from pg_tables
    where schemaname in ('apps', 'kernel')`;
  for (const { name } of tables) {
    const found = await cloud.database.sql`select 1 from ${cloud.database.sql.unsafe(name)} t
      where t::text like ${`%${secret}%`} or t::text like ${`%${Buffer.from(secret).toString("hex")}%`} limit 1`;
    assert.equal(found.length, 0, `a secret is readable in ${name}`);
    const plain = await cloud.database
      .sql`select 1 from ${cloud.database.sql.unsafe(name)} t where t::text like '%plain-words-too%' limit 1`;
    assert.equal(plain.length, 0, `a value is readable in ${name}`);
  }
});

test("one deployment of an app at a time: a newer one that waits supersedes an older one, and both kinds line up", async () => {
  const app = await cloud.app();
  await cloud.deploy(app, image("zero"));
  const reached = cloud.faults.engine.hang("imageBuild", "before");
  const first = await cloud.begin(app, image("one"));
  await reached;
  const second = await cloud.begin(app, image("two"));
  const third = await cloud.begin(app, image("three"));
  const settings = await cloud.call("editor", "PATCH", `/apps/${app.id}/settings`, { set: { A: "1" } });
  assert.equal((await cloud.ended(second.id)).state, "cancelled");
  assert.equal((await cloud.deployment(second.resource.id)).state, "superseded");
  assert.equal((await cloud.deployment(third.resource.id)).state, "queued");
  assert.equal((await cloud.show(app)).deployment.state, "building");
  assert.equal((await cloud.call("editor", "POST", `/apps/${app.id}/stop`)).status, 409, "not beside a deployment");
  const cancelled = await cloud.call("editor", "POST", `/deployments/${first.resource.id}/cancel`);
  assert.equal(cancelled.status, 200);
  assert.equal((await cloud.ended(first.id)).state, "cancelled");
  assert.equal((await cloud.deployment(first.resource.id)).state, "cancelled");
  await cloud.done(third.id);
  await cloud.done(settings.body.operationId);
  const numbers = (await cloud.call("viewer", "GET", `/apps/${app.id}/deployments`)).body.items;
  assert.deepEqual(
    numbers.map(({ number, state }: { number: number; state: string }) => [number, state]),
    [
      [5, "succeeded"],
      [4, "succeeded"],
      [3, "superseded"],
      [2, "cancelled"],
      [1, "succeeded"],
    ],
  );
  assert.equal(liveOf(app.id).length, 1);
});

test("settings that waited for a deployment are for what it brought", async () => {
  const app = await cloud.app();
  await cloud.deploy(app, image("one"));
  const reached = cloud.faults.running.hang("start", "before");
  const second = await cloud.begin(app, image("two"));
  await reached;
  const settings = await cloud.call("editor", "PATCH", `/apps/${app.id}/settings`, { set: { A: "1" } });
  await cloud.stopRunner();
  await cloud.startRunner();
  await cloud.done(second.id);
  await cloud.done(settings.body.operationId);
  const { items } = (await cloud.call("viewer", "GET", `/apps/${app.id}/releases`)).body;
  assert.deepEqual(
    items.map(({ number, settings: names }: { number: number; settings: string[] }) => [number, names]),
    [
      [3, ["A"]],
      [2, []],
      [1, []],
    ],
  );
  assert.equal(items[0].imageDigest, items[1].imageDigest);
  assert.notEqual(items[1].imageDigest, items[2].imageDigest);
});

test("one that waits is cancelled at once; one that is over cannot be", async () => {
  const app = await cloud.app();
  const reached = cloud.faults.engine.hang("imageBuild", "before");
  const first = await cloud.begin(app, image("one"));
  await reached;
  const settled = await cloud.call("editor", "POST", `/apps/${app.id}/image-deployments`, { image: "docker.io/library/there:1" });
  assert.equal((await cloud.call("editor", "POST", `/deployments/${settled.body.resource.id}/cancel`)).body.state, "cancelled");
  assert.equal((await cloud.ended(settled.body.id)).state, "cancelled");
  await cloud.call("editor", "POST", `/deployments/${first.resource.id}/cancel`);
  await cloud.ended(first.id);
  assert.equal((await cloud.call("editor", "POST", `/deployments/${first.resource.id}/cancel`)).status, 409);
  assert.equal((await cloud.show(app)).state, "new");
});

test("start and stop; a deployment that comes meanwhile waits", async () => {
  const app = await cloud.app();
  await cloud.deploy(app, image("one"));
  const reached = cloud.faults.running.hang("retire", "before");
  const stop = await cloud.call("editor", "POST", `/apps/${app.id}/stop`);
  await reached;
  assert.equal((await cloud.show(app)).state, "stopped");
  assert.ok(!cloud.routing.applied.at(-1)?.includes((await cloud.show(app)).releaseId));
  const deployment = await cloud.begin(app, image("two"));
  assert.equal((await cloud.deployment(deployment.resource.id)).state, "queued");
  await cloud.stopRunner();
  await cloud.startRunner();
  await cloud.done(stop.body.id);
  await cloud.done(deployment.id);
  assert.equal((await cloud.show(app)).state, "running");
  await cloud.done((await cloud.call("editor", "POST", `/apps/${app.id}/stop`)).body.id);
  assert.deepEqual(liveOf(app.id), []);
  await cloud.done((await cloud.call("editor", "POST", `/apps/${app.id}/start`)).body.id);
  const shown = await cloud.show(app);
  assert.deepEqual([shown.state, liveOf(app.id)], ["running", [shown.releaseId]]);
  assert.equal((await cloud.call("editor", "POST", `/apps/${app.id}/start`)).status, 409);
});

test("an app with a disk: the old is stopped first, and comes back when the new is not healthy", async () => {
  const app = await cloud.app();
  const files = (text: string) => ({
    ...image(text),
    "khmara.json": JSON.stringify({ mounts: [{ name: "data", path: "/data" }] }),
  });
  await cloud.deploy(app, files("one"));
  assert.equal((await cloud.show(app)).hasDisks, true);
  const live = (await cloud.show(app)).releaseId;
  cloud.running.story.length = 0;
  await cloud.deploy(app, files("two"));
  assert.deepEqual(cloud.running.story, ["retire", "start 2", "await 2", "retire"]);
  const second = (await cloud.show(app)).releaseId;
  assert.notEqual(second, live);
  cloud.running.story.length = 0;
  cloud.faults.running.fail("awaitHealthy", {
    error: new CloudError("failed_precondition", "It did not become healthy."),
  });
  const third = await cloud.begin(app, files("three"));
  assert.equal((await cloud.ended(third.id)).state, "failed");
  assert.deepEqual(cloud.running.story, ["retire", "start 3", "discard", "start 2", "await 2"]);
  assert.deepEqual(liveOf(app.id), [second]);
});

test("deleting takes everything away, whatever is under way", async () => {
  const app = await cloud.app("doomed");
  const deployed = await cloud.deploy(app, image("one"));
  const reached = cloud.faults.engine.hang("imageBuild", "before");
  const busy = await cloud.begin(app, image("two"));
  await reached;
  const apps = await cloud.quota("apps.apps");
  assert.equal((await cloud.call("editor", "DELETE", `/apps/${app.id}?confirm=other`)).status, 400);
  const deletion = await cloud.call("editor", "DELETE", `/apps/${app.id}?confirm=doomed`);
  assert.equal(deletion.status, 202);
  await cloud.done(deletion.body.id);
  assert.equal((await cloud.ended(busy.id)).state, "cancelled");
  assert.equal((await cloud.call("viewer", "GET", `/apps/${app.id}`)).status, 404);
  assert.equal((await cloud.call("viewer", "GET", `/deployments/${deployed.id}`)).status, 404);
  assert.deepEqual(
    [...cloud.engine.images.values()].filter(({ labels }) => labels["app"] === app.id),
    [],
  );
  assert.equal(cloud.running.apps.has(app.id), false);
  assert.equal(await cloud.quota("apps.apps"), apps - 1);
  const open = await cloud.database.sql`select 1 from kernel.usage_records where resource_id = ${app.id} and to_at is null`;
  assert.equal(open.length, 0);
});

test("the reconciler's word on health is seen, but not of an app that is stopped", async () => {
  const app = await cloud.app();
  await cloud.deploy(app, image("one"));
  const set = (health: { state: "running" } | { state: "failing"; reason: string }) =>
    cloud.database.transaction("system", (tx) => cloud.parts.deploying.setHealth(tx, app.id, health));
  await set({ state: "failing", reason: "It ends at once." });
  const failing = await cloud.show(app);
  assert.deepEqual([failing.state, failing.stateReason], ["failing", "It ends at once."]);
  await set({ state: "running" });
  assert.equal((await cloud.show(app)).stateReason, undefined);
  await cloud.done((await cloud.call("editor", "POST", `/apps/${app.id}/stop`)).body.id);
  await set({ state: "failing", reason: "gone" });
  assert.equal((await cloud.show(app)).state, "stopped");
  await cloud.database.transaction("system", (tx) => cloud.parts.deploying.setHealth(tx, newId("app"), { state: "running" }));
});
