import assert from "node:assert/strict";
import { createECDH, randomBytes } from "node:crypto";
import { test } from "node:test";
import { startCloud } from "../../../testing/cloud.ts";
import { installTestTools, phoneTools } from "../../../tools/test-tools.ts";
import { openHouse } from "./testing/house.ts";

await installTestTools(phoneTools);
const house = await openHouse(startCloud);
const { as } = house.office;
const user = (await as("owner", "identityGet"))["principal"].id;
const ann = await house.account("101", "Ann");
const bob = await house.account("102", "Bob", { user, ringSeconds: 30, voicemail: { enabled: false } });
const atAnn = await house.phone(ann);

test("nobody is there, and no browser is told: the caller learns it at once", async () => {
  await atAnn.dial("102");
  assert.match((await atAnn.closed()).param ?? "", /480/);
});

test("a browser is told of the call: it rings, and the phone that registers meanwhile rings and takes it", async () => {
  atAnn.forget();
  const browser = createECDH("prime256v1");
  browser.generateKeys();
  await as("owner", "myPhonePushSubscriptionCreate", {
    params: { extension: bob.extensionId },
    body: {
      endpoint: "https://push.example.org/1",
      keys: { p256dh: browser.getPublicKey("base64url"), auth: randomBytes(16).toString("base64url") },
      language: "en",
    },
  });
  await atAnn.dial("102");
  await atAnn.next("CALL_RINGING");
  const { database } = house.office;
  const told = () => database.sql`select 1 from voice.pushes where notice ->> 'kind' = 'ringing'`;
  await house.until(async () => (await told()).length === 1, "the notice for the browser");
  // Its account is newer than the call, as that of a browser.
  // It answers by itself: the call may come before the test's connection that would tell it to.
  const late = await house.phone(await house.device(bob.extensionId, "102"), { toneHz: 620, autoAnswer: true });
  await atAnn.established();
  await atAnn.hangUp();
  await late.closed();
  const [record] = await house.calls(2);
  assert.deepEqual([record?.["outcome"], record?.["toNumber"]], ["answered", "102"]);
});
