import assert from "node:assert/strict";
import { test } from "node:test";
import { newId } from "../../../kernel/ids.ts";
import { startCloud } from "../../../testing/cloud.ts";
import { writeWav } from "../prompts/wav.ts";
import { type Json, openOffice } from "../testing/office.ts";
import { openPins } from "./pins.ts";
import { loadElements } from "./store/plan.ts";

const cloud = await startCloud();
const { ask, as, member, extension, within, database } = await openOffice(cloud);
const anna = await extension("101", "Anna");
const boris = await extension("102", "Boris");
const toAnna = { kind: "extension", id: anna["id"] };
const plan = () => database.transaction("system", (tx) => loadElements(tx, within.phoneSystem));
const version = async (): Promise<number> => (await as("owner", "phoneSystemGet", { params: within }))["planVersion"];
const make = (key: string, body: Json): Promise<Json> => as("owner", key, { params: within, body });

test("a ring group is made with defaults, changed, listed, found, and in the plan", async () => {
  const before = await version();
  const group = await make("ringGroupCreate", {
    name: "Sales",
    number: "200",
    members: [{ target: toAnna }, { target: { kind: "number", number: "+380441234567" }, delaySeconds: 10 }],
    namePrefix: "S:",
  });
  assert.equal(group["strategy"], "all");
  assert.equal(group["ringSeconds"], 25);
  assert.deepEqual(group["members"][0], { target: toAnna, delaySeconds: 0 });
  assert.ok((await version()) > before, "calls are told of it");

  const params = { ringGroup: group["id"] };
  const changed = await as("owner", "ringGroupUpdate", {
    params,
    body: { strategy: "in_order", namePrefix: null, number: null },
    headers: { "if-match": '"r1"' },
  });
  assert.equal(changed["strategy"], "in_order");
  assert.equal(changed["namePrefix"], undefined);
  assert.equal(changed["number"], undefined);
  assert.equal(changed["members"].length, 2, "what was not named stays");
  const stale = await ask("owner", "ringGroupUpdate", { params, body: { name: "x" }, headers: { "if-match": '"r1"' } });
  assert.equal(stale.status, 412);
  assert.deepEqual(await as("owner", "ringGroupGet", { params }), changed);

  await make("ringGroupCreate", { name: "support", number: "201" });
  const names = async (query: Record<string, string | number>) =>
    (await as("owner", "ringGroupList", { params: within, query }))["items"].map((item: Json) => item["name"]);
  assert.deepEqual(await names({}), ["Sales", "support"]);
  assert.deepEqual(await names({ search: "SUPP" }), ["support"]);
  const first = await as("owner", "ringGroupList", { params: within, query: { limit: 1 } });
  assert.deepEqual(await names({ limit: 1, cursor: first["nextCursor"] }), ["support"]);

  const { ringGroups } = await plan();
  assert.deepEqual(
    ringGroups.map(({ name, strategy, number }) => ({ name, strategy, number })),
    [
      { name: "Sales", strategy: "in_order", number: undefined },
      { name: "support", strategy: "all", number: "201" },
    ],
  );
});

test("a number is given once, over extensions, elements and places of parking lots", async () => {
  const taken = async (key: string, body: Json) => {
    const { status, body: problem } = await ask("owner", key, { params: within, body });
    assert.equal(status, 409, `${key} ${JSON.stringify(problem)}`);
    return problem["detail"] as string;
  };
  assert.match(await taken("callQueueCreate", { name: "Q", number: "101" }), /extension Anna/);
  await make("parkingLotCreate", { name: "Lot", number: "600", firstSlot: "601", slots: 9 });
  assert.match(await taken("phoneMenuCreate", { name: "M", number: "605" }), /parking lot Lot/);
  assert.match(await taken("parkingLotCreate", { name: "Second", number: "620", firstSlot: "609", slots: 3 }), /609/);
  assert.equal((await ask("owner", "extensionCreate", { params: within, body: { number: "605", name: "X" } })).status, 409);
  assert.equal(
    (await ask("owner", "parkingLotCreate", { params: within, body: { name: "L", number: "98", firstSlot: "95", slots: 9 } }))
      .status,
    400,
  );
  const help = await ask("owner", "ringGroupCreate", { params: within, body: { name: "Help", number: "112" } });
  assert.equal(help.status, 400);
  assert.match(help.body["detail"], /calls for help/);
  await make("phoneMenuCreate", { name: "M", number: "610" });
});

test("only what is there can be a destination, and what is one is not deleted", async () => {
  const missing = newId("ringGroup");
  const { status, body } = await ask("owner", "callQueueCreate", {
    params: within,
    body: { name: "Lost", overflow: { kind: "ring_group", id: missing } },
  });
  assert.equal(status, 400);
  assert.match(body["detail"], /no ring group/);
  assert.equal(body["fields"]?.[0]?.path ?? body["errors"]?.[0]?.path, "body.overflow");

  const group = await make("ringGroupCreate", { name: "Night", members: [{ target: toAnna }] });
  const menu = await make("phoneMenuCreate", { name: "Main", keys: { "1": { kind: "ring_group", id: group["id"] } } });
  const refused = await ask("owner", "ringGroupDelete", { params: { ringGroup: group["id"] } });
  assert.equal(refused.status, 409);
  assert.match(refused.body["detail"], /ring group Night is used by the menu Main\. Change that first/);
  const extensionRefused = await ask("owner", "extensionDelete", { params: { extension: anna["id"] } });
  assert.equal(extensionRefused.status, 409);
  assert.match(extensionRefused.body["detail"], /ring group Night/);

  await as("owner", "phoneMenuUpdate", {
    params: { phoneMenu: menu["id"] },
    body: { keys: {}, layout: { greeting: { x: 1, y: 2.5 } } },
  });
  await as("owner", "ringGroupDelete", { params: { ringGroup: group["id"] } });
  assert.equal((await ask("owner", "ringGroupGet", { params: { ringGroup: group["id"] } })).status, 404);
  assert.equal((await ask("owner", "ringGroupGet", { params: { ringGroup: menu["id"] } })).status, 400, "the id of another kind");
});

test("PINs of a conference room are sealed, and shown to those who may change it", async () => {
  await member("viewer", "viewer");
  const room = await make("conferenceRoomCreate", { name: "Board", number: "300", pin: "1234", moderatorPin: "98765" });
  const params = { conferenceRoom: room["id"] };
  assert.equal((await as("owner", "conferenceRoomGet", { params }))["pin"], "1234");
  const seen = await as("viewer", "conferenceRoomGet", { params });
  assert.equal(seen["name"], "Board");
  assert.ok(!("pin" in seen) && !("moderatorPin" in seen));
  const [row] = await database.sql<
    { text: string }[]
  >`select row_to_json(e)::text as text from voice.elements e where id = ${room["id"]}`;
  assert.ok(row && !row.text.includes("1234") && !row.text.includes("98765"));
  const audited = await database.sql<
    { text: string }[]
  >`select row_to_json(a)::text as text from kernel.audit_entries a where resource_id = ${room["id"]}`;
  assert.ok(audited.length > 0 && audited.every(({ text }) => !text.includes("98765")));

  const [planned] = (await plan()).conferenceRooms;
  assert.deepEqual(openPins(cloud.cloud.secrets, planned as never), { pin: "1234", moderatorPin: "98765" });
  const without = await as("owner", "conferenceRoomUpdate", { params, body: { pin: null } });
  assert.equal(without["pin"], undefined);
  assert.equal(without["moderatorPin"], "98765");
});

test("agents log in and pause; who is taken out of a queue is forgotten", async () => {
  const userId = await member("carla", "viewer");
  const carla = await extension("103", "Carla", userId);
  const queue = await make("callQueueCreate", {
    name: "Help",
    agents: [{ extension: carla["id"] }, { extension: boris["id"], priority: 2 }],
  });
  const params = { callQueue: queue["id"] };
  const agents = async () => (await as("owner", "queueAgentList", { params }))["items"] as Json[];
  assert.deepEqual(
    (await agents()).map(({ extensionNumber, loggedIn, priority }) => [extensionNumber, loggedIn, priority]),
    [
      ["102", false, 2],
      ["103", false, 1],
    ],
  );
  assert.equal((await ask("carla", "queueAgentUpdate", { params: { ...params, extension: carla["id"] }, body: {} })).status, 403);
  assert.equal((await ask("carla", "myQueueUpdate", { params, body: { paused: true } })).status, 400, "not logged in yet");
  await as("carla", "myQueueUpdate", { params, body: { loggedIn: true } });
  const paused = await as("carla", "myQueueUpdate", { params, body: { paused: true, pauseReason: "Lunch" } });
  assert.deepEqual([paused["loggedIn"], paused["paused"], paused["pauseReason"]], [true, true, "Lunch"]);
  assert.equal((await as("carla", "myQueueList"))["items"].length, 1);
  assert.equal((await ask("viewer", "myQueueUpdate", { params, body: { loggedIn: true } })).status, 404);
  const planned = (await plan()).queues.find(({ id }) => id === queue["id"]);
  assert.deepEqual(planned?.states, [{ extensionId: carla["id"], loggedIn: true, paused: true, pauseReason: "Lunch" }]);

  await as("owner", "callQueueUpdate", { params, body: { agents: [{ extension: boris["id"] }] } });
  assert.deepEqual((await plan()).queues.find(({ id }) => id === queue["id"])?.states, []);
  const twice = { agents: [{ extension: boris["id"] }, { extension: boris["id"], priority: 3 }] };
  assert.equal((await ask("owner", "callQueueUpdate", { params, body: twice })).status, 400);
});

test("an announcement's recording is uploaded, heard with ranges, exchanged and metered", async () => {
  const announcement = await make("announcementCreate", { name: "Welcome", text: { en: "Welcome.", uk: "Вітаємо." } });
  const params = { announcement: announcement["id"] };
  assert.equal((await ask("owner", "announcementDownload", { params })).status, 404);
  const wav = writeWav({ sampleRate: 16_000, samples: Int16Array.from({ length: 400_000 }, (_, at) => (at * 7919) % 30_000) });
  const uploaded = await as("owner", "announcementUpload", { params, query: { fileName: "welcome.wav" }, bytes: wav });
  assert.equal(uploaded["audio"].seconds, 25);
  assert.equal(uploaded["audio"].sizeBytes, wav.length);
  const whole = await ask("viewer", "announcementDownload", { params });
  assert.equal(whole.status, 200);
  assert.deepEqual(whole.raw, wav);
  const part = await ask("owner", "announcementDownload", { params, headers: { range: "bytes=262000-262299" } });
  assert.equal(part.status, 206);
  assert.equal(part.headers["content-range"], `bytes 262000-262299/${wav.length}`);
  assert.deepEqual(part.raw, wav.subarray(262_000, 262_300), "over the seam of two pieces");
  assert.deepEqual(
    (await ask("owner", "announcementDownload", { params, headers: { range: "bytes=-10" } })).raw,
    wav.subarray(-10),
  );
  const beyond = await ask("owner", "announcementDownload", { params, headers: { range: `bytes=${wav.length}-` } });
  assert.equal(beyond.status, 416);
  assert.equal(beyond.headers["content-range"], `bytes */${wav.length}`);
  const known = { "if-none-match": String(whole.headers["etag"]) };
  assert.equal((await ask("owner", "announcementDownload", { params, headers: known })).status, 304);

  const refused = await ask("owner", "announcementUpload", { params, bytes: Buffer.from("no sound at all") });
  assert.equal(refused.status, 400);
  assert.equal((await ask("owner", "announcementUpload", { params, bytes: Buffer.alloc(11 * 2 ** 20) })).status, 413);
  const short = writeWav({ sampleRate: 16_000, samples: new Int16Array(16_000) });
  await as("owner", "announcementUpload", { params, bytes: short });
  const spans = await database.sql<{ quantity: string; open: boolean }[]>`
    select quantity::text, to_at is null as open from kernel.usage_records where meter = 'voice.recording.bytes' order by recorded_at, id`;
  assert.deepEqual(
    spans.map(({ quantity, open }) => [Number(quantity), open]),
    [
      [wav.length, false],
      [short.length, true],
    ],
  );
  const [pieces] = await database.sql<{ count: number }[]>`select count(*)::int as count from voice.audio_pieces`;
  assert.equal(pieces?.count, 1, "the old one is gone");
  const reference = (await plan()).announcements.find(({ id }) => id === announcement["id"])?.audio;
  assert.equal(reference?.seconds, 1);
  await as("owner", "phoneSystemUpdate", { params: within, body: { musicOnHold: announcement["id"] } });
  const held = await ask("owner", "announcementDelete", { params });
  assert.match(held.body["detail"], /announcement Welcome is used by the settings of the phone system/);
  await as("owner", "phoneSystemUpdate", { params: within, body: { musicOnHold: null } });
  await as("owner", "announcementDelete", { params });
  const [left] = await database.sql<{ count: number }[]>`select count(*)::int as count from voice.audio`;
  assert.equal(left?.count, 0);
});

test("every other kind is made, changed and deleted", async () => {
  const kinds: [string, Json, Json][] = [
    [
      "timeCondition",
      { name: "Hours", hours: [{ days: [1, 2], from: "08:00", to: "17:00" }], open: toAnna },
      { override: "closed" },
    ],
    ["pagingGroup", { name: "All", number: "400", members: [anna["id"]] }, { mode: "intercom" }],
    ["speedDial", { name: "Taxi", number: "77", target: { kind: "number", number: "+380441112233" } }, { number: "78" }],
    ["blockedCaller", { name: "Spam", pattern: "+33899*" }, { action: "busy" }],
  ];
  for (const [kind, body, change] of kinds) {
    const made = await make(`${kind}Create`, body);
    const params = { [kind]: made["id"] };
    const changed = await as("owner", `${kind}Update`, { params, body: change });
    for (const [name, value] of Object.entries(change)) assert.deepEqual(changed[name], value);
    assert.equal((await as("owner", `${kind}List`, { params: within }))["items"].length, 1);
    assert.equal((await ask("viewer", `${kind}Delete`, { params })).status, 403);
    await as("owner", `${kind}Delete`, { params });
  }
  const bad = { name: "Hours", timeZone: "Europe/Nowhere" };
  assert.equal((await ask("owner", "timeConditionCreate", { params: within, body: bad })).status, 400);
});

test("the directory has who can be dialled, by name", async () => {
  const { items } = await as("viewer", "phoneDirectoryList", { params: within, query: { search: "10" } });
  assert.deepEqual(
    items.map(({ number, name }: Json) => `${number} ${name}`),
    ["101 Anna", "102 Boris", "103 Carla", "610 M"],
  );
});

test("what people have of elements is counted against their quota", async () => {
  const used = async () => {
    const [row] = await database.sql<{ used: number }[]>`select used::int as used from kernel.quota_usage
      where name = 'voice.elements' and scope_id like 'prj_%'`;
    return row?.used;
  };
  const [rows] = await database.sql<{ count: number }[]>`select count(*)::int as count from voice.elements`;
  assert.equal(await used(), rows?.count);
});
