import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { CloudError } from "../../../kernel/errors.ts";
import { newId } from "../../../kernel/ids.ts";
import { silentLog } from "../../../kernel/log.ts";
import { setAllowedNetworks } from "../../../kernel/outbound/settings.ts";
import { signatureOf } from "../../../kernel/outbound/webhook.ts";
import { startCloud } from "../../../testing/cloud.ts";
import { openTestCloud } from "../testing/cloud.ts";
import { serveCommands } from "./commands.ts";
import { createDeliveries, tellWebhooks } from "./deliveries.ts";
import { askProgram, readInstructions } from "./program.ts";
import { type ActiveCallRow, activeCallStore } from "./store/activeCalls.ts";
import { applicationStore } from "./store/applications.ts";
import type { Command } from "./store/commands.ts";
import { leaseStore } from "./store/leases.ts";

const api = openTestCloud(await startCloud());
const { call, cloud } = api;
const parts = { database: cloud.database, secrets: cloud.secrets, log: silentLog };
let system = "";
const inSystem = () => ({ params: { phoneSystem: system } });
const { signal } = new AbortController();

const received: { path: string; raw: string; signature: string }[] = [];
let answer: { status: number; body: string } = { status: 200, body: "" };
const server = createServer(async (request, response) => {
  let raw = "";
  for await (const piece of request) raw += piece;
  received.push({ path: String(request.url), raw, signature: String(request.headers["khmara-signature"]) });
  response.writeHead(answer.status).end(answer.body);
});
const address = (path: string) => `http://127.0.0.1:${(server.address() as AddressInfo).port}${path}`;

before(async () => {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  ({ system } = await api.newSystem("Office"));
});
after(() => {
  server.closeAllConnections();
  server.close();
});

async function newExtension(body: object = {}) {
  const made = await call("extensionCreate", { ...inSystem(), body: { name: "Somebody", ...body } });
  assert.equal(made.status, 201, made.text);
  return made.body;
}

async function activeCall(more: Partial<ActiveCallRow> = {}): Promise<ActiveCallRow> {
  const [row] = await cloud.database.sql<{ organisationId: string; projectId: string }[]>`
    select organisation_id as "organisationId", project_id as "projectId" from voice.systems where id = ${system}`;
  const { organisationId, projectId } = row as { organisationId: string; projectId: string };
  const active: ActiveCallRow = {
    ...{ id: newId("call"), systemId: system, organisationId, projectId, processId: "test" },
    ...{ direction: "inbound", state: "talking", from: "+380441234567", fromName: "Ann", to: "200", toName: null },
    ...{ extensionIds: [], queueId: null, recording: false, startedAt: new Date(), answeredAt: new Date() },
    ...more,
  };
  await cloud.database.transaction("system", (tx) => activeCallStore.put(tx, [active]));
  return active;
}

test("an address inside of the cloud's network is refused; once allowed, a webhook is told, signed", async () => {
  const body = { name: "CRM", url: address("/hook"), events: ["call.ended"] };
  const refused = await call("callWebhookCreate", { ...inSystem(), body });
  assert.equal(refused.status, 409, refused.text);
  assert.match(refused.text, /inside of the cloud's own network/);
  await cloud.database.transaction("system", (tx) => setAllowedNetworks(tx, ["127.0.0.0/8"]));
  const made = await call("callWebhookCreate", { ...inSystem(), body });
  assert.equal(made.status, 201, made.text);
  const { webhook, secret } = made.body;
  assert.ok(!JSON.stringify((await call("callWebhookList", inSystem())).body).includes(secret));

  answer = { status: 500, body: "" };
  await cloud.database.transaction("system", async (tx) => {
    await tellWebhooks(tx, system, "call.ended", { callId: "cal_1" });
    await tellWebhooks(tx, system, "call.started", { callId: "cal_1" });
  });
  const deliveries = createDeliveries(parts);
  const state = async () => (await call("callWebhookDeliveryList", { params: { callWebhook: webhook.id } })).body.items;
  // The control plane's own worker may be first.
  for (const until = Date.now() + 20_000; (await state())[0].attempts === 0 && Date.now() < until; await sleep(50))
    await deliveries.round(signal);
  const [failed, ...others] = await state();
  assert.deepEqual([failed.state, failed.attempts, failed.message, others.length], ["pending", 1, "It answered 500.", 0]);

  answer = { status: 204, body: "" };
  await cloud.database.sql`update voice.webhook_deliveries set due_at = now()`;
  for (const until = Date.now() + 20_000; (await state())[0].state !== "delivered" && Date.now() < until; await sleep(50))
    await deliveries.round(signal);
  assert.equal((await state())[0].state, "delivered");
  const last = received.at(-1);
  const told = JSON.parse(last?.raw ?? "");
  assert.deepEqual([told.event, told.callId, told.phoneSystemId], ["call.ended", "cal_1", system]);
  const seconds = Number(/^t=(\d+),/.exec(last?.signature ?? "")?.[1]);
  assert.equal(last?.signature, signatureOf(secret, last?.raw ?? "", seconds * 1000));

  assert.equal((await call("callWebhookUpdate", { params: { callWebhook: webhook.id }, body: { enabled: false } })).status, 200);
  await cloud.database.transaction("system", (tx) => tellWebhooks(tx, system, "call.ended", {}));
  assert.equal((await state()).length, 1, "one that is off is told nothing");
  assert.equal((await call("callWebhookDelete", { params: { callWebhook: webhook.id } })).status, 204);
});

test("a program is asked what to do; what it may not answer is told by its place", async () => {
  const made = await call("phoneApplicationCreate", {
    ...inSystem(),
    body: { name: "Opening hours", url: address("/calls/start") },
  });
  assert.equal(made.status, 201, made.text);
  const { application, secret } = made.body;
  const row = await cloud.database.transaction("system", (tx) => applicationStore.find(tx, application.id));
  assert.ok(row);
  const question = {
    call: { id: "cal_1", direction: "inbound" as const, from: "+380441234567", to: "200", startedAt: new Date().toISOString() },
    ...{ phoneSystemId: row.systemId, applicationId: row.id, event: "call" as const },
  };
  answer = {
    status: 200,
    body: JSON.stringify({ verbs: [{ verb: "gather", text: "Press 1", action: "menu?step=2" }, { verb: "hang_up" }] }),
  };
  const { url, instructions } = await askProgram(parts, row, question);
  assert.deepEqual(instructions.verbs, [
    { verb: "gather", text: "Press 1", maximumDigits: 1, timeoutSeconds: 6, action: "menu?step=2" },
    { verb: "hang_up", reason: "normal" },
  ]);
  const first = received.at(-1);
  assert.equal(first?.signature.includes(signatureOf(secret, first.raw, Number(first.signature.slice(2, 12)) * 1000)), true);
  const next = await askProgram(parts, row, { ...question, event: "gathered" }, { action: "menu?step=2", askedBefore: url });
  assert.equal(next.url, address("/calls/menu?step=2"));
  assert.equal(received.at(-1)?.path, "/calls/menu?step=2");
  await assert.rejects(askProgram(parts, row, question, { action: "ftp://example.org/" }), /does not begin with https/);
  answer = { status: 404, body: "" };
  await assert.rejects(askProgram(parts, row, question), { code: "unavailable", message: "It answered 404." });
  answer = { status: 200, body: "x".repeat(300_000) };
  await assert.rejects(askProgram(parts, row, question), /more than 262144 bytes/);
  assert.throws(() => readInstructions("<Response/>"), /no JSON/);
  assert.throws(() => readInstructions('{"verbs":[{"verb":"say"},{"verb":"fly"}]}'), /verbs\.1/);
  await cloud.database.transaction("system", (tx) => setAllowedNetworks(tx, []));
  await assert.rejects(askProgram(parts, row, question), { code: "failed_precondition" });
  await cloud.database.transaction("system", (tx) => setAllowedNetworks(tx, ["127.0.0.0/8"]));
});

test("where calls still lead to a program it is not deleted", async () => {
  const made = (await call("phoneApplicationCreate", { ...inSystem(), body: { name: "Survey", url: address("/") } })).body
    .application;
  const target = { kind: "application", id: made.id };
  const dial = await call("speedDialCreate", { ...inSystem(), body: { name: "To the survey", number: "399", target } });
  assert.equal(dial.status, 201, dial.text);
  const refused = await call("phoneApplicationDelete", { params: { phoneApplication: made.id } });
  assert.equal(refused.status, 409, refused.text);
  assert.match(refused.text, /To the survey/);
  assert.equal((await call("speedDialDelete", { params: { speedDial: dial.body.id } })).status, 204);
  assert.equal((await call("phoneApplicationDelete", { params: { phoneApplication: made.id } })).status, 204);
  const twice = { name: "Survey", url: address("/") };
  assert.equal((await call("phoneApplicationCreate", { ...inSystem(), body: twice })).status, 201);
  assert.equal((await call("phoneApplicationCreate", { ...inSystem(), body: { ...twice, name: "survey" } })).status, 409);
});

test("what is asked of calls is done by the voice process, once, and its answer comes back", async () => {
  const asked: Command[] = [];
  await cloud.database.transaction("system", (tx) => leaseStore.take(tx, "test", [system]));
  const line = await serveCommands(cloud.database, silentLog, "test", async (command) => {
    asked.push(command);
    if (command.kind === "call_start") return { callId: "cal_new" };
    const { action } = (command.input as { do: { action: string } }).do;
    if (action === "park") throw new CloudError("failed_precondition", "All places are taken.");
    if (action === "record_stop") throw new Error("a fault of ours");
    return {};
  });
  try {
    const extension = await newExtension();
    const started = await call("callStart", {
      ...inSystem(),
      body: { extension: extension.id, to: "+380441234567" },
    });
    assert.equal(started.status, 201, started.text);
    assert.equal(started.body.callId, "cal_new");
    const { id } = await activeCall();
    const act = (action: object) => call("activeCallAct", { params: { activeCall: id }, body: { do: action } });
    assert.equal((await act({ action: "hang_up" })).status, 200);
    const parked = await act({ action: "park" });
    assert.equal(parked.status, 409);
    assert.match(parked.text, /All places are taken/);
    const failed = await act({ action: "record_stop" });
    assert.equal(failed.status, 409);
    assert.doesNotMatch(failed.text, /fault of ours/);
    assert.equal(asked.length, 4);
    assert.equal(
      (await call("activeCallAct", { params: { activeCall: newId("call") }, body: { do: { action: "hang_up" } } })).status,
      404,
    );
  } finally {
    await line.close();
  }
});

test("presence: who is registered, who speaks; a queue's wallboard", async () => {
  const extension = await newExtension({ name: "Agent" });
  const other = await newExtension({ name: "Other" });
  const queue = await call("callQueueCreate", {
    ...inSystem(),
    body: { name: "Help", agents: [{ extension: extension.id }, { extension: other.id }] },
  });
  assert.equal(queue.status, 201, queue.text);
  const device = (await call("phoneDeviceCreate", { params: { extension: extension.id }, body: { kind: "desk", label: "Desk" } }))
    .body;
  const deviceId = device.id ?? device.device.id;
  const { organisationId } = await activeCall();
  await cloud.database
    .sql`insert into voice.registrations (id, organisation_id, system_id, extension_id, device_id, binding, user_name, contact, transport, flow,
      address, port, path, call_id, cseq, process_id, registered_at, expires_at)
    values (${newId("registration")}, ${organisationId}, ${system}, ${extension.id}, ${deviceId}, 'b', 'u', 'sip:u@192.0.2.1', 'udp', 'udp|1|192.0.2.1|5060',
      '192.0.2.1', 5060, '{}', 'c', 1, 'test', now(), now() + interval '1 hour')`;
  const presence = async () =>
    Object.fromEntries(
      (await call("extensionPresenceList", inSystem())).body.items.map((each: { name: string; presence: string }) => [
        each.name,
        each.presence,
      ]),
    );
  assert.deepEqual([(await presence())["Agent"], (await presence())["Other"]], ["available", "offline"]);
  const { id } = await activeCall({ extensionIds: [extension.id], state: "talking" });
  assert.equal((await presence())["Agent"], "busy");
  const { items } = (await call("phoneDirectoryList", { ...inSystem(), query: { search: "e" } })).body;
  const shown = Object.fromEntries(items.map((each: { name: string; presence?: string }) => [each.name, each.presence]));
  assert.deepEqual([shown["Agent"], shown["Other"]], ["busy", "offline"]);
  await cloud.database.transaction("system", (tx) => activeCallStore.remove(tx, [id]));
  await activeCall({ queueId: queue.body.id, state: "queued", startedAt: new Date(Date.now() - 30_000) });
  const login = { params: { callQueue: queue.body.id, extension: extension.id }, body: { loggedIn: true } };
  assert.equal((await call("queueAgentUpdate", login)).status, 200);
  const live = (await call("queueLiveGet", { params: { callQueue: queue.body.id } })).body;
  assert.equal(live.waiting.length, 1);
  assert.ok(live.longestWaitSeconds >= 30);
  assert.deepEqual(live.agents.map(({ name, state }: { name: string; state: string }) => [name, state]).sort(), [
    ["Agent", "free"],
    ["Other", "logged_out"],
  ]);
  assert.equal(live.today.offered, 0);
});
