import assert from "node:assert/strict";
import { test } from "node:test";
import { startCloud } from "../../../testing/cloud.ts";
import { installTestTools, phoneTools } from "../../../tools/test-tools.ts";
import { findTone } from "../testing/tones.ts";
import { openHouse } from "./testing/house.ts";

await installTestTools(phoneTools);
const house = await openHouse(startCloud);
const ann = await house.account("101", "Ann");
const bob = await house.account("102", "Bob", { voicemail: { enabled: false } });
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

test("one that refuses is busy, and a number that nothing has is not found", async () => {
  await phoneOfAnn.dial("102");
  await phoneOfBob.next("CALL_INCOMING");
  await phoneOfBob.hangUp();
  assert.match((await phoneOfAnn.closed()).param ?? "", /486/);
  await phoneOfAnn.dial("199");
  assert.match((await phoneOfAnn.closed()).param ?? "", /404/);
  const [missing, busy] = await house.calls(3);
  assert.deepEqual([missing?.["outcome"], missing?.["cause"], busy?.["outcome"], busy?.["cause"]], ["failed", 404, "busy", 486]);
});

test("five phones behind one address register at once, and every one rings", async () => {
  const account = await house.account("105", "Five");
  const devices = [account, ...(await Promise.all([1, 2, 3, 4].map(() => house.device(account.extensionId, "105"))))];
  const phones = await Promise.all(devices.map((device) => house.phone(device)));
  phoneOfAnn.forget();
  await phoneOfAnn.dial("105");
  await Promise.all(phones.filter((_, i) => i !== 3).map((phone) => phone.next("CALL_INCOMING")));
  await phones[3]?.answer();
  await phoneOfAnn.established();
  await Promise.all(phones.filter((_, i) => i !== 3).map((phone) => phone.closed()));
  await phoneOfAnn.hangUp();
  await phones[3]?.closed();
  await Promise.all(phones.map((phone) => phone.close()));
});

test("a call that is held and taken back goes on", async () => {
  for (const phone of [phoneOfAnn, phoneOfBob]) phone.forget();
  await phoneOfAnn.dial("102");
  await phoneOfBob.answer();
  await phoneOfAnn.established();
  await phoneOfAnn.hold();
  await phoneOfAnn.next("CALL_REMOTE_SDP", (event) => event.param === "answer");
  await phoneOfAnn.resume();
  await phoneOfAnn.next("CALL_REMOTE_SDP", (event) => event.param === "answer");
  phoneOfBob.forget();
  await phoneOfAnn.press("7");
  assert.equal(await phoneOfBob.pressed(), "7");
  await phoneOfBob.hangUp();
  await phoneOfAnn.closed();
});

test("a blind transfer: whom one talked to talks to another one", async () => {
  const carol = await house.phone(await house.account("103", "Carol"), { toneHz: 1000 });
  for (const phone of [phoneOfAnn, phoneOfBob]) phone.forget();
  await phoneOfAnn.dial("102");
  await phoneOfBob.answer();
  await phoneOfAnn.established();
  await phoneOfBob.transfer("103");
  await carol.answer();
  await phoneOfBob.closed();
  assert.ok(findTone(await carol.heardFor(2), 440).heardMs > 1000);
  const atAnn = await phoneOfAnn.heardFor(3);
  assert.ok(findTone(atAnn, 1000).heardMs > 500, JSON.stringify(findTone(atAnn, 1000)));
  await carol.hangUp();
  await phoneOfAnn.closed();
  await carol.close();
});

test("nobody registered: voicemail takes the message, with its sound", async () => {
  phoneOfAnn.forget();
  const dora = await house.account("104", "Dora", { voicemail: { enabled: true } });
  await phoneOfAnn.dial("104");
  await phoneOfAnn.established();
  await phoneOfAnn.press("#");
  await phoneOfAnn.heardFor(6);
  await phoneOfAnn.hangUp();
  await phoneOfAnn.closed();
  const list = () =>
    house.office.as("owner", "voicemailList", { params: house.office.within, query: { extension: dora.extensionId } });
  await house.until(async () => (await list())["items"].length === 1, "the voicemail");
  const [message] = (await list())["items"];
  assert.ok(message.seconds > 1 && message.fromNumber === "101", JSON.stringify(message));
});

test("a phone that is restarted with the voice process rings without registering anew", async () => {
  await house.restart();
  for (const phone of [phoneOfAnn, phoneOfBob]) phone.forget();
  await phoneOfAnn.dial("102");
  await phoneOfBob.answer();
  await phoneOfAnn.established();
  await phoneOfBob.hangUp();
  await phoneOfAnn.closed();
});
