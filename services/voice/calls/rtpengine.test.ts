import assert from "node:assert/strict";
import { after, test } from "node:test";
import { startCloud } from "../../../testing/cloud.ts";
import { installTestTools, phoneTools } from "../../../tools/test-tools.ts";
import { startRtpengine } from "../media/testing/rtpengine.ts";
import { PhoneBrowser } from "../testing/browserPhone.ts";
import { findTone } from "../testing/tones.ts";
import { openHouse, rtpPorts } from "./testing/house.ts";

/** Two rtpengines before the media workers of a voice process, and real phones. */
await installTestTools({ ...phoneTools, "/usr/bin/chromium": "chromium" });
const ports = () => {
  const { from, to } = rtpPorts();
  return [from + 30_000, to + 30_000] as const;
};
const engines = [await startRtpengine(ports()), await startRtpengine(ports())];
after(async () => {
  for (const engine of engines) await engine.stop();
});
const house = await openHouse(startCloud, { rtpengines: engines, workers: 1 });
const noVoicemail = { voicemail: { enabled: false } };
const phoneOf = async (number: string, toneHz: number) =>
  house.phone(await house.account(number, `Person ${number}`, noVoicemail), { toneHz });
const [ann, bob, carol] = await Promise.all([phoneOf("101", 440), phoneOf("102", 620), phoneOf("103", 1000)]);
const account = await house.account("104", "Dan", noVoicemail);
const browser = await PhoneBrowser.start();
house.keep(browser);
const dan = await browser.phone({
  user: account.userName,
  password: account.password,
  domain: house.domain,
  server: `ws://127.0.0.1:${house.phones.webSocketPort}`,
  toneHz: 1400,
});
await dan.registered();

const isWhole = (tone: ReturnType<typeof findTone>, atLeastMs: number) =>
  assert.ok(tone.heardMs > atLeastMs && tone.gaps.every(({ fromMs, toMs }) => toMs - fromMs < 300), JSON.stringify(tone));
const hosts = async () => (await house.phones.figures()).hosts;

test("calls are spread over rtpengines; one that is killed ends its calls only, is left out, and comes back", async () => {
  await ann.dial("102");
  await bob.answer();
  await Promise.all([ann.established(), bob.established()]);
  const [first] = (await hosts()).flatMap(({ calls }, i) => (calls === 1 ? [i] : []));
  assert.ok(first !== undefined);
  await carol.dial("104");
  const atDan = await dan.answer();
  await Promise.all([carol.established(), dan.established()]);
  assert.deepEqual(
    (await hosts()).map(({ up, calls }) => ({ up, calls })),
    [
      { up: true, calls: 1 },
      { up: true, calls: 1 },
    ],
    "each has a call",
  );
  const [heardByAnn, heardByBob] = await Promise.all([ann.heardFor(3), bob.heardFor(3)]);
  isWhole(findTone(heardByAnn, 620), 2000);
  isWhole(findTone(heardByBob, 440), 2000);

  const hearing = Promise.all([carol.heardFor(8), dan.heardFor(8)]);
  await engines[first]?.stop();
  await Promise.all([ann.closed(), bob.closed()]);
  const [heardByCarol, heardByDan] = await hearing;
  isWhole(findTone(heardByCarol, 1400), 6000);
  isWhole(findTone(heardByDan, 1000), 6000);
  const [record] = await house.calls(1);
  assert.deepEqual(
    [record?.["fromNumber"], record?.["toNumber"], record?.["outcome"], record?.["hungUpBy"]],
    ["101", "102", "answered", "system"],
  );
  assert.match(record?.["reason"], /media/);
  assert.ok(record?.["talkSeconds"] > 1);
  assert.deepEqual([(await hosts())[first]?.up, (await hosts())[first]?.calls], [false, 0]);

  // The next call goes where one is left.
  for (const phone of [ann, bob]) phone.forget();
  await ann.dial("102");
  await bob.answer();
  await Promise.all([ann.established(), bob.established()]);
  isWhole(findTone(await ann.heardFor(3), 620), 2000);
  assert.equal((await hosts())[1 - first]?.calls, 2);
  await ann.hangUp();
  await bob.closed();

  engines[first] = await startRtpengine(ports(), engines[first]);
  await house.until(async () => (await hosts())[first]?.up === true, "the rtpengine that is back");
  for (const phone of [ann, bob]) phone.forget();
  await ann.dial("102");
  await bob.answer();
  await Promise.all([ann.established(), bob.established()]);
  assert.equal((await hosts())[first]?.calls, 1, "it has calls again");
  isWhole(findTone(await bob.heardFor(3), 440), 2000);
  await dan.hangUp(atDan);
  await carol.closed();
});

test("without any rtpengine a call is refused, as another voice process may have one", async () => {
  for (const engine of engines) await engine.stop();
  await ann.closed();
  await house.until(async () => (await hosts()).every(({ up }) => !up), "that both are seen as gone");
  for (const phone of [ann, bob]) phone.forget();
  await ann.dial("102");
  const { param } = await ann.next("CALL_CLOSED");
  assert.match(param ?? "", /503/);
});
