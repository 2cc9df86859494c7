import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { CloudError } from "../../../kernel/errors.ts";
import { newId } from "../../../kernel/ids.ts";
import { dockerMissing } from "../../../testing/docker.ts";
import { projectNetwork } from "./contract.ts";
import { type TestRunning, testRunning, webCommand, workCommand } from "./testing/fixture.ts";

const MiB = 1024 ** 2;

describe("what runs of apps", { skip: dockerMissing() ?? false, concurrency: false, timeout: 600_000 }, () => {
  let cloud: TestRunning;
  const rows = (appId: string) =>
    cloud.database
      .sql`select engine_name, process, number, state, state_reason, address, crashes from apps.containers where app_id = ${appId} order by process, number`;
  const endpoints = (appId: string) =>
    cloud.database.transaction("system", async (tx) =>
      (await cloud.parts.running.endpoints(tx)).filter((each) => each.appId === appId),
    );
  const ours = async () => (await cloud.engine.containerList()).map(({ name }) => name).sort();

  before(
    async () => {
      cloud = await testRunning();
    },
    { timeout: 300_000 },
  );
  after(() => cloud?.stop());

  test("a release starts, is healthy, hands over to the next one, and is gone without a trace", async () => {
    const { running } = cloud.parts;
    const { app, release } = await cloud.app({
      processes: { web: { command: webCommand }, worker: { command: workCommand } },
      environment: { GREETING: "hello" },
    });
    const lines: string[] = [];
    await Promise.all([running.start(release.id), running.start(release.id, { onLine: (line) => lines.push(line) })]);
    assert.equal((await ours()).length, 2, "started twice is started once");
    await running.awaitHealthy(release.id, { onLine: (line) => lines.push(line) });
    assert.ok(
      lines.includes("Started web-1.") && lines.includes("web-1 is healthy.") && lines.includes("worker-1 is healthy."),
      lines.join(),
    );
    assert.deepEqual(await endpoints(app.id), [], "not live yet");
    cloud.setLive(app, release);
    const [endpoint] = await endpoints(app.id);
    assert.deepEqual([endpoint?.container, endpoint?.releaseId, endpoint?.port], ["web-1", release.id, 8080]);
    assert.equal(await cloud.ask(endpoint?.address as string, 8080), `${app.name} 1 web-1\n`);
    const { stdout } = await cloud.engine.containerExec((await rows(app.id))[0]?.["engine_name"], {
      command: [
        "sh",
        "-c",
        'echo "$GREETING $KHMARA_APP $KHMARA_RELEASE $KHMARA_PROCESS"; hostname; grep CapEff /proc/self/status; cat /proc/1/comm',
      ],
      maxOutputBytes: 1000,
    });
    assert.match(Buffer.from(stdout).toString(), new RegExp(`^hello ${app.name} 1 web\nweb-1\nCapEff:\\s+0{16}\n.*init\n$`));

    const next = await cloud.release(app, { processes: { web: { command: webCommand }, worker: { command: workCommand } } });
    await running.start(next.id);
    await running.awaitHealthy(next.id);
    assert.deepEqual(
      (await rows(app.id)).map(({ process, number }) => `${process}-${number}`),
      ["web-1", "web-2", "worker-1", "worker-2"],
      "two releases never have the same names",
    );
    cloud.setLive(app, next);
    await running.retire(app.id, { keepReleaseId: next.id });
    assert.deepEqual(
      cloud.neighbours.drained.filter((each) => each.startsWith(app.id)),
      [`${app.id} web-1`],
      "only what is reached is drained",
    );
    assert.deepEqual(
      (await endpoints(app.id)).map(({ container }) => container),
      ["web-2"],
    );
    const counts = await cloud.database.transaction("system", (tx) => running.counts(tx, [app.id]));
    assert.deepEqual(counts.get(app.id), [
      { name: "web", wanted: 1, running: 1 },
      { name: "worker", wanted: 1, running: 1 },
    ]);
    const open = await cloud.database
      .sql`select meter, quantity::float8 as rate from kernel.usage_records where resource_id = ${app.id} and to_at is null order by meter`;
    assert.deepEqual(
      open.map(({ meter, rate }) => [meter, rate]),
      [
        ["apps.cpus", 2],
        ["apps.memory", 1024 * MiB],
      ],
      "two releases at once were not counted twice",
    );
    cloud.setLive(app, next, "stopped");
    await running.retire(app.id);
    assert.deepEqual([...(await rows(app.id))], []);
    assert.deepEqual(await ours(), []);
    assert.equal(
      (await cloud.database.sql`select 1 from kernel.usage_records where resource_id = ${app.id} and to_at is null`).length,
      0,
      "a stopped app costs nothing",
    );
    cloud.neighbours.apps.set(app.id, { ...app, state: "deleting" });
    await running.remove(app.id);
    await running.remove(app.id);
    assert.equal(await cloud.engine.networkGet(projectNetwork(cloud.project).name), undefined);
    const [quota] = await cloud.database
      .sql`select used from kernel.quota_usage where scope_id = ${cloud.project} and name = 'apps.memory'`;
    assert.equal(Number(quota?.["used"]), 0);
    cloud.neighbours.apps.delete(app.id);
  });

  test("one that ends, or never answers, is told with its last words, and discarded", async () => {
    const { running } = cloud.parts;
    const { app, release } = await cloud.app({ processes: { web: { command: "echo no such table: users; exit 3" } } });
    await running.start(release.id);
    await assert.rejects(running.awaitHealthy(release.id), (error) => {
      assert.ok(CloudError.is(error, "failed_precondition"));
      assert.deepEqual([error.details.reason, error.details["exitCode"]], ["container_exited", 3]);
      assert.match(error.message, /web-1 ended with exit code 3\. Its last lines:\n(no such table: users\n?)+$/);
      return true;
    });
    await running.discard(release.id);
    await running.discard(release.id);
    const silent = await cloud.release(app, {
      processes: { web: { command: workCommand } },
      healthCheck: { startSeconds: 5, timeoutSeconds: 1 },
    });
    await running.start(silent.id);
    await assert.rejects(
      running.awaitHealthy(silent.id),
      /web-1 was not healthy within 5 seconds: GET \/ at port 8080: nobody listens there.*working/s,
    );
    await running.discard(silent.id);
    assert.deepEqual(await ours(), []);
    cloud.neighbours.apps.delete(app.id);
  });

  test("an image that changes its user comes up with the capabilities it asks for, and without them is told to ask", async () => {
    const { running } = cloud.parts;
    // As the images of nginx and PostgreSQL begin.
    const web = {
      command: `touch /tmp/mine && chown 1000:1000 /tmp/mine && ${webCommand.replace("httpd", "httpd -u 1000:1000")}`,
    };
    const { app, release } = await cloud.app({ processes: { web } });
    await running.start(release.id);
    await assert.rejects(running.awaitHealthy(release.id), (error) => {
      assert.ok(CloudError.is(error, "failed_precondition"));
      assert.equal(error.details["hint"], "capabilities");
      assert.match(error.message, /have the capabilities CHOWN, .*SETUID: in its settings/);
      assert.match(error.message, /Operation not permitted/);
      return true;
    });
    await running.discard(release.id);
    const next = await cloud.release(app, { processes: { web }, capabilities: ["CHOWN", "SETGID", "SETUID"] });
    await running.start(next.id);
    await running.awaitHealthy(next.id);
    const inside = async (command: string) => {
      const engineName = (await rows(app.id))[0]?.["engine_name"];
      const { stdout } = await cloud.engine.containerExec(engineName, { command: ["sh", "-c", command], maxOutputBytes: 1000 });
      return Buffer.from(stdout).toString();
    };
    assert.match(
      await inside("grep -h Uid /proc/$(cat /tmp/pid)/status; grep NoNewPrivs /proc/1/status"),
      /^Uid:\t1000\t.*\nNoNewPrivs:\t1\n/,
    );
    // CHOWN 0, SETGID 6, SETUID 7 of linux/capability.h, and no others.
    assert.match(await inside("grep CapBnd /proc/1/status"), /^CapBnd:\t0{13}0c1\n/);
    await running.discard(next.id);

    const asUser = await cloud.release(app, { user: "1000:1000" });
    await running.start(asUser.id);
    await running.awaitHealthy(asUser.id);
    assert.match(await inside("id -u; id -g"), /^1000\n1000\n/);
    await running.discard(asUser.id);
    cloud.neighbours.setGone(app.id);
    await running.remove(app.id);
    cloud.neighbours.apps.delete(app.id);
  });

  test("a first release is scaled as its source says; what a person scaled stays", async () => {
    const scales = async (appId: string) =>
      (
        await cloud.database.sql`select name, count, memory_bytes, cpus from apps.processes where app_id = ${appId} order by name`
      ).map((row) => [row["name"], row["count"], Number(row["memory_bytes"]) / MiB, row["cpus"]]);
    const { app } = await cloud.app({ processes: { web: { count: 2, memoryBytes: 64 * MiB, cpus: 0.5 }, worker: {} } });
    assert.deepEqual(await scales(app.id), [
      ["web", 2, 64, 0.5],
      ["worker", 1, 512, 1],
    ]);
    // It did not come to run: what its source says by now holds.
    const second = await cloud.release(app, { processes: { web: { count: 3, memoryBytes: 96 * MiB }, worker: { count: 0 } } });
    assert.deepEqual(await scales(app.id), [
      ["web", 3, 96, 1],
      ["worker", 0, 512, 1],
    ]);
    cloud.setLive(app, second);
    await cloud.release(app, { processes: { web: { count: 1 }, worker: { count: 1 }, mail: { memoryBytes: 32 * MiB } } });
    assert.deepEqual(await scales(app.id), [
      ["mail", 1, 32, 1],
      ["web", 3, 96, 1],
      ["worker", 0, 512, 1],
    ]);
    cloud.neighbours.setGone(app.id);
    await cloud.parts.running.remove(app.id);
    cloud.neighbours.apps.delete(app.id);
  });

  test("a release command runs beside, with its words and its exit code", async () => {
    const { app, release } = await cloud.app({ environment: { TABLE: "users" } });
    const lines: string[] = [];
    const code = await cloud.parts.running.runOnce(release.id, 'echo "migrating $TABLE"; echo careful >&2; exit 4', {
      onLine: (line) => lines.push(line),
    });
    assert.equal(code, 4);
    assert.deepEqual(lines.sort(), ["careful", "migrating users"]);
    assert.deepEqual(await ours(), []);
    assert.equal((await cloud.database.sql`select 1 from apps.one_offs`).length, 0);
    cloud.neighbours.apps.delete(app.id);
  });

  test("disks stay over releases; no two containers have one", async () => {
    const { running } = cloud.parts;
    const { app } = await cloud.app();
    const made = await cloud.call("editor", "POST", `/apps/${app.id}/disks`, { name: "data", path: "/data/" });
    assert.equal(made.status, 201, JSON.stringify(made.body));
    assert.equal(made.body.path, "/data");
    assert.equal((await cloud.call("editor", "POST", `/apps/${app.id}/disks`, { name: "data", path: "/other" })).status, 409);
    assert.equal((await cloud.call("editor", "POST", `/apps/${app.id}/disks`, { name: "system", path: "/etc" })).status, 400);
    assert.equal((await cloud.call("viewer", "POST", `/apps/${app.id}/disks`, { name: "more", path: "/more" })).status, 403);
    const first = await cloud.release(app, { processes: { web: { command: `echo kept >> /data/file; ${webCommand}` } } });
    await running.start(first.id);
    await running.awaitHealthy(first.id);
    cloud.setLive(app, first);
    const refused = await cloud.call("editor", "POST", `/apps/${app.id}/processes/web/scale`, { count: 2 });
    assert.equal(refused.body.details?.reason ?? refused.body.reason, "disk_single_writer", JSON.stringify(refused.body));
    const used = await cloud.call("editor", "DELETE", `/app-disks/${made.body.id}?confirm=data`);
    assert.equal(used.body.details?.reason ?? used.body.reason, "disk_in_use", JSON.stringify(used.body));
    await running.retire(app.id);
    const second = await cloud.release(app, { processes: { web: { command: `cat /data/file; ${webCommand}` } } });
    await running.start(second.id);
    await running.awaitHealthy(second.id);
    const [row] = await rows(app.id);
    const { stdout } = await cloud.engine.containerExec(row?.["engine_name"], {
      command: ["cat", "/data/file"],
      maxOutputBytes: 100,
    });
    assert.equal(Buffer.from(stdout).toString(), "kept\n");
    await running.retire(app.id);
    assert.equal((await cloud.call("editor", "DELETE", `/app-disks/${made.body.id}?confirm=date`)).status, 400);
    assert.equal((await cloud.call("editor", "DELETE", `/app-disks/${made.body.id}?confirm=data`)).status, 204);
    assert.deepEqual(await cloud.engine.volumeList(), []);
    assert.deepEqual((await cloud.call("viewer", "GET", `/apps/${app.id}/disks`)).body.items, []);
    cloud.neighbours.apps.delete(app.id);
  });

  test("scaled up, new containers serve when they are healthy; scaled down, they are drained; limits are changed one by one", async () => {
    const { app } = await cloud.deploy();
    const scale = async (body: object) => {
      const answer = await cloud.call("editor", "POST", `/apps/${app.id}/processes/web/scale`, body);
      assert.equal(answer.status, 202, JSON.stringify(answer.body));
      return answer.body.id as string;
    };
    await cloud.done(await scale({ count: 3 }));
    assert.deepEqual(
      (await endpoints(app.id)).map(({ container }) => container),
      ["web-1", "web-2", "web-3"],
    );
    const before = (await rows(app.id)).map(({ engine_name }) => engine_name);
    await cloud.done(await scale({ count: 1 }));
    assert.deepEqual(
      (await rows(app.id)).map(({ engine_name }) => engine_name),
      [before[0]],
      "none that stays is restarted",
    );
    assert.deepEqual(cloud.neighbours.drained.filter((each) => each.startsWith(app.id)).sort(), [
      `${app.id} web-2`,
      `${app.id} web-3`,
    ]);
    await cloud.done(await scale({ memoryBytes: 64 * MiB, cpus: 0.5 }));
    const [row, ...others] = await rows(app.id);
    assert.deepEqual(others, []);
    assert.notEqual(row?.["engine_name"], before[0]);
    assert.equal((await cloud.engine.containerMetrics(row?.["engine_name"]))?.memoryLimitBytes, 64 * MiB);
    const [held] = await cloud.database.sql`select memory_bytes, cpus from apps.held where app_id = ${app.id}`;
    assert.deepEqual([Number(held?.["memory_bytes"]), held?.["cpus"]], [64 * MiB, 0.5]);

    // More than there is.
    assert.equal(
      (await cloud.call("editor", "POST", `/apps/${app.id}/processes/web/scale`, { count: 100, memoryBytes: 1024 * MiB })).body
        .code ?? "",
      "quota_exceeded",
    );
    assert.equal((await cloud.call("viewer", "POST", `/apps/${app.id}/processes/web/scale`, { count: 2 })).status, 403);
    assert.equal((await cloud.call("stranger", "POST", `/apps/${app.id}/processes/web/scale`, { count: 2 })).status, 404);
    assert.equal((await cloud.call("editor", "POST", `/apps/${app.id}/processes/none/scale`, { count: 2 })).status, 404);
    const list = await cloud.call("viewer", "GET", `/apps/${app.id}/processes`);
    assert.deepEqual(
      list.body.items.map(({ name, count, running, memoryBytes }: Record<string, unknown>) => ({
        name,
        count,
        running,
        memoryBytes,
      })),
      [{ name: "web", count: 1, running: 1, memoryBytes: 64 * MiB }],
    );
    const containers = await cloud.call("viewer", "GET", `/apps/${app.id}/containers`);
    assert.deepEqual(
      containers.body.items.map(({ process, state, restarts }: Record<string, unknown>) => ({ process, state, restarts })),
      [{ process: "web", state: "healthy", restarts: 0 }],
    );
    await cloud.parts.running.remove(app.id);
    cloud.neighbours.apps.delete(app.id);
  });

  test("what does not come up when it is scaled leaves the scale as it was", async () => {
    // The second of them finds the place taken.
    const command = `[ "$KHMARA_CONTAINER" = web-1 ] || exit 5; ${webCommand}`;
    const { app } = await cloud.deploy({ processes: { web: { command } } });
    const { body } = await cloud.call("editor", "POST", `/apps/${app.id}/processes/web/scale`, { count: 2 });
    const operation = await cloud.ended(body.id);
    assert.equal(operation.state, "failed");
    assert.match(operation.error.message, /web-2 ended with exit code 5/);
    assert.deepEqual(
      (await rows(app.id)).map(({ number }) => number),
      [1],
    );
    assert.equal((await cloud.call("viewer", "GET", `/apps/${app.id}/processes`)).body.items[0].count, 1);
    const [quota] = await cloud.database
      .sql`select used from kernel.quota_usage where scope_id = ${cloud.project} and name = 'apps.memory'`;
    const [sum] = await cloud.database.sql`select sum(count * memory_bytes) as bytes from apps.processes where in_release`;
    assert.equal(Number(quota?.["used"]), Number(sum?.["bytes"]));
    await cloud.parts.running.remove(app.id);
    cloud.neighbours.apps.delete(app.id);
  });

  test("a network is kept while another app of the project is there", async () => {
    const project = newId("project");
    const [one, other] = [await cloud.app({}, { projectId: project }), await cloud.app({}, { projectId: project })];
    await cloud.parts.running.start(one.release.id);
    await cloud.parts.running.remove(one.app.id);
    assert.ok(await cloud.engine.networkGet(projectNetwork(project).name));
    cloud.neighbours.apps.delete(one.app.id);
    await cloud.parts.running.remove(other.app.id);
    assert.equal(await cloud.engine.networkGet(projectNetwork(project).name), undefined);
    cloud.neighbours.apps.delete(other.app.id);
  });
});
