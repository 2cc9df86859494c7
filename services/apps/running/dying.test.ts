import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { newId } from "../../../kernel/ids.ts";
import { pidFileIn, startDocker } from "../../../server/engines/dockerDaemon.ts";
import { isAlive, signal, waitForEnd } from "../../../server/processes.ts";
import { dockerMissing } from "../../../testing/docker.ts";
import { eventually } from "../drivers/conformance.suite.ts";
import { type TestRunning, testRunning, webCommand, workCommand } from "./testing/fixture.ts";
import { insideOf } from "./testing/inside.ts";

const child = fileURLToPath(new URL("./testing/start.child.ts", import.meta.url));
const processes = { web: { command: webCommand }, worker: { command: workCommand } };

describe("apps, when somebody dies", { skip: dockerMissing() ?? false, concurrency: false, timeout: 600_000 }, () => {
  describe("the control plane", () => {
    let cloud: TestRunning;
    before(
      async () => {
        cloud = await testRunning();
      },
      { timeout: 300_000 },
    );
    after(() => cloud?.stop());

    test("kill -9 in the middle of a start: whoever goes on comes out the same, with nothing left over", async () => {
      const moments = [
        { call: "networkCreate", when: "after", times: 1 },
        { call: "containerCreate", when: "after", times: 1 },
        { call: "containerStart", when: "after", times: 2 },
      ];
      for (const kill of moments) {
        const { app, release } = await cloud.app({ processes });
        const orders = {
          databaseUrl: cloud.databaseUrl,
          socket: cloud.socket,
          cloudId: cloud.cloudId,
          directory: cloud.directory,
          app,
          release,
          kill,
        };
        const [, by] = await once(spawn(process.execPath, [child, JSON.stringify(orders)], { stdio: "inherit" }), "exit");
        assert.equal(by, "SIGKILL", JSON.stringify(kill));
        await cloud.parts.running.start(release.id);
        await cloud.parts.running.awaitHealthy(release.id);
        const rows = await cloud.database
          .sql`select engine_name as name, state from apps.containers where app_id = ${app.id} order by 1`;
        assert.deepEqual(
          (await cloud.engine.containerList()).map(({ name, state }) => `${name} ${state}`).sort(),
          rows.map(({ name }) => `${name} running`),
          JSON.stringify(kill),
        );
        assert.equal(rows.length, 2);
        assert.ok(rows.every(({ state }) => state === "healthy"));
        await cloud.parts.running.remove(app.id);
        assert.deepEqual(await cloud.engine.containerList(), []);
        cloud.neighbours.apps.delete(app.id);
      }
    });
  });

  describe("the engine", () => {
    // One of this file's own: the others are at work with theirs.
    const name = `khr${process.pid}`;
    // Its ranges are used up by its own bridge and one network.
    const place = { folder: `/tmp/${name}`, network: `/run/netns/${name}`, addresses: "198.18.0.0/23" };
    const logFile = `${place.folder}.log`;
    let cloud: TestRunning;
    let socket = "";

    async function killEngine(): Promise<void> {
      const pid = Number(readFileSync(pidFileIn(place), "utf8"));
      signal(pid, "SIGKILL");
      assert.ok(await waitForEnd([pid], 30_000));
    }

    before(
      async () => {
        assert.equal(spawnSync("ip", ["netns", "add", name]).status, 0);
        spawnSync("ip", ["-n", name, "link", "set", "lo", "up"]);
        socket = await startDocker({ place, logFile, timeoutMs: 120_000 });
        cloud = await testRunning({ socket, connect: insideOf(place.network) });
        cloud.startWatching();
      },
      { timeout: 300_000 },
    );
    after(async () => {
      await cloud?.stop();
      const pid = existsSync(pidFileIn(place)) ? Number(readFileSync(pidFileIn(place), "utf8")) : 0;
      if (pid > 1 && isAlive(pid)) {
        signal(pid, "SIGTERM");
        if (!(await waitForEnd([pid], 60_000))) signal(pid, "SIGKILL");
      }
      for (const line of readFileSync("/proc/self/mounts", "utf8").split("\n").reverse()) {
        const mount = line.split(" ")[1] ?? "";
        if (mount.startsWith(`${place.folder}/`)) spawnSync("umount", ["-l", mount]);
      }
      spawnSync("ip", ["netns", "del", name]);
      for (const each of [place.folder, logFile]) rmSync(each, { recursive: true, force: true });
    });

    test("killed and started again: apps come back, healthy and reached; and other projects find addresses", async () => {
      const { app } = await cloud.deploy({ processes });
      const healthy = async () =>
        (await cloud.call("viewer", "GET", `/apps/${app.id}/containers`)).body.items?.map(
          ({ name: container, state }: { name: string; state: string }) => `${container} ${state}`,
        );
      const isWell = (found: string[] | undefined) => found?.join() === "web-1 healthy,worker-1 healthy";
      await eventually(healthy, isWell, 60_000);
      await killEngine();
      assert.equal((await cloud.call("viewer", "GET", `/apps/${app.id}/containers`)).status, 503);
      await startDocker({ place, logFile, timeoutMs: 120_000 });
      await eventually(healthy, isWell, 90_000);
      const endpoints = () => cloud.database.transaction("system", (tx) => cloud.parts.running.endpoints(tx));
      const [endpoint] = await eventually(endpoints, ({ length }) => length === 1, 60_000);
      const report = (await cloud.engine.containerList()).find(({ labels }) => labels["process"] === "web");
      assert.equal(endpoint?.address, Object.values(report?.addresses ?? {})[0], "at the address that it has now");
      await eventually(
        () => cloud.neighbours.apps.get(app.id)?.state,
        (state) => state === "running",
        60_000,
      );
      // Two projects more: the engine itself has no addresses left for them.
      for (const projectId of [newId("project"), newId("project")]) {
        const { release } = await cloud.app({ processes: { web: processes.web } }, { projectId });
        await cloud.parts.running.start(release.id);
        await cloud.parts.running.awaitHealthy(release.id);
      }
      const subnets = (await cloud.engine.networkList()).map(({ subnet }) => subnet);
      assert.equal(new Set(subnets).size, 3, subnets.join());
      assert.equal(subnets.filter((subnet) => subnet.startsWith("10.")).length, 2, subnets.join());
    });
  });
});
