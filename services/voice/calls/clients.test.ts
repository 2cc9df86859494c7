import assert from "node:assert/strict";
import { test } from "node:test";
import { startCloud } from "../../../testing/cloud.ts";
import { installTestTools, phoneTools } from "../../../tools/test-tools.ts";
import type { Sound } from "../prompts/wav.ts";
import { findTone, loudness, toneLevel } from "../testing/tones.ts";
import { openHouse } from "./testing/house.ts";
import { type AnyPhone, baresip, linphone, openBrowser } from "./testing/kinds.ts";

await installTestTools(phoneTools);
const house = await openHouse(startCloud);
const browserPhone = await openBrowser(house);
const inBrowser = await browserPhone(await house.account("101", "Ann"), 440);
const inBaresip = await baresip(house, await house.account("102", "Bob"), 620);
const inLinphone = await linphone(house, await house.account("103", "Carol"), 1000);

/** The tone of a phone, as loud as it was said, and nearly whole: a machine that is busy makes short gaps. */
function assertHears(sound: Sound, of: AnyPhone, where: string): void {
  const { heardMs, level, gaps } = findTone(sound, of.toneHz);
  const missing = gaps.reduce((sum, { fromMs, toMs }) => sum + toMs - fromMs, 0);
  const what = `${where} hears ${of.name}: ${heardMs} ms, ${level.toFixed(1)} dB, ${missing} ms are missing`;
  assert.ok(heardMs > 1000 && Math.abs(level - -9) < 3 && missing < heardMs / 5, what);
}
const bothHear = async (one: AnyPhone, other: AnyPhone) => {
  const [atOne, atOther] = await Promise.all([one.hears(2), other.hears(2)]);
  assertHears(atOne, other, one.name);
  assertHears(atOther, one, other.name);
};
const connect = async (from: AnyPhone, to: AnyPhone) => {
  await from.dial(to.number);
  await Promise.all([to.answer(), from.established()]);
};

for (const [from, to] of [
  [inBrowser, inBaresip],
  [inBaresip, inBrowser],
  [inBaresip, inLinphone],
  [inLinphone, inBaresip],
  [inLinphone, inBrowser],
  [inBrowser, inLinphone],
] as [AnyPhone, AnyPhone][])
  test(`${from.name} calls ${to.name}: tones both ways`, async () => {
    await connect(from, to);
    await bothHear(from, to);
    await to.hangUp();
    await from.closed();
  });

for (const [holder, held] of [
  [inBrowser, inLinphone],
  [inLinphone, inBaresip],
  [inBaresip, inBrowser],
] as [AnyPhone, AnyPhone][])
  test(`${holder.name} holds ${held.name}, who hears music, and takes it back`, async () => {
    await connect(holder, held);
    await holder.hold();
    const music = await held.hears(2);
    const tone = findTone(music, holder.toneHz);
    assert.ok(tone.heardMs < 300 && loudness(music.samples) > -40, `${JSON.stringify(tone)}, ${loudness(music.samples)} dB`);
    await holder.resume();
    assertHears(await held.hears(2), holder, held.name);
    // What baresip hears after a hold of its own it does not record.
    if (holder.name !== "baresip") assertHears(await holder.hears(2), held, holder.name);
    await holder.hangUp();
    await held.closed();
  });

test("all three in a conference: each hears the two others, and not itself", async () => {
  await house.office.as("owner", "conferenceRoomCreate", {
    params: house.office.within,
    body: { name: "Room", number: "300", announceJoin: false, announceLeave: false },
  });
  const all: AnyPhone[] = [inBrowser, inBaresip, inLinphone];
  for (const phone of all) {
    await phone.dial("300");
    await phone.established();
  }
  const levels = async () => {
    const heard = await Promise.all(all.map((phone) => phone.hears(2)));
    return heard.map(({ samples, sampleRate }) => all.map(({ toneHz }) => Math.round(toneLevel(samples, sampleRate, toneHz))));
  };
  const isMixed = (each: number[][]) =>
    each.every((of, here) => of.every((level, there) => (here === there ? level < -40 : Math.abs(level - -9) < 4)));
  let last: number[][] = [];
  // The words at the door come first.
  await house
    .until(async () => {
      last = await levels();
      return isMixed(last);
    }, "the conference")
    .catch((error) => assert.fail(`${error.message}; heard: ${JSON.stringify(last)}`));
  for (const phone of all) await phone.hangUp();
});
