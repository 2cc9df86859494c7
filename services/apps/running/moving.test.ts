import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { dockerMissing } from "../../../testing/docker.ts";
import { startDockerSwarm, type TestSwarm } from "../../../testing/dockerSwarm.ts";
import type { AppNodes } from "../driver.ts";
import { eventually } from "../drivers/conformance.suite.ts";
import { type TestRunning, testRunning, webCommand } from "./testing/fixture.ts";

describe("apps over several machines", { skip: dockerMissing() ?? false, concurrency: false, timeout: 420_000 }, () => {
  let swarm: TestSwarm;
  let cloud: TestRunning;
  before(
    async () => {
      swarm = await startDockerSwarm(["home", "worker-1", "worker-2"]);
      cloud = await testRunning({ socket: swarm.machines[0]?.socket as string, engineOf: (cloudId) => swarm.open(cloudId) });
      cloud.startWatching();
    },
    { timeout: 300_000 },
  );
  after(
    async () => {
      await cloud?.stop();
      await swarm?.stop();
    },
    { timeout: 120_000 },
  );

  const nodes = () => cloud.engine.nodes as AppNodes;
  const rows = (appId: string) =>
    cloud.database.sql<
      { engine_name: string; number: number; state: string; state_reason: string | null; node: string | null }[]
    >`
      select engine_name, number, state, state_reason, node from apps.containers where app_id = ${appId} order by number`;
  const endpoints = (appId: string) =>
    cloud.database.transaction("system", async (tx) =>
      (await cloud.parts.running.endpoints(tx)).filter((each) => each.appId === appId),
    );

  /** All that the gateway would reach answers, on as many machines. */
  const allAnswer = async (appId: string): Promise<number> => {
    const found = await endpoints(appId);
    const answers = await Promise.all(found.map(({ address, port }) => cloud.ask(address, port).catch(() => "")));
    return answers.filter((text) => text.includes("web-")).length;
  };

  const places = async (appId: string) => (await rows(appId)).map(({ node }) => node).sort();

  test("one that is to be empty is left by its apps without a gap, and one that is lost is replaced", async () => {
    const { app } = await cloud.deploy({ processes: { web: { command: webCommand, count: 3 } } });
    await eventually(
      () => allAnswer(app.id),
      (count) => count === 3,
    );
    await eventually(
      () => places(app.id),
      (found) => new Set(found).size === 3 && !found.includes(null),
    );

    await nodes().drain("worker-1");
    let gap = false;
    const ending = new AbortController();
    const looking = (async () => {
      while (!ending.signal.aborted) {
        if ((await endpoints(app.id)).length < 2) gap = true;
        await sleep(100);
      }
    })();
    await eventually(
      async () => [await places(app.id), await allAnswer(app.id)] as const,
      ([found, count]) => found.length === 3 && !found.includes("worker-1") && count === 3,
      120_000,
    );
    ending.abort();
    await looking;
    assert.equal(gap, false, "never fewer than were there, but for the one that moves");
    await nodes().activate("worker-1");

    await swarm.machines.find(({ name }) => name === "worker-2")?.kill();
    await eventually(
      async () => [await places(app.id), await allAnswer(app.id)] as const,
      ([found, count]) => found.length === 3 && !found.includes("worker-2") && count === 3,
      120_000,
    );
    assert.deepEqual(
      (await rows(app.id)).map(({ state }) => state),
      ["healthy", "healthy", "healthy"],
    );
  });
});
