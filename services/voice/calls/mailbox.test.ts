import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { startCloud } from "../../../testing/cloud.ts";
import { installTestTools, phoneTools } from "../../../tools/test-tools.ts";
import { writeWav } from "../prompts/wav.ts";
import { whenSaid } from "../testing/clips.ts";
import { findTone, tone } from "../testing/tones.ts";
import { openHouse } from "./testing/house.ts";

await installTestTools(phoneTools);
const house = await openHouse(startCloud);
const { as, within } = house.office;
const atAnn = await house.phone(await house.account("101", "Ann"), { toneHz: 440 });

test("a mailbox at the phone: name, PIN, greeting; a message is forwarded, its sender called, and it is deleted", async () => {
  await as("owner", "phoneSystemUpdate", { params: within, body: { voicemail: { maxSeconds: 10 } } });
  const eve = await house.account("105", "Eve", { voicemailPin: "4711" });
  const fred = await house.account("106", "Fred", { voicemailPin: "4712" });
  const messages = async (extension: string) =>
    (await as("owner", "voicemailList", { params: within, query: { extension } }))["items"];
  // Nobody ends it: the message is as long as messages may be.
  await atAnn.dial("105");
  await atAnn.established();
  await atAnn.press("#");
  await atAnn.closed();
  const [left] = await messages(eve.extensionId);
  assert.ok(left.seconds > 9 && left.seconds < 10.5, JSON.stringify(left));

  const atEve = await house.phone(eve, { toneHz: 1400 });
  await house.until(() => /Voice-Message: 1\/0/.test(atEve.output), "the message lamp");
  await atEve.dial("*97");
  await atEve.established();
  await atEve.press("4711#3");
  const greetings = async () =>
    (await as("owner", "voicemailGreetingList", { params: { extension: eve.extensionId } }))["items"].map(
      ({ kind }: { kind: string }) => kind,
    );
  // It is over after eight seconds at the latest, and with a key.
  await sleep(4500);
  await atEve.press("#");
  await house.until(async () => (await greetings()).includes("name"), "the name");
  await atEve.press("42580#2580#2");
  // One key ends what is said, one keeps it; one more is the first one of the menu.
  for (let presses = 0; presses < 20 && !(await greetings()).includes("unavailable"); presses++) {
    await sleep(2500);
    await atEve.press("1");
  }
  await sleep(2500);
  await atEve.press("1#");
  await sleep(2500);
  await atEve.press("4106");
  await house.until(async () => (await messages(fred.extensionId)).length === 1, "the message that is forwarded");
  await house.until(() => /Voice-Message: 0\/1/.test(atEve.output), "the lamp to go out");
  const [copy] = await messages(fred.extensionId);
  assert.deepEqual([copy.fromNumber, copy.forwardedBy], ["101", "105 Eve"]);
  await atEve.press("1#");
  await sleep(7000);
  await atEve.press("5");
  await atAnn.answer();
  await atAnn.established();
  await atAnn.hangUp();
  await atEve.closed();

  // At her own phone a box without a PIN is open, to set one.
  const gail = await house.account("107", "Gail");
  const atGail = await house.phone(gail, { toneHz: 1700 });
  await atGail.dial("*97");
  await atGail.established();
  await atGail.press("46397#6397#");
  await house.until(async () => {
    const sound = (await atGail.heard()).at(-1);
    return sound !== undefined && (await whenSaid(sound, "fr", "pin_saved")) !== undefined;
  }, "that it is saved");
  await atGail.hangUp();
  await atGail.closed();
  // From elsewhere with it, and what callers hear while she is busy.
  const greeting = Buffer.from(writeWav(tone([1900], 2, { sampleRate: 16_000 })));
  const params = { extension: gail.extensionId, kind: "busy" };
  await as("owner", "voicemailGreetingUpload", { params, bytes: greeting });
  await as("owner", "extensionUpdate", { params: { extension: gail.extensionId }, body: { doNotDisturb: true } });
  await atAnn.dial("107");
  await atAnn.established();
  assert.ok(findTone(await atAnn.heardFor(3), 1900).heardMs > 1500, "the greeting for who finds her busy");
  await atAnn.hangUp();
  await atAnn.closed();
  await house.until(() => /Voice-Message: 1\/0/.test(atGail.output), "a message for Gail");
  await atAnn.dial("*98107");
  await atAnn.established();
  await atAnn.press("6397#1#");
  await house.until(() => /Voice-Message: 0\/1/.test(atGail.output), "that Gail's message is heard");
  await atAnn.hangUp();
  await atAnn.closed();
  atAnn.forget();

  // Her greeting is heard; the name in the directory; and her mailbox from another phone, with the new PIN.
  for (const phone of [atAnn, atEve]) phone.forget();
  await atAnn.dial("105");
  await atEve.next("CALL_INCOMING");
  await atEve.hangUp();
  await atAnn.established();
  const greeted = findTone(await atAnn.heardFor(2), 1400);
  assert.ok(greeted.heardMs > 500, JSON.stringify(greeted));
  await atAnn.hangUp();
  await atAnn.closed();
  await atAnn.dial("*411");
  await atAnn.established();
  await atAnn.press("383");
  const named = findTone(await atAnn.heardFor(4), 1400);
  assert.ok(named.heardMs > 200, JSON.stringify(named));
  await atAnn.hangUp();
  await atAnn.closed();
  // Who heard the greeting for long enough left a message, too.
  await house.until(async () => (await as("owner", "activeCallList", { params: within }))["items"].length === 0, "the end");
  const had = (await messages(eve.extensionId)).length;
  await atAnn.dial("*98105");
  await atAnn.established();
  await atAnn.press("2580#1#");
  await sleep(3000);
  await atAnn.press("3");
  await house.until(async () => (await messages(eve.extensionId)).length === had - 1, "that it is deleted");
  await atAnn.hangUp();
  await atAnn.closed();
});
