import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, test } from "node:test";
import { startCloud } from "../../../testing/cloud.ts";
import { installTestTools, phoneTools } from "../../../tools/test-tools.ts";
import type { Sound } from "../prompts/wav.ts";
import { startBaresip } from "../testing/baresip.ts";
import type { Json } from "../testing/office.ts";
import { findTone, toneLevel } from "../testing/tones.ts";
import { openHouse } from "./testing/house.ts";

await installTestTools(phoneTools);
const house = await openHouse(startCloud);
const { as, within } = house.office;
const noVoicemail = { voicemail: { enabled: false } };
const nothing = { internal: false, national: false, mobile: false, international: false, premium: false };
const [ann, bob, carol] = await Promise.all([
  house.account("501", "Ann", { ...noVoicemail, permissions: { international: true } }),
  house.account("502", "Bob", { ...noVoicemail, permissions: nothing, hideNumber: true }),
  house.account("503", "Carol", { ...noVoicemail, doNotDisturb: true }),
]);
// The outside: one carrier for all numbers, which does not know 112, and one that no route leads to, which does.
const [carrier, rescue] = await Promise.all([
  startBaresip({ user: "7000", toneHz: 700, autoAnswer: true }),
  startBaresip({ user: "112", toneHz: 900 }),
]);
const [atAnn, atBob, atCarol] = await Promise.all([
  house.phone(ann, { toneHz: 440 }),
  house.phone(bob, { toneHz: 500 }),
  house.phone(carol, { toneHz: 560 }),
]);
after(() => Promise.all([carrier.close(), rescue.close()]));

const told: Json[] = [];
const listener = createServer(async (request, response) => {
  let text = "";
  for await (const piece of request) text += piece;
  told.push(JSON.parse(text));
  response.end();
});
after(() => void listener.close());

const add = (key: string, body: object): Promise<Json> => as("owner", key, { params: within, body });
const trunk = (name: string, phone: { address: string }, more: object = {}) =>
  add("trunkCreate", {
    ...{ name, kind: "ip", host: "127.0.0.1", port: Number(/:(\d+);/.exec(phone.address)?.[1]), qualifySeconds: 0 },
    ...more,
  });
const number = "0199003344";
const unlimited = {
  isPrepaid: false,
  limits: {
    ...{
      maxExternalCalls: 10,
      maxCostPerDay: null,
      maxCallSeconds: null,
      allowedCountries: null,
      blockedPrefixes: [],
      internationalHours: null,
    },
  },
};
const set = (body: object) => as("owner", "phoneSystemUpdate", { params: within, body });
const otherDay = ((new Date().getUTCDay() + 3) % 7) + 1;

before(async () => {
  await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve));
  await as("owner", "webhookSettingsUpdate", { body: { allowedNetworks: ["127.0.0.0/8"] } });
  const url = `http://127.0.0.1:${(listener.address() as AddressInfo).port}/`;
  await add("callWebhookCreate", { name: "Guard", url, events: ["emergency.called", "limit.reached"] });
  // Whatever is called, it is the carrier's one phone.
  const all = await trunk("Carrier", carrier, { stripDigits: 15, addPrefix: "7000" });
  await trunk("Rescue", rescue);
  await add("outboundRouteCreate", { name: "All", prefixes: ["+"], trunks: [all["id"]] });
  await as("owner", "phoneRateSet", { params: within, body: { prefix: "+", perMinute: "60", firstSeconds: 1, stepSeconds: 1 } });
  await add("phoneNumberCreate", { number: "+33199001122", destination: { kind: "extension", id: ann.extensionId } });
});

const refusals: [what: string, settings: object, dialled: string, reason: RegExp][] = [
  ["a country", { limits: { allowedCountries: ["UA"] } }, "0049301234567", /country/],
  ["an hour", { limits: { internationalHours: { days: [otherDay], from: "08:00", to: "18:00" } } }, "0049301234567", /this time/],
  ["a prefix", { limits: { blockedPrefixes: ["+3319900"] } }, number, /blocked/],
  ["one call too many", { limits: { maxExternalCalls: 0 } }, number, /as many calls/],
  ["the day's money is spent", { limits: { maxCostPerDay: "0.5" } }, number, /in a day/],
  ["no credit", { isPrepaid: true }, number, /no credit/],
];
for (const [index, [what, settings, dialled, reason]] of refusals.entries())
  test(`refused, with a word and a record: ${what}`, async () => {
    await set(unlimited);
    await set(settings);
    await atAnn.dial(dialled);
    assert.match((await atAnn.closed()).param ?? "", /403/);
    const [call] = await house.calls(index + 1);
    assert.equal(call?.["outcome"], "refused");
    const record = await as("owner", "phoneCallGet", { params: { call: call?.["id"] } });
    assert.match(record["reason"], reason);
    const heard = await atAnn.heard();
    assert.equal(heard.length, index + 1);
    assert.ok(
      heard.at(-1)?.samples.some((sample) => Math.abs(sample) > 1000),
      "the caller hears words",
    );
  });

test("each limit that refuses is told of, once", async () => {
  // The first one a second time.
  await set(unlimited);
  await set({ limits: { allowedCountries: ["UA"] } });
  await atAnn.dial("0049301234567");
  await atAnn.closed();
  await set(unlimited);
  const kinds = ["countries", "hours", "prefixes", "calls", "day", "balance"];
  await house.until(() => told.length >= kinds.length, "the webhook");
  const limits = told.splice(0).map(({ event, limit }) => [event, limit.kind, limit.from]);
  assert.deepEqual(limits.toSorted(), kinds.map((kind) => ["limit.reached", kind, "501"]).toSorted());
});

test("an emergency number passes whatever else says no, by any trunk; the house is told", async () => {
  await set({
    isPrepaid: true,
    limits: { maxExternalCalls: 0, maxCostPerDay: "0", allowedCountries: [], blockedPrefixes: ["+33"] },
    emergency: { alertExtension: carol.extensionId },
  });
  await atBob.dial("112");
  const rang = await rescue.answer();
  assert.match(rang.peeruri ?? "", /\+33199001122@|anonymous/);
  await atBob.established();
  assert.ok(findTone(await rescue.heardFor(2), 500).heardMs > 1000);
  assert.ok(findTone(await atBob.heardFor(2), 900).heardMs > 1000);
  const alarm = (await atCarol.answer()) as Json;
  assert.equal(alarm["peerdisplayname"], "112: Bob");
  assert.ok(
    (await atCarol.heardFor(3)).samples.some((sample) => Math.abs(sample) > 1000),
    "Carol hears who needs help",
  );
  await house.until(() => told.length === 1, "the webhook");
  assert.deepEqual(
    [told[0]?.["event"], told[0]?.["emergency"]?.number, told[0]?.["emergency"]?.from],
    ["emergency.called", "112", "502"],
  );
  await atBob.hangUp();
  await rescue.closed();
  await atCarol.hangUp();
  const call = (await house.calls(refusals.length + 3)).find(({ toNumber }) => toNumber === "112");
  assert.deepEqual([call?.["outcome"], call?.["direction"], call?.["price"]], ["answered", "outbound", undefined]);
  await set({ emergency: { alertExtension: null } });
});

test("prepaid: two calls spend one balance; both are warned and end when it is used up", async () => {
  await set({ ...unlimited, isPrepaid: true });
  await as("owner", "extensionUpdate", { params: { extension: carol.extensionId }, body: { doNotDisturb: false } });
  await add("phoneCreditCreate", { amount: "16" });
  for (const phone of [atAnn, atCarol]) phone.forget();
  await Promise.all([atAnn.dial(number), atCarol.dial(number)]);
  await Promise.all([atAnn.established(), atCarol.established()]);
  await Promise.all([atAnn.closed(), atCarol.closed()]);
  const warned = findTone((await atAnn.heard()).at(-1) as never, 1400);
  assert.ok(warned.heardMs > 100, JSON.stringify(warned));
  const calls = (await house.calls(refusals.length + 5)).slice(0, 2);
  const [one, other] = await Promise.all(calls.map(({ id }) => as("owner", "phoneCallGet", { params: { call: id } })));
  assert.deepEqual([one?.["reason"], other?.["reason"]], ["The balance was used up.", "The balance was used up."]);
  assert.equal(one?.["hungUpBy"], "system");
  const { balance } = await as("owner", "phoneSystemGet", { params: within });
  assert.ok(Number(balance) >= 0 && Number(balance) < 6, `${balance} is left of 16`);
});

test("what may be spent in a day is spent in the middle of a call: it ends, and says why", async () => {
  const spent = (await as("owner", "phoneCreditList", { params: within }))["items"]
    .filter(({ kind }: Json) => kind === "call")
    .reduce((sum: number, { amount }: Json) => sum - Number(amount), 0);
  await set({ ...unlimited, limits: { ...unlimited.limits, maxCostPerDay: (spent + 5).toFixed(2) } });
  atAnn.forget();
  await atAnn.dial(number);
  await atAnn.established();
  await atAnn.closed();
  const [call] = await house.calls(refusals.length + 6);
  const { reason, hungUpBy, price } = await as("owner", "phoneCallGet", { params: { call: call?.["id"] } });
  assert.deepEqual([reason, hungUpBy], ["What may be spent in a day was spent.", "system"]);
  assert.ok(Number(price) >= 3 && Number(price) <= 6, `it has cost ${price} of 5`);
});

test("what an extension may spend is spent: its next call is refused, that of another one is not", async () => {
  await set(unlimited);
  const limits = (body: object) =>
    as("owner", "extensionUpdate", { params: { extension: ann.extensionId }, body: { limits: body } });
  await limits({ maxCostPerMonth: "1" });
  for (const phone of [atAnn, atCarol]) phone.forget();
  told.length = 0;
  await atAnn.dial(number);
  assert.match((await atAnn.closed()).param ?? "", /403/);
  await atCarol.dial(number);
  await atCarol.established();
  await atCarol.hangUp();
  const calls = await house.calls(refusals.length + 8);
  const refused = calls.find(({ outcome }) => outcome === "refused");
  const { reason } = await as("owner", "phoneCallGet", { params: { call: refused?.["id"] } });
  assert.equal(reason, "What the extension may spend in a month is spent.");
  await house.until(() => told.length === 1, "the webhook");
  assert.deepEqual([told[0]?.["limit"].kind, told[0]?.["limit"].from], ["extension_month", "501"]);
  await limits({ maxCostPerMonth: null });
});

test("a call outside that has the greatest length ends; both sides are told before, and its record says why", async () => {
  await set({ limits: { maxCallSeconds: 10 } });
  atAnn.forget();
  await atAnn.dial(number);
  await atAnn.established();
  await atAnn.closed();
  for (const phone of [atAnn, carrier]) {
    // Over the tone of the other side.
    const { samples, sampleRate } = (await phone.heard()).at(-1) as Sound;
    const step = sampleRate / 10;
    const levels = Array.from({ length: Math.floor(samples.length / step) }, (_, index) =>
      toneLevel(samples.subarray(index * step, (index + 1) * step), sampleRate, 950),
    );
    assert.ok(Math.max(...levels) > -30, `the tone before the end: ${Math.max(...levels)} dB`);
  }
  const [call] = await house.calls(refusals.length + 9);
  const { reason, hungUpBy, talkSeconds, price } = await as("owner", "phoneCallGet", { params: { call: call?.["id"] } });
  assert.deepEqual([reason, hungUpBy], ["The call had the greatest length that is allowed.", "system"]);
  assert.ok(talkSeconds >= 10 && Number(price) >= 10, `${talkSeconds} seconds cost ${price}`);
});
