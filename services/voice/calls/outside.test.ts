import assert from "node:assert/strict";
import { after, test } from "node:test";
import { startCloud } from "../../../testing/cloud.ts";
import { installTestTools, phoneTools } from "../../../tools/test-tools.ts";
import { readWav, type Sound } from "../prompts/wav.ts";
import { openSipStack } from "../sip/stack.ts";
import type { Baresip } from "../testing/baresip.ts";
import { whenSaid } from "../testing/clips.ts";
import type { Json } from "../testing/office.ts";
import { endOf, findTone, toneLevel } from "../testing/tones.ts";
import { openHouse } from "./testing/house.ts";

await installTestTools(phoneTools);
// An office in France and a provider in Ukraine, each with a database and a voice process of its own. Phones are at 127.0.0.1.
const [here, there] = [
  await openHouse(startCloud, { listen: "127.0.0.2", trunkRetryMs: 300 }),
  await openHouse(startCloud, { listen: "127.0.0.3" }),
];
type House = typeof here;
const ours = "+33199001122";
const theirs = "+380441234567";
const add = (house: House, key: string, body: object): Promise<Json> =>
  house.office.as("owner", key, { params: house.office.within, body });
const noVoicemail = { voicemail: { enabled: false }, permissions: { international: true } };
const [ann, bob, carl, zoe, yan, line] = await Promise.all([
  here.account("501", "Ann", noVoicemail),
  here.account("502", "Bob", noVoicemail),
  here.account("503", "Carl", noVoicemail),
  there.account("201", "Zoe", noVoicemail),
  there.account("202", "Yan", noVoicemail),
  there.account("301", "Line to the office", noVoicemail),
]);
await there.office.as("owner", "phoneSystemUpdate", {
  params: there.office.within,
  body: { country: "UA", limits: { allowedCountries: ["FR"] } },
});
await here.office.as("owner", "phoneSystemUpdate", {
  params: here.office.within,
  body: { limits: { allowedCountries: ["UA"] } },
});
const ourNumber = await add(here, "phoneNumberCreate", { number: ours, destination: { kind: "extension", id: ann.extensionId } });
await add(there, "phoneNumberCreate", { number: theirs, destination: { kind: "extension", id: zoe.extensionId } });
await add(there, "phoneNumberCreate", { number: "+380441234568", destination: { kind: "extension", id: yan.extensionId } });
const [atAnn, atBob, atCarl, atZoe, atYan] = await Promise.all([
  here.phone(ann, { toneHz: 440 }),
  here.phone(bob, { toneHz: 500 }),
  here.phone(carl),
  there.phone(zoe, { toneHz: 620 }),
  there.phone(yan, { toneHz: 700 }),
]);

/** One speaks to another: the tones of both are heard. */
async function talk(one: Baresip, says: number, other: Baresip, otherSays: number): Promise<void> {
  const hears = async (phone: Baresip, hertz: number) => findTone(await phone.heardFor(1), hertz).heardMs > 1000;
  await here.until(() => hears(other, says), `${says} Hz at who was called`);
  await here.until(() => hears(one, otherSays), `${otherSays} Hz at who called`);
}
const forget = () => {
  for (const phone of [atAnn, atBob, atCarl, atZoe, atYan]) phone.forget();
};
const trunkOf = (id: string) => here.office.as("owner", "trunkGet", { params: { trunk: id } });
const changeTrunk = (id: string, body: object) => here.office.as("owner", "trunkUpdate", { params: { trunk: id }, body });
const untilState = (id: string, state: string) =>
  here.until(async () => (await trunkOf(id))["state"] === state, `the trunk to be ${state}`);
const trunksOf = (call: Json) =>
  (call["legs"] as Json[])
    .filter(({ kind }) => kind === "trunk")
    .map(({ name, cause, answeredAt }) => [name, answeredAt ? "answered" : cause]);
const newest = async (house: House, count: number): Promise<Json> => {
  const [call] = await house.calls(count);
  return house.office.as("owner", "phoneCallGet", { params: { call: call?.["id"] } });
};
let route = "";
const routeBy = async (trunks: string[], more: object = {}) => {
  if (route === "") route = (await add(here, "outboundRouteCreate", { name: "All", prefixes: ["+"], trunks }))["id"];
  else await here.office.as("owner", "outboundRouteUpdate", { params: { outboundRoute: route }, body: { trunks, ...more } });
};
/** How many calls there have been here. */
let made = 0;

test("a trunk that registers: calls go both ways; a wrong password is told, and it comes back by itself", async () => {
  const trunk = await add(here, "trunkCreate", {
    ...{ name: "Registered", kind: "registration", host: "127.0.0.3", port: there.phones.sipPort },
    ...{ userName: line.userName, password: line.password },
    defaultDestination: { kind: "extension", id: bob.extensionId },
  });
  const id = trunk["id"] as string;
  await untilState(id, "ready");
  await routeBy([id]);
  await atAnn.dial("00380441234567");
  await atZoe.answer();
  await atAnn.established();
  await talk(atAnn, 440, atZoe, 620);
  await atZoe.hangUp();
  await atAnn.closed();
  made++;
  await atZoe.dial("301");
  await atBob.answer();
  await atZoe.established();
  await talk(atZoe, 620, atBob, 500);
  await atZoe.hangUp();
  await atBob.closed();
  made++;
  await changeTrunk(id, { password: "not the password" });
  await untilState(id, "failed");
  assert.match((await trunkOf(id))["stateReason"], /answered 401/);
  await changeTrunk(id, { password: line.password });
  await untilState(id, "ready");
  const { items } = await there.office.as("owner", "phoneDeviceList", { params: { extension: line.extensionId } });
  const enable = (enabled: boolean) =>
    there.office.as("owner", "phoneDeviceUpdate", { params: { phoneDevice: items[0].id }, body: { enabled } });
  await enable(false);
  await changeTrunk(id, { registrationSeconds: 120 });
  await untilState(id, "failed");
  await enable(true);
  await untilState(id, "ready");
});

test("a trunk by its address: the number is shown as people of the called country read it; both sides have a record, ours what it cost", async () => {
  forget();
  await add(there, "trunkCreate", {
    ...{ name: "Office", kind: "ip", host: "127.0.0.2", port: here.phones.sipPort, qualifySeconds: 0 },
  }).then((back) => add(there, "outboundRouteCreate", { name: "All", prefixes: ["+"], trunks: [back["id"]] }));
  const cheap = await add(here, "trunkCreate", {
    ...{ name: "Cheap", kind: "ip", host: "127.0.0.3", port: there.phones.sipPort, qualifySeconds: 1, callerIdHeader: "from" },
  });
  await untilState(cheap["id"], "ready");
  await routeBy([cheap["id"]]);
  const rate = (body: object) =>
    here.office.as("owner", "phoneRateSet", { params: here.office.within, body: { prefix: "+380", ...body } });
  await rate({ trunk: cheap["id"], perMinute: "0.02" });
  await rate({ perMinute: "0.05", connectionFee: "0.01" });
  await atAnn.dial("00380441234567");
  const rang = await atZoe.next("CALL_INCOMING");
  assert.match(rang.peeruri ?? "", /\+33199001122@/);
  assert.equal((rang as Json)["peerdisplayname"], "+33 1 99 00 11 22");
  await atZoe.command("accept");
  await atAnn.established();
  await talk(atAnn, 440, atZoe, 620);
  await atAnn.hangUp();
  await atZoe.closed();
  const outbound = await newest(here, ++made);
  const { direction, toNumber, outcome, country, cost, price, currency } = outbound;
  assert.deepEqual(
    { direction, toNumber, outcome, country, cost, price, currency },
    { direction: "outbound", toNumber: theirs, outcome: "answered", country: "UA", cost: "0.02", price: "0.06", currency: "EUR" },
  );
  const credits = await here.office.as("owner", "phoneCreditList", { params: here.office.within });
  assert.deepEqual(
    credits["items"].map(({ kind, amount, callId }: Json) => [kind, amount, callId]),
    [["call", "-0.06", outbound["id"]]],
  );
  const inbound = await newest(there, 3);
  assert.deepEqual(
    [inbound["direction"], inbound["fromNumber"], inbound["toNumber"], inbound["cost"]],
    ["inbound", ours, theirs, undefined],
  );
});

test("an app calls a number outside in the name of a number: it is shown, and what it costs is charged", async () => {
  forget();
  const announcement = await add(here, "announcementCreate", { name: "Reminder", text: { en: "Your order has arrived." } });
  const { callId } = await add(here, "outgoingCallStart", {
    ...{ to: "00380441234567", phoneNumber: ourNumber["id"] },
    destination: { kind: "announcement", id: announcement["id"] },
  });
  const rang = await atZoe.next("CALL_INCOMING");
  assert.match(rang.peeruri ?? "", /\+33199001122@/);
  await atZoe.command("accept");
  await atZoe.closed();
  assert.ok(
    (await atZoe.heardFor(1)).samples.some((sample) => Math.abs(sample) > 1000),
    "who was called hears it",
  );
  const { id, direction, fromNumber, toNumber, outcome, price } = await newest(here, ++made);
  assert.deepEqual(
    { id, direction, fromNumber, toNumber, outcome, price },
    { id: callId, direction: "outbound", fromNumber: ours, toNumber: theirs, outcome: "answered", price: "0.06" },
  );
});

test("a contact of the phone book is shown by name when it calls and when it is called", async () => {
  forget();
  const contact = await add(here, "phoneContactCreate", {
    name: "Zoe",
    company: "Mriya",
    numbers: [{ kind: "work", number: theirs }],
  });
  await atZoe.dial("0033199001122");
  const rang = await atAnn.next("CALL_INCOMING");
  assert.equal((rang as Json)["peerdisplayname"], "Zoe (Mriya)");
  await atZoe.hangUp();
  await atZoe.closed();
  assert.equal((await newest(here, ++made))["fromName"], "Zoe (Mriya)");
  await atAnn.dial("00380441234567");
  await atZoe.next("CALL_INCOMING");
  await atAnn.hangUp();
  await atAnn.closed();
  assert.equal((await newest(here, ++made))["toName"], "Zoe (Mriya)");
  await here.office.as("owner", "phoneContactDelete", { params: { phoneContact: contact["id"] } });
});

test("a carrier that is not there or takes no calls: the next one carries it; the cheapest first; a full one is left out; none is left: the caller hears why", async () => {
  forget();
  const answers = { status: 503 };
  const carrier = await openSipStack({
    bindings: [{ transport: "udp", host: "127.0.0.4", port: 0 }],
    userAgent: "carrier",
    onInvite: (call) => call.reject(answers.status),
    onRequest: (request) => request.respond(200),
  });
  after(() => carrier.close());
  const trunk = async (name: string, host: string, port: number, more: object = {}) =>
    (await add(here, "trunkCreate", { name, kind: "ip", host, port, qualifySeconds: 0, ...more }))["id"] as string;
  const dead = await trunk("Dead", "127.0.0.6", 9);
  const refusing = await trunk("Refusing", "127.0.0.4", carrier.bindings[0]?.port as number);
  const { items } = await here.office.as("owner", "trunkList", { params: here.office.within });
  const cheap = items.find(({ name }: Json) => name === "Cheap").id;
  await routeBy([dead, refusing, cheap]);
  await atAnn.dial("00380441234567");
  await atZoe.answer();
  await atAnn.established();
  await atAnn.hangUp();
  await atZoe.closed();
  assert.deepEqual(trunksOf(await newest(here, ++made)), [
    ["Dead", 408],
    ["Refusing", 503],
    ["Cheap", "answered"],
  ]);

  const dear = await trunk("Dear", "127.0.0.3", there.phones.sipPort, { maxCalls: 1 });
  await changeTrunk(cheap, { maxCalls: 1 });
  await here.office.as("owner", "phoneRateSet", {
    params: here.office.within,
    body: { trunk: dear, prefix: "+380", perMinute: "0.5" },
  });
  await routeBy([dear, cheap], { strategy: "least_cost" });
  forget();
  await atAnn.dial("00380441234567");
  await atZoe.answer();
  await atBob.dial("00380441234568");
  await atYan.answer();
  await Promise.all([atAnn.established(), atBob.established()]);
  await atCarl.dial("00380441234567");
  assert.match((await atCarl.closed()).param ?? "", /503/);
  assert.ok(
    (await atCarl.heardFor(1)).samples.some((sample) => Math.abs(sample) > 1000),
    "Carl is told in words",
  );
  await Promise.all([atAnn.hangUp(), atBob.hangUp()]);
  await Promise.all([atZoe.closed(), atYan.closed()]);
  made += 3;
  const calls = await here.calls(made);
  const details = await Promise.all(
    calls.slice(0, 3).map(({ id }) => here.office.as("owner", "phoneCallGet", { params: { call: id } })),
  );
  const of = (number: string) => details.find(({ fromNumber }) => fromNumber === number) as Json;
  assert.deepEqual([trunksOf(of("501")), trunksOf(of("502"))], [[["Cheap", "answered"]], [["Dear", "answered"]]]);
  assert.deepEqual([of("503")["outcome"], of("503")["cause"]], ["failed", 503]);

  await routeBy([dead, refusing, cheap], { strategy: "in_order" });
  await changeTrunk(cheap, { maxCalls: null });
  await add(here, "ringGroupCreate", {
    ...{ name: "Outside", number: "610", ringSeconds: 60 },
    members: [{ target: { kind: "number", number: theirs } }],
  });
  forget();
  await atAnn.dial("610");
  await atZoe.answer();
  await atAnn.established();
  await talk(atAnn, 440, atZoe, 620);
  await atAnn.hangUp();
  await atZoe.closed();
  assert.deepEqual(trunksOf(await newest(here, ++made)), [
    ["Dead", 408],
    ["Refusing", 503],
    ["Cheap", "answered"],
  ]);

  await routeBy([refusing], { strategy: "in_order" });
  for (const [status, heard] of [
    [404, /404/],
    [486, /486/],
    [500, /503/],
  ] as const) {
    answers.status = status;
    await atCarl.dial("00380441234567");
    assert.match((await atCarl.closed()).param ?? "", heard);
    made++;
  }
  await carrier.close();
  await changeTrunk(refusing, { qualifySeconds: 1 });
  await untilState(refusing, "failed");
  await routeBy([refusing, cheap]);
  await atAnn.dial("00380441234567");
  await atZoe.answer();
  await atAnn.established();
  await atAnn.hangUp();
  await atZoe.closed();
  // One that is known not to be there is not asked first.
  assert.deepEqual(trunksOf(await newest(here, ++made)), [["Cheap", "answered"]]);
});

test("a queue calls back outside by a trunk: the agent first, then who waited", async () => {
  forget();
  const { items } = await here.office.as("owner", "trunkList", { params: here.office.within });
  await routeBy([items.find(({ name }: Json) => name === "Cheap").id]);
  const queue = await add(here, "callQueueCreate", {
    ...{ name: "Help", number: "620", callbackDigit: "2", wrapUpSeconds: 0, leaveWhenEmpty: false },
    agents: [{ extension: bob.extensionId }],
  });
  const lead = (destination: object) =>
    here.office.as("owner", "phoneNumberUpdate", { params: { phoneNumber: ourNumber["id"] }, body: { destination } });
  await lead({ kind: "queue", id: queue["id"] });
  await atZoe.dial("0033199001122");
  await atZoe.established();
  // It is offered with the place.
  await here.until(async () => (await atZoe.heardFor(1)).samples.some((sample) => Math.abs(sample) > 3000), "the offer");
  await atZoe.press("2");
  await atZoe.closed();
  made++;
  const params = { callQueue: queue["id"], extension: bob.extensionId };
  forget();
  await here.office.as("owner", "queueAgentUpdate", { params, body: { loggedIn: true } });
  await atBob.answer();
  await atZoe.answer();
  await talk(atBob, 500, atZoe, 620);
  await atZoe.hangUp();
  await atBob.closed();
  const back = await newest(here, ++made);
  assert.deepEqual(
    [back["direction"], back["outcome"], back["fromNumber"], back["toNumber"], trunksOf(back)],
    ["outbound", "answered", "502", theirs, [["Cheap", "answered"]]],
  );
  await lead({ kind: "extension", id: ann.extensionId });
});

test("who was called outside is passed on by number, and called into a conference, which is recorded", async () => {
  forget();
  await atAnn.dial("00380441234567");
  await atZoe.answer();
  await atAnn.established();
  await atAnn.transfer("502");
  // Not by the name of the trunk.
  assert.equal(((await atBob.answer()) as Json)["peerdisplayname"], "+380 44 123 4567");
  await atAnn.closed();
  await talk(atBob, 500, atZoe, 620);
  await atZoe.hangUp();
  await atBob.closed();
  made += 2;
  await here.calls(made);

  await here.office.as("owner", "phoneSystemUpdate", { params: here.office.within, body: { recording: { announce: true } } });
  const room = await add(here, "conferenceRoomCreate", { name: "Board", number: "630", record: true, announceJoin: false });
  forget();
  await atAnn.dial("630");
  await atAnn.established();
  const saysSo = async (phone: Baresip) =>
    (await whenSaid((await phone.heard()).at(-1) as Sound, "fr", "recorded")) !== undefined;
  await here.until(() => saysSo(atAnn), "that Ann is told of the recording");
  const params = { conferenceRoom: room["id"] };
  const invitation = { action: "invite", number: theirs, extension: ann.extensionId };
  await here.office.as("owner", "conferenceAct", { params, body: { do: invitation } });
  await atZoe.answer();
  await here.until(() => saysSo(atZoe), "that Zoe is told of it");
  // So long that a whole second of the recording is of both, wherever that begins.
  const endsWith = async (phone: Baresip, hertz: number) =>
    findTone(endOf((await phone.heard()).at(-1) as Sound, 2.5), hertz).heardMs > 2200;
  await here.until(() => endsWith(atAnn, 620), "Zoe at Ann");
  await here.until(() => endsWith(atZoe, 440), "Ann at Zoe");
  const { members } = await here.office.as("owner", "conferenceLiveGet", { params });
  assert.deepEqual(
    members.map(({ number, name }: Json) => [number, name]),
    [
      ["501", "Ann"],
      [theirs, undefined],
    ],
  );
  await atZoe.hangUp();
  await here.until(() => atZoe.calls().then((count) => count === 0), "that Zoe has left");
  await atAnn.hangUp();
  made += 2;
  const [invited] = (await here.calls(made)).filter(({ toNumber }) => toNumber === theirs);
  assert.deepEqual([invited?.["direction"], invited?.["outcome"], invited?.["price"]], ["outbound", "answered", "0.06"]);
  const recordings = async (): Promise<Json[]> =>
    (await here.office.as("owner", "recordingList", { params: here.office.within }))["items"];
  await here.until(async () => (await recordings()).length === 1, "the recording");
  const { raw } = await here.office.ask("owner", "recordingDownload", { params: { recording: (await recordings())[0]?.["id"] } });
  const { sampleRate, samples } = readWav(raw);
  // Both speak at once, for a while: neither tone has most of the sound then.
  const seconds = Array.from({ length: Math.floor(samples.length / sampleRate) }, (_, at) =>
    samples.subarray(at * sampleRate, (at + 1) * sampleRate),
  );
  const isOfBoth = (second: Int16Array) => [440, 620].every((hertz) => toneLevel(second, sampleRate, hertz) > -30);
  assert.ok(seconds.some(isOfBoth), `both are recorded in one of ${seconds.length} seconds`);
});

test("calls from outside: a number by its hours to a menu, numbers that are not there, callers who are blocked or hide", async () => {
  forget();
  // It would take calls of numbers that nobody has.
  const { items } = await here.office.as("owner", "trunkList", { params: here.office.within });
  await changeTrunk(items.find(({ name }: Json) => name === "Registered").id, { defaultDestination: null });
  const menu = await add(here, "phoneMenuCreate", {
    ...{ name: "Menu", number: "600", greeting: { kind: "text", text: { en: "Press one." } } },
    keys: { 1: { kind: "extension", id: bob.extensionId } },
  });
  const hours = await add(here, "timeConditionCreate", {
    name: "Hours",
    hours: [{ days: [1, 2, 3, 4, 5, 6, 7], from: "00:00", to: "24:00" }],
    open: { kind: "menu", id: menu["id"] },
    closed: { kind: "hang_up" },
  });
  const lead = (destination: object) =>
    here.office.as("owner", "phoneNumberUpdate", { params: { phoneNumber: ourNumber["id"] }, body: { destination } });
  await lead({ kind: "time_condition", id: hours["id"] });
  const params = { phoneNumber: ourNumber["id"] };
  await here.office.as("owner", "phoneNumberUpdate", { params, body: { callerNamePrefix: "Shop" } });
  await atZoe.dial("0033199001122");
  await atZoe.established();
  await atZoe.heardFor(1);
  await atZoe.press("1");
  const rang = await atBob.answer();
  assert.equal((rang as Json)["peerdisplayname"], "Shop +380 44 123 4567");
  await atBob.hangUp();
  await atZoe.closed();
  await lead({ kind: "extension", id: ann.extensionId });
  await atZoe.dial("0033199009999");
  assert.match((await atZoe.closed()).param ?? "", /404/);
  const blocked = await add(here, "blockedCallerCreate", {
    name: "Kyiv",
    pattern: "+38044*",
    direction: "inbound",
    action: "busy",
  });
  await atZoe.dial("0033199001122");
  assert.match((await atZoe.closed()).param ?? "", /486/);
  await here.office.as("owner", "blockedCallerDelete", { params: { blockedCaller: blocked["id"] } });
  await there.office.as("owner", "extensionUpdate", { params: { extension: zoe.extensionId }, body: { hideNumber: true } });
  forget();
  await atZoe.dial("0033199001122");
  const hidden = await atAnn.answer();
  assert.match(hidden.peeruri ?? "", /anonymous/);
  await atAnn.hangUp();
  await atZoe.closed();
  await add(here, "blockedCallerCreate", { name: "Who hides", pattern: "anonymous", direction: "inbound", action: "reject" });
  await atZoe.dial("0033199001122");
  assert.match((await atZoe.closed()).param ?? "", /603/);
});
