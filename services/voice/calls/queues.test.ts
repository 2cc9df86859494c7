import assert from "node:assert/strict";
import { test } from "node:test";
import { startCloud } from "../../../testing/cloud.ts";
import { installTestTools, phoneTools } from "../../../tools/test-tools.ts";
import { writeWav } from "../prompts/wav.ts";
import type { Baresip } from "../testing/baresip.ts";
import { whenSaid } from "../testing/clips.ts";
import type { Json } from "../testing/office.ts";
import { endOf, findTone, tone } from "../testing/tones.ts";
import { type Account, openHouse } from "./testing/house.ts";

await installTestTools(phoneTools);
const house = await openHouse(startCloud);
const { as, within } = house.office;
// The figures of a day begin at the system's midnight, which must not come while this runs: where it is noon now.
const hoursAhead = 12 - new Date().getUTCHours();
const noon = `Etc/GMT${hoursAhead > 0 ? "-" : "+"}${Math.abs(hoursAhead)}`;
await as("owner", "phoneSystemUpdate", { params: within, body: { timeZone: noon } });
const noVoicemail = { voicemail: { enabled: false } };
const accounts = await Promise.all(
  ["101 Ann", "102 Bob", "103 Carol", "104 Eve", "105 Dan"].map((each) =>
    house.account(each.slice(0, 3), each.slice(4), noVoicemail),
  ),
);
const [, bob, carol, eve, dan] = accounts as [Account, Account, Account, Account, Account];
const phones = await Promise.all(accounts.map((account, index) => house.phone(account, { toneHz: 440 + 200 * index })));
const [atAnn, atBob, atCarol, atEve, atDan] = phones as [Baresip, Baresip, Baresip, Baresip, Baresip];
const agents = { 102: atBob, 103: atCarol, 104: atEve };
const forget = () => {
  for (const phone of phones) phone.forget();
};
const agentsOf = (...list: Account[]) => list.map(({ extensionId }) => ({ extension: extensionId }));
const queue = await as("owner", "callQueueCreate", {
  params: within,
  body: {
    name: "Help",
    number: "400",
    agents: agentsOf(bob, carol, eve),
    wrapUpSeconds: 0,
    leaveWhenEmpty: false,
    overflow: { kind: "extension", id: dan.extensionId },
    namePrefix: "Help",
  },
});
const params = { callQueue: queue["id"] };
const change = (body: object) => as("owner", "callQueueUpdate", { params, body });
const state = (agent: Account, body: object) =>
  as("owner", "queueAgentUpdate", { params: { ...params, extension: agent.extensionId }, body });
const live = () => as("owner", "queueLiveGet", { params });
const agentStates = async () => Object.fromEntries((await live())["agents"].map((each: Json) => [each["number"], each["state"]]));
const untilAgents = (states: object, what: string) =>
  house.until(async () => {
    const now = await agentStates();
    return Object.entries(states).every(([number, wanted]) => now[number] === wanted);
  }, what);

/** Somebody calls the queue: exactly these agents ring. */
async function ringing(...numbers: (keyof typeof agents)[]): Promise<void> {
  forget();
  await atAnn.dial("400");
  await atAnn.established();
  await Promise.all(numbers.map((number) => agents[number].next("CALL_INCOMING")));
  await untilAgents(Object.fromEntries(numbers.map((number) => [number, "ringing"])), "that they ring");
  for (const [number, phone] of Object.entries(agents))
    assert.equal(await phone.calls(), numbers.includes(Number(number) as never) ? 1 : 0, number);
}
/** One of them answers, and hears the caller. */
async function answered(number: keyof typeof agents): Promise<void> {
  await agents[number].command("accept");
  await agents[number].established();
  await untilAgents({ [number]: "talking" }, "that they talk");
  assert.ok(findTone(await agents[number].heardFor(1), 440).heardMs > 500);
  await atAnn.hangUp();
  await agents[number].closed();
  await untilAgents({ 102: "free", 103: "free", 104: "free" }, "that all are free");
}
async function caller(leaves: Baresip, ...rung: (keyof typeof agents)[]): Promise<void> {
  await leaves.hangUp();
  await Promise.all(rung.map((number) => agents[number].closed()));
  await untilAgents(Object.fromEntries(rung.map((number) => [number, "free"])), "that they ring no more");
}

test("agents log in by code and by API; each strategy decides who rings", async () => {
  assert.deepEqual(await agentStates(), { 102: "logged_out", 103: "logged_out", 104: "logged_out" });
  await atBob.dial("*45");
  await atBob.closed();
  await state(carol, { loggedIn: true });
  await state(eve, { loggedIn: true });
  await untilAgents({ 102: "free", 103: "free", 104: "free" }, "that all are free");

  await change({ strategy: "ring_all" });
  await ringing(102, 103, 104);
  await answered(103);
  await Promise.all([atBob.closed(), atEve.closed()]);
  await change({ strategy: "fewest_calls" });
  await ringing(102);
  await answered(102);
  await ringing(104);
  await caller(atAnn, 104);
  await change({ strategy: "longest_idle" });
  await ringing(104);
  await answered(104);
  await ringing(103);
  await caller(atAnn, 103);
  await change({ strategy: "round_robin" });
  for (const number of [102, 103, 104, 102] as const) {
    await ringing(number);
    await caller(atAnn, number);
  }
  await change({
    strategy: "in_order",
    agents: agentsOf(bob, carol, eve).map((each, at) => ({ ...each, priority: at === 2 ? 1 : 2 })),
  });
  await ringing(104);
  await caller(atAnn, 104);
});

test("who does not answer is passed over; who pauses, rests or has logged out does not ring", async () => {
  const misses = { pauseAfterMisses: 1 };
  await change({ strategy: "in_order", ringSeconds: 3, wrapUpSeconds: 600, agents: agentsOf(bob, carol, eve), ...misses });
  await ringing(102);
  await atCarol.next("CALL_INCOMING");
  await atBob.closed();
  await atCarol.command("accept");
  await atCarol.established();
  await atCarol.hangUp();
  await atAnn.closed();
  await untilAgents({ 102: "paused", 103: "wrap_up", 104: "free" }, "the rest after a call, and the pause after a miss");
  const why = (await live())["agents"].find(({ number }: Json) => number === "102").pauseReason;
  assert.equal(why, "missed_calls");
  await change({ pauseAfterMisses: 3 });
  await state(bob, { paused: false });

  forget();
  await atBob.dial("*47");
  await atBob.closed();
  await untilAgents({ 102: "paused" }, "the pause");
  await change({ ringSeconds: 20 });
  await ringing(104);
  await caller(atAnn, 104);
  await state(eve, { loggedIn: false });
  await atBob.dial("*48");
  await atBob.closed();
  await untilAgents({ 102: "free", 103: "wrap_up", 104: "logged_out" }, "the end of the pause");
  await ringing(102);
  await caller(atAnn, 102);
});

test("the place, the music of one's own and the overflow are as they should be", async () => {
  const music = await as("owner", "announcementCreate", { params: within, body: { name: "Our music" } });
  const bytes = Buffer.from(writeWav(tone([1500], 3, { sampleRate: 16_000 })));
  await as("owner", "announcementUpload", { params: { announcement: music["id"] }, bytes });
  await as("owner", "phoneSystemUpdate", { params: within, body: { musicOnHold: music["id"] } });
  await state(bob, { paused: true });
  const tellsEvery15 = { announceEverySeconds: 15, announceWait: true };
  await change({ ...tellsEvery15, maxWaiting: 2 });
  forget();
  await atAnn.dial("400");
  await atAnn.established();
  await house.until(async () => (await live())["waiting"].length === 1, "the first");
  await atCarol.dial("400");
  await atCarol.established();
  await house.until(async () => (await live())["waiting"].length === 2, "the second");
  assert.deepEqual(
    (await live())["waiting"].map((each: Json) => each["from"]),
    ["101", "103"],
  );
  await atEve.dial("400");
  await atDan.answer();
  await atDan.established();
  await atDan.hangUp();
  await atEve.closed();

  const [first, second] = await Promise.all([atAnn.heardFor(8), atCarol.heardFor(8)]);
  const next = await whenSaid(first, "fr", "queue_next");
  assert.ok(next !== undefined && next < 3000, `"you are the next": ${next}`);
  const waits = (await whenSaid(first, "fr", "queue_wait_short")) ?? (await whenSaid(first, "fr", "queue_wait"));
  assert.ok(waits !== undefined && waits > next, `the waiting time: ${waits}`);
  assert.ok(findTone(endOf(first, 2), 1500).heardMs > 1800, "then the music");
  assert.ok((findTone(first, 1500).startsMs ?? 0) >= next + 500, "and none before");
  const place = await whenSaid(second, "fr", "queue_position");
  const two = await whenSaid(second, "fr", "n2");
  assert.ok(place !== undefined && two !== undefined && two > place, `"your place is … two": ${place} ${two}`);
  assert.equal(await whenSaid(second, "fr", "queue_next"), undefined);

  await atCarol.hangUp();
  await house.until(async () => (await live())["waiting"].length === 1, "that one has gone");
  await change({ maxWaitSeconds: 5 });
  await atDan.answer();
  await atDan.established();
  await house.until(async () => (await live())["waiting"].length === 0, "that who is elsewhere waits no more");
  await atDan.hangUp();
  await atAnn.closed();
});

test("a caller is held: the other one hears the phone system's own music", async () => {
  forget();
  await atAnn.dial("105");
  await atDan.answer();
  await atAnn.established();
  await atDan.hold();
  await house.until(async () => findTone((await atAnn.heard()).at(-1) as never, 1500).heardMs > 1000, "the music");
  await atDan.hangUp();
  await atAnn.closed();
});

test("who presses the key is called back when it is their turn, also after the process was started anew", async () => {
  await as("owner", "phoneSystemUpdate", { params: within, body: { language: "uk", musicOnHold: null } });
  await change({ maxWaitSeconds: 600, wrapUpSeconds: 0, callbackDigit: "5" });
  forget();
  await atAnn.dial("400");
  await atAnn.established();
  await house.until(async () => (await live())["waiting"].length === 1, "the caller");
  await house.until(
    async () => (await whenSaid((await atAnn.heard()).at(-1) as never, "uk", "n5")) !== undefined,
    "that the key is told",
  );
  await atAnn.press("5");
  await atAnn.closed();
  const heard = (await atAnn.heard()).at(-1) as never;
  const said = await Promise.all(
    ["queue_callback", "n5", "queue_callback_number", "queue_callback_kept"].map((clip) => whenSaid(heard, "uk", clip)),
  );
  assert.ok(
    said.every((at, index) => at !== undefined && at > (said[index - 1] ?? 0)),
    JSON.stringify(said),
  );
  await atAnn.dial("400");
  await atAnn.established();
  await house.until(async () => (await live())["waiting"].length === 2, "that Ann calls again");
  await atAnn.press("5");
  await house.until(async () => (await live())["waiting"].length === 1, "that she is called back once");
  await atAnn.hangUp();
  await atAnn.closed();
  const [promised] = (await live())["waiting"];
  assert.deepEqual([promised?.["from"], promised?.["callback"]], ["101", true]);

  await house.restart();
  forget();
  await state(bob, { paused: false });
  const rings = await atBob.next("CALL_INCOMING");
  assert.match(rings.peeruri ?? "", /101@/);
  await atBob.command("accept");
  await atAnn.answer();
  await atAnn.established();
  await untilAgents({ 102: "talking" }, "that they talk");
  await house.until(async () => (await live())["waiting"].length === 0, "that nobody waits");
  const [ofAnn, ofBob] = await Promise.all([atAnn.heardFor(2), atBob.heardFor(6)]);
  assert.ok(findTone(ofAnn, 640).heardMs > 1000 && findTone(endOf(ofBob, 2), 440).heardMs > 1000);
  await atAnn.hangUp();
  await atBob.closed();
  const records = async (): Promise<Json[]> =>
    (await as("owner", "phoneCallList", { params: within, query: { queue: queue["id"] } }))["items"];
  await house.until(async () => (await records())[0]?.["outcome"] === "answered", "the record");
  const [back, before] = await records();
  assert.deepEqual([back?.["outcome"], back?.["fromNumber"], back?.["toNumber"]], ["answered", "102", "101"]);
  assert.equal(before?.["outcome"], "callback");
  assert.ok(back?.["waitSeconds"] > before?.["waitSeconds"], "it waited from the beginning on");
});

test("the day's figures and the report agree with what happened", async () => {
  const { today } = await live();
  const outcomes = (await as("owner", "phoneCallList", { params: within, query: { queue: queue["id"], limit: 100 } }))[
    "items"
  ].map((each: Json) => each["outcome"]);
  const count = (outcome: string) => outcomes.filter((each: string) => each === outcome).length;
  assert.deepEqual(
    [today["offered"], today["answered"], today["abandoned"]],
    [outcomes.length - count("callback"), count("answered"), count("abandoned")],
  );
  assert.deepEqual([count("answered"), count("abandoned"), count("callback")], [7, 10, 2]);
  const at = (seconds: number) => new Date(Date.now() + seconds * 1000).toISOString();
  const report = await as("owner", "phoneReportGet", {
    params: within,
    query: { by: "queue", from: at(-3600), to: at(60) },
  });
  assert.deepEqual(
    report["lines"].map((line: Json) => [line["key"], line["name"]]),
    [[queue["id"], "Help"]],
  );
});

test("chance decides who rings; who waits hears the message of the beginning once, and the other one again and again", async () => {
  const message = async (name: string, hz: number) => {
    const { id } = await as("owner", "announcementCreate", { params: within, body: { name } });
    const bytes = Buffer.from(writeWav(tone([hz], 1, { sampleRate: 16_000 })));
    await as("owner", "announcementUpload", { params: { announcement: id }, bytes });
    return { kind: "announcement", id };
  };
  const messages = { joinMessage: await message("Welcome", 1800), repeatMessage: await message("Patience", 2200) };
  const times = { announcePosition: false, announceEverySeconds: 15, leaveWhenEmpty: false };
  await as("owner", "callQueueCreate", { params: within, body: { name: "Shop", number: "401", ...messages, ...times } });
  forget();
  await atDan.dial("401");
  await atDan.established();

  await change({ strategy: "random" });
  await state(eve, { loggedIn: true });
  await untilAgents({ 102: "free", 103: "free", 104: "free" }, "that all are free");
  const rung = new Set<string>();
  for (let calls = 0; calls < 30 && rung.size < 2; calls++) {
    await atAnn.dial("400");
    await atAnn.established();
    await house.until(async () => Object.values(await agentStates()).includes("ringing"), "that one rings");
    const now = Object.entries(await agentStates()).filter(([, state]) => state === "ringing");
    assert.equal(now.length, 1);
    rung.add(now[0]?.[0] as string);
    await atAnn.hangUp();
    await atAnn.closed();
    await untilAgents({ 102: "free", 103: "free", 104: "free" }, "that they ring no more");
  }
  assert.equal(rung.size, 2, [...rung].join());

  const heard = await atDan.heardFor(36);
  const [welcome, patience] = [findTone(heard, 1800), findTone(heard, 2200)];
  assert.ok(welcome.heardMs > 700 && welcome.heardMs < 1300, `once: ${JSON.stringify(welcome)}`);
  assert.ok(patience.heardMs > 1600 && patience.heardMs < 2400, `twice: ${JSON.stringify(patience)}`);
  assert.ok((patience.startsMs ?? 0) - (welcome.startsMs ?? 0) > 14_000, "the second message only after a while");
  await atDan.hangUp();
  await atDan.closed();
});

test("nobody waits where all agents pause or have logged out: who waits goes to the overflow, who calls then at once", async () => {
  await change({ leaveWhenEmpty: true, strategy: "ring_all" });
  await state(bob, { loggedIn: false });
  await state(carol, { loggedIn: false });
  await untilAgents({ 102: "logged_out", 103: "logged_out", 104: "free" }, "that Eve is alone");
  const atDanAndBack = async () => {
    await atDan.next("CALL_INCOMING");
    await atDan.command("accept");
    await atDan.established();
    await house.until(async () => (await live())["waiting"].length === 0, "that nobody waits");
    await atAnn.hangUp();
    await atDan.closed();
  };
  // Eve works: the caller waits for her, until she pauses.
  await ringing(104);
  assert.equal(await atDan.calls(), 0);
  await state(eve, { paused: true });
  await atDanAndBack();
  await atEve.closed();

  // Paused only: no agent is there for the next one either.
  forget();
  await atAnn.dial("400");
  await atDanAndBack();
  assert.equal(await atEve.calls(), 0);
  await state(eve, { loggedIn: false });
  forget();
  await atAnn.dial("400");
  await atDanAndBack();

  // Back at work, she has the next call.
  await state(eve, { loggedIn: true, paused: false });
  await untilAgents({ 104: "free" }, "that Eve works again");
  await ringing(104);
  await caller(atAnn, 104);
  await change({ leaveWhenEmpty: false });
});
