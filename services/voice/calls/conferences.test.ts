import assert from "node:assert/strict";
import { test } from "node:test";
import { startCloud } from "../../../testing/cloud.ts";
import { installTestTools, phoneTools } from "../../../tools/test-tools.ts";
import type { Baresip } from "../testing/baresip.ts";
import { whenSaid } from "../testing/clips.ts";
import type { Json } from "../testing/office.ts";
import { endOf, toneLevel } from "../testing/tones.ts";
import { openHouse } from "./testing/house.ts";

await installTestTools(phoneTools);
const house = await openHouse(startCloud);
const { as, ask, within } = house.office;
const accounts = await Promise.all(
  ["101 Ann", "102 Bob", "103 Carol"].map((each) => house.account(each.slice(0, 3), each.slice(4))),
);
const tones = [440, 640, 840] as const;
const phones = await Promise.all(accounts.map((account, index) => house.phone(account, { toneHz: tones[index] as number })));
const [atAnn, atBob, atCarol] = phones as [Baresip, Baresip, Baresip];
const room = await as("owner", "conferenceRoomCreate", {
  params: within,
  body: { name: "Board", number: "500", pin: "1234", moderatorPin: "98765", waitForModerator: true, muteOnEntry: true },
});
const params = { conferenceRoom: room["id"] };
const live = () => as("owner", "conferenceLiveGet", { params });
const members = async () => (await live())["members"] as Json[];
const act = (action: object) => as("owner", "conferenceAct", { params, body: { do: action } });
/** What is told of each, by number. */
const untilMembers = (field: string, wanted: Record<string, unknown>) =>
  house.until(
    async () => {
      const now = Object.fromEntries((await members()).map((member) => [member["number"], member[field]]));
      return JSON.stringify(now) === JSON.stringify(wanted);
    },
    `${field}: ${JSON.stringify(wanted)}`,
  );
const untilSaid = (phone: Baresip, clip: string) =>
  house.until(async () => {
    const sound = (await phone.heard()).at(-1);
    return sound !== undefined && (await whenSaid(sound, "fr", clip)) !== undefined;
  }, `"${clip}"`);
/** Ann hears these and none of the others' tones. */
const untilAnnHears = (...wanted: number[]) =>
  house.until(async () => {
    const { samples, sampleRate } = endOf((await atAnn.heard()).at(-1) as never, 0.5);
    return tones.slice(1).every((tone) => toneLevel(samples, sampleRate, tone) > -30 === wanted.includes(tone));
  }, `that Ann hears ${wanted}`);
const enter = async (phone: Baresip, pin: string) => {
  phone.forget();
  await phone.dial("500");
  await phone.established();
  await phone.press(`${pin}#`);
};

test("a wrong PIN, the right one; guests wait for the moderator", async () => {
  await enter(atBob, "0000");
  await untilSaid(atBob, "wrong_pin");
  await atBob.press("1234#");
  await untilSaid(atBob, "conference_wait");
  const [guest] = await members();
  assert.deepEqual(
    [guest?.["name"], guest?.["moderator"], guest?.["waiting"], guest?.["muted"], guest?.["talking"]],
    ["Bob", false, true, true, false],
  );
  await enter(atAnn, "98765");
  await untilMembers("waiting", { 102: false, 101: false });
  await untilMembers("moderator", { 102: false, 101: true });
  await untilMembers("talking", { 102: true, 101: true });
});

test("guests come in muted and announced; the moderator lets them speak, and silences them, by API and by keys", async () => {
  await untilAnnHears();
  await act({ action: "unmute", callId: (await members())[0]?.["callId"] });
  await untilAnnHears(640);
  await atAnn.press("*7");
  await untilMembers("muted", { 102: true, 101: false });
  await untilAnnHears();
  await enter(atCarol, "1234");
  await untilSaid(atAnn, "conference_somebody_joined");
  await untilMembers("muted", { 102: true, 101: false, 103: true });
  await atAnn.press("*7");
  await untilAnnHears(640, 840);
  await atBob.press("*6");
  await untilAnnHears(840);
  await untilMembers("muted", { 102: true, 101: false, 103: false });
  await act({ action: "mute_all" });
  await untilAnnHears();
});

test("somebody is called into the room without a PIN, also a locked one; nobody is called who may not be", async () => {
  await act({ action: "lock" });
  await atCarol.hangUp();
  await atCarol.closed();
  await untilMembers("muted", { 102: true, 101: false });
  atCarol.forget();
  const extensionId = accounts[0]?.extensionId;
  await act({ action: "invite", number: "103", extension: extensionId });
  await atCarol.answer();
  await untilMembers("moderator", { 102: false, 101: true, 103: false });
  await untilMembers("muted", { 102: true, 101: false, 103: true });
  await act({ action: "unlock" });
  for (const number of ["112", "*97", "999", "+380441234567"]) {
    const refused = await ask("owner", "conferenceAct", {
      params,
      body: { do: { action: "invite", number, extension: extensionId } },
    });
    assert.equal(refused.status, 409, `${number}: ${JSON.stringify(refused.body)}`);
  }
});

test("the moderator locks the room, sends guests away, and ends it", async () => {
  await atAnn.press("*9");
  await untilSaid(atCarol, "conference_removed");
  await atCarol.closed();
  await untilSaid(atAnn, "conference_somebody_left");
  await atBob.press("*8");
  assert.equal((await live())["locked"], false, "guests lock nothing");
  await atAnn.press("*8");
  await house.until(async () => (await live())["locked"], "that it is locked");
  await enter(atCarol, "1234");
  await untilSaid(atCarol, "conference_locked");
  await atCarol.closed();
  await act({ action: "unlock" });
  await enter(atCarol, "1234");
  await untilMembers("moderator", { 102: false, 101: true, 103: false });
  await act({ action: "remove", callId: (await members())[0]?.["callId"] });
  await untilSaid(atBob, "conference_removed");
  await atBob.closed();
  await act({ action: "end" });
  for (const phone of [atAnn, atCarol]) {
    await untilSaid(phone, "conference_ended");
    await phone.closed();
  }
  await house.until(async () => (await members()).length === 0, "that nobody is there");
  assert.equal((await ask("owner", "conferenceAct", { params, body: { do: { action: "lock" } } })).status, 404);
});
