import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { dockerMissing } from "../../../testing/docker.ts";
import { eventually } from "../drivers/conformance.suite.ts";
import { containerSpec, kinds } from "./spec.ts";
import { containerStore } from "./store/containers.ts";
import { type TestRunning, testRunning, webCommand } from "./testing/fixture.ts";

const patienceMs = 180_000;

describe("looking after what runs of apps", { skip: dockerMissing() ?? false, concurrency: false, timeout: 600_000 }, () => {
  let cloud: TestRunning;
  const rows = (appId: string) => cloud.database.transaction("system", (tx) => containerStore.list(tx, { appId }));
  const endpoints = (appId: string) =>
    cloud.database.transaction("system", async (tx) =>
      (await cloud.parts.running.endpoints(tx)).filter((each) => each.appId === appId),
    );
  const stateOf = (appId: string) => cloud.neighbours.apps.get(appId)?.state;
  const gone = async (appId: string) => {
    cloud.neighbours.setGone(appId);
    await cloud.parts.running.remove(appId);
    cloud.neighbours.apps.delete(appId);
  };

  before(
    async () => {
      cloud = await testRunning();
      cloud.startWatching();
    },
    { timeout: 300_000 },
  );
  after(() => cloud?.stop());

  // Most of each is waiting: for Docker to start something again, and for rounds to come by.
  describe("apps beside each other", { concurrency: 3 }, () => {
    test("a lost container is made anew, one without a record goes, and so does what a killed process left", async () => {
      const { app, release } = await cloud.deploy();
      const [row] = await rows(app.id);
      const engineName = row?.engineName as string;
      const before = (await cloud.engine.containerGet(engineName))?.id;
      await cloud.engine.containerRemove(engineName);
      await eventually(
        async () => (await cloud.engine.containerGet(engineName))?.id,
        (id) => id !== undefined && id !== before,
        patienceMs,
      );
      await eventually(
        () => endpoints(app.id),
        (found) => found.length === 1,
        patienceMs,
      );
      // Somebody stops it by hand.
      await cloud.engine.containerStop(engineName);
      await eventually(
        async () => (await cloud.engine.containerGet(engineName))?.state,
        (state) => state === "running",
        patienceMs,
      );
      const orphan = { ...containerSpec({ ...(row as NonNullable<typeof row>), engineName: "left-1" }, release, app) };
      await cloud.engine.containerCreate(orphan);
      await cloud.engine.containerStart("left-1");
      const run = {
        ...orphan,
        name: "left-run",
        labels: { ...orphan.labels, kind: kinds.run },
        restart: { policy: "never" as const },
      };
      await cloud.engine.containerCreate(run);
      await cloud.engine.containerStart("left-run");
      // Not of this part: a database, say.
      const foreign = { ...orphan, name: "other", labels: { kind: "database" } };
      await cloud.engine.containerCreate(foreign);
      await cloud.database
        .sql`insert into apps.one_offs (engine_name, app_id, organisation_id, project_id, kind, release_id, memory_bytes, seen_at)
        values ('left-run', ${app.id}, ${app.organisationId}, ${app.projectId}, 'run', ${release.id}, 0, now() - interval '1 hour')`;
      await eventually(
        async () => (await cloud.engine.containerList()).map(({ name }) => name).filter((name) => name.startsWith("left")),
        (names) => names.length === 0,
        patienceMs,
      );
      await eventually(
        async () => (await cloud.database.sql`select 1 from apps.one_offs`).length,
        (count) => count === 0,
        patienceMs,
      );
      assert.ok(await cloud.engine.containerGet("other"), "what is not of this part is left alone");
      await cloud.engine.containerRemove("other");
      await gone(app.id);
    });

    test("a loop of crashes is told with its reason, and its end too", async () => {
      const command = `if [ -e /data/broken ]; then echo the table is gone; exit 7; fi; ${webCommand}`;
      const { app } = await cloud.app();
      assert.equal((await cloud.call("editor", "POST", `/apps/${app.id}/disks`, { name: "data", path: "/data" })).status, 201);
      const release = await cloud.release(app, { processes: { web: { command } } });
      await cloud.parts.running.start(release.id);
      await cloud.parts.running.awaitHealthy(release.id);
      cloud.setLive(app, release);
      const [row] = await rows(app.id);
      const engineName = row?.engineName as string;
      await cloud.engine.containerExec(engineName, {
        command: ["sh", "-c", "touch /data/broken; kill $(cat /tmp/pid)"],
        maxOutputBytes: 100,
      });
      await eventually(
        () => stateOf(app.id),
        (state) => state === "failing",
        patienceMs,
      );
      const told = cloud.neighbours.health.findLast(({ appId }) => appId === app.id);
      assert.match(told?.reason ?? "", /web-1 ended with exit code 7/);
      assert.match(told?.reason ?? "", /the table is gone/);
      // Nobody is sent there.
      await eventually(
        () => endpoints(app.id),
        (found) => found.length === 0,
        patienceMs,
      );
      // Whoever mends it: another container that has the disk.
      await cloud.parts.running.runOnce(release.id, "rm /data/broken");
      await eventually(
        () => stateOf(app.id),
        (state) => state === "running",
        patienceMs,
      );
      await eventually(
        () => endpoints(app.id),
        (found) => found.length === 1,
        patienceMs,
      );
      await gone(app.id);
    });

    test("one that fills the disk of the host is made anew without what it wrote", async () => {
      const { app, release } = await cloud.app({ processes: { worker: { command: "while :; do sleep 1; done" } } });
      await cloud.parts.running.start(release.id);
      await cloud.parts.running.awaitHealthy(release.id);
      cloud.setLive(app, release);
      const [row] = await rows(app.id);
      const engineName = row?.engineName as string;
      const before = (await cloud.engine.containerGet(engineName))?.id;
      // As long as the file says that it is: nothing has to be written.
      const command = ["dd", "if=/dev/zero", "of=/tmp/big", "bs=1", "count=0", "seek=3221225472"];
      assert.equal((await cloud.engine.containerExec(engineName, { command, maxOutputBytes: 1000 })).exitCode, 0);
      await eventually(
        async () => (await cloud.engine.containerGet(engineName))?.id,
        (id) => id !== undefined && id !== before,
        patienceMs,
      );
      assert.ok(((await cloud.engine.containerWritten(engineName)) as number) < 1024 ** 2);
      await eventually(
        async () => (await rows(app.id))[0]?.state,
        (state) => state === "healthy",
        patienceMs,
      );
      await gone(app.id);
    });

    test("what containers use is measured, and shown", async () => {
      const { app, release } = await cloud.app({ processes: { worker: { command: "while :; do :; done" } } });
      await cloud.parts.running.start(release.id);
      await cloud.parts.running.awaitHealthy(release.id);
      cloud.setLive(app, release);
      cloud.neighbours.requests = [{ at: new Date(), requests: 30, errors: 3, sentBytes: 15_000, p50: 1, p95: 2, p99: 3 }];
      const metrics = async () => (await cloud.call("viewer", "GET", `/apps/${app.id}/metrics?points=1000`)).body;
      const { stepSeconds, series } = await eventually(
        metrics,
        (found) =>
          found.series
            .find((each: { metric: string }) => each.metric === "cpu")
            ?.points.some((point: { value: number }) => point.value > 5),
        patienceMs,
      );
      assert.equal(stepSeconds, 15);
      const memory = series.find((each: { metric: string }) => each.metric === "memory");
      assert.equal(memory.process, "worker");
      assert.ok(memory.points[0].value > 0);
      assert.equal(series.find((each: { metric: string }) => each.metric === "requests").points[0].value, 2);
      cloud.neighbours.requests = [];
      await gone(app.id);
    });

    test("a busy process gets more containers by itself, between its limits", async () => {
      const { app, release } = await cloud.app({ processes: { worker: { command: "while :; do :; done" } } });
      await cloud.parts.running.start(release.id);
      await cloud.parts.running.awaitHealthy(release.id);
      cloud.setLive(app, release);
      const { status, body } = await cloud.call("editor", "POST", `/apps/${app.id}/processes/worker/scale`, {
        cpus: 0.1,
        autoscale: { minimum: 1, maximum: 2, cpuPercent: 20 },
      });
      assert.equal(status, 202, JSON.stringify(body));
      await cloud.done(body.id);
      await eventually(
        async () => (await rows(app.id)).filter(({ state }) => state === "healthy").length,
        (count) => count === 2,
        patienceMs,
      );
      const list = await cloud.call("viewer", "GET", `/apps/${app.id}/processes`);
      assert.equal(list.body.items[0].count, 2);
      const by = await cloud.database
        .sql`select actor->>'kind' as kind from kernel.operations where resource_id = ${app.id} order by created_at desc limit 1`;
      assert.equal(by[0]?.["kind"], "system");
      assert.equal((await cloud.call("editor", "POST", `/apps/${app.id}/processes/worker/scale`, { count: 1 })).status, 400);
      await gone(app.id);
    });
  });

  // Alone: beside busy ones it takes so long to eat that it passes for steady.
  test("one that uses too much memory is told so", async () => {
    const command = `if [ "$KHMARA_RELEASE" = 1 ]; then while [ ! -e /tmp/eat ]; do sleep 0.2; done; x=$(head -c 200000000 /dev/zero | tr '\\0' x); fi`;
    const { app, release } = await cloud.app({ processes: { worker: { command } } });
    await cloud.database.sql`update apps.processes set memory_bytes = ${33_554_432} where app_id = ${app.id}`;
    await cloud.parts.running.start(release.id);
    await cloud.parts.running.awaitHealthy(release.id);
    cloud.setLive(app, release);
    const [row] = await rows(app.id);
    // The folder stays with the container: each start of it eats again.
    await cloud.engine.containerExec(row?.engineName as string, { command: ["touch", "/tmp/eat"], maxOutputBytes: 100 });
    await eventually(
      () => stateOf(app.id),
      (state) => state === "failing",
      patienceMs,
    );
    assert.match(
      cloud.neighbours.health.findLast(({ appId }) => appId === app.id)?.reason ?? "",
      /more than its 32 MiB of memory/,
    );
    await gone(app.id);
  });

  test("one that hangs is not sent requests any more, and is started anew when that goes on", async () => {
    const { app } = await cloud.deploy({ healthCheck: { timeoutSeconds: 1 } });
    const [row] = await rows(app.id);
    await eventually(
      () => endpoints(app.id),
      (found) => found.length === 1,
      patienceMs,
    );
    const exec = (command: string) =>
      cloud.engine.containerExec(row?.engineName as string, { command: ["sh", "-c", command], maxOutputBytes: 100 });
    await exec("kill -STOP $(cat /tmp/pid)");
    await eventually(
      () => endpoints(app.id),
      (found) => found.length === 0,
      patienceMs,
    );
    await eventually(
      () => stateOf(app.id),
      (state) => state === "failing",
      patienceMs,
    );
    assert.match(
      cloud.neighbours.health.findLast(({ appId }) => appId === app.id)?.reason ?? "",
      /does not answer within 1 seconds/,
    );
    await exec("kill -CONT $(cat /tmp/pid)");
    await eventually(
      () => endpoints(app.id),
      (found) => found.length === 1,
      patienceMs,
    );
    await eventually(
      () => stateOf(app.id),
      (state) => state === "running",
      patienceMs,
    );
    const engineName = row?.engineName as string;
    const before = (await cloud.engine.containerGet(engineName))?.startedAt?.getTime() ?? 0;
    cloud.times.hangMs = 1000;
    await exec("kill -STOP $(cat /tmp/pid)");
    await eventually(
      async () => (await cloud.engine.containerGet(engineName))?.startedAt?.getTime() ?? 0,
      (startedMs) => startedMs > before,
      patienceMs,
    );
    await eventually(
      () => endpoints(app.id),
      (found) => found.length === 1,
      patienceMs,
    );
    cloud.times.hangMs = 600_000;
    await gone(app.id);
  });

  test("logs are kept in their order, searched, followed, and whole over a restart of whoever collects them", async () => {
    const word = randomBytes(4).toString("hex");
    const command = `i=0; while :; do i=$((i+1)); echo "line $i ${word}"; [ $i = 3 ] && echo Problem >&2; sleep 0.05; done`;
    const { app, release } = await cloud.app({ processes: { worker: { command } } });
    await cloud.parts.running.start(release.id);
    await cloud.parts.running.awaitHealthy(release.id);
    cloud.setLive(app, release);
    const list = async (query = "") => (await cloud.call("viewer", "GET", `/apps/${app.id}/logs?${query}`)).body;
    const newest = async (): Promise<number> =>
      Number(/line (\d+)/.exec((await list("limit=1&search=LINE")).items[0]?.text ?? "")?.[1] ?? 0);
    await eventually(newest, (number) => number > 20, patienceMs);
    await cloud.stopWatching();
    await sleep(1000);
    cloud.startWatching();
    const then = await newest();
    await eventually(newest, (number) => number > then + 20, patienceMs);

    const follower = await fetch(`${cloud.url}/apps/${app.id}/logs/follow?tail=5&search=${word}`, {
      headers: { authorization: "Bearer viewer" },
    });
    const reader = (follower.body as ReadableStream<Uint8Array>).getReader();
    let followed = "";
    while ((followed.match(/^data: /gm) ?? []).length < 15) {
      const { value, done } = await reader.read();
      assert.equal(done, false, "it goes on");
      followed += Buffer.from(value as Uint8Array).toString();
    }
    await reader.cancel();
    const numbers = [...followed.matchAll(/line (\d+) /g)].map(([, number]) => Number(number));
    assert.deepEqual(
      numbers,
      Array.from(numbers, (_, index) => (numbers[0] as number) + index),
      "none missing, none twice",
    );

    await cloud.parts.running.retire(app.id);
    const all: string[] = [];
    for (let cursor = ""; ; ) {
      const page = await list(`limit=37${cursor}`);
      all.push(...page.items.map(({ text }: { text: string }) => text));
      if (!page.nextCursor) break;
      cursor = `&cursor=${page.nextCursor}`;
    }
    const lines = all.reverse().filter((text) => text.startsWith("line "));
    assert.deepEqual(
      lines,
      lines.map((_, index) => `line ${index + 1} ${word}`),
      "all of them, in their order, once",
    );
    assert.ok(lines.length > then + 20);
    const [problem] = (await list("search=problem")).items;
    assert.deepEqual(
      [problem.stream, problem.text, problem.container, problem.process],
      ["stderr", "Problem", "worker-1", "worker"],
    );
    assert.equal((await list("process=web")).items.length, 0);
    assert.equal((await list(`since=${new Date(Date.now() + 3_600_000).toISOString()}`)).items.length, 0);
    const download = await fetch(`${cloud.url}/apps/${app.id}/logs/content`, { headers: { authorization: "Bearer viewer" } });
    const text = await download.text();
    assert.match(text, new RegExp(`^\\S+Z worker-1 line 1 ${word}\n`));
    assert.equal(text.split("\n").length, all.length + 1);
    await gone(app.id);
    assert.equal((await list()).items?.length ?? 0, 0);
  });
});
