/** Apps on three machines behind the real gateway, with somebody who asks all the time: nobody is refused while things move. */
import assert from "node:assert/strict";
import { request } from "node:http";
import { Readable } from "node:stream";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { type TestAppDrivers, testAppDrivers } from "../../../testing/apps.ts";
import { startCloud, testOwner } from "../../../testing/cloud.ts";
import { dockerMissing, testRootfs } from "../../../testing/docker.ts";
import { type SwarmMachine, startDockerSwarm, type TestSwarm } from "../../../testing/dockerSwarm.ts";
import type { AppEngine } from "../driver.ts";
import { eventually } from "../drivers/conformance.suite.ts";

// biome-ignore lint/suspicious/noExplicitAny: tests look into answers of all routes.
type Json = any;

/** Says which release it is of. */
const web = (word: string) =>
  `mkdir -p /tmp/www; echo ${word} > /tmp/www/index.html; cd /tmp/www; exec busybox httpd -f -p $PORT -h /tmp/www`;
/** Each start is a line on its disk. */
const diary = "echo start >> /diary/index.html; exec busybox httpd -f -p $PORT -h /diary";
const longMs = 150_000;

describe("apps over several machines", { skip: dockerMissing() ?? false, concurrency: false, timeout: 480_000 }, () => {
  let swarm: TestSwarm;
  let drivers: TestAppDrivers;
  let url: string;
  let token: string;
  let project: string;

  before(
    async () => {
      swarm = await startDockerSwarm(["home", "worker-1", "worker-2"]);
      drivers = await testAppDrivers({ engineOf: (cloudId) => withoutRegistry(swarm.open(cloudId)) });
    },
    { timeout: 300_000 },
  );
  after(
    async () => {
      await drivers?.remove();
      await swarm?.stop();
    },
    { timeout: 120_000 },
  );

  const machine = (name: string) => swarm.machines.find((each) => each.name === name) as SwarmMachine;

  async function call(method: string, path: string, body?: object, until = Date.now() + longMs): Promise<Json> {
    const response = await fetch(`${url}/api/v1${path}`, {
      method,
      headers: { authorization: `Bearer ${token}`, ...(body ? { "content-type": "application/json" } : {}) },
      ...(body ? { body: JSON.stringify(body) } : {}),
      signal: AbortSignal.timeout(60_000),
    });
    const text = await response.text();
    // A machine that says nothing, and is not known to be down yet.
    if (response.status === 503 && method === "GET" && Date.now() < until)
      return sleep(500).then(() => call(method, path, body, until));
    assert.ok(response.ok, `${method} ${path}: ${response.status} ${text}`);
    return text === "" ? undefined : JSON.parse(text);
  }

  async function done(operation: Json): Promise<void> {
    const end = await eventually(
      () => call("GET", `/operations/${operation.id}`),
      ({ finishedAt }) => finishedAt !== undefined && finishedAt !== null,
      longMs,
    );
    assert.equal(end.state, "succeeded", JSON.stringify(end.error));
  }

  const deploy = async (app: Json, command: string, count = 1) =>
    done(
      await call("POST", `/apps/${app.id}/image-deployments`, {
        image: "docker.io/library/web:1",
        port: 8080,
        processes: { web: { command, count, memoryMegabytes: 64 } },
      }),
    );
  const containers = async (app: Json): Promise<Json[]> => (await call("GET", `/apps/${app.id}/containers`)).items;
  const places = async (app: Json) => (await containers(app)).map(({ node, state }) => `${node} ${state}`).sort();

  /** One request by the gateway: what it answers, or why it does not. */
  const visit = (name: string): Promise<string> =>
    new Promise((resolve) => {
      const headers = { host: `${name}.default.localhost` };
      const asked = request({ host: "127.0.0.1", port: drivers.httpPort, agent: false, headers, timeout: 60_000 }, (answer) =>
        answer.toArray().then(
          (pieces) =>
            resolve(answer.statusCode === 200 ? Buffer.concat(pieces).toString().trim() : `status ${answer.statusCode}`),
          (error) => resolve(`failed ${error.code}`),
        ),
      );
      asked.on("timeout", () => asked.destroy());
      asked.on("error", (error: NodeJS.ErrnoException) => resolve(`failed ${error.code}`));
      asked.end();
    });

  /** Four who ask one after the other, without an end. */
  function visitors(name: string) {
    let answers = new Map<string, number>();
    let asking = true;
    const all = [1, 2, 3, 4].map(async () => {
      while (asking) {
        // An answer belongs to the time when it was asked for.
        const now = answers;
        const answer = await visit(name);
        now.set(answer, (now.get(answer) ?? 0) + 1);
        await sleep(10);
      }
    });
    return {
      answers: () => answers,
      forget: () => {
        answers = new Map();
      },
      async stop() {
        asking = false;
        await Promise.all(all);
      },
    };
  }
  const refusedOf = (answers: Map<string, number>) => [...answers].filter(([answer]) => /^(status|failed)/.test(answer));

  test("releases, scaling and emptying lose no request; a lost machine's apps come up elsewhere, or wait for their disk", async (t) => {
    const started = await startCloud({ appDrivers: drivers.appDrivers });
    ({ url } = started);
    const session = await fetch(`${url}/api/v1/sessions`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(testOwner),
    });
    const cookie = String(session.headers.get("set-cookie")).split(";")[0] as string;
    const made = await fetch(`${url}/api/v1/api-tokens`, {
      method: "POST",
      headers: { cookie, "x-khmara-csrf": "1", "content-type": "application/json" },
      body: JSON.stringify({ name: "moving" }),
    });
    ({ token } = (await made.json()) as { token: string });
    const organisation = (await call("GET", "/organisations")).items[0].id;
    project = (await call("GET", `/projects?organisation=${organisation}`)).items[0].id;

    const shop = await call("POST", "/apps", { project, name: "shop" });
    await deploy(shop, web("one"), 2);
    const isSpread = (count: number) => (found: string[]) =>
      found.length === count && new Set(found).size === count && found.every((each) => each.endsWith(" healthy"));
    await eventually(() => places(shop), isSpread(2), longMs);
    await eventually(
      () => visit("shop"),
      (text) => text === "one",
      longMs,
    );

    const asking = visitors("shop");
    t.after(() => asking.stop());
    await deploy(shop, web("two"), 2);
    await done(await call("POST", `/apps/${shop.id}/processes/web/scale`, { count: 3 }));
    await eventually(() => places(shop), isSpread(3), longMs);
    await call("POST", "/nodes/worker-1/drain", {});
    await eventually(
      () => places(shop),
      (found) => found.length === 3 && found.every((each) => /^(?!worker-1).* healthy$/.test(each)),
      longMs,
    );
    await done(await call("POST", `/apps/${shop.id}/processes/web/scale`, { count: 2 }));
    await eventually(() => places(shop), isSpread(2), longMs);
    assert.deepEqual(refusedOf(asking.answers()), []);
    t.diagnostic(`asked while it moved: ${JSON.stringify([...asking.answers()])}`);
    for (const word of ["one", "two"]) assert.ok((asking.answers().get(word) ?? 0) > 0, `asked while ${word} ran`);

    // Where fewest are: the first may be on the cloud's own machine, and the next ones are not.
    const diaries: [Json, Json][] = [];
    while (diaries.at(-1)?.[1].node !== "worker-2") {
      assert.ok(diaries.length < 4, JSON.stringify(diaries));
      const app = await call("POST", "/apps", { project, name: `journal-${diaries.length}` });
      await call("POST", `/apps/${app.id}/disks`, { name: "diary", path: "/diary" });
      await deploy(app, diary);
      diaries.push([app, (await containers(app))[0]]);
    }
    const [journal, kept] = diaries.at(-1) as [Json, Json];
    await call("POST", "/nodes/worker-1/activate", {});
    assert.equal(await visit(journal.name), "start");

    const lost = machine("worker-2");
    lost.cut(true);
    await lost.kill();
    await eventually(
      () => places(shop),
      (found) => found.length === 2 && found.every((each) => /^(?!worker-2).* healthy$/.test(each)),
      longMs,
    );
    t.diagnostic(`asked until it ran elsewhere: ${JSON.stringify([...asking.answers()])}`);
    // The gateway hears of it a moment later.
    await eventually(
      async () => {
        asking.forget();
        await sleep(1000);
        return refusedOf(asking.answers());
      },
      (refused) => refused.length === 0,
      longMs,
    );
    asking.forget();
    const waiting = await eventually(
      () => call("GET", `/apps/${journal.id}`),
      ({ state }) => state === "failing",
      longMs,
    );
    assert.match(waiting.stateReason, /disk is on the node worker-2, which is down\. It starts again with that machine/);
    assert.equal(await visit(journal.name), "status 503");
    assert.deepEqual(
      (await containers(journal)).map(({ name, node }) => [name, node]),
      [[kept.name, "worker-2"]],
      "it is not made anew elsewhere",
    );

    lost.cut(false);
    await lost.start();
    const text = await eventually(
      () => visit(journal.name),
      (answer) => answer.startsWith("start"),
      longMs,
    );
    assert.deepEqual(text.split("\n"), ["start", "start"], "started once more, with what was on the disk");
    await eventually(
      () => call("GET", `/apps/${journal.id}`),
      ({ state }) => state === "running",
      longMs,
    );
    assert.deepEqual(await places(journal), ["worker-2 healthy"]);
    await asking.stop();
    assert.deepEqual(refusedOf(asking.answers()), [], "none from the moment that they ran elsewhere");
    assert.ok((asking.answers().get("two") ?? 0) > 0);
  });
});

/** No registry of the world is reachable from here: what comes from one is an image of the test's own. */
function withoutRegistry(engine: AppEngine): AppEngine {
  const imagePull: AppEngine["imagePull"] = async (spec, _reference, options) =>
    engine.imageImport(
      { ...spec, defaults: { command: ["/bin/sh"], environment: { PATH: "/bin" } } },
      Readable.from([await testRootfs()]),
      options,
    );
  return { ...engine, imagePull };
}
