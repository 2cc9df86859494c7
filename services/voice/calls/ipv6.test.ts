import assert from "node:assert/strict";
import { after, test } from "node:test";
import { startCloud } from "../../../testing/cloud.ts";
import { installTestTools, phoneTools } from "../../../tools/test-tools.ts";
import { startRtpengine, type TestRtpengine } from "../media/testing/rtpengine.ts";
import type { Baresip } from "../testing/baresip.ts";
import { findTone } from "../testing/tones.ts";
import { type House, openHouse, rtpPorts } from "./testing/house.ts";

/** One voice process for phones of both families, its own media workers or rtpengine before them. */
await installTestTools(phoneTools);

async function phonesOf(house: House) {
  const port = house.phones.sipPort;
  const six = { host: "::1", server: `[::1]:${port}`, traced: true } as const;
  const four = { host: "127.0.0.1", server: `127.0.0.1:${port}`, traced: true } as const;
  const accounts = await Promise.all(["101", "102", "103"].map((number) => house.account(number, `Person ${number}`)));
  const [ann, bob, carol] = accounts as [Account, Account, Account];
  return await Promise.all([
    house.phone(ann, { ...six, toneHz: 440 }),
    house.phone(bob, { ...six, toneHz: 620 }),
    house.phone(carol, { ...four, toneHz: 1000 }),
  ]);
}
type Account = Awaited<ReturnType<House["account"]>>;

async function talk(house: House, [caller, callerHz]: [Baresip, number], [called, calledHz, number]: [Baresip, number, string]) {
  for (const phone of [caller, called]) phone.forget();
  await caller.dial(number);
  await called.answer();
  await caller.established();
  await house.until(async () => findTone(await called.heardFor(1), callerHz).heardMs > 700, "the caller at the one called");
  await house.until(async () => findTone(await caller.heardFor(1), calledHz).heardMs > 700, "the one called at the caller");
  await caller.hangUp();
  await called.closed();
}

async function rtpengine(): Promise<TestRtpengine> {
  const { from, to } = rtpPorts();
  const engine = await startRtpengine([from + 30_000, to + 30_000], undefined, ["127.0.0.1", "::1"]);
  after(() => engine.stop());
  return engine;
}

for (const engine of ["embedded", "rtpengine"] as const)
  test(`phones of IPv4 and of IPv6 call each other and hear each other: ${engine}`, async () => {
    const addresses = { listen: "::", address: "127.0.0.1", otherAddress: "::1" };
    const house = await openHouse(startCloud, {
      ...addresses,
      ...(engine === "rtpengine" ? { rtpengines: [await rtpengine()] } : {}),
    });
    const [ann, bob, carol] = await phonesOf(house);
    await talk(house, [ann, 440], [bob, 620, "102"]);
    await talk(house, [ann, 440], [carol, 1000, "103"]);
    await talk(house, [carol, 1000], [bob, 620, "102"]);
    for (const phone of [ann, bob]) {
      assert.match(phone.output, /c=IN IP6 ::1/);
      assert.doesNotMatch(phone.output, /IN IP4|@127\.0\.0\.1/);
    }
    assert.match(carol.output, /c=IN IP4 127\.0\.0\.1/);
    assert.doesNotMatch(carol.output, /IN IP6|\[::1\]/);
  });
