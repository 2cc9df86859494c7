import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Faults } from "../../compute/testing/faults.ts";
import { type TestDeploying, testDeploying } from "./testing/fixture.ts";

let cloud: TestDeploying;
before(async () => {
  cloud = await testDeploying();
});
afterEach(() => {
  for (const faults of Object.values(cloud.faults)) faults.clear();
});
after(() => cloud.stop());

const files = (text: string, disk = false) => ({
  Dockerfile: "FROM base.khmara.internal/base:12\nCOPY . .\n",
  text,
  "khmara.json": JSON.stringify({ release: "migrate", ...(disk ? { mounts: [{ name: "data", path: "/data" }] } : {}) }),
});
type Which = keyof TestDeploying["faults"];

/** The process dies while one of the neighbours is at `call` (or has just done it), and another one goes on. */
async function dieAt<T>(which: Which, call: string, when: "before" | "after", start: () => Promise<T>): Promise<T> {
  const hung = (cloud.faults[which] as Faults).hang(call, when);
  const begun = await start();
  await hung;
  await cloud.stopRunner();
  await cloud.startRunner();
  return begun;
}

/** Records, engine and what runs agree: one live release with its containers, and images of what is there. */
async function checkWhole(app: { id: string }, releases: number): Promise<void> {
  const shown = await cloud.show(app);
  assert.deepEqual([shown.state, shown.deployment], ["running", undefined]);
  assert.deepEqual([...(cloud.running.live.get(app.id) ?? [])], [shown.releaseId]);
  const { items } = (await cloud.call("viewer", "GET", `/apps/${app.id}/releases`)).body;
  assert.equal(items.length, releases);
  const kept = await cloud.database.sql<
    { id: string }[]
  >`select image_id as id from apps.images where app_id = ${app.id} order by 1`;
  const there = [...cloud.engine.images.values()].filter(({ labels }) => labels["app"] === app.id && labels["deployment"]);
  assert.deepEqual(
    there.map(({ id }) => id).sort(),
    kept.map(({ id }) => id),
  );
  const open = await cloud.database.sql`select meter from kernel.usage_records where resource_id = ${app.id} and to_at is null`;
  assert.equal(open.length, kept.length, "one span for each image, none for a build");
}

const steps: [Which, string][] = [
  ["engine", "imageBuild"],
  ["running", "runOnce"],
  ["running", "start"],
  ["running", "awaitHealthy"],
  ["routing", "apply"],
  ["running", "retire"],
];
for (const when of ["before", "after"] as const) {
  for (const [which, call] of steps)
    test(`a process that dies ${when} ${call} of a deployment: the next one carries it on`, async () => {
      const app = await cloud.app();
      await cloud.deploy(app, files("one"));
      const operation = await dieAt(which, call, when, () => cloud.begin(app, files("two")));
      await cloud.done(operation.id);
      assert.equal((await cloud.show(app)).releaseNumber, 2);
      await checkWhole(app, 2);
    });

  for (const [which, call] of steps.slice(2))
    test(`a process that dies ${when} ${call} of a deployment with a disk: never two at it`, async () => {
      const app = await cloud.app();
      await cloud.deploy(app, files("one", true));
      const operation = await dieAt(which, call, when, () => cloud.begin(app, files("two", true)));
      await cloud.done(operation.id);
      await checkWhole(app, 2);
    });

  for (const [which, call] of [
    ["running", "start"],
    ["routing", "apply"],
  ] as [Which, string][])
    test(`a process that dies ${when} ${call} of a rollback: the next one carries it on`, async () => {
      const app = await cloud.app();
      await cloud.deploy(app, files("one"));
      await cloud.deploy(app, files("two"));
      const answer = await dieAt(which, call, when, () =>
        cloud.call("editor", "POST", `/apps/${app.id}/rollback`, { release: 1 }),
      );
      await cloud.done(answer.body.id);
      assert.equal((await cloud.show(app)).releaseNumber, 3);
      await checkWhole(app, 3);
    });

  for (const [which, call] of [
    ["running", "discard"],
    ["engine", "imageRemove"],
  ] as [Which, string][])
    test(`a process that dies ${when} ${call} while a failed deployment is undone: the next one tidies up`, async () => {
      const app = await cloud.app();
      await cloud.deploy(app, files("one"));
      cloud.faults.running.fail("awaitHealthy", { error: new Error("it is not") });
      const operation = await dieAt(which, call, when, () => cloud.begin(app, files("two")));
      assert.equal((await cloud.ended(operation.id)).state, "failed");
      assert.equal((await cloud.show(app)).releaseNumber, 1);
      await checkWhole(app, 1);
    });

  for (const [which, call] of [
    ["running", "remove"],
    ["routing", "apply"],
  ] as [Which, string][])
    test(`a process that dies ${when} ${call} of a deletion: the next one deletes the rest`, async () => {
      const app = await cloud.app();
      await cloud.deploy(app, files("one"));
      const answer = await dieAt(which, call, when, () => cloud.call("editor", "DELETE", `/apps/${app.id}?confirm=${app.name}`));
      await cloud.done(answer.body.id);
      assert.equal((await cloud.call("viewer", "GET", `/apps/${app.id}`)).status, 404);
      assert.deepEqual(
        [...cloud.engine.images.values()].filter(({ labels }) => labels["app"] === app.id),
        [],
      );
    });
}

for (const [which, call] of steps)
  test(`cancelled at ${call}: what ran runs on, unless it is too late for that`, async () => {
    const app = await cloud.app();
    await cloud.deploy(app, files("one"));
    const before = (await cloud.show(app)).releaseId;
    const hung = (cloud.faults[which] as Faults).hang(call, "before");
    const operation = await cloud.begin(app, files("two"));
    await hung;
    // Not by the deployment, which refuses once it switches, but by the operation, which never does.
    await cloud.database.sql`update kernel.operations set cancel_requested = true where id = ${operation.id}`;
    await cloud.database.sql`select pg_notify('khmara_operations', ${operation.id})`;
    await cloud.ended(operation.id);
    const isLate = call === "retire";
    const shown = await cloud.show(app);
    assert.equal(shown.releaseId === before, !isLate);
    assert.equal((await cloud.deployment(operation.resource.id)).state, isLate ? "succeeded" : "cancelled");
    // What was to go goes all the same.
    for (const until = Date.now() + 120_000; Date.now() < until; await sleep(20))
      if (cloud.running.live.get(app.id)?.size === 1) break;
    await checkWhole(app, isLate ? 2 : 1);
  });

test("an engine that is away when the old is to go: the deployment is done, and the old goes later", async () => {
  const app = await cloud.app();
  await cloud.deploy(app, files("one"));
  cloud.faults.running.fail("retire", { times: 3 });
  const deployed = await cloud.deploy(app, files("two"));
  assert.equal(deployed.state, "succeeded");
  assert.match(await cloud.log(deployed.id), /could not be taken away yet/);
  for (const until = Date.now() + 120_000; Date.now() < until; await sleep(20))
    if (cloud.running.live.get(app.id)?.size === 1) break;
  await cloud.deploy(app, files("three"));
  await checkWhole(app, 3);
});
