import { strict as assert } from "node:assert";
import { after, before, test } from "node:test";
import type { Browser } from "playwright-core";
import { installTestTools } from "../../../tools/test-tools.ts";
import type { MediaEngine, MediaEvent } from "./engine.ts";
import { openMediaEngine } from "./openEngine.ts";
import { BrowserPeer, openBrowser } from "./testing/browserPeer.ts";
import { startRtpengine } from "./testing/rtpengine.ts";
import { RtpPeer, until } from "./testing/rtpPeer.ts";

let engine: MediaEngine;
let browser: Browser;
let stop: () => Promise<void>;

before(async () => {
  await installTestTools({ "/usr/bin/chromium": "chromium" });
  const rtpengine = await startRtpengine([33_700, 33_799]);
  stop = rtpengine.stop;
  const embedded = { kind: "embedded", workers: 1, ports: [33_800, 33_899], advertised: ["127.0.0.1"] } as const;
  engine = await openMediaEngine({ kind: "rtpengine", hosts: [rtpengine], embedded });
  browser = await openBrowser();
});
after(async () => {
  RtpPeer.closeAll();
  await browser.close();
  await engine.close();
  await stop();
});

const hears = (peer: BrowserPeer, frequency: number): Promise<void> =>
  until(`the browser hears ${frequency} Hz`, async () => (await peer.level(frequency)) > -30);

test("a browser through rtpengine: calls and is called", async () => {
  const call = engine.call("e1");
  const digits: MediaEvent[] = [];
  call.onEvent((event) => event.type === "dtmf" && digits.push(event));
  const phone = await RtpPeer.open({ frequency: 1000 });
  const phoneLeg = call.leg();
  phone.connect(await phoneLeg.answer(phone.sdp()));
  const [calls, isCalled] = [await BrowserPeer.open(browser, 600), await BrowserPeer.open(browser, 800)];
  const leg = call.leg();
  await calls.accept(await leg.answer(await calls.offer(), { codecs: ["opus"] }));
  assert.equal(leg.media?.profile, "webrtc");
  await engine.bridge(leg, phoneLeg);
  await until("the phone hears 600 Hz", () => phone.level(600) > -25);
  await hears(calls, 1000);
  await calls.run("dtmf", "7");
  await until("the digit", () => digits.some((event) => event.type === "dtmf" && event.digit === "7"));
  const second = call.leg();
  const media = await second.accept(await isCalled.answer(await second.offer({ profile: "webrtc", like: phoneLeg })));
  assert.equal(media.profile, "webrtc");
  await engine.bridge(second, phoneLeg);
  await until("the phone hears 800 Hz", () => phone.level(800) > -25);
  await hears(isCalled, 1000);
  phone.close();
  await call.close();
});

test("a browser whose network changes restarts ICE in a call, and goes on to hear and to be heard", async () => {
  const call = engine.call("e3");
  const phone = await RtpPeer.open({ frequency: 1000 });
  const phoneLeg = call.leg();
  phone.connect(await phoneLeg.answer(phone.sdp()));
  const page = await BrowserPeer.open(browser, 600);
  const leg = call.leg();
  await leg.accept(await page.answer(await leg.offer({ profile: "webrtc", like: phoneLeg })));
  await engine.bridge(leg, phoneLeg);
  await hears(page, 1000);
  for (let i = 0; i < 2; i++) {
    await page.restartIce((offer) => leg.answer(offer, { like: phoneLeg }));
    await page.run("forget");
    phone.forget();
    await hears(page, 1000);
    await until("the phone hears 600 Hz", () => phone.packets.length > 25 && phone.level(600) > -25);
    await until("no gap in what the browser hears", async () => (await page.run<number>("gaps")) === 0);
  }
  phone.close();
  await page.close();
  await call.close();
});

test("an rtpengine that does not answer is named, and calls are refused before anybody's phone rings", async () => {
  const lines: string[] = [];
  const log = ({ message }: { message: string }) => void lines.push(message);
  const embedded = { kind: "embedded", workers: 1, ports: [33_900, 33_949], advertised: ["127.0.0.1"], log } as const;
  const nowhere = await openMediaEngine({ kind: "rtpengine", hosts: [{ host: "127.0.0.1", port: 9 }], embedded });
  assert.match(lines.join(), /127\.0\.0\.1:9 does not answer/);
  assert.deepEqual((await nowhere.figures()).hosts, [{ host: "127.0.0.1", port: 9, up: false, calls: 0 }]);
  const peer = await RtpPeer.open({});
  await assert.rejects(nowhere.call("e2").leg().consider(peer.sdp()), { code: "unreachable" });
  peer.close();
  await nowhere.close();
});
