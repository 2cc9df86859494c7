import assert from "node:assert/strict";
import { test } from "node:test";
import { startCloud } from "../../../testing/cloud.ts";
import { installTestTools, phoneTools } from "../../../tools/test-tools.ts";
import { findTone } from "../testing/tones.ts";
import { openHouse } from "./testing/house.ts";

await installTestTools(phoneTools);
const house = await openHouse(await startCloud());
const ann = await house.account("101", "Ann");
const bob = await house.account("102", "Bob");
const phoneOfAnn = await house.phone(ann, { toneHz: 440 });
const phoneOfBob = await house.phone(bob, { toneHz: 620 });

test("two phones register and call each other: tones both ways, digits, a record", async () => {
  await phoneOfAnn.dial("102");
  await phoneOfBob.answer();
  await Promise.all([phoneOfAnn.established(), phoneOfBob.established()]);
  const [atAnn, atBob] = await Promise.all([phoneOfAnn.heardFor(3), phoneOfBob.heardFor(3)]);
  for (const [sound, says] of [
    [atAnn, 620],
    [atBob, 440],
  ] as const)
    assert.ok(findTone(sound, says).heardMs > 2000, JSON.stringify(findTone(sound, says)));
  await phoneOfAnn.press("42#");
  assert.deepEqual([await phoneOfBob.pressed(), await phoneOfBob.pressed(), await phoneOfBob.pressed()], ["4", "2", "#"]);
  await phoneOfBob.hangUp();
  await phoneOfAnn.closed();
  const [record] = await house.calls(1);
  assert.deepEqual(
    [record?.["fromNumber"], record?.["toNumber"], record?.["outcome"], record?.["direction"], record?.["hungUpBy"]],
    ["101", "102", "answered", "internal", "called"],
  );
  assert.ok(record?.["talkSeconds"] > 2);
});
