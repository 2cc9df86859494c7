import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { startCloud } from "../../../testing/cloud.ts";
import { installTestTools, phoneTools } from "../../../tools/test-tools.ts";
import { openSipStack } from "../sip/stack.ts";
import type { Baresip } from "../testing/baresip.ts";
import { findTone, loudness } from "../testing/tones.ts";
import { openHouse } from "./testing/house.ts";

await installTestTools(phoneTools);
const house = await openHouse(startCloud);
const { as, ask, within } = house.office;
const noVoicemail = { voicemail: { enabled: false } };
const [ann, bob, carol, dan] = await Promise.all([
  house.account("101", "Ann", noVoicemail),
  house.account("102", "Bob", noVoicemail),
  house.account("103", "Carol", noVoicemail),
  house.account("104", "Dan", noVoicemail),
]);
const phones = await Promise.all([
  house.phone(ann, { toneHz: 440 }),
  house.phone(bob, { toneHz: 620 }),
  house.phone(carol, { toneHz: 1000 }),
  house.phone(dan, { toneHz: 1400 }),
]);
const [atAnn, atBob, atCarol, atDan] = phones as [Baresip, Baresip, Baresip, Baresip];
const forget = () => {
  for (const phone of phones) phone.forget();
};
const activeCalls = async () => (await as("owner", "activeCallList", { params: within }))["items"];
const act = (call: string, action: object) =>
  as("owner", "activeCallAct", { params: { activeCall: call }, body: { do: action } });
const hears = async (phone: Baresip, hz: number) => {
  const found = findTone(await phone.heardFor(2), hz);
  assert.ok(found.heardMs > 500, `${hz} Hz: ${JSON.stringify(found)}`);
};
/** Two that talk; the id of their call. */
async function talking(from: Baresip, number: string, to: Baresip): Promise<string> {
  await from.dial(number);
  await Promise.all([to.answer(), from.established()]);
  let call: { id: string } | undefined;
  await house.until(async () => {
    call = (await activeCalls()).find((each: { state: string; to: string }) => each.state === "talking" && each.to === number);
    return call !== undefined;
  }, "the call in the list");
  return (call as { id: string }).id;
}
const quiet = () => house.until(async () => (await activeCalls()).length === 0, "the end of all calls");

/** An app's program: what it answers, and what it was asked. */
const asked: { event: string; at: string; digits?: string; recordedSeconds?: number; answered?: boolean }[] = [];
let answers: string[] = [];
const program = createServer(async (request, response) => {
  let text = "";
  for await (const piece of request) text += piece;
  asked.push({ ...JSON.parse(text), at: request.url });
  response.end(answers.shift() ?? JSON.stringify({ verbs: [] }));
});
before(async () => {
  await new Promise<void>((resolve) => program.listen(0, "127.0.0.1", resolve));
  await as("owner", "webhookSettingsUpdate", { body: { allowedNetworks: ["127.0.0.0/8"] } });
});
after(() => void program.close());

test("an app says something in a call, sends digits, transfers it, and the record names who it went to", async () => {
  const text = { en: "Please hold the line, somebody will be with you in a moment." };
  const { id } = await as("owner", "announcementCreate", { params: within, body: { name: "Hold", text } });
  forget();
  const call = await talking(atAnn, "102", atBob);
  await act(call, { action: "send_digits", digits: "5#" });
  assert.deepEqual([await atBob.pressed(), await atBob.pressed()], ["5", "#"]);
  assert.deepEqual([await atAnn.pressed(), await atAnn.pressed()], ["5", "#"]);
  await act(call, { action: "say", text: "This call is about to be transferred." });
  await sleep(2500);
  await act(call, { action: "play", announcement: id });
  await sleep(2500);
  // Words over a tone: some moments are louder than the tone ever was.
  for (const phone of [atAnn, atBob]) {
    const { samples, sampleRate } = await phone.heardFor(3);
    const steps = Array.from({ length: Math.floor(samples.length / (sampleRate / 20)) }, (_, i) =>
      loudness(samples.subarray((i * sampleRate) / 20, ((i + 1) * sampleRate) / 20)),
    );
    assert.ok(Math.max(...steps) > -8.5, `the loudest moment: ${Math.max(...steps)} dB`);
  }
  await act(call, { action: "transfer", to: { kind: "extension", id: carol.extensionId } });
  await atCarol.answer();
  await atBob.closed();
  await hears(atCarol, 440);
  await atCarol.hangUp();
  await atAnn.closed();
  const [record] = await house.calls(2);
  assert.deepEqual(
    [record?.["fromNumber"], record?.["toNumber"], record?.["toName"], record?.["outcome"]],
    ["101", "103", "Carol", "answered"],
  );
  await quiet();
});

test("an app parks a call, a phone fetches it; two calls are bridged", async () => {
  await as("owner", "parkingLotCreate", { params: within, body: { name: "Lot", number: "600", firstSlot: "601", slots: 3 } });
  forget();
  const parked = await talking(atAnn, "102", atBob);
  await act(parked, { action: "park" });
  await atBob.closed();
  // Whoever parked it is told where.
  await atBob.answer();
  await house.until(async () => (await activeCalls()).some(({ state }: { state: string }) => state === "parked"), "it is parked");
  await atCarol.dial("601");
  await atCarol.established();
  await hears(atCarol, 440);
  await atCarol.hangUp();
  await atAnn.closed();
  await atBob.closed();
  await quiet();
  forget();
  const one = await talking(atAnn, "102", atBob);
  const other = await talking(atCarol, "104", atDan);
  const wrong = await ask("owner", "activeCallAct", {
    params: { activeCall: one },
    body: { do: { action: "bridge", with: one } },
  });
  assert.equal(wrong.status, 409, String(wrong.raw));
  await act(one, { action: "bridge", with: other });
  await Promise.all([atBob.closed(), atDan.closed()]);
  await sleep(2500);
  const [annHears, carolHears] = [(await atAnn.heard()).at(-1), (await atCarol.heard()).at(-1)];
  assert.ok(annHears && findTone(annHears, 1000).heardMs > 1000, "Ann hears Carol");
  assert.ok(carolHears && findTone(carolHears, 440).heardMs > 1000, "Carol hears Ann");
  await atCarol.hangUp();
  await atAnn.closed();
  await quiet();
});

test("a program speaks, plays, records, sends digits and dials; then to a queue with an agent", async () => {
  const queue = await as("owner", "callQueueCreate", {
    params: within,
    body: { name: "Help", agents: [{ extension: dan.extensionId }] },
  });
  await as("owner", "queueAgentUpdate", {
    params: { callQueue: queue["id"], extension: dan.extensionId },
    body: { loggedIn: true },
  });
  const url = `http://127.0.0.1:${(program.address() as AddressInfo).port}/`;
  const { application } = await as("owner", "phoneApplicationCreate", { params: within, body: { name: "Desk", url } });
  await as("owner", "speedDialCreate", {
    params: within,
    body: { name: "Desk", number: "399", target: { kind: "application", id: application.id } },
  });
  const [announcement] = (await as("owner", "announcementList", { params: within }))["items"];
  answers = [
    [
      { verb: "say", text: "Welcome.", language: "en" },
      { verb: "play", announcement: announcement.id },
      { verb: "send_digits", digits: "7" },
      { verb: "record", maximumSeconds: 30, silenceSeconds: 0, action: "recorded" },
    ],
    [{ verb: "dial", destination: { kind: "extension", id: bob.extensionId }, action: "dialled" }],
    [{ verb: "gather", text: "Press a key.", maximumDigits: 1, timeoutSeconds: 30, action: "gathered" }],
    [{ verb: "queue", queue: queue["id"] }],
  ].map((verbs) => JSON.stringify({ verbs }));
  forget();
  await atAnn.dial("399");
  await atAnn.established();
  assert.equal(await atAnn.pressed(), "7");
  assert.ok(loudness((await atAnn.heardFor(2)).samples) > -40, "Ann hears words");
  await sleep(2500);
  await atAnn.press("#");
  await Promise.all([atBob.answer(), atBob.established()]);
  await atBob.hangUp();
  await house.until(() => asked.length >= 3, "the program is asked after the call");
  await atAnn.press("9");
  await atDan.answer();
  await atDan.established();
  await atDan.hangUp();
  await atAnn.closed();
  assert.deepEqual(
    asked.map(({ event, digits, answered }) => [event, digits, answered]),
    [
      ["call", undefined, undefined],
      ["recorded", undefined, undefined],
      ["dialled", undefined, true],
      ["gathered", "9", undefined],
    ],
  );
  assert.ok(Number(asked[1]?.recordedSeconds) > 1.5, JSON.stringify(asked[1]));
  await quiet();
});

test("a program that answers something wrong: the call's record says what", async () => {
  const gone = await as("owner", "announcementCreate", { params: within, body: { name: "Gone", text: { en: "Gone." } } });
  await as("owner", "announcementDelete", { params: { announcement: gone["id"] } });
  const wrong: [string, RegExp][] = [
    ["Hello!", /no JSON/],
    [
      JSON.stringify({ verbs: [{ verb: "gather", maximumDigits: 100 }, { verb: "sing" }] }),
      /verbs\.0\.maximumDigits: .*verbs\.1\.verb: /,
    ],
    [JSON.stringify({ verbs: [{ verb: "play", announcement: gone["id"] }] }), /announcement that is none/],
  ];
  const newest = async () => (await as("owner", "phoneCallList", { params: within }))["items"][0];
  for (const [answer, complaint] of wrong) {
    const before = await newest();
    answers = [answer];
    forget();
    await atAnn.dial("399");
    await atAnn.closed();
    await house.until(async () => (await newest()).id !== before.id, "the record of the call");
    const record = await newest();
    const { legs, outcome } = await as("owner", "phoneCallGet", { params: { call: record.id } });
    const leg = legs.find(({ kind }: { kind: string }) => kind === "application");
    assert.match(leg.reason ?? "", complaint);
    assert.equal(outcome, "failed");
    assert.match(record.reason, complaint);
  }
});

test("a program pauses and hands on to another address; who hangs up in the moment of answering has answered", async (t) => {
  // A phone that is hung up faster than any program of phones does it.
  const eve = await house.account("105", "Eve", noVoicemail);
  const sdp = `v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\n`;
  const atEve = await openSipStack({
    bindings: [{ transport: "udp", host: "127.0.0.1", port: 0 }],
    userAgent: "test",
    onRequest: (request) => request.respond(200),
    onInvite: (call) => {
      call.on("acknowledged", () => call.hangUp());
      call.answer({ sdp });
    },
  });
  t.after(() => atEve.close());
  const address = `<sip:${eve.userName}@${house.domain}>`;
  const { status } = await atEve.request({
    method: "REGISTER",
    target: `sip:127.0.0.1:${house.phones.sipPort}`,
    from: address,
    to: address,
    credentials: { username: eve.userName, password: eve.password },
    contact: true,
  });
  assert.equal(status, 200);

  const times = 20;
  const destination = { kind: "extension", id: eve.extensionId };
  answers = [
    [
      { verb: "pause", seconds: 1 },
      { verb: "redirect", url: "desk/second?of=two" },
    ],
    ...Array.from({ length: times }, () => [{ verb: "dial", destination, action: "third" }]),
    [{ verb: "hang_up" }],
  ].map((verbs) => JSON.stringify({ verbs }));
  asked.length = 0;
  forget();
  const began = Date.now();
  await atAnn.dial("399");
  await house.until(() => asked.length >= 2, "the program is asked at the other address");
  assert.ok(Date.now() - began >= 1000, "after the pause");
  await Promise.all([atAnn.established(), atAnn.closed()]);
  assert.deepEqual(
    asked.map(({ event, at, answered }) => [event, at, answered]),
    [
      ["call", "/", undefined],
      ["redirected", "/desk/second?of=two", undefined],
      ...Array.from({ length: times }, () => ["dialled", "/desk/third", true]),
    ],
  );
  await quiet();
  const [record] = await house.calls(1);
  assert.deepEqual([record?.["fromNumber"], record?.["outcome"]], ["101", "answered"]);
});
