import { strict as assert } from "node:assert";
import { after, before, test } from "node:test";
import type { MediaEngine } from "./engine.ts";
import { MediaError } from "./engine.ts";
import { openMediaEngine } from "./openEngine.ts";
import { readRemote } from "./sdp/remote.ts";
import { RtpPeer, until } from "./testing/rtpPeer.ts";

let engine: MediaEngine;
before(async () => {
  engine = await openMediaEngine({ kind: "embedded", workers: 1, ports: [33_500, 33_549], advertised: ["127.0.0.1"] });
});
after(async () => {
  await engine.close();
  RtpPeer.closeAll();
});

/** Mulberry32: the same each time. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Beginnings of what a socket takes for RTP (with each field that says a length), RTCP, STUN and DTLS. */
const beginnings = [
  "8000",
  "9f00",
  "bf6f",
  "80c8",
  "81c9",
  "8fce",
  "8fcd",
  "000100082112a442",
  "000100f02112a442",
  "16fefd",
  "14fefd",
  "17fefd",
  "",
];

test("broken packets of all kinds, from the party itself and from strangers, end nothing", async () => {
  const pids = new Set<number | undefined>();
  for (const options of [{ frequency: 600 }, { frequency: 600, srtp: true }]) {
    const leg = engine.call(`broken-${options.srtp ?? false}`).leg();
    const peer = await RtpPeer.open(options);
    peer.connect(await leg.answer(peer.sdp()));
    leg.play({ tone: { segments: [{ frequencies: [425], ms: 1000 }], repeat: true } });
    const recording = leg.record({ file: "/dev/null" });
    await until("the tone", () => peer.level(425) > -16);
    pids.add((await engine.figures()).workers[0]!.pid);
    const port = Number(/m=audio (\d+)/.exec(await leg.offer())![1]);
    await leg.rollback();
    const random = seeded(7);
    for (let i = 0; i < 6000; i++) {
      const start = Buffer.from(beginnings[Math.floor(random() * beginnings.length)]!, "hex");
      const rest = Buffer.from(Array.from({ length: Math.floor(random() * 90) }, () => Math.floor(random() * 256)));
      peer.socket.send(Buffer.concat([start, rest]), port + Math.floor(random() * 2), "127.0.0.1");
      if (i % 200 === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    }
    peer.forget();
    await until("the tone goes on", () => peer.heard.length > 20 && peer.level(425) > -16);
    await recording.stop();
    peer.close();
    await leg.call.close();
  }
  pids.add((await engine.figures()).workers[0]!.pid);
  assert.equal(pids.size, 1, "the worker is the same");
});

test("broken session descriptions are refused by name, or read", async () => {
  const peer = await RtpPeer.open({ srtp: true });
  const sdp = peer.sdp();
  const random = seeded(11);
  let refused = 0;
  for (let i = 0; i < 3000; i++) {
    const bytes = [...sdp];
    for (let change = 0; change < 1 + random() * 6; change++) {
      const at = Math.floor(random() * bytes.length);
      if (random() < 0.5) bytes[at] = String.fromCharCode(32 + Math.floor(random() * 95));
      else bytes.splice(at, Math.floor(random() * 20));
    }
    try {
      readRemote(bytes.join(""));
    } catch (error) {
      refused++;
      assert.ok(error instanceof MediaError, `${error}`);
    }
  }
  assert.ok(refused > 100 && refused < 2900, `${refused} refused`);
  peer.close();
});
