import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { newId } from "../../../kernel/ids.ts";
import { startCloud } from "../../../testing/cloud.ts";
import { writeWav } from "../prompts/wav.ts";
import { type Json, openOffice } from "../testing/office.ts";
import { retentionWorker } from "./retention.ts";
import { saveCallRecords, saveRecording, saveVoicemail } from "./saving.ts";
import type { CallRowWithLegs } from "./store/calls.ts";
import { voicemailChannel, voicemailStore } from "./store/voicemails.ts";

const { ask, as, member, extension, within, system, database, organisation, project } = await openOffice(await startCloud());
const annaUser = await member("anna", "viewer");
await member("boris", "viewer");
await member("editor", "editor");
const anna = (await extension("201", "Anna", annaUser))["id"];
const boris = (await extension("202", "Boris"))["id"];
const folder = mkdtempSync(join(tmpdir(), "khmara-records-"));
after(() => rmSync(folder, { recursive: true, force: true }));
const wav = writeWav({ sampleRate: 16_000, samples: Int16Array.from({ length: 300_000 }, (_, at) => (at * 31) % 20_000) });
const file = { path: join(folder, "sound.wav"), milliseconds: 18_750 };
writeFileSync(file.path, wav);

const trunk = newId("trunk");
const queue = newId("callQueue");
const iso = (at: string) => new Date(at);
/** A call from Anna to the outside, of two minutes. */
const call = (startedAt: string, change: Partial<CallRowWithLegs> = {}): CallRowWithLegs => ({
  id: newId("call", iso(startedAt).getTime()),
  organisationId: organisation as never,
  projectId: project as never,
  systemId: within.phoneSystem as never,
  direction: "outbound",
  outcome: "answered",
  fromNumber: "201",
  fromName: "Anna",
  toNumber: "+380441234567",
  toName: null,
  extensionIds: [anna],
  trunkId: trunk,
  phoneNumberId: null,
  queueId: null,
  serviceLevelSeconds: null,
  country: "UA",
  startedAt: iso(startedAt),
  answeredAt: new Date(iso(startedAt).getTime() + 5000),
  endedAt: new Date(iso(startedAt).getTime() + 125_000),
  waitSeconds: 5,
  talkSeconds: 120,
  cause: 200,
  reason: null,
  hungUpBy: "caller",
  cost: "0.02",
  price: "0.05",
  currency: "EUR",
  quality: { mos: 4.2, lossPercent: 0.1, jitterMs: 3 },
  legs: [
    {
      kind: "trunk",
      id: trunk,
      direction: "outbound",
      startedAt,
      answeredAt: new Date(iso(startedAt).getTime() + 5000).toISOString(),
    },
  ],
  ...change,
});
const save = (...rows: CallRowWithLegs[]) => database.transaction("system", (tx) => saveCallRecords(tx, rows));
const period = { from: "2026-05-01T00:00:00Z", to: "2026-06-01T00:00:00Z" };

const first = call("2026-05-04T21:30:00Z");
const second = call("2026-05-05T09:00:00Z", {
  direction: "inbound",
  fromNumber: "+33123456789",
  fromName: '=HYPERLINK("x")',
  toNumber: "300",
  extensionIds: [boris],
  queueId: queue,
  serviceLevelSeconds: 20,
  waitSeconds: 10,
  cost: null,
  price: null,
  legs: [],
});
const third = call("2026-05-05T10:00:00Z", {
  direction: "inbound",
  outcome: "abandoned",
  fromNumber: "+33123456789",
  toNumber: "300",
  extensionIds: [],
  queueId: queue,
  serviceLevelSeconds: 20,
  waitSeconds: 40,
  talkSeconds: 0,
  answeredAt: null,
  cost: null,
  price: null,
  legs: [],
});

test("a call is written once, with its usage and what it costs", async () => {
  const before = (await as("owner", "phoneSystemGet", { params: within }))["balance"];
  assert.deepEqual(await save(first), [first]);
  assert.deepEqual(await save(first, second), [second], "the first was written before");
  await save(third);
  const usage = await database.sql<{ quantity: string; resource: string; name: string }[]>`
    select quantity::text, resource_id as resource, resource_name as name from kernel.usage_records where meter = 'voice.call.seconds'`;
  assert.deepEqual(
    usage.map((row) => ({ ...row, quantity: Number(row.quantity) })),
    [{ quantity: 120, resource: trunk, name: "outbound" }],
  );
  const charges = await database.sql<{ quantity: string }[]>`
    select meter, unit, quantity::text, resource_kind as kind, resource_id as id, resource_name as name from kernel.usage_records
    where meter = 'voice.call.charges'`;
  assert.deepEqual(
    charges.map((row) => ({ ...row, quantity: Number(row.quantity) })),
    [
      {
        meter: "voice.call.charges",
        unit: "EUR",
        quantity: 0.05,
        kind: "destination",
        id: `${within.phoneSystem}-UA`,
        name: "UA",
      },
    ],
  );
  const after = (await as("owner", "phoneSystemGet", { params: within }))["balance"];
  assert.equal((Number(before) - Number(after)).toFixed(2), "0.05");
  const shown = await as("owner", "phoneCallGet", { params: { call: first.id } });
  assert.equal(shown["legs"].length, 1);
  assert.deepEqual(shown["quality"], first.quality);
});

test("calls are listed, filtered, and only by managers; everybody sees their own", async () => {
  const ids = async (who: string, key: string, query: Json = {}) =>
    (await as(who, key, { params: within, query }))["items"].map(({ id }: Json) => id);
  assert.deepEqual(await ids("editor", "phoneCallList"), [third.id, second.id, first.id]);
  const page = await as("editor", "phoneCallList", { params: within, query: { limit: 2 } });
  assert.deepEqual(await ids("editor", "phoneCallList", { limit: 2, cursor: page["nextCursor"] }), [first.id]);
  assert.deepEqual(await ids("editor", "phoneCallList", { direction: "inbound", outcome: "answered" }), [second.id]);
  assert.deepEqual(await ids("editor", "phoneCallList", { number: "4412" }), [first.id]);
  assert.deepEqual(await ids("editor", "phoneCallList", { extension: boris }), [second.id]);
  assert.deepEqual(await ids("editor", "phoneCallList", { queue }), [third.id, second.id]);
  assert.deepEqual(await ids("editor", "phoneCallList", { from: "2026-05-05T09:30:00Z" }), [third.id]);
  assert.equal((await ask("anna", "phoneCallList", { params: within })).status, 403);
  assert.deepEqual(await ids("anna", "myPhoneCallList"), [first.id]);
  assert.deepEqual(await ids("boris", "myPhoneCallList"), [], "the extension named Boris is not that person's");
  assert.equal((await ask("anna", "myPhoneCallList", { query: { extension: boris } })).status, 404);
});

test("calls are exported as CSV, in which no name is a formula", async () => {
  const { raw, headers } = await ask("editor", "phoneCallExport", { params: within, query: period });
  assert.match(String(headers["content-type"]), /^text\/csv/);
  const lines = raw.toString().split("\r\n");
  assert.equal(lines.length, 5, "a head, three calls, and the end of the last line");
  assert.match(lines[0] as string, /^id,started_at,/);
  assert.ok(lines[1]?.startsWith(`${first.id},2026-05-04T21:30:00.000Z,`));
  assert.ok(lines[1]?.includes(",+380441234567,"), "a number stays as it is");
  assert.ok(lines[2]?.includes(`"'=HYPERLINK(""x"")"`));
});

test("a report sums up by days of the phone system's time zone, by hour, extension, queue and more", async () => {
  const report = async (by: string) => as("editor", "phoneReportGet", { params: within, query: { by, ...period } });
  const keys = ({ lines }: Json) => lines.map(({ key, calls }: Json) => [key, calls]);
  const days = await report("day");
  // Paris: half past nine in the evening in UTC is half past eleven.
  assert.deepEqual(keys(days), [
    ["2026-05-04", 1],
    ["2026-05-05", 2],
  ]);
  assert.deepEqual(days["total"], {
    calls: 3,
    answered: 2,
    answeredPercent: 66.7,
    talkSeconds: 240,
    averageTalkSeconds: 120,
    averageWaitSeconds: 18.3,
    inServiceLevel: 1,
    serviceLevelPercent: 50,
    cost: "0.02",
    price: "0.05",
  });
  assert.deepEqual(keys(await report("hour")), [
    ["11", 1],
    ["12", 1],
    ["23", 1],
  ]);
  assert.deepEqual(keys(await report("weekday")), [
    ["1", 1],
    ["2", 2],
  ]);
  const extensions = await report("extension");
  assert.deepEqual(new Set(extensions["lines"].map(({ name }: Json) => name)), new Set(["201 Anna", "202 Boris"]));
  assert.deepEqual(keys(await report("queue")), [[queue, 2]]);
  assert.deepEqual(keys(await report("country")), [["UA", 3]]);
  assert.equal(
    (await ask("editor", "phoneReportGet", { params: within, query: { from: period.to, to: period.from } })).status,
    400,
  );
});

const leave = (extensionId: string) =>
  saveVoicemail(database, system, { extensionId: extensionId as never, fromNumber: "+33123456789", fromName: "Zoé", file });

test("a voicemail lights the lamp, is heard with ranges, saved, deleted, taken back and forwarded", async () => {
  const told: string[] = [];
  const listener = await database.listen(voicemailChannel, (payload) => told.push(payload));
  const { id } = await leave(anna);
  const params = { voicemail: id };
  const counts = (of: string) => database.transaction("system", (tx) => voicemailStore.counts(tx, of));
  assert.deepEqual(await counts(anna), { new: 1, saved: 0 });
  while (told.length === 0) await new Promise((resolve) => setTimeout(resolve, 10));
  assert.deepEqual(told, [`${within.phoneSystem} ${anna}`]);

  const heard = await ask("anna", "myVoicemailDownload", { params });
  assert.deepEqual(heard.raw, wav);
  const part = await ask("anna", "myVoicemailDownload", { params, headers: { range: "bytes=262140-262150" } });
  assert.deepEqual(part.raw, wav.subarray(262_140, 262_151));
  for (const key of ["myVoicemailDownload", "myVoicemailUpdate", "myVoicemailDelete", "myVoicemailForward"])
    assert.equal(
      (await ask("boris", key, { params, body: key.endsWith("Forward") ? { extension: boris } : {} })).status,
      404,
      key,
    );

  const saved = await as("anna", "myVoicemailUpdate", { params, body: { folder: "saved", heard: true } });
  assert.deepEqual([saved["folder"], saved["heard"], saved["seconds"]], ["saved", true, 18.75]);
  assert.deepEqual(await counts(anna), { new: 0, saved: 1 });
  await as("anna", "myVoicemailUpdate", { params, body: { folder: "deleted" } });
  assert.equal((await as("anna", "myVoicemailList"))["items"].length, 0);
  assert.equal((await as("anna", "myVoicemailList", { query: { folder: "deleted" } }))["items"].length, 1);
  await as("anna", "myVoicemailUpdate", { params, body: { folder: "new" } });

  await as("anna", "myVoicemailForward", { params, body: { extension: boris, note: "For you" } });
  const { items } = await as("owner", "voicemailList", { params: within, query: { extension: boris } });
  assert.deepEqual([items[0].forwardedBy, items[0].note, items[0].fromName], ["201 Anna", "For you", "Zoé"]);
  await as("anna", "myVoicemailDelete", { params });
  assert.deepEqual(
    (await ask("owner", "voicemailDownload", { params: { voicemail: items[0].id } })).raw,
    wav,
    "a copy of its own",
  );
  assert.equal((await ask("editor", "voicemailDownload", { params: { voicemail: items[0].id } })).status, 403);
  await listener.close();
});

test("a recording is listed with its call, listening is audited, and a legal hold keeps it", async () => {
  const recording = await saveRecording(database, system, {
    callId: first.id,
    extensionIds: [anna],
    fromNumber: "201",
    toNumber: "+380441234567",
    file,
  });
  const params = { recording };
  const listed = await as("owner", "recordingList", { params: within, query: { call: first.id } });
  assert.equal(listed["items"].length, 1);
  assert.ok(listed["items"][0].deletesAt > new Date().toISOString());
  assert.deepEqual((await as("owner", "phoneCallGet", { params: { call: first.id } }))["recordingIds"], [recording]);
  assert.deepEqual((await ask("owner", "recordingDownload", { params })).raw, wav);
  assert.deepEqual((await ask("anna", "myRecordingDownload", { params })).raw, wav);
  assert.equal((await ask("boris", "myRecordingDownload", { params })).status, 404);
  assert.equal((await ask("editor", "recordingDownload", { params })).status, 403);
  const { items } = await as("owner", "auditEntryList", { query: { organisation, limit: 1000 } });
  const listened = items.filter(({ action, resource }: Json) => action === "voice.recording.read" && resource.id === recording);
  assert.equal(listened.length, 2);

  await as("owner", "recordingUpdate", { params, body: { legalHold: true } });
  assert.equal((await ask("owner", "recordingDelete", { params })).status, 409);
  await database.sql`update voice.recordings set created_at = now() - interval '20 years' where id = ${recording}`;
  const worker = retentionWorker({ database });
  await worker.run(new AbortController().signal);
  assert.equal((await as("owner", "recordingList", { params: within }))["items"].length, 1, "held");
  await as("owner", "recordingUpdate", { params, body: { legalHold: false } });
  await worker.run(new AbortController().signal);
  assert.equal((await as("owner", "recordingList", { params: within }))["items"].length, 0);
  const [audio] = await database.sql<
    { count: number }[]
  >`select count(*)::int as count from voice.audio where owner_id = ${recording}`;
  assert.equal(audio?.count, 0);
});

test("voicemails go when they are too old, and a week after they were deleted", async () => {
  const [kept, deleted, old] = [await leave(anna), await leave(anna), await leave(anna)];
  await as("anna", "myVoicemailUpdate", { params: { voicemail: deleted.id }, body: { folder: "deleted" } });
  await database.sql`update voice.voicemails set deleted_at = now() - interval '8 days' where id = ${deleted.id}`;
  await database.sql`update voice.voicemails set created_at = now() - interval '20 years' where id = ${old.id}`;
  await retentionWorker({ database }).run(new AbortController().signal);
  const left = await database.sql<{ id: string }[]>`select id from voice.voicemails where extension_id = ${anna}`;
  assert.deepEqual(
    left.map(({ id }) => id),
    [kept.id],
  );
});

test("greetings are one's own: uploaded, exchanged, heard, deleted", async () => {
  const params = { extension: anna, kind: "unavailable" };
  const greeting = await as("anna", "myVoicemailGreetingUpload", { params, bytes: wav });
  assert.equal(greeting["seconds"], 18.75);
  const short = writeWav({ sampleRate: 16_000, samples: new Int16Array(16_000) });
  await as("editor", "voicemailGreetingUpload", { params, bytes: short });
  assert.deepEqual((await ask("anna", "myVoicemailGreetingDownload", { params })).raw, short);
  assert.equal((await as("anna", "myVoicemailGreetingList", { params: { extension: anna } }))["items"].length, 1);
  assert.equal((await ask("boris", "myVoicemailGreetingUpload", { params, bytes: short })).status, 404);
  assert.equal((await ask("anna", "voicemailGreetingDelete", { params })).status, 403);
  await as("anna", "myVoicemailGreetingDelete", { params });
  assert.equal((await ask("anna", "myVoicemailGreetingDownload", { params })).status, 404);
});

test("with an extension its voicemails go, and are metered no longer", async () => {
  const carla = (await extension("203", "Carla"))["id"];
  const { audioId } = await leave(carla);
  const open = async () => {
    const [row] = await database.sql<
      { open: boolean }[]
    >`select to_at is null as open from kernel.usage_records where resource_id = ${audioId}`;
    return row?.open;
  };
  assert.equal(await open(), true);
  await as("owner", "extensionDelete", { params: { extension: carla } });
  assert.equal(await open(), false);
  const [pieces] = await database.sql<
    { count: number }[]
  >`select count(*)::int as count from voice.audio_pieces where audio_id = ${audioId}`;
  assert.equal(pieces?.count, 0);
});
