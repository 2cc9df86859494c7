import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { startCloud } from "../../../testing/cloud.ts";
import { installTestTools, phoneTools } from "../../../tools/test-tools.ts";
import type { Sound } from "../prompts/wav.ts";
import type { Baresip } from "../testing/baresip.ts";
import { findTone } from "../testing/tones.ts";
import { pressedFor } from "./directory.ts";
import { openHouse } from "./testing/house.ts";

await installTestTools(phoneTools);
const house = await openHouse(startCloud);
const { as, within } = house.office;
const noVoicemail = { voicemail: { enabled: false } };
const [ann, bob, carol] = await Promise.all([
  house.account("101", "Ann", noVoicemail),
  house.account("102", "Bob", { ...noVoicemail, recording: "on_demand" }),
  house.account("103", "Carol", noVoicemail),
]);
const [atAnn, atBob, atCarol] = await Promise.all([
  house.phone(ann, { toneHz: 440 }),
  house.phone(bob, { toneHz: 620 }),
  house.phone(carol, { toneHz: 1000, traced: true }),
]);
const forget = () => {
  for (const phone of [atAnn, atBob, atCarol]) phone.forget();
};

/** One dials, the other answers and hangs up; tells how the call was announced. */
async function callThrough(from: Baresip, dialled: string, to: Baresip): Promise<string> {
  forget();
  await from.dial(dialled);
  const { peeruri = "" } = await to.answer();
  await from.established();
  await to.hangUp();
  await from.closed();
  return peeruri;
}
/** A code that says something and hangs up. */
async function dialCode(from: Baresip, code: string): Promise<void> {
  forget();
  await from.dial(code);
  await from.established();
  await from.closed();
}
const fails = async (from: Baresip, dialled: string, status: RegExp): Promise<void> => {
  forget();
  await from.dial(dialled);
  assert.match((await from.closed()).param ?? "", status);
};
const callsOf = async (extension: string) =>
  (await as("owner", "phoneCallList", { params: within, query: { extension } }))["items"];

test("redial, call back, private call, speed dial; the last caller is blocked by one extension alone", async () => {
  await dialCode(atAnn, "*66");
  assert.match(await callThrough(atAnn, "102", atBob), /101/);
  await callThrough(atAnn, "*66", atBob);
  await callThrough(atBob, "*69", atAnn);
  assert.match(await callThrough(atAnn, "*31102", atBob), /anonymous/);
  const target = { kind: "extension", id: bob.extensionId };
  await as("owner", "speedDialCreate", { params: within, body: { name: "Bob", number: "500", target } });
  await callThrough(atAnn, "*0500", atBob);
  // Also who called in vain is the last one.
  forget();
  await atCarol.dial("102");
  await atBob.next("CALL_INCOMING");
  await atBob.hangUp();
  await atCarol.closed();
  await house.until(async () => (await callsOf(bob.extensionId))[0]?.fromNumber === "103", "the missed call in Bob's history");
  assert.equal((await callsOf(bob.extensionId))[0].outcome, "busy");
  await callThrough(atBob, "*69", atCarol);
  await house.until(async () => (await callsOf(bob.extensionId))[0]?.outcome === "answered", "Bob's call in the history");
  await dialCode(atBob, "*30");
  await fails(atCarol, "102", /603/);
  await callThrough(atCarol, "101", atAnn);
  await as("owner", "extensionUpdate", { params: { extension: bob.extensionId }, body: { blockedCallers: [] } });
  await callThrough(atCarol, "102", atBob);
});

test("whoever is busy is called for one as soon as they are free", async () => {
  forget();
  await atCarol.dial("102");
  await atBob.answer();
  await atCarol.established();
  await atAnn.dial("*37102");
  await atAnn.established();
  await atAnn.closed();
  await atBob.hangUp();
  await atCarol.closed();
  atBob.forget();
  await atAnn.answer();
  await atBob.answer();
  await atBob.established();
  await atBob.hangUp();
  await atAnn.closed();
});

test("hot desking: the phone is that of who signs in, also after a restart, until they sign out", async () => {
  const dora = await house.account("104", "Dora", { ...noVoicemail, hotDeskPin: "4711" });
  const presence = async () => (await as("owner", "extensionGet", { params: { extension: dora.extensionId } }))["presence"];
  await fails(atAnn, "104", /480/);
  const signIn = async (pin: string) => {
    forget();
    await atCarol.dial("*11104");
    await atCarol.established();
    await atCarol.press(pin);
  };
  await signIn("1234#1235#1236#");
  await atCarol.closed();
  assert.equal(await presence(), "offline");
  await signIn("4711#");
  await atCarol.closed();
  await house.until(async () => (await presence()) === "available", "that Dora's extension has a phone");
  await callThrough(atAnn, "104", atCarol);
  assert.match(await callThrough(atCarol, "101", atAnn), /104/);
  await fails(atAnn, "103", /480/);
  await house.until(async () => (await callsOf(dora.extensionId)).length >= 3, "Dora's calls");
  const [called, received] = (await callsOf(dora.extensionId)).filter(
    ({ outcome }: { outcome: string }) => outcome === "answered",
  );
  assert.deepEqual([called.fromName, called.toNumber, received.fromNumber, received.toName], ["Dora", "101", "101", "Dora"]);
  const { items } = await as("owner", "phoneDeviceList", { params: { extension: carol.extensionId } });
  assert.equal(items[0].signedInExtensionId, dora.extensionId);
  await house.restart();
  await callThrough(atAnn, "104", atCarol);
  await dialCode(atCarol, "*12");
  await house.until(async () => (await presence()) === "offline", "that Dora's extension has no phone");
  await callThrough(atAnn, "103", atCarol);
  // Signed out by who runs the phone system.
  await signIn("4711#");
  await atCarol.closed();
  await as("owner", "phoneDeviceUpdate", { params: { phoneDevice: items[0].id }, body: { signedInExtension: null } });
  await house.until(async () => (await presence()) === "offline", "that she is signed out");
  await callThrough(atAnn, "103", atCarol);
});

test("the directory finds people by the keys of their names, in any of the alphabets", async () => {
  for (const [name, ...pressed] of [
    ["Hélène d’Œuvre", "435363", "638873"],
    ["Юрій Щур", "9644", "98744", "866", "742487"],
    ["Лук'ян Згурський", "585426", "326669444", "944877594"],
  ] as const)
    for (const digits of pressed) assert.ok(pressedFor(name).includes(digits), `${name}: ${pressedFor(name)}`);
  await as("owner", "extensionUpdate", { params: { extension: bob.extensionId }, body: { name: "Тарас Шевчук" } });
  for (const pressed of ["8321", "7431"]) {
    forget();
    await atAnn.dial("*411");
    await atAnn.established();
    await atAnn.press(pressed);
    await atBob.answer();
    await atBob.established();
    await atBob.hangUp();
    await atAnn.closed();
  }
});

test("group pickup, call waiting, and a parked call that nobody fetches", async () => {
  const change = (extension: string, body: object) => as("owner", "extensionUpdate", { params: { extension }, body });
  await Promise.all([ann, carol].map(({ extensionId }) => change(extensionId, { pickupGroup: "shop" })));
  forget();
  await atBob.dial("103");
  await atCarol.next("CALL_INCOMING");
  await atAnn.dial("*8");
  await Promise.all([atAnn.established(), atBob.established(), atCarol.closed()]);
  // A second call waits, or is busy.
  await atCarol.dial("101");
  await atAnn.next("CALL_INCOMING");
  await atCarol.hangUp();
  await atCarol.closed();
  await change(ann.extensionId, { callWaiting: false });
  await fails(atCarol, "101", /486/);
  await atBob.hangUp();
  await change(ann.extensionId, { callWaiting: true });
  await house.until(async () => (await as("owner", "activeCallList", { params: within }))["items"].length === 0, "the end");
  const lot = { name: "Lot", number: "600", firstSlot: "601", slots: 3, timeoutSeconds: 10 };
  await as("owner", "parkingLotCreate", { params: within, body: lot });
  forget();
  await atAnn.dial("102");
  await atBob.answer();
  await atAnn.established();
  await atBob.transfer("600");
  // Who parked it is told the slot, and called when nobody has come for it.
  await atBob.answer();
  await atBob.closed();
  await atBob.answer();
  await atBob.established();
  await atBob.hangUp();
  await atAnn.closed();
});

test("the code for recording in a call: it begins and ends with it, for who may", async () => {
  forget();
  await atAnn.dial("102");
  await atBob.answer();
  await atAnn.established();
  const isRecording = async () => (await as("owner", "activeCallList", { params: within }))["items"][0]?.recording;
  await house.until(async () => (await isRecording()) === false, "the call in the list");
  // Ann may not: her policy is that of the system, off.
  await atAnn.press("*1");
  await atBob.press("*1");
  await house.until(isRecording, "that it is recorded");
  await sleep(3000);
  await atBob.press("*1");
  await house.until(async () => !(await isRecording()), "that it is recorded no more");
  await atBob.hangUp();
  await atAnn.closed();
  const recordings = async () => (await as("owner", "recordingList", { params: within }))["items"];
  await house.until(async () => (await recordings()).length === 1, "the recording");
  const [recording] = await recordings();
  assert.ok(recording.seconds > 2 && recording.seconds < 8, JSON.stringify(recording));
});

test("forwarding, call waiting, opening hours, intercom, clock and echo by code", async () => {
  const change = (extension: string, body: object) => as("owner", "extensionUpdate", { params: { extension }, body });
  await dialCode(atBob, "*72103");
  await callThrough(atAnn, "102", atCarol);
  await dialCode(atBob, "*73");
  await dialCode(atBob, "*90103");
  forget();
  await atAnn.dial("102");
  await atBob.next("CALL_INCOMING");
  await atBob.hangUp();
  await atCarol.answer();
  await atAnn.established();
  await atCarol.hangUp();
  await atAnn.closed();
  await Promise.all([dialCode(atBob, "*91"), change(bob.extensionId, { ringSeconds: 5 })]);
  await dialCode(atBob, "*92103");
  await callThrough(atAnn, "102", atCarol);
  await dialCode(atBob, "*93");
  const settings = async () => as("owner", "extensionGet", { params: { extension: bob.extensionId } });
  await dialCode(atBob, "*94103");
  assert.deepEqual((await settings())["forwarding"].unreachable, { kind: "extension", id: carol.extensionId });
  await dialCode(atBob, "*95");
  await dialCode(atBob, "*44");
  const { callWaiting, forwarding } = await settings();
  assert.deepEqual([callWaiting, ...Object.values(forwarding)], [false, null, null, null, null]);
  await dialCode(atBob, "*43");
  assert.equal((await settings())["callWaiting"], true);

  const everyDay = { days: [1, 2, 3, 4, 5, 6, 7], from: "00:00", to: "24:00" };
  const [open, closed] = [bob, carol].map(({ extensionId: id }) => ({ kind: "extension", id }));
  const body = { name: "Hours", number: "550", hours: [everyDay], open, closed };
  const condition = await as("owner", "timeConditionCreate", { params: within, body });
  const overridden = async () =>
    (await as("owner", "timeConditionGet", { params: { timeCondition: condition["id"] } }))["override"];
  for (const state of ["open", "closed", "none"]) {
    await dialCode(atBob, "*28550");
    assert.equal(await overridden(), state);
  }
  assert.doesNotMatch(atCarol.output, /answer-after/);
  assert.match(await callThrough(atAnn, "*80103", atCarol), /101/);
  // Two words for it, as makers read one of them.
  assert.match(atCarol.output, /Call-Info: <[^>]*>;answer-after=0/);
  assert.match(atCarol.output, /Alert-Info: .*info=alert-autoanswer/);
  await dialCode(atAnn, "*61");
  forget();
  await atAnn.dial("*60");
  await atAnn.established();
  await sleep(6000);
  await atAnn.press("#");
  await atAnn.closed();
  const echoed = findTone((await atAnn.heard()).at(-1) as Sound, 440);
  assert.ok(echoed.heardMs > 300, JSON.stringify(echoed));
});
