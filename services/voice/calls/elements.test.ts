import assert from "node:assert/strict";
import { test } from "node:test";
import { startCloud } from "../../../testing/cloud.ts";
import { installTestTools, phoneTools } from "../../../tools/test-tools.ts";
import { findTone } from "../testing/tones.ts";
import { openHouse } from "./testing/house.ts";

await installTestTools(phoneTools);
const house = await openHouse(startCloud);
const noVoicemail = { voicemail: { enabled: false } };
const [ann, bob, carol] = await Promise.all([
  house.account("101", "Ann", noVoicemail),
  house.account("102", "Bob", noVoicemail),
  house.account("103", "Carol", noVoicemail),
]);
const [atAnn, atBob, atCarol] = await Promise.all([
  house.phone(ann, { toneHz: 440 }),
  house.phone(bob, { toneHz: 620 }),
  house.phone(carol, { toneHz: 1000 }),
]);
const make = (key: string, body: object) => house.office.as("owner", key, { params: house.office.within, body });
const forget = () => {
  for (const phone of [atAnn, atBob, atCarol]) phone.forget();
};

test("a ring group: all ring, one answers, the others stop", async () => {
  const members = [bob, carol].map(({ extensionId }) => ({ target: { kind: "extension", id: extensionId } }));
  await make("ringGroupCreate", { name: "Sales", number: "200", members });
  forget();
  await atAnn.dial("200");
  await atBob.next("CALL_INCOMING");
  await atCarol.answer();
  await atAnn.established();
  await atBob.closed();
  await atAnn.hangUp();
  await atCarol.closed();
});

test("a menu: a key leads to an extension", async () => {
  const keys = { 1: { kind: "extension", id: bob.extensionId } };
  await make("phoneMenuCreate", { name: "Welcome", number: "300", greeting: { kind: "text", text: { en: "Press one." } }, keys });
  forget();
  await atAnn.dial("300");
  await atAnn.established();
  await atAnn.press("1");
  await atBob.answer();
  await atBob.established();
  assert.ok(findTone(await atBob.heardFor(2), 440).heardMs > 1000);
  await atBob.hangUp();
  await atAnn.closed();
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
