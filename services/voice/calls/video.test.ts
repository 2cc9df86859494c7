import assert from "node:assert/strict";
import { test } from "node:test";
import { startCloud } from "../../../testing/cloud.ts";
import { installTestTools, phoneTools } from "../../../tools/test-tools.ts";
import { findTone } from "../testing/tones.ts";
import { openHouse } from "./testing/house.ts";
import { type AnyPhone, baresip, openBrowser } from "./testing/kinds.ts";

await installTestTools(phoneTools);
const house = await openHouse(startCloud);
const browserPhone = await openBrowser(house);
const ann = await browserPhone(await house.account("101", "Ann"), 440, { video: true });
const bob = await browserPhone(await house.account("102", "Bob"), 620, { video: true });
const carol = await browserPhone(await house.account("103", "Carol"), 1000);
const desk = await baresip(house, await house.account("104", "Dora"), 1400);

type InBrowser = typeof ann;
const connect = async (from: AnyPhone, to: AnyPhone) => {
  await from.dial(to.number);
  await Promise.all([to.answer(), from.established()]);
};
const sees = (phone: InBrowser) =>
  house.until(async () => (await phone.phone.pictures(phone.call)) > 10, `pictures at ${phone.number}`);
const assertHears = async (phone: AnyPhone, of: AnyPhone) => {
  const tone = findTone(await phone.hears(2), of.toneHz);
  assert.ok(tone.heardMs > 1000, `${phone.number}: ${JSON.stringify(tone)}`);
};
const over = async (one: AnyPhone, other: AnyPhone) => {
  await one.hangUp();
  await other.closed();
};

test("two browsers see each other, also after a hold", async () => {
  await connect(ann, bob);
  await Promise.all([sees(ann), sees(bob)]);
  await ann.hold();
  await ann.resume();
  const before = await Promise.all([ann, bob].map((each) => each.phone.pictures(each.call)));
  for (const [index, each] of [ann, bob].entries())
    await house.until(
      async () => (await each.phone.pictures(each.call)) > (before[index] as number) + 10,
      "pictures after the hold",
    );
  await Promise.all([assertHears(ann, bob), assertHears(bob, ann)]);
  await over(bob, ann);
});

const untilShown = (wanted: string) =>
  house.until(async () => {
    const now = await Promise.all([ann, bob].map((each) => each.phone.videoDirection(each.call)));
    return now.join() === wanted;
  }, `pictures ${wanted}`);

test("whoever takes the camera off is told so to the other one, in both directions and again", async () => {
  await connect(ann, bob);
  await Promise.all([sees(ann), sees(bob)]);
  await untilShown("sendrecv,sendrecv");
  for (let times = 0; times < 2; times++) {
    await ann.phone.showVideo(ann.call, false);
    await untilShown("recvonly,sendonly");
    await ann.phone.showVideo(ann.call, true);
    await untilShown("sendrecv,sendrecv");
    await bob.phone.showVideo(bob.call, false);
    await untilShown("sendonly,recvonly");
    await bob.phone.showVideo(bob.call, true);
    await untilShown("sendrecv,sendrecv");
  }
  const before = await bob.phone.pictures(bob.call);
  await house.until(async () => (await bob.phone.pictures(bob.call)) > before + 10, "pictures once more");
  await Promise.all([assertHears(ann, bob), assertHears(bob, ann)]);
  await over(bob, ann);
});

test("a phone without pictures is spoken with", async () => {
  await connect(ann, desk);
  await assertHears(ann, desk);
  assert.equal(await ann.phone.pictures(ann.call), 0);
  await ann.phone.addVideo(ann.call);
  await assertHears(desk, ann);
  await over(ann, desk);
});

test("a picture that comes while they talk: the other one sees it, and shows none", async () => {
  await connect(carol, ann);
  await ann.phone.addVideo(ann.call);
  await sees(carol);
  assert.equal(await ann.phone.pictures(ann.call), 0);
  await Promise.all([assertHears(ann, carol), assertHears(carol, ann)]);
  await over(ann, carol);
});
