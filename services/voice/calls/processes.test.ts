import assert from "node:assert/strict";
import { test } from "node:test";
import { startCloud } from "../../../testing/cloud.ts";
import { installTestTools, phoneTools } from "../../../tools/test-tools.ts";
import { startBaresip } from "../testing/baresip.ts";
import { findTone } from "../testing/tones.ts";
import { type Account, openHouse } from "./testing/house.ts";
import { openOthers } from "./testing/others.ts";

/** Two voice processes share the phone systems of one database: one serves each, and the other one when that is killed or drained. */
await installTestTools(phoneTools);
let started: Awaited<ReturnType<typeof startCloud>> | undefined;
const start: typeof startCloud = async (options) => {
  started = await startCloud(options);
  return started;
};
const house = await openHouse(start, { processId: "house" });
const others = openOthers(house, started as NonNullable<typeof started>);
const { servedBy } = others;
const phoneAt = (account: Account, server: string, toneHz: number) => house.phone(account, { server, toneHz });
const bob = await house.account("102", "Bob");
const ann = await house.account("101", "Ann");
const carol = await house.account("103", "Carol");

test("a process that joins takes its share; the other one sends phones there, and takes over when it is killed", async () => {
  const { child, processId, server } = await others.start("first");
  await servedBy(processId);
  const [phoneOfAnn, phoneOfBob] = [await phoneAt(ann, server, 440), await phoneAt(bob, server, 620)];
  const lost = await startBaresip({
    ...{ user: carol.userName, password: carol.password, domain: house.domain },
    server: `127.0.0.1:${house.phones.sipPort}`,
  });
  const { param } = await lost.next("REGISTER_FAIL");
  assert.match(param ?? "", /503/);
  await lost.close();
  await phoneOfAnn.dial("102");
  await phoneOfBob.answer();
  await phoneOfAnn.established();
  assert.ok(findTone(await phoneOfAnn.heardFor(2), 620).heardMs > 1000);
  const running = async () => (await house.office.as("owner", "activeCallList", { params: house.office.within }))["items"];
  await house.until(async () => (await running()).length === 1, "the call that runs");

  child.kill("SIGKILL");
  await servedBy("house");
  const [record] = await house.calls(1);
  assert.deepEqual([record?.["outcome"], record?.["fromNumber"], record?.["cause"]], ["failed", "101", 500]);
  assert.deepEqual(await running(), []);
  await phoneOfAnn.hangUp();
  await phoneOfBob.hangUp();
  await phoneOfBob.closed();

  // Bob has registered with the one that was killed, and with no other.
  const phoneOfCarol = await phoneAt(carol, `127.0.0.1:${house.phones.sipPort}`, 1000);
  phoneOfBob.forget();
  await phoneOfCarol.dial("102");
  await phoneOfBob.answer();
  await phoneOfCarol.established();
  const [atCarol, atBob] = await Promise.all([phoneOfCarol.heardFor(3), phoneOfBob.heardFor(3)]);
  assert.ok(findTone(atCarol, 620).heardMs > 2000, JSON.stringify(findTone(atCarol, 620)));
  assert.ok(findTone(atBob, 1000).heardMs > 2000, JSON.stringify(findTone(atBob, 1000)));

  // Drained in the middle of a call.
  const second = await others.start("second");
  await house.phones.drain();
  await servedBy(second.processId);
  const goesOn = findTone(await phoneOfCarol.heardFor(3), 620);
  assert.ok(goesOn.heardMs > 2000, JSON.stringify(goesOn));
  const moved = await phoneAt(ann, second.server, 440);
  await phoneOfBob.hangUp();
  await phoneOfCarol.closed();
  const [last] = await house.calls(2);
  assert.deepEqual([last?.["outcome"], last?.["fromNumber"], last?.["toNumber"]], ["answered", "103", "102"]);
  for (const phone of [moved, phoneOfBob]) phone.forget();
  await moved.dial("102");
  await phoneOfBob.answer();
  await moved.established();
  await phoneOfBob.hangUp();
  await moved.closed();
});
