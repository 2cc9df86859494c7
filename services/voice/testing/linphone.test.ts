import assert from "node:assert/strict";
import { test } from "node:test";
import { installTestTools, phoneTools } from "../../../tools/test-tools.ts";
import { type Baresip, startBaresip } from "./baresip.ts";
import { type Linphone, startLinphone } from "./linphone.ts";
import { findTone } from "./tones.ts";

await installTestTools(phoneTools);

test("linphone and baresip call each other: tones, digits, hold", async (t) => {
  const linphone = await startLinphone({ user: "lin", toneHz: 440 });
  t.after(() => linphone.close());
  const baresip = await startBaresip({ user: "bare", toneHz: 620 });
  t.after(() => baresip.close());

  const beforeHold = await linphone.hear();
  linphone.dial(baresip.address);
  await baresip.answer();
  const call = await linphone.established();
  const figures = findTone(await baresip.heardFor(3), 440);
  assert.ok(figures.heardMs > 2500 && Math.abs(figures.level - -9) < 2, JSON.stringify(figures));
  await linphone.press("19#");
  assert.deepEqual([await baresip.pressed(), await baresip.pressed(), await baresip.pressed()], ["1", "9", "#"]);

  linphone.hold();
  await linphone.next(/is now paused/);
  const afterHold = await linphone.hear();
  linphone.resume(call);
  await linphone.next(/Media streams established/);
  await baresip.press("777777");
  await linphone.next(/Receiving tone 7/);
  await baresip.hangUp();
  await linphone.closed();
  for (const heard of [await beforeHold(), await afterHold()]) {
    const { heardMs, level } = findTone(heard, 620);
    assert.ok(heardMs > 50 && Math.abs(level - -9) < 2, `${heardMs} ms, ${level} dB`);
  }

  await baresip.dial(linphone.address);
  await linphone.answer();
  await baresip.established();
  linphone.hangUp();
  await baresip.closed();
});

test("linphone hands one call over to the other one (REFER with Replaces)", async (t) => {
  const linphone: Linphone = await startLinphone({ user: "lin" });
  t.after(() => linphone.close());
  const others: Baresip[] = [];
  for (const user of ["one", "two"]) {
    const phone = await startBaresip({ user, autoAnswer: true });
    t.after(() => phone.close());
    others.push(phone);
  }
  const [one, two] = others as [Baresip, Baresip];
  linphone.dial(one.address);
  const first = await linphone.established();
  linphone.hold();
  await linphone.next(/is now paused/);
  linphone.dial(two.address);
  const second = await linphone.established();
  linphone.transferTo(first, second);
  // Baresip itself cannot follow a REFER with Replaces; what it was asked to do is what a server is asked.
  const { param } = await one.next("TRANSFER");
  assert.match(param ?? "", /sip:two@.*Replaces=/);
});
