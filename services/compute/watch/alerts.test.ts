import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, test } from "node:test";
import type { InstanceMetrics } from "../driver.ts";
import { type TestCompute, testCompute } from "../testing/fixture.ts";
import { createSampler, type Sampler, slotOf } from "./sampler.ts";

// biome-ignore lint/suspicious/noExplicitAny: as the API answers it.
type Json = any;
const gib = 1024 ** 3;
const signal = new AbortController().signal;
let cloud: TestCompute;
let sampler: Sampler;
let instance: Json;
let engineName = "";
let nowMs = Date.now();
let cpuSeconds = 0;

const received: { path: string; body: Json; raw: string; signature: string }[] = [];
let answerStatus = 200;
const server = createServer(async (request, response) => {
  let raw = "";
  for await (const piece of request) raw += piece;
  received.push({
    path: String(request.url),
    body: JSON.parse(raw),
    raw,
    signature: String(request.headers["khmara-signature"]),
  });
  response.writeHead(answerStatus).end();
});

before(async () => {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  cloud = await testCompute({ standIns: ["networks", "volumes"] });
  sampler = createSampler(cloud.compute.parts);
  instance = await cloud.instance({
    name: "web",
    labels: { role: "web" },
    size: await cloud.size({ vcpus: 1, memoryBytes: gib }),
  });
  engineName = (await cloud.database.sql`select engine_name as name from compute.instances where id = ${instance.id}`)[0]?.[
    "name"
  ];
  await cloud.database.sql`update compute.metric_progress set slot = ${slotOf(nowMs) - 1}`;
});
after(async () => {
  server.closeAllConnections();
  server.close();
  await cloud.stop();
});

const hook = (path: string) => `http://127.0.0.1:${(server.address() as AddressInfo).port}${path}`;
const rule = (body: Record<string, unknown>, caller: "editor" | "viewer" | "neighbour" = "editor") =>
  cloud.call(caller, "POST", "/alert-rules", {
    project: cloud.project,
    name: "rule",
    metric: "cpu_percent",
    threshold: 80,
    forSeconds: 20,
    ...body,
  });
const alerts = async (query = ""): Promise<Json[]> =>
  (await cloud.call("viewer", "GET", `/alerts?project=${cloud.project}${query}`)).body.items;
/** Ten seconds at that load. */
async function at(cpuPercent: number, more: Partial<InstanceMetrics> = {}): Promise<void> {
  nowMs += 10_000;
  cpuSeconds += cpuPercent / 10;
  cloud.engine.metrics.set(engineName, { cpuSeconds, memoryBytes: 0.5 * gib, ...more });
  await sampler.round(signal, nowMs);
}

test("a rule fires after its time, tells a signed webhook, is acknowledged, and is over when the load is", async () => {
  assert.equal((await rule({ webhook: { url: hook("/hook") } })).status, 409, "a loopback address, unless it is allowed");
  const settings = await cloud.call("admin", "GET", "/webhook-settings");
  assert.equal((await cloud.call("owner", "PATCH", "/webhook-settings", { allowedNetworks: ["0.0.0.0/0"] })).status, 403);
  assert.equal((await cloud.call("admin", "PATCH", "/webhook-settings", { allowedNetworks: ["everything"] })).status, 400);
  const allowed = await cloud.call(
    "admin",
    "PATCH",
    "/webhook-settings",
    { allowedNetworks: ["127.0.0.0/8"] },
    { "if-match": `"r${settings.body.revision}"` },
  );
  assert.deepEqual([allowed.status, allowed.body.allowedNetworks], [200, ["127.0.0.0/8"]]);

  const made = await rule({ name: "Busy", webhook: { url: hook("/hook") } });
  assert.equal(made.status, 201);
  const { webhookSecret, id } = made.body;
  assert.match(webhookSecret, /^whsec_/);
  assert.deepEqual([made.body.resolveThreshold, made.body.comparison, made.body.enabled], [76, "above", true]);
  assert.equal((await cloud.call("viewer", "GET", `/alert-rules/${id}`)).body.webhookSecret, undefined);

  for (const load of [10, 95, 90]) await at(load);
  assert.deepEqual(await alerts(), []);
  await at(99);
  const [alert] = await alerts("&state=firing");
  assert.deepEqual(
    [
      alert.ruleName,
      alert.instanceName,
      alert.state,
      Math.round(alert.value),
      Math.round(alert.worstValue),
      alert.threshold,
      alert.delivery.state,
    ],
    ["Busy", "web", "firing", 99, 99, 80, "pending"],
  );
  assert.equal(Date.parse(alert.firedAt) - Date.parse(alert.beganAt), 20_000);
  assert.equal((await cloud.call("viewer", "GET", `/alert-rules/${id}`)).body.firing, 1);
  await cloud.work("compute.watch.webhooks");
  const [call] = received;
  assert.deepEqual([call?.body.type, call?.body.alert.id, call?.body.alert.instanceName], ["alert.firing", alert.id, "web"]);
  const [, seconds, hex] = /^t=(\d+),v1=([0-9a-f]+)$/.exec(String(call?.signature)) ?? [];
  assert.equal(createHmac("sha256", webhookSecret).update(`${seconds}.${call?.raw}`).digest("hex"), hex);
  assert.deepEqual((await alerts())[0].delivery.state, "delivered");

  assert.equal((await cloud.call("viewer", "POST", `/alerts/${alert.id}/acknowledge`)).status, 403);
  const acknowledged = await cloud.call("editor", "POST", `/alerts/${alert.id}/acknowledge`);
  assert.deepEqual([acknowledged.status, acknowledged.body.acknowledgedBy], [200, "editor"]);
  assert.equal((await alerts("&acknowledged=false")).length, 0);

  for (const load of [78, 50, 50]) await at(load);
  assert.equal((await alerts())[0].state, "firing");
  await at(50);
  const [over] = await alerts();
  assert.deepEqual([over.state, over.resolution], ["resolved", "recovered"]);
  await cloud.work("compute.watch.webhooks");
  assert.equal(received.at(-1)?.body.type, "alert.resolved");
  assert.equal((await cloud.call("editor", "POST", `/alerts/${alert.id}/acknowledge`)).status, 409);
  const events = await cloud.database
    .sql`select payload ->> 'state' as state from kernel.events where type = 'compute.alert.changed' order by at`;
  assert.deepEqual(
    events.map(({ state }) => state),
    ["firing", "firing", "resolved"],
  );
  await cloud.call("editor", "DELETE", `/alert-rules/${id}`);
});

test("a webhook that fails is called again, later and later, the resolution after the alarm; then it is given up", async () => {
  received.length = 0;
  answerStatus = 503;
  const { body } = await rule({
    name: "Again",
    forSeconds: 0,
    webhook: { url: hook("/again"), secret: "a secret of my own choice" },
  });
  await at(99);
  await at(10);
  const due = () => cloud.database.sql`update compute.webhook_calls set due_at = now() where state = 'pending'`;
  await cloud.work("compute.watch.webhooks");
  await cloud.work("compute.watch.webhooks");
  assert.equal(received.length, 1, "not again at once");
  let [alert] = await alerts(`&rule=${body.id}`);
  assert.equal(alert.state, "resolved");
  const calls = () =>
    cloud.database.sql`select state, attempts, message from compute.webhook_calls where url = ${hook("/again")} order by id`;
  assert.deepEqual(
    (await calls()).map(({ state, attempts }) => [state, attempts]),
    [
      ["pending", 1],
      ["pending", 0],
    ],
  );
  for (let tries = 0; tries < 4; tries++) {
    await due();
    await cloud.work("compute.watch.webhooks");
  }
  assert.ok(received.every(({ body: each }) => each.type === "alert.firing"));
  answerStatus = 200;
  await due();
  await cloud.work("compute.watch.webhooks");
  assert.deepEqual(
    received.slice(-2).map(({ body: each }) => each.type),
    ["alert.firing", "alert.resolved"],
  );
  assert.deepEqual(
    (await calls()).map(({ state, attempts }) => [state, attempts]),
    [
      ["delivered", 6],
      ["delivered", 1],
    ],
  );
  answerStatus = 410;
  await at(99);
  await cloud.work("compute.watch.webhooks");
  [alert] = await alerts(`&rule=${body.id}`);
  assert.deepEqual([alert.delivery.state, alert.delivery.message], ["failed", "It answered 410."]);
  answerStatus = 200;
  const tried = await cloud.call("editor", "POST", `/alert-rules/${body.id}/test`);
  assert.deepEqual([tried.status, tried.body.delivered, tried.body.status], [200, true, 200]);
  assert.equal(received.at(-1)?.body.type, "alert.test");
  assert.equal((await cloud.call("viewer", "POST", `/alert-rules/${body.id}/test`)).status, 403);
  await cloud.call("editor", "DELETE", `/alert-rules/${body.id}`);
  assert.equal(
    (await alerts()).find(({ id }) => id === alert.id).resolution,
    "rule_changed",
    "what fired by it is over; its history stays",
  );
});

test("a call in the middle of which the process died is made again", async () => {
  const calls = () => received.filter(({ path }) => path === "/dies").length;
  const { body } = await rule({ name: "Dies", forSeconds: 0, webhook: { url: hook("/dies") } });
  await at(99);
  // Taken by a process that is no more.
  await cloud.database.sql`update compute.webhook_calls set due_at = now() + interval '60 seconds' where state = 'pending'`;
  await cloud.work("compute.watch.webhooks");
  assert.equal(calls(), 0);
  await cloud.database.sql`update compute.webhook_calls set due_at = now() - interval '1 second' where state = 'pending'`;
  await cloud.work("compute.watch.webhooks");
  assert.equal(calls(), 1);
  await cloud.call("editor", "DELETE", `/alert-rules/${body.id}`);
});

test("what is pending outlives the process; a changed condition is judged anew, a changed name is not", async () => {
  const { body } = await rule({ name: "Memory", metric: "memory_percent", threshold: 40, forSeconds: 30 });
  await at(1);
  await at(1);
  sampler = createSampler(cloud.compute.parts);
  await at(1);
  await at(1);
  assert.equal((await alerts(`&rule=${body.id}`)).length, 1, "begun before, fired after");
  const named = await cloud.call(
    "editor",
    "PATCH",
    `/alert-rules/${body.id}`,
    { name: "Memory used" },
    { "if-match": `"r${body.revision}"` },
  );
  assert.deepEqual([named.status, named.body.firing], [200, 1]);
  assert.equal(
    (await cloud.call("editor", "PATCH", `/alert-rules/${body.id}`, { name: "x" }, { "if-match": `"r${body.revision}"` })).status,
    412,
  );
  const changed = await cloud.call("editor", "PATCH", `/alert-rules/${body.id}`, { threshold: 60 });
  assert.deepEqual([changed.body.firing, changed.body.resolveThreshold], [0, 57]);
  const off = await cloud.call("editor", "PATCH", `/alert-rules/${body.id}`, { enabled: false, threshold: 40 });
  assert.equal(off.body.enabled, false);
  for (let count = 0; count < 5; count++) await at(1);
  assert.equal((await alerts(`&rule=${body.id}&state=firing`)).length, 0);
  await cloud.call("editor", "DELETE", `/alert-rules/${body.id}`);
});

test("an instance that does not run, and a volume that is nearly full", async () => {
  const down = (
    await rule({
      name: "Down",
      metric: "not_running",
      threshold: undefined,
      forSeconds: 20,
      scope: { kind: "label", key: "role", value: "web" },
    })
  ).body;
  const full = (
    await rule({
      name: "Full",
      metric: "volume_percent",
      threshold: 90,
      forSeconds: 0,
      scope: { kind: "instance", instanceId: instance.id },
    })
  ).body;
  await cloud.engine.volumeCreate({ name: "kh-data", sizeBytes: 100, labels: {} });
  (cloud.engine.volumes.get("kh-data") as { content: string }).content = "x".repeat(95);
  const volumes = cloud.compute.parts.volumes;
  const { attachments } = volumes;
  volumes.attachments = async () => [{ volumeId: "vol_1", engineName: "kh-data", path: "/data" }];
  await at(1);
  volumes.attachments = attachments;
  const [volume] = await alerts(`&rule=${full.id}`);
  assert.deepEqual([volume.metric, volume.value], ["volume_percent", 95]);
  cloud.engine.happens(engineName, "crashed");
  for (let tries = 0; tries < 100; tries++) {
    const { body } = await cloud.call("viewer", "GET", `/instances/${instance.id}`);
    if (body.state !== "running") break;
    await cloud.compute.parts.instances.refresh(instance.id);
  }
  await cloud.database.sql`update compute.instances set restart_at = null where id = ${instance.id}`;
  for (let count = 0; count < 3; count++) await at(1);
  const [alert] = await alerts(`&rule=${down.id}`);
  assert.deepEqual([alert.state, alert.metric, alert.value], ["firing", "not_running", 1]);
  await cloud.done((await cloud.call("editor", "POST", `/instances/${instance.id}/start`)).body.id);
  for (let count = 0; count < 3; count++) await at(1);
  assert.equal((await alerts(`&rule=${down.id}`))[0].resolution, "recovered");
  for (const { id } of [down, full]) await cloud.call("editor", "DELETE", `/alert-rules/${id}`);
});

test("bad rules get a clear answer and leave nothing behind", async () => {
  const before = await cloud.database.sql`select count(*) from compute.alert_rules`;
  const cases: [Record<string, unknown>, number, RegExp][] = [
    [{ threshold: undefined }, 400, /Give the threshold/],
    [{ threshold: 101 }, 400, /Percent go up to 100/],
    [{ resolveThreshold: 90 }, 400, /must not be above the threshold/],
    [{ comparison: "below", resolveThreshold: 10 }, 400, /must not be below the threshold/],
    [
      { scope: { kind: "instance", instanceId: "ins_0192f0c1d2e37a4b8c5d6e7f80912a3b" } },
      404,
      /no such instance in this project/,
    ],
    [{ webhook: { url: "ftp://example.org/" } }, 400, /https/],
    [{ webhook: { url: "https://user:pass@example.org/" } }, 400, /without user name/],
    [{ webhook: { url: "http://169.254.169.254/latest/meta-data" } }, 409, /inside of the cloud's own network/],
    [{ webhook: { url: "https://example.org/", secret: "short" } }, 400, /16 characters/],
  ];
  for (const [body, status, message] of cases) {
    const answer = await rule(body);
    assert.equal(answer.status, status, JSON.stringify(answer.body));
    assert.match(JSON.stringify(answer.body), message);
  }
  assert.deepEqual(await cloud.database.sql`select count(*) from compute.alert_rules`, before);
  assert.equal((await rule({}, "viewer")).status, 403);
  assert.equal((await rule({}, "neighbour")).status, 404);
  const one = (await rule({ name: "One" })).body;
  const two = (await rule({ name: "Two" })).body;
  assert.equal((await rule({ name: "One" })).status, 409);
  const taken = await cloud.call("editor", "PATCH", `/alert-rules/${two.id}`, { name: "One" });
  assert.deepEqual([taken.status, taken.body.code], [409, "already_exists"]);
  await cloud.database
    .sql`insert into kernel.quota_limits (scope_id, organisation_id, name, limit_value) values (${cloud.project}, ${cloud.organisation}, 'compute.alert_rules', 2)`;
  assert.equal((await rule({ name: "Three" })).status, 403);
  const page = (await cloud.call("viewer", "GET", `/alert-rules?project=${cloud.project}&limit=1`)).body;
  assert.equal(page.items[0].name, "One");
  assert.equal(
    (await cloud.call("viewer", "GET", `/alert-rules?project=${cloud.project}&limit=1&cursor=${page.nextCursor}`)).body.items[0]
      .name,
    "Two",
  );
  for (const path of [`/alert-rules/${one.id}`, `/alert-rules?project=${cloud.project}`, `/alerts?project=${cloud.project}`])
    assert.equal((await cloud.call("stranger", "GET", path)).status, 404, path);
});

test("resolved alerts go after their time, what fires stays", async () => {
  const count = async () => (await alerts("&limit=1000")).length;
  const all = await count();
  await cloud.database.sql`update compute.alerts set resolved_at = now() - interval '91 days' where state = 'resolved'`;
  await cloud.work("compute.watch.forget");
  assert.ok(all > 0 && (await count()) === (await alerts("&state=firing")).length);
});
