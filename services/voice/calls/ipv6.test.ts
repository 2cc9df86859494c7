import assert from "node:assert/strict";
import { test } from "node:test";
import { startCloud } from "../../../testing/cloud.ts";
import { installTestTools, phoneTools } from "../../../tools/test-tools.ts";
import { findTone } from "../testing/tones.ts";
import { openHouse } from "./testing/house.ts";

await installTestTools(phoneTools);
const house = await openHouse(startCloud, { listen: "::1" });
const there = { host: "::1", server: `[::1]:${house.phones.sipPort}` } as const;

test("phones that have IPv6 alone register, call each other and hear each other", async () => {
  const [ann, bob] = await Promise.all([house.account("101", "Ann"), house.account("102", "Bob")]);
  const [atAnn, atBob] = await Promise.all([
    house.phone(ann, { ...there, toneHz: 440, traced: true }),
    house.phone(bob, { ...there, toneHz: 620 }),
  ]);
  await atAnn.dial("102");
  await atBob.answer();
  await atAnn.established();
  await house.until(async () => findTone(await atBob.heardFor(1), 440).heardMs > 700, "Ann at Bob");
  await house.until(async () => findTone(await atAnn.heardFor(1), 620).heardMs > 700, "Bob at Ann");
  assert.match(atAnn.output, /c=IN IP6 ::1/);
  assert.doesNotMatch(atAnn.output, /IN IP4/);
  await atAnn.hangUp();
  await atBob.closed();
});
