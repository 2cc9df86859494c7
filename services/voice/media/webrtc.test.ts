import { strict as assert } from "node:assert";
import { after, before, test } from "node:test";
import type { Browser } from "playwright-core";
import { installTestTools } from "../../../tools/test-tools.ts";
import type { MediaEngine, MediaEvent } from "./engine.ts";
import { openMediaEngine } from "./openEngine.ts";
import { BrowserPeer, openBrowser } from "./testing/browserPeer.ts";
import { RtpPeer, until } from "./testing/rtpPeer.ts";

let engine: MediaEngine;
let browser: Browser;

before(async () => {
  await installTestTools({ "/usr/bin/chromium": "chromium" });
  engine = await openMediaEngine({ kind: "embedded", workers: 1, ports: [32_400, 32_499], advertised: ["127.0.0.1"] });
  browser = await openBrowser();
});
after(async () => {
  await browser.close();
  await engine.close();
  RtpPeer.closeAll();
});

const hears = (peer: BrowserPeer, frequency: number): Promise<void> =>
  until(`the browser hears ${frequency} Hz`, async () => (await peer.level(frequency)) > -30);

test("a browser that calls and a phone: Opus to G.711, digits, tones both ways without gaps", async () => {
  const call = engine.call("b1");
  const events: MediaEvent[] = [];
  call.onEvent((event) => events.push(event));
  const page = await BrowserPeer.open(browser, 600);
  const leg = call.leg();
  const phone = await RtpPeer.open({ frequency: 1000 });
  const phoneLeg = call.leg();
  const offer = await page.offer();
  const considered = await leg.consider(offer);
  assert.equal(considered.profile, "webrtc");
  phone.connect(await phoneLeg.answer(phone.sdp()));
  await page.accept(await leg.answer(offer, { codecs: ["opus"] }));
  await engine.bridge(leg, phoneLeg);
  await until("the phone hears 600 Hz", () => phone.level(600) > -25);
  await hears(page, 1000);
  await until("no gap in what the browser hears", async () => (await page.run<number>("gaps")) === 0);
  await page.run("dtmf", "5#");
  await until("digits", () => events.filter((event) => event.type === "dtmf").length === 2);
  assert.deepEqual(
    events.flatMap((event) => (event.type === "dtmf" ? [event.digit] : [])),
    ["5", "#"],
  );
  assert.ok(events.some((event) => event.type === "connected" && event.leg === leg.id));
  await until("quality", async () => (await leg.quality()).roundTripMs !== undefined);
  const { mos, lossReceived } = await leg.quality();
  assert.ok(mos > 3.5 && lossReceived < 0.05, `${mos} ${lossReceived}`);
  phone.close();
  await page.close();
  await call.close();
});

test("a browser that is called, G.711 passed on as it is; codecs are put first as the phone has them; hold", async () => {
  const call = engine.call("b2");
  const page = await BrowserPeer.open(browser, 600);
  const phone = await RtpPeer.open({ codec: "PCMA", frequency: 1000, srtp: true });
  const phoneLeg = call.leg();
  phone.connect(await phoneLeg.answer(phone.sdp()));
  const leg = call.leg();
  const media = await leg.accept(await page.answer(await leg.offer({ profile: "webrtc", like: phoneLeg })));
  assert.deepEqual([media.codec, media.profile], ["PCMA", "webrtc"]);
  await engine.bridge(leg, phoneLeg);
  await until("the phone hears 600 Hz", () => phone.level(600) > -25);
  await hears(page, 1000);
  await leg.accept(await page.answer(await leg.offer({ direction: "sendonly" })));
  await engine.unbridge(leg);
  leg.play({ tone: { segments: [{ frequencies: [440], ms: 1000 }], repeat: true } });
  await hears(page, 440);
  await until("the phone hears nothing", () => phone.level(600) < -50);
  phone.close();
  await page.close();
  await call.close();
});

test("video between two browsers; refused where the other side has none", async () => {
  const call = engine.call("b3");
  const [red, blue] = await Promise.all([BrowserPeer.open(browser, 600, "red"), BrowserPeer.open(browser, 1000, "blue")]);
  const [a, b] = [call.leg(), call.leg()];
  const offer = await red.offer();
  assert.equal((await a.consider(offer)).video, true);
  const media = await b.accept(await blue.answer(await b.offer({ profile: "webrtc", like: a, video: true })));
  assert.deepEqual([media.video, media.codec], [true, "opus"]);
  await red.accept(await a.answer(offer, { like: b, video: media.video }));
  await engine.bridge(a, b);
  await hears(red, 1000);
  await hears(blue, 600);
  const colour = (peer: BrowserPeer, index: number) => async (): Promise<boolean> => {
    const pixel = await peer.run<number[] | null>("pixel");
    return pixel !== null && pixel[index]! > 150 && pixel[2 - index]! < 100;
  };
  await until("blue sees red", colour(blue, 0));
  await until("red sees blue", colour(red, 2));
  const third = await BrowserPeer.open(browser, 800, "green");
  const c = call.leg();
  const answer = await c.answer(await third.offer());
  assert.match(answer, /m=video 0 /);
  await third.accept(answer);
  for (const page of [red, blue, third]) await page.close();
  await call.close();
});

test("a browser whose network changes restarts ICE in a call, and goes on to hear and to be heard", async () => {
  const call = engine.call("b5");
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

test("a certificate that is not the one of the SDP is refused", async () => {
  const call = engine.call("b4");
  const failed = new Promise<MediaEvent>((resolve) => {
    call.onEvent((event) => event.type === "failed" && resolve(event));
  });
  const page = await BrowserPeer.open(browser, 600);
  const leg = call.leg();
  const offer = await page.offer();
  const other = offer.replaceAll(/(a=fingerprint:sha-256 )(..)/g, (_, name, byte) => `${name}${byte === "00" ? "01" : "00"}`);
  await page.accept(await leg.answer(other));
  const event = await failed;
  assert.match(event.type === "failed" ? event.reason : "", /not the one of the SDP/);
  await page.close();
  await call.close();
});
