import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { newId } from "../../../kernel/ids.ts";
import { startCloud } from "../../../testing/cloud.ts";
import { installTestTools, phoneTools } from "../../../tools/test-tools.ts";
import { findTone } from "../testing/tones.ts";
import { openHouse } from "./testing/house.ts";

await installTestTools(phoneTools);
const house = await openHouse(startCloud);
const { as, within } = house.office;
const ann = await house.account("101", "Ann");
const bob = await house.account("102", "Bob", { voicemail: { enabled: false } });
const phoneOfAnn = await house.phone(ann, { toneHz: 440 });
const phoneOfBob = await house.phone(bob, { toneHz: 620 });

const told: { event: string; call: { id: string; from: string; to: string; talkSeconds: number; outcome?: string } }[] = [];
const asked: { event: string; digits?: string; call: { from: string; to: string } }[] = [];
let answers: object[] = [];
const program = createServer(async (request, response) => {
  let text = "";
  for await (const piece of request) text += piece;
  if (request.url === "/told") {
    told.push(JSON.parse(text));
    return void response.end();
  }
  asked.push(JSON.parse(text));
  response.end(JSON.stringify({ verbs: answers.shift() ?? [] }));
});
before(async () => {
  await new Promise<void>((resolve) => program.listen(0, "127.0.0.1", resolve));
  await as("owner", "webhookSettingsUpdate", { body: { allowedNetworks: ["127.0.0.0/8"] } });
});
after(() => void program.close());
const address = (path: string) => `http://127.0.0.1:${(program.address() as AddressInfo).port}${path}`;

const activeCalls = async () => (await as("owner", "activeCallList", { params: within }))["items"];

test("click to call: one's own phone rings, then the other's; recorded on somebody's word, and ended", async () => {
  const events = ["call.started", "call.answered", "call.ended", "recording.saved"];
  await as("owner", "callWebhookCreate", { params: within, body: { name: "CRM", url: address("/told"), events } });
  const started = await as("owner", "callStart", { params: within, body: { extension: ann.extensionId, to: "102" } });
  await phoneOfAnn.answer();
  await phoneOfBob.answer();
  await phoneOfBob.established();
  const [heard] = await Promise.all([phoneOfAnn.heardFor(2), phoneOfBob.heardFor(2)]);
  assert.ok(findTone(heard, 620).heardMs > 1000, JSON.stringify(findTone(heard, 620)));
  await house.until(async () => (await activeCalls())[0]?.state === "talking", "the call in the list");
  const [call] = await activeCalls();
  assert.deepEqual([call.id, call.from, call.to], [started["callId"], "101", "102"]);
  const act = (action: object) => as("owner", "activeCallAct", { params: { activeCall: call.id }, body: { do: action } });
  await act({ action: "record_start" });
  await house.until(async () => (await activeCalls())[0]?.recording === true, "its recording in the list");
  await sleep(2500);
  await act({ action: "record_stop" });
  const { items } = await as("owner", "recordingList", { params: within });
  assert.equal(items.length, 1);
  assert.ok(items[0].seconds > 1, JSON.stringify(items[0]));
  await act({ action: "hang_up" });
  await Promise.all([phoneOfAnn.closed(), phoneOfBob.closed()]);
  const [record] = await house.calls(1);
  assert.deepEqual([record?.["fromNumber"], record?.["toNumber"], record?.["outcome"]], ["101", "102", "answered"]);
  await house.until(() => told.length >= 4, "what the webhook is told");
  assert.deepEqual(told.map(({ event }) => event).sort(), events.toSorted());
  const ended = told.find(({ event }) => event === "call.ended")?.call;
  assert.deepEqual([ended?.id, ended?.from, ended?.to], [started["callId"], "101", "102"]);
  assert.ok(Number(ended?.talkSeconds) > 2);
});

test("an app calls somebody: who answers hears what the program says; busy and no answer are told as well", async () => {
  for (const phone of [phoneOfAnn, phoneOfBob]) phone.forget();
  const url = address("/calls");
  const { application } = await as("owner", "phoneApplicationCreate", { params: within, body: { name: "Reminder", url } });
  const destination = { kind: "application", id: application.id };
  const callBob = (more: object = {}) =>
    as("owner", "outgoingCallStart", { params: within, body: { to: "102", extension: ann.extensionId, destination, ...more } });
  const endOf = async (id: string) => {
    const ended = () => told.find(({ event, call }) => event === "call.ended" && call.id === id)?.call;
    await house.until(() => ended() !== undefined, "the end of the call to be told");
    return ended();
  };
  answers = [[{ verb: "say", text: "Your appointment is tomorrow at nine.", language: "en" }]];
  asked.length = 0;
  const { callId } = await callBob();
  await phoneOfBob.answer();
  await phoneOfBob.closed();
  assert.deepEqual(
    asked.map(({ event, call }) => [event, call.from, call.to]),
    [["call", "101", "102"]],
  );
  const heard = await phoneOfBob.heardFor(1);
  assert.ok(
    heard.samples.some((sample) => Math.abs(sample) > 1000),
    "Bob hears the program",
  );
  const answered = await endOf(String(callId));
  assert.deepEqual([answered?.outcome, answered?.from, answered?.to], ["answered", "101", "102"]);
  const late = await callBob({ ringSeconds: 5 });
  await phoneOfBob.next("CALL_INCOMING");
  assert.equal((await endOf(String(late["callId"])))?.outcome, "missed");
  const busy = await callBob();
  await phoneOfBob.next("CALL_INCOMING");
  await phoneOfBob.hangUp();
  assert.equal((await endOf(String(busy["callId"])))?.outcome, "busy");
  await assert.rejects(callBob({ to: "112" }), /neither an extension nor a number/);
  asked.length = 0;
});

test("somebody whose phone is not there cannot be called for", async () => {
  const nobody = await house.account("103", "Nobody");
  await assert.rejects(
    as("owner", "callStart", { params: within, body: { extension: nobody.extensionId, to: "102" } }),
    /No phone of 103/,
  );
  // Where one of its phones is meant, the others do not ring.
  const body = { extension: ann.extensionId, to: "102", device: newId("phoneDevice") };
  await assert.rejects(as("owner", "callStart", { params: within, body }), /No phone of 101/);
});

test("a program answers a call: it asks for digits, and says where the call goes", async () => {
  for (const phone of [phoneOfAnn, phoneOfBob]) phone.forget();
  const url = address("/calls");
  const { application } = await as("owner", "phoneApplicationCreate", { params: within, body: { name: "Choose", url } });
  const target = { kind: "application", id: application.id };
  await as("owner", "speedDialCreate", { params: within, body: { name: "Choose", number: "399", target } });
  answers = [
    [{ verb: "gather", maximumDigits: 2, timeoutSeconds: 20, action: "chosen" }],
    [{ verb: "dial", destination: { kind: "extension", id: bob.extensionId } }],
  ];
  await phoneOfAnn.dial("399");
  await phoneOfAnn.established();
  await house.until(async () => (await activeCalls())[0]?.state === "application", "the program's call in the list");
  await phoneOfAnn.press("42");
  await phoneOfBob.answer();
  await phoneOfBob.established();
  assert.deepEqual(
    asked.map(({ event, digits, call }) => [event, digits, call.to]),
    [
      ["call", undefined, "399"],
      ["gathered", "42", "399"],
    ],
  );
  await phoneOfBob.hangUp();
  await phoneOfAnn.closed();
});

test("a program that fails: the call goes to its fallback", async () => {
  for (const phone of [phoneOfAnn, phoneOfBob]) phone.forget();
  const fallback = { kind: "extension", id: bob.extensionId };
  const { application } = await as("owner", "phoneApplicationCreate", {
    params: within,
    body: { name: "Broken", url: "http://127.0.0.1:9/", fallback },
  });
  const target = { kind: "application", id: application.id };
  await as("owner", "speedDialCreate", { params: within, body: { name: "Broken", number: "398", target } });
  await phoneOfAnn.dial("398");
  await phoneOfBob.answer();
  await phoneOfBob.established();
  await phoneOfBob.hangUp();
  await phoneOfAnn.closed();
});

test("who watches is told when phones come and go, and when an agent has rested", async () => {
  const { database } = house.office;
  const last = async () =>
    String(
      (
        await database.sql`select coalesce(max(id), '') as id from kernel.events where type = 'voice.presence.changed'
          and payload ->> 'phoneSystemId' = ${within.phoneSystem}`
      )[0]?.["id"],
    );
  /** What is done is told of, after it can be read. */
  const toldOf = async (what: string, done: () => Promise<unknown>, isSo: () => Promise<boolean>) => {
    const before = await last();
    await done();
    await house.until(isSo, what);
    await house.until(async () => (await last()) > before, `that it is told: ${what}`);
  };
  const carl = await house.account("104", "Carl");
  const devices = async () =>
    (await as("owner", "extensionPresenceList", { params: within }))["items"].find(
      ({ number }: { number: string }) => number === "104",
    )?.registeredDevices;
  let phone: Awaited<ReturnType<typeof house.phone>> | undefined;
  await toldOf(
    "a phone has come",
    async () => {
      phone = await house.phone(carl);
    },
    async () => (await devices()) === 1,
  );
  await toldOf(
    "a phone has gone",
    async () => phone?.close(),
    async () => (await devices()) === 0,
  );

  const agents = [{ extension: bob.extensionId }];
  const queue = await as("owner", "callQueueCreate", {
    params: within,
    body: { name: "Help", number: "400", agents, wrapUpSeconds: 4, leaveWhenEmpty: false },
  });
  const params = { callQueue: queue["id"] };
  await as("owner", "queueAgentUpdate", { params: { ...params, extension: bob.extensionId }, body: { loggedIn: true } });
  const isNow = (state: string) => async () => (await as("owner", "queueLiveGet", { params }))["agents"][0].state === state;
  for (const each of [phoneOfAnn, phoneOfBob]) each.forget();
  await phoneOfAnn.dial("400");
  await phoneOfBob.answer();
  await phoneOfBob.established();
  await house.until(isNow("talking"), "the agent talks");
  await toldOf(
    "an agent rests",
    async () => {
      await phoneOfAnn.hangUp();
      await phoneOfBob.closed();
    },
    isNow("wrap_up"),
  );
  await toldOf("an agent has rested", async () => {}, isNow("free"));
});
