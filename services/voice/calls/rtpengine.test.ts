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
const house = await openHouse(startCloud, { rtpengines: engines, workers: 2 });
const noVoicemail = { voicemail: { enabled: false } };
const phoneOf = async (number: string, toneHz: number, codecs?: string[]) =>
  house.phone(await house.account(number, `Person ${number}`, noVoicemail), { toneHz, ...(codecs ? { codecs } : {}) });
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

test("Opus: phones hear each other without the workers, a browser restarts ICE; a pickup over two workers", async () => {
  const [erin, frank] = await Promise.all([phoneOf("105", 1800, ["opus"]), phoneOf("106", 2200, ["opus"])]);
  await erin.dial("106");
  await frank.answer();
  await erin.established();
  await house.until(async () => findTone(await frank.heardFor(1), 1800).heardMs > 700, "Erin at Frank");
  await hear(erin, 2200, async () => {
    // Digits are told by rtpengine, and passed on.
    await erin.press("5");
    assert.equal(await frank.pressed(), "5");
  });
  await erin.hangUp();
  await frank.closed();

  for (const phone of [erin, frank]) phone.forget();
  const atDan = await dan.dial(`sip:105@${house.domain}`);
  await erin.answer();
  await dan.established();
  for (const restarts of [false, true]) {
    if (restarts) await dan.restartIce(atDan);
    await dan.heard();
    isWhole(findTone(await dan.heardFor(3), 1800), 2000);
    await dan.press(atDan, "7");
    assert.equal(await erin.pressed(), "7");
  }
  isWhole(findTone(await erin.heardFor(3), 1400), 2000);
  const codecs = (await dan.figures(atDan)).filter(({ type }) => type === "codec").map(({ mimeType }) => mimeType);
  assert.ok(codecs.includes("audio/opus"), codecs.join());
  await dan.hangUp(atDan);
  await erin.closed();

  for (const phone of [ann, bob, carol]) phone.forget();
  await carol.dial("102");
  await bob.next("CALL_INCOMING");
  await ann.dial("**102");
  await Promise.all([ann.established(), carol.established()]);
  const legs = (await house.phones.figures()).workers.map((worker) => worker.legs);
  assert.ok(legs.length === 2 && legs.every((count) => count > 0), legs.join());
  const [heardByAnn, heardByCarol] = await Promise.all([ann.heardFor(3), carol.heardFor(3)]);
  isWhole(findTone(heardByAnn, 1000), 2000);
  isWhole(findTone(heardByCarol, 440), 2000);
  await ann.hangUp();
  await carol.closed();
});

/** While all media workers stand still. */
async function hear(phone: typeof ann, toneHz: number, meanwhile: () => Promise<void>): Promise<void> {
  const pids = (await house.phones.figures()).workers.flatMap(({ pid }) => pid ?? []);
  const soFar = async () => findTone(await phone.heardFor(0), toneHz).heardMs;
  // Half a second after the last prompt they have nothing more to do: until then it hears nothing while they stand.
  await house.until(async () => {
    for (const pid of pids) process.kill(pid, "SIGSTOP");
    const before = await soFar();
    await new Promise((resolve) => setTimeout(resolve, 2000));
    const isHeard = (await soFar()) - before > 1000;
    if (isHeard) await meanwhile();
    for (const pid of pids) process.kill(pid, "SIGCONT");
    if (!isHeard) await new Promise((resolve) => setTimeout(resolve, 1000));
    return isHeard;
  }, "that it hears without the workers");
}

test("without any rtpengine a call is refused, as another voice process may have one", async () => {
  for (const engine of engines) await engine.stop();
  await ann.closed();
  await house.until(async () => (await hosts()).every(({ up }) => !up), "that both are seen as gone");
  for (const phone of [ann, bob]) phone.forget();
  await ann.dial("102");
  const { param } = await ann.next("CALL_CLOSED");
  assert.match(param ?? "", /503/);
});
