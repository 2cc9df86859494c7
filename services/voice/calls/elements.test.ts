import assert from "node:assert/strict";
import { test } from "node:test";
import { startCloud } from "../../../testing/cloud.ts";
import { installTestTools, phoneTools } from "../../../tools/test-tools.ts";
import { type Sound, writeWav } from "../prompts/wav.ts";
import type { Baresip } from "../testing/baresip.ts";
import { whenSaid } from "../testing/clips.ts";
import type { Json } from "../testing/office.ts";
import { endOf, findTone, tone, toneLevel } from "../testing/tones.ts";
import { type Account, openHouse } from "./testing/house.ts";

await installTestTools(phoneTools);
const house = await openHouse(startCloud);
const noVoicemail = { voicemail: { enabled: false } };
const [ann, bob, carol, dan] = await Promise.all([
  house.account("101", "Ann", noVoicemail),
  house.account("102", "Bob", noVoicemail),
  house.account("103", "Carol", noVoicemail),
  house.account("104", "Dan", noVoicemail),
]);
const [atAnn, atBob, atCarol, atDan] = await Promise.all([
  house.phone(ann, { toneHz: 440 }),
  house.phone(bob, { toneHz: 620, traced: true }),
  house.phone(carol, { toneHz: 1000 }),
  house.phone(dan, { toneHz: 1200 }),
]);
const make = (key: string, body: object) => house.office.as("owner", key, { params: house.office.within, body });
const forget = () => {
  for (const phone of [atAnn, atBob, atCarol, atDan]) phone.forget();
};

const extension = ({ extensionId }: Account) => ({ kind: "extension", id: extensionId });
/** It rings, and answers. */
const talk = async (phone: Baresip) => {
  await house.until(async () => (await phone.calls()) > 0, "a call to take");
  await phone.command("accept");
  await phone.established();
};
const over = async (phone: Baresip) => {
  await atAnn.hangUp();
  await phone.closed();
};
const untilSaid = (clip: string) =>
  house.until(async () => {
    const sound = (await atAnn.heard()).at(-1);
    return sound !== undefined && (await whenSaid(sound, "fr", clip)) !== undefined;
  }, `"${clip}"`);

test("ring groups: all at once, one after the other, each in turn, and elsewhere when nobody answers", async () => {
  const members = [bob, carol].map((account) => ({ target: extension(account) }));
  const group = await make("ringGroupCreate", { name: "Sales", number: "200", members, noAnswer: extension(dan) });
  const change = (body: object) => house.office.as("owner", "ringGroupUpdate", { params: { ringGroup: group["id"] }, body });
  forget();
  await atAnn.dial("200");
  await atBob.next("CALL_INCOMING");
  await atCarol.next("CALL_INCOMING");
  await talk(atCarol);
  await atBob.closed();
  // So that it shows no missed call (RFC 3326).
  await house.until(
    () => /^Reason: SIP;cause=200;text="Call completed elsewhere"/m.test(atBob.output),
    "that Bob's phone is told why",
  );
  // Whoever talks is left out; with a delay one rings after the others.
  await make("ringGroupCreate", {
    ...{ name: "Help", number: "201", namePrefix: "Help", skipBusy: true },
    members: [{ target: extension(bob), delaySeconds: 3 }, { target: extension(carol) }, { target: extension(dan) }],
  });
  atDan.forget();
  await atDan.dial("201");
  assert.equal(((await atBob.next("CALL_INCOMING")) as Json)["peerdisplayname"], "Help Dan");
  assert.equal(await atCarol.calls(), 1, "Carol talks to Ann alone");
  await atDan.hangUp();
  await atBob.closed();
  await over(atCarol);
  atDan.forget();
  await atDan.dial("201");
  await atCarol.next("CALL_INCOMING");
  assert.equal(await atBob.calls(), 0, "Bob rings later");
  await atBob.next("CALL_INCOMING");
  await atDan.hangUp();
  await Promise.all([atBob.closed(), atCarol.closed()]);

  await change({ strategy: "in_order", ringSeconds: 3 });
  forget();
  await atAnn.dial("200");
  await atBob.next("CALL_INCOMING");
  assert.equal(await atCarol.calls(), 0, "one after the other");
  await atCarol.next("CALL_INCOMING");
  await atBob.closed();
  await atDan.next("CALL_INCOMING");
  await atCarol.closed();
  await talk(atDan);
  await over(atDan);

  await change({ strategy: "round_robin", ringSeconds: 20 });
  const [first, second] = [atBob, atCarol];
  for (const phone of [first, second, first]) {
    forget();
    await atAnn.dial("200");
    await phone.next("CALL_INCOMING");
    assert.equal(await (phone === first ? second : first).calls(), 0, "each in turn");
    await over(phone);
  }

  await change({ strategy: "random" });
  const rung = new Set<string>();
  for (let calls = 0; calls < 30 && rung.size < 2; calls++) {
    forget();
    await atAnn.dial("200");
    let counts = [0, 0];
    await house.until(async () => {
      counts = await Promise.all([atBob.calls(), atCarol.calls()]);
      return counts.some((count) => count > 0);
    }, "that one rings");
    assert.deepEqual(counts.toSorted(), [0, 1], "one at a time");
    rung.add(counts[0] === 1 ? "Bob" : "Carol");
    await over(counts[0] === 1 ? atBob : atCarol);
  }
  assert.equal(rung.size, 2, "each of them by chance");
});

test("a menu: wrong keys and none, a key, a number dialled, and its fallback", async () => {
  const menu = await make("phoneMenuCreate", {
    name: "Welcome",
    number: "300",
    greeting: { kind: "text", text: { fr: "Tapez un." } },
    keys: { 1: extension(bob) },
    directDial: true,
    timeoutSeconds: 2,
    retries: 2,
    fallback: extension(dan),
  });
  forget();
  await atAnn.dial("300");
  await atAnn.established();
  await atAnn.press("9");
  await untilSaid("invalid_choice");
  await untilSaid("nothing_entered");
  await atAnn.press("1");
  await atBob.next("CALL_INCOMING");
  await talk(atBob);
  assert.ok(findTone(await atBob.heardFor(2), 440).heardMs > 1000);
  await over(atBob);

  forget();
  await atAnn.dial("300");
  await atAnn.established();
  await atAnn.press("103");
  await atCarol.next("CALL_INCOMING");
  await atAnn.hangUp();
  await atCarol.closed();

  // Its own words for a wrong key; and whoever knows a name finds the person by its keys.
  const wrong = await make("announcementCreate", { name: "No" });
  const bytes = Buffer.from(writeWav(tone([2100], 1, { sampleRate: 16_000 })));
  await house.office.as("owner", "announcementUpload", { params: { announcement: wrong["id"] }, bytes });
  const invalidMessage = { kind: "announcement", id: wrong["id"] };
  await house.office.as("owner", "phoneMenuUpdate", {
    params: { phoneMenu: menu["id"] },
    body: { invalidMessage, keys: { 5: { kind: "directory" } }, timeoutSeconds: 10 },
  });
  forget();
  await atAnn.dial("300");
  await atAnn.established();
  await atAnn.press("9");
  await house.until(async () => findTone((await atAnn.heard()).at(-1) as Sound, 2100).heardMs > 800, "its own words");
  await atAnn.press("5227");
  await untilSaid("directory_press");
  await atAnn.press("1");
  await talk(atCarol);
  await over(atCarol);

  await house.office.as("owner", "phoneMenuUpdate", {
    params: { phoneMenu: menu["id"] },
    body: { retries: 0, timeoutSeconds: 2 },
  });
  forget();
  await atAnn.dial("300");
  await atDan.next("CALL_INCOMING");
  await talk(atDan);
  await over(atDan);
});

test("an announcement is heard on a holiday, and the call goes on", async () => {
  const announcement = await make("announcementCreate", { name: "Holiday", afterwards: extension(dan) });
  const bytes = Buffer.from(writeWav(tone([1500], 2, { sampleRate: 16_000 })));
  await house.office.as("owner", "announcementUpload", { params: { announcement: announcement["id"] }, bytes });
  const day = (ms: number) => new Date(Date.now() + ms).toISOString().slice(0, 10);
  const condition = await make("timeConditionCreate", {
    name: "Hours",
    hours: [{ days: [1, 2, 3, 4, 5, 6, 7], from: "00:00", to: "24:00" }],
    holidays: [{ name: "Today", from: day(-864e5), to: day(864e5) }],
    open: extension(bob),
    onHoliday: { kind: "announcement", id: announcement["id"] },
  });
  await make("speedDialCreate", { name: "Shop", number: "710", target: { kind: "time_condition", id: condition["id"] } });
  forget();
  await atAnn.dial("710");
  await atDan.next("CALL_INCOMING");
  assert.ok(findTone(await atAnn.heardFor(2), 1500).heardMs > 1500);
  await talk(atDan);
  await over(atDan);
});

test("do not disturb is turned on and off by its codes", async () => {
  forget();
  await atBob.dial("*78");
  await atBob.closed();
  await atAnn.dial("102");
  assert.match((await atAnn.closed()).param ?? "", /486/);
  forget();
  await atBob.dial("*79");
  await atBob.closed();
  await atAnn.dial("102");
  await atBob.answer();
  await atAnn.established();
  await atAnn.hangUp();
  await atBob.closed();
});

test("another phone picks up what rings", async () => {
  forget();
  await atAnn.dial("102");
  await atBob.next("CALL_INCOMING");
  await atCarol.dial("**102");
  await atCarol.established();
  await atBob.closed();
  assert.ok(findTone(await atCarol.heardFor(2), 440).heardMs > 1000);
  await atAnn.hangUp();
  await atCarol.closed();
});

test("a call that is parked by transfer is fetched at its slot", async () => {
  await make("parkingLotCreate", { name: "Lot", number: "600", firstSlot: "601", slots: 3 });
  forget();
  await atAnn.dial("102");
  await atBob.answer();
  await atAnn.established();
  await atBob.transfer("600");
  await atBob.closed();
  await atCarol.dial("601");
  await atCarol.established();
  assert.ok(findTone(await atCarol.heardFor(2), 440).heardMs > 1000);
  await atAnn.hangUp();
  await atCarol.closed();
});

test("paging: phones answer by themselves and hear the speaker, who hears none of them; with intercom all hear each other", async () => {
  const [eve, fay] = await Promise.all([house.account("105", "Eve", noVoicemail), house.account("106", "Fay", noVoicemail)]);
  const group = await make("pagingGroupCreate", {
    name: "Hall",
    number: "800",
    members: [eve, fay].map((each) => each.extensionId),
  });
  // Debian 12's baresip answers by itself whatever is asked: that it was asked is seen in its messages.
  const [atEve, atFay] = await Promise.all([
    house.phone(eve, { toneHz: 1600, autoAnswer: true, traced: true }),
    house.phone(fay, { toneHz: 1900, autoAnswer: true }),
  ]);
  forget();
  await atAnn.dial("800");
  await atEve.established();
  await atFay.established();
  assert.match(atEve.output, /Call-Info: .*answer-after=0/);
  for (const phone of [atEve, atFay]) assert.ok(findTone(await phone.heardFor(2), 440).heardMs > 1000);
  const heard = endOf(await atAnn.heardFor(3), 1);
  for (const silent of [1600, 1900]) assert.equal(findTone(heard, silent).heardMs, 0);
  await over(atEve);
  await atFay.closed();

  await house.office.as("owner", "pagingGroupUpdate", { params: { pagingGroup: group["id"] }, body: { mode: "intercom" } });
  forget();
  await atAnn.dial("800");
  await atEve.established();
  await house.until(async () => {
    const { samples, sampleRate } = endOf((await atAnn.heard()).at(-1) as never, 0.5);
    return [1600, 1900].every((each) => toneLevel(samples, sampleRate, each) > -30);
  }, "that Ann hears both");
  await over(atEve);
});
