import assert from "node:assert/strict";
import { before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { startCloud } from "../../../testing/cloud.ts";
import { installTestTools, phoneTools } from "../../../tools/test-tools.ts";
import { openSipStack } from "../sip/stack.ts";
import type { Baresip } from "../testing/baresip.ts";
import { findTone } from "../testing/tones.ts";
import { openHouse } from "./testing/house.ts";

await installTestTools(phoneTools);
const house = await openHouse(startCloud);
const { as, within } = house.office;
const noVoicemail = { voicemail: { enabled: false } };
const [ann, bob, carol] = await Promise.all([
  house.account("101", "Ann", noVoicemail),
  house.account("102", "Bob", noVoicemail),
  house.account("103", "Carol", noVoicemail),
]);
const [atAnn, atBob, atCarol] = await Promise.all([
  house.phone(ann, { toneHz: 440 }),
  house.phone(bob, { toneHz: 620 }),
  house.phone(carol, { toneHz: 1000 }),
]);
const forget = () => {
  for (const phone of [atAnn, atBob, atCarol]) phone.forget();
};
const change = (extension: string, body: object) => as("owner", "extensionUpdate", { params: { extension }, body });
const toCarol = { kind: "extension", id: carol.extensionId };
const answers = async (phone: Baresip) => {
  await phone.answer();
  await phone.established();
  await atAnn.established();
};
const over = async (phone: Baresip) => {
  await phone.hangUp();
  await atAnn.closed();
};

test("forwarding: always, busy, no answer, no phone there", async () => {
  forget();
  await change(bob.extensionId, { forwarding: { always: toCarol } });
  await atAnn.dial("102");
  await answers(atCarol);
  await over(atCarol);
  await change(bob.extensionId, { forwarding: { always: null, busy: toCarol } });
  forget();
  await atAnn.dial("102");
  await atBob.next("CALL_INCOMING");
  await atBob.hangUp();
  await answers(atCarol);
  await over(atCarol);
  await change(bob.extensionId, { ringSeconds: 5, forwarding: { busy: null, noAnswer: toCarol } });
  forget();
  await atAnn.dial("102");
  await atBob.next("CALL_INCOMING");
  await answers(atCarol);
  await over(atCarol);
  await change(bob.extensionId, { forwarding: { noAnswer: null } });
  await house.account("104", "Nobody", { ...noVoicemail, forwarding: { unreachable: toCarol } });
  forget();
  await atAnn.dial("104");
  await answers(atCarol);
  await over(atCarol);
});

test("two that forward to each other: the one that it comes to again rings", async () => {
  await change(bob.extensionId, { forwarding: { always: toCarol } });
  await change(carol.extensionId, { forwarding: { always: { kind: "extension", id: bob.extensionId } } });
  forget();
  await atAnn.dial("102");
  await answers(atBob);
  await over(atBob);
  await change(bob.extensionId, { forwarding: { always: null } });
  await change(carol.extensionId, { forwarding: { always: null } });
});

test("a phone's own 302: followed inside and once only, never to an emergency number, a code or a stranger's server", async () => {
  await change(bob.extensionId, { forwarding: { busy: null, noAnswer: null, unreachable: null } });
  const device = await house.account("106", "Moves", noVoicemail);
  const contacts: string[] = [];
  const mover = await openSipStack({
    bindings: [{ transport: "udp", host: "127.0.0.1", port: 0 }],
    userAgent: "mover",
    onInvite: (call) => call.redirect(contacts),
    onRequest: (request) => request.respond(200),
  });
  house.keep(mover);
  const server = `127.0.0.1:${house.phones.sipPort}`;
  const registered = await mover.request({
    method: "REGISTER",
    target: `sip:${house.domain}`,
    routes: [`<sip:${server};lr>`],
    from: `<sip:${device.userName}@${house.domain}>`,
    to: `<sip:${device.userName}@${house.domain}>`,
    contact: true,
    credentials: { username: device.userName, password: device.password },
  });
  assert.equal(registered.status, 200);
  const sendTo = (...list: string[]) => contacts.splice(0, contacts.length, ...list);
  const refused = async (status: RegExp) => {
    forget();
    await atAnn.dial("106");
    assert.match((await atAnn.closed()).param ?? "", status);
  };
  sendTo(`<sip:103@${house.domain}>;q=0.2`, `<sip:102@127.0.0.1>;q=0.9`);
  forget();
  await atAnn.dial("106");
  await answers(atBob);
  await over(atBob);
  // To itself, to what only a person may call, to a number that it may not call, to nowhere.
  for (const to of ["106", "112", "*97", "+380441234567", "someone"]) {
    sendTo(`<sip:${encodeURIComponent(to)}@elsewhere.example>`);
    await refused(to === "+380441234567" ? /403/ : /486|480|603/);
  }
  await change(bob.extensionId, { forwarding: { always: { kind: "extension", id: device.extensionId } } });
  // Bob's calls come back to the phone that sends them to Bob: the second time it does not count.
  sendTo(`<sip:102@${house.domain}>`);
  await refused(/486/);
  await change(bob.extensionId, { forwarding: { always: null } });
});

test("opening hours: by the clock, and by the word of somebody", async () => {
  const everyDay = { days: [1, 2, 3, 4, 5, 6, 7], from: "00:00", to: "24:00" };
  const open = { kind: "extension", id: bob.extensionId };
  const condition = await as("owner", "timeConditionCreate", {
    params: within,
    body: { name: "Hours", hours: [everyDay], open, closed: toCarol },
  });
  const target = { kind: "time_condition", id: condition["id"] };
  await as("owner", "speedDialCreate", { params: within, body: { name: "Shop", number: "500", target } });
  forget();
  await atAnn.dial("500");
  await answers(atBob);
  await over(atBob);
  await as("owner", "timeConditionUpdate", { params: { timeCondition: condition["id"] }, body: { override: "closed" } });
  forget();
  await atAnn.dial("500");
  await answers(atCarol);
  await over(atCarol);
});

test("whoever is to be recorded is, and both are told", async () => {
  await change(bob.extensionId, { recording: "all" });
  forget();
  await atAnn.dial("102");
  await answers(atBob);
  await sleep(6000);
  await over(atBob);
  const recordings = async () => (await as("owner", "recordingList", { params: within }))["items"];
  await house.until(async () => (await recordings()).length === 1, "the recording");
  const [recording] = await recordings();
  assert.ok(recording.seconds > 1, JSON.stringify(recording));

  // The code does nothing, unless the phone system says that it may pause.
  const isRecording = async () => (await as("owner", "activeCallList", { params: within }))["items"][0]?.recording;
  const call = async () => {
    forget();
    await atAnn.dial("102");
    await answers(atBob);
    await house.until(isRecording, "that it is recorded");
  };
  await call();
  await atBob.press("*1");
  await sleep(1500);
  assert.equal(await isRecording(), true);
  await over(atBob);
  await as("owner", "phoneSystemUpdate", { params: within, body: { recording: { mayPause: true } } });
  await call();
  // She may not: nothing of hers is recorded.
  await atAnn.press("*1");
  await atBob.press("*1");
  await house.until(async () => !(await isRecording()), "the pause");
  await house.until(async () => (await recordings()).length === 3, "what was said before it");
  await atBob.press("*1");
  await house.until(isRecording, "that it goes on");
  await atBob.heardFor(8);
  await over(atBob);
  await house.until(async () => (await recordings()).length === 4, "what was said after it");
  const ids = (await recordings()).map(({ callId }: { callId: string }) => callId);
  assert.equal(ids[0], ids[1], "both are of one call");
  await change(bob.extensionId, { recording: null });
});

test("voicemail is heard by its code, with the PIN", async () => {
  const dora = await house.account("105", "Dora", { voicemail: { enabled: true }, voicemailPin: "4711" });
  forget();
  await atAnn.dial("105");
  await atAnn.established();
  await atAnn.press("#");
  await atAnn.heardFor(6);
  await atAnn.hangUp();
  await atAnn.closed();
  const list = async () =>
    (await as("owner", "voicemailList", { params: within, query: { extension: dora.extensionId } }))["items"];
  await house.until(async () => (await list()).length === 1, "the message");
  const atDora = await house.phone(dora, { toneHz: 1400 });
  await atDora.dial("*97");
  await atDora.established();
  await sleep(1500);
  await atDora.press("4711#");
  await sleep(2500);
  await atDora.press("1");
  await house.until(async () => (await list())[0].folder === "saved", "that it was heard");
  const heard = await atDora.heardFor(4);
  assert.ok(findTone(heard, 440).heardMs > 500, JSON.stringify(findTone(heard, 440)));
  await atDora.hangUp();
  await atDora.closed();
});

before(() => as("owner", "phoneSystemUpdate", { params: within, body: { recording: { announce: true } } }));
