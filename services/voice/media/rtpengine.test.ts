import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { MediaEngine, MediaEvent, MediaLeg } from "./engine.ts";
import { openMediaEngine } from "./openEngine.ts";
import { readRemote } from "./sdp/remote.ts";
import { conformance } from "./testing/conformance.ts";
import { startRtpengine, type TestRtpengine } from "./testing/rtpengine.ts";
import { type PeerOptions, RtpPeer, until } from "./testing/rtpPeer.ts";

let rtpengine: TestRtpengine;
let own: MediaEngine;
after(async () => {
  await own.close();
  await rtpengine.stop();
});
const open = (workers: number, from: number) =>
  openMediaEngine({
    kind: "rtpengine",
    hosts: [rtpengine],
    embedded: { kind: "embedded", workers, ports: [from, from + 399], advertised: ["127.0.0.1"] },
  });

before(async () => {
  rtpengine = await startRtpengine([33_000, 33_399]);
  own = await open(1, 32_900);
});
conformance(async () => {
  while (!rtpengine) await new Promise((resolve) => setTimeout(resolve, 10));
  return await open(2, 32_500);
});

/** Rung by us, where `called` peers are: the other way of SDP. */
async function rings(leg: MediaLeg, options: PeerOptions, like: MediaLeg): Promise<RtpPeer> {
  const peer = await RtpPeer.open(options);
  const offer = await leg.offer({ profile: options.srtp ? "srtp" : "rtp", like });
  peer.connect(offer);
  const tag = readRemote(offer).crypto.find(({ suite }) => suite === "AES_CM_128_HMAC_SHA1_80")?.tag;
  await leg.accept(peer.sdp().replace("a=crypto:1 ", `a=crypto:${tag} `));
  return peer;
}

for (const [one, other] of [
  [{}, {}],
  [{ srtp: true }, {}],
  [{}, { srtp: true }],
  [{ srtp: true, codec: "G722" }, { codec: "G722" }],
  [{ codec: "opus" }, { codec: "opus" }],
] as const satisfies readonly (readonly [PeerOptions, PeerOptions])[])
  test(`packets go past the worker while nobody needs them: ${JSON.stringify(one)} and ${JSON.stringify(other)}`, async () => {
    const call = own.call(`short-${JSON.stringify([one, other])}`);
    const events: MediaEvent[] = [];
    call.onEvent((event) => events.push(event));
    const [a, b] = [call.leg(), call.leg()];
    const ann = await RtpPeer.open({ ...one, frequency: 600 });
    ann.connect(await a.answer(ann.sdp()));
    const bob = await rings(b, { ...other, frequency: 1000 }, a);
    await own.bridge(a, b);
    const worker = (await own.figures()).workers[0]?.pid ?? 0;
    const isHeard = () => Math.abs(ann.level(1000) + 15) < 3 && Math.abs(bob.level(600) + 15) < 3;
    await until("they hear each other", isHeard);
    const sources = [ann, bob].map((peer) => peer.packets.at(-1)?.ssrc);
    await until("each hears the other's own packets", () => [ann, bob].every((peer) => peer.packets.at(-1)?.ssrc === peer.ssrc));

    // Nothing of it is the worker's.
    process.kill(worker, "SIGSTOP");
    try {
      for (const peer of [ann, bob]) peer.forget();
      await until("they hear each other without it", () => ann.packets.length > 25 && bob.packets.length > 25 && isHeard());
      ann.press(5);
      await until("the digit is heard, and told", () => {
        const told = events.filter((event) => event.type === "dtmf").map((event) => [event.leg, event.digit]);
        return bob.digits.some(({ digit }) => digit === 5) && JSON.stringify(told) === JSON.stringify([[a.id, "5"]]);
      });
    } finally {
      process.kill(worker, "SIGCONT");
    }
    const { packetsReceived, packetsSent } = await a.quality();
    assert.ok(packetsReceived > 40 && packetsSent > 25, `${packetsReceived} ${packetsSent}`);

    const folder = mkdtempSync(join(tmpdir(), "khmara-rtpengine-"));
    const recording = a.record({ file: join(folder, "both.wav"), what: "both", maxSeconds: 1 });
    const { reason, talkedMs } = await recording.done;
    rmSync(folder, { recursive: true });
    assert.ok(reason === "max" && talkedMs > 300, `${reason} ${talkedMs}`);
    assert.deepEqual(
      [ann, bob].map((peer) => peer.packets.at(-1)?.ssrc),
      sources,
      "what the worker sends is one source all along",
    );
    await until("past it again", () => [ann, bob].every((peer) => peer.packets.at(-1)?.ssrc === peer.ssrc) && isHeard());

    const playing = b.play({ tone: { segments: [{ frequencies: [425], ms: 60_000 }] } });
    await until("Bob hears the tone alone", () => bob.level(425) > -20 && bob.level(600) < -40);
    await playing.stop();
    await until("and Ann again", isHeard);
    await own.unbridge(a);
    await until("silence", () => ann.loudness() < -50 && bob.loudness() < -50);
    await own.bridge(a, b);
    await until("past it once more", () => bob.packets.at(-1)?.ssrc === bob.ssrc && isHeard());
    ann.close();
    await a.close();
    b.play({ tone: { segments: [{ frequencies: [425], ms: 1000 }], repeat: true } });
    await until("who is left is reached", () => bob.level(425) > -20);
    bob.close();
    await call.close();
  });
