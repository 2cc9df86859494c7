import assert from "node:assert/strict";
import { test } from "node:test";
import { startCloud } from "../../../testing/cloud.ts";
import { installTestTools, phoneTools } from "../../../tools/test-tools.ts";
import type { Json } from "../testing/office.ts";
import { startSipp } from "../testing/sipp.ts";
import { endOf, findTone } from "../testing/tones.ts";
import { openHouse } from "./testing/house.ts";

await installTestTools(phoneTools);
const house = await openHouse(startCloud);
const { as, within } = house.office;
const provider = "127.0.0.61";
const number = "+33142685300";
const parties = 30;
const [ann, bob] = await Promise.all([
  house.phone(await house.account("101", "Ann"), { toneHz: 440 }),
  house.phone(await house.account("102", "Bob"), { toneHz: 620 }),
]);
const room = await as("owner", "conferenceRoomCreate", {
  params: within,
  body: { name: "All hands", number: "500", maxParties: 50, announceJoin: false, announceLeave: false },
});

test("thirty are in one conference: two phones of ours hear each other, and 28 callers come over a trunk and stay", async (t) => {
  await as("owner", "phoneSystemUpdate", { params: within, body: { limits: { maxExternalCalls: parties } } });
  const line = { kind: "ip", transport: "udp", qualifySeconds: 0, host: provider, sourceAddresses: [provider] };
  await as("owner", "trunkCreate", { params: within, body: { name: "In", ...line } });
  const destination = { kind: "conference", id: room["id"] };
  await as("owner", "phoneNumberCreate", { params: within, body: { number, destination } });
  const callers = await startSipp({
    ...{ scenario: "uac", host: provider, target: `127.0.0.1:${house.phones.sipPort}`, service: number },
    ...{ calls: parties - 2, limit: parties, rate: 5, seconds: 45 },
  });
  t.after(() => callers.close());
  for (const phone of [ann, bob]) {
    await phone.dial("500");
    await phone.established();
  }
  const members = async () => (await as("owner", "conferenceLiveGet", { params: { conferenceRoom: room["id"] } }))["members"];
  await house.until(async () => (await members()).length === parties, "thirty members");
  const [atAnn, atBob] = await Promise.all([ann.heardFor(12), bob.heardFor(12)]);
  assert.equal((await members()).length, parties);
  // What was said while they came is not measured; a busy machine makes gaps of its own.
  for (const [sound, hz] of [
    [endOf(atAnn, 8), 620],
    [endOf(atBob, 8), 440],
  ] as const) {
    const { heardMs, gaps, level } = findTone(sound, hz);
    t.diagnostic(`${hz} Hz: heard ${heardMs} ms of 8000, ${gaps.length} gaps, ${level.toFixed(1)} dB`);
    assert.ok(heardMs > 4000 && Math.abs(level + 9) < 2, JSON.stringify({ heardMs, level, gaps }));
  }
  for (const phone of [ann, bob]) {
    await phone.hangUp();
    await phone.closed();
  }
  const { successful, failed } = await callers.finished();
  assert.deepEqual([successful, failed], [parties - 2, 0]);
});

test("the report and the CSV tell of calls that were made: how many, by which trunk, how long, and which were missed", async () => {
  const missed = "+33142685301";
  const carol = await house.account("103", "Carol", { voicemail: { enabled: false } });
  const destination = { kind: "extension", id: carol.extensionId };
  await as("owner", "phoneNumberCreate", { params: within, body: { number: missed, destination } });
  const from = new Date().toISOString();
  const call = (service: string, calls: number, seconds: number) =>
    startSipp({
      ...{ scenario: "uac", host: provider, target: `127.0.0.1:${house.phones.sipPort}`, service, calls, rate: 5, seconds },
    });
  const callers = await Promise.all([call(number, 6, 3), call(missed, 3, 0)]);
  const figures = await Promise.all(callers.map((sipp) => sipp.finished()));
  await Promise.all(callers.map((sipp) => sipp.close()));
  assert.deepEqual(
    figures.map(({ successful, failed }) => [successful, failed]),
    [
      [6, 0],
      [0, 3],
    ],
  );
  const period = { from, to: new Date(Date.now() + 60_000).toISOString() };
  const list = async () => (await as("owner", "phoneCallList", { params: within, query: { ...period, limit: 100 } }))["items"];
  await house.until(async () => (await list()).length === 9, "nine records");
  const report = await as("owner", "phoneReportGet", { params: within, query: { ...period, by: "trunk" } });
  const [line] = report["lines"];
  assert.deepEqual([report["lines"].length, line.name, line.calls, line.answered], [1, "In", 9, 6]);
  // Each of the six talked for three seconds; a busy machine takes its time to hang up.
  assert.ok(line.talkSeconds >= 17.5 && line.talkSeconds < 120, `${line.talkSeconds} s`);
  const ofCarol = await as("owner", "phoneReportGet", { params: within, query: { ...period, by: "extension" } });
  assert.deepEqual(
    ofCarol["lines"].map(({ name, calls, answered }: Json) => [name, calls, answered]),
    [["103 Carol", 3, 0]],
  );
  const { raw } = await house.office.ask("owner", "phoneCallExport", { params: within, query: period });
  const rows = String(raw).trim().split(/\r?\n/).slice(1);
  assert.equal(rows.length, 9);
  assert.equal(rows.filter((row) => row.includes(missed)).length, 3);
});
