import { strict as assert } from "node:assert";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { goertzelDbm0 } from "../codecs/level.ts";
import { readWav, WavWriter } from "../codecs/wav.ts";
import type { MediaEngine, MediaEvent, MediaLeg } from "../engine.ts";
import { type PeerOptions, RtpPeer, until } from "./rtpPeer.ts";

const opening = Promise.withResolvers<() => Promise<MediaEngine>>();

/** What each engine has to do: a test file that imports this runs all of it. `open` opens the engine, with two workers. */
export function conformance(open: () => Promise<MediaEngine>): void {
  opening.resolve(open);
}

let engine: MediaEngine;
let folder: string;
let names = 0;
const events: MediaEvent[] = [];

before(async () => {
  folder = mkdtempSync(join(tmpdir(), "khmara-media-"));
  engine = await (await opening.promise)();
  engine.onEvent((event) => events.push(event));
});
after(async () => {
  await engine.close();
  RtpPeer.closeAll();
  rmSync(folder, { recursive: true, force: true });
});

/** A peer that called us: its offer is answered. */
async function called(
  options: PeerOptions,
  call = engine.call(`call-${++names}`),
): Promise<{ peer: RtpPeer; leg: MediaLeg; answer: string }> {
  const peer = await RtpPeer.open(options);
  const leg = call.leg();
  const answer = await leg.answer(peer.sdp());
  peer.connect(answer);
  return { peer, leg, answer };
}

async function end(...sides: { peer: RtpPeer; leg: MediaLeg }[]): Promise<void> {
  for (const { peer, leg } of sides) {
    peer.close();
    await leg.call.close();
  }
}

const hears = (peer: RtpPeer, frequency: number): Promise<void> =>
  until(`${peer.name} hears ${frequency} Hz`, () => peer.heard.length > 12 && Math.abs(peer.level(frequency) + 15) < 3);
const silent = (peer: RtpPeer): Promise<void> =>
  until(`${peer.name} hears nothing`, () => peer.heard.length === 0 || peer.loudness() < -50);

for (const [one, other] of [
  [{}, {}],
  [{ codec: "PCMA" }, { codec: "PCMU" }],
  [{ codec: "opus" }, { codec: "PCMA" }],
  [{ codec: "G722" }, { codec: "opus" }],
  [{ srtp: true }, { codec: "G722" }],
  [{ srtp: true, rtcpMux: false }, { srtp: true }],
] as const satisfies readonly (readonly [PeerOptions, PeerOptions])[])
  test(`bridge: ${JSON.stringify(one)} and ${JSON.stringify(other)}`, async () => {
    const call = engine.call(`call-${++names}`);
    const a = await called({ ...one, frequency: 600 }, call);
    const b = await called({ ...other, frequency: 1000 }, call);
    await engine.bridge(a.leg, b.leg);
    await Promise.all([hears(a.peer, 1000), hears(b.peer, 600)]);
    assert.ok(a.peer.level(600) < -40, "hears itself");
    await engine.unbridge(a.leg);
    await Promise.all([silent(a.peer), silent(b.peer)]);
    await end(a, b);
  });

test("legs of different calls, in different workers", async () => {
  const calls = [engine.call("w1"), engine.call("w2")];
  const a = await called({ codec: "opus", frequency: 600 }, calls[0]);
  const b = await called({ frequency: 1000 }, calls[1]);
  await engine.bridge(a.leg, b.leg);
  await Promise.all([hears(a.peer, 1000), hears(b.peer, 600)]);
  a.peer.press(7);
  await until("the digit arrives", () => b.peer.digits.some(({ digit, end }) => digit === 7 && end));
  await engine.unbridge(b.leg);
  await Promise.all([silent(a.peer), silent(b.peer)]);
  await end(a, b);
});

test("comfort noise of who says nothing: made for one, passed on to another that takes it, gone with the next word", async () => {
  for (const other of [{}, { codec: "opus" }, { comfortNoise: true }] as const) {
    // There a silence goes past the worker, which is who makes noise of it.
    if (engine.kind === "rtpengine" && Object.keys(other).length === 0) continue;
    const call = engine.call(`call-${++names}`);
    const a = await called({ frequency: 600, comfortNoise: true }, call);
    const b = await called(other, call);
    await engine.bridge(a.leg, b.leg);
    await hears(b.peer, 600);
    // 36 dB below what 16 bits can be at the loudest: 6.2 dB above 0 dBm0.
    a.peer.rest(Buffer.of(36));
    if ("comfortNoise" in other) {
      await until("it is passed on", () => b.peer.noises.length > 0);
      assert.deepEqual(b.peer.noises, [Buffer.of(36)]);
    } else {
      await until("noise of that level", () => b.peer.level(600) < -40 && Math.abs(b.peer.loudness() + 30) < 3);
      b.peer.forget();
      await until("half a second of it", () => b.peer.heard.length > 25);
      const gaps = b.peer.packets.slice(1).filter(({ sequence }, i) => ((sequence - b.peer.packets[i]!.sequence) & 0xffff) !== 1);
      assert.deepEqual(gaps, []);
      assert.deepEqual(b.peer.noises, []);
    }
    a.peer.muted = false;
    await hears(b.peer, 600);
    await end(a, b);
  }
});

test("an outgoing leg: our offer, the same codec, hold and resume, a refused offer", async () => {
  const call = engine.call(`call-${++names}`);
  const a = await called({ codec: "PCMA", frequency: 600 }, call);
  const leg = call.leg();
  const peer = await RtpPeer.open({ codec: "PCMA", frequency: 1000 });
  const offer = await leg.offer({ like: a.leg });
  assert.match(offer, /m=audio \d+ RTP\/AVP 8 0 9 111 101/);
  peer.connect(offer);
  const media = await leg.accept(peer.sdp());
  assert.deepEqual([media.codec, media.direction, media.heldByRemote, media.telephoneEvent], ["PCMA", "sendrecv", false, true]);
  await engine.bridge(a.leg, leg);
  await Promise.all([hears(a.peer, 1000), hears(peer, 600)]);
  const answer = await leg.answer(peer.sdp("sendonly"));
  assert.match(answer, /a=recvonly/);
  assert.equal(leg.media?.heldByRemote, true);
  await new Promise((resolve) => setTimeout(resolve, 100));
  peer.forget();
  await hears(a.peer, 1000);
  assert.equal(peer.heard.length, 0);
  await leg.answer(peer.sdp("sendrecv"));
  await hears(peer, 600);
  await leg.offer({ direction: "inactive" });
  await leg.rollback();
  await hears(peer, 600);
  peer.close();
  await end(a);
});

test("a sound file, until a digit; a tone with its cadence; the receiver hears one source without a break", async () => {
  const file = join(folder, "tone.wav");
  const writer = new WavWriter(file, 8000, 1);
  for (let frame = 0; frame < 100; frame++)
    writer.write(Int16Array.from({ length: 320 }, (_, i) => 6000 * Math.sin((2 * Math.PI * 500 * (frame * 320 + i)) / 16_000)));
  writer.close();
  const a = await called({});
  const whole = await a.leg.play({
    sequence: [{ file, fromMs: 1800 }, { silenceMs: 40 }, { tone: { segments: [{ frequencies: [425], ms: 100 }] } }],
  }).done;
  assert.deepEqual([whole.reason, whole.playedMs], ["finished", 340]);
  const playing = a.leg.play({ file }, { untilDtmf: "#5", repeat: 0 });
  await until("500 Hz", () => a.peer.level(500) > -20);
  a.peer.press(1);
  await new Promise((resolve) => setTimeout(resolve, 100));
  a.peer.press(5, { lose: 3 });
  const ended = await playing.done;
  assert.deepEqual([ended.reason, ended.digit], ["dtmf", "5"]);
  const tone = a.leg.play({
    tone: {
      segments: [
        { frequencies: [425], ms: 60 },
        { frequencies: [], ms: 60 },
      ],
      repeat: true,
    },
  });
  await until("425 Hz", () => a.peer.level(425, 600) > -22);
  const replaced = a.leg.play({ silenceMs: 20 });
  assert.equal((await tone.done).reason, "replaced");
  assert.equal((await replaced.done).reason, "finished");
  assert.equal((await a.leg.play({ file: join(folder, "none.wav") }).done).reason, "failed");
  const { packets } = a.peer;
  for (let i = 1; i < packets.length; i++) {
    assert.equal(packets[i]!.sequence, (packets[i - 1]!.sequence + 1) & 0xffff);
    assert.equal(packets[i]!.ssrc, packets[0]!.ssrc);
  }
  const closing = a.leg.play({ silenceMs: 60_000 });
  await end(a);
  assert.equal((await closing.done).reason, "closed");
});

test("digits: sent and heard as events and as tones", async () => {
  const a = await called({});
  await a.leg.sendDtmf("1,9#");
  await until("three digits", () => a.peer.digits.filter(({ end }) => end).length >= 9);
  assert.deepEqual([...new Set(a.peer.digits.map(({ timestamp }) => timestamp))].length, 3);
  assert.deepEqual([...new Set(a.peer.digits.map(({ digit }) => digit))], [1, 9, 11]);
  const b = await called({ telephoneEvent: false });
  const c = await called({ telephoneEvent: false });
  await engine.bridge(b.leg, c.leg);
  const before = events.length;
  // What the engine plays as tones to b, b's telephone would send back as tones: here it is played into c and looked for from there.
  const sending = b.leg.sendDtmf("5");
  await until("tones", () => b.peer.level(770, 60) > -20 && b.peer.level(1336, 60) > -20);
  await sending;
  assert.equal(events.length >= before, true);
  await assert.rejects(a.leg.sendDtmf("x"), { code: "malformed" });
  await end(a, b, c);
});

test("digits as tones are found in G.711 and in Opus", async () => {
  for (const codec of ["PCMA", "opus"] as const) {
    const call = engine.call(`call-${++names}`);
    // One leg without events hears what another, played to by tones, would say.
    const a = await called({ codec, telephoneEvent: false, frequency: 0 }, call);
    const found = new Promise<MediaEvent>((resolve) => {
      call.onEvent((event) => event.type === "dtmf" && resolve(event));
    });
    a.peer.dial([770, 1477], 5);
    const event = await found;
    assert.deepEqual(event.type === "dtmf" && [event.digit, event.by], ["6", "in_band"]);
    await end(a);
  }
});

test("recording: what one says, both in stereo, the end by silence; loss is concealed", async () => {
  const call = engine.call(`call-${++names}`);
  const a = await called({ frequency: 600, dropEvery: 25 }, call);
  const b = await called({ frequency: 1000 }, call);
  await engine.bridge(a.leg, b.leg);
  const files = { one: join(folder, "one.wav"), both: join(folder, "both.wav") };
  const one = a.leg.record({ file: files.one, beep: true, maxSeconds: 1, sampleRate: 8000 });
  const both = b.leg.record({ file: files.both, stereo: true, silenceSeconds: 1 });
  const max = await one.done;
  assert.deepEqual([max.reason, max.ms], ["max", 1000]);
  assert.ok(max.talkedMs > 700, `talked ${max.talkedMs}`);
  const { pcm, rate } = await readWav(files.one);
  assert.equal(rate, 8000);
  assert.ok(goertzelDbm0(pcm.subarray(4000), 600, 8000) > -18);
  b.peer.muted = true;
  assert.equal((await both.done).reason, "silence");
  assert.ok(statSync(files.both).size > 64_000);
  await until("loss is counted", async () => (await a.leg.quality()).lossReceived > 0.02);
  await end(a, b);
});

test("a conference of four over all codecs: sum without oneself, mute, whisper, announcements, speakers", async () => {
  const room = engine.conference(`room-${++names}`, { speakersEveryMs: 100 });
  const sides = [
    await called({ frequency: 500 }),
    await called({ codec: "opus", frequency: 700 }),
    await called({ codec: "G722", frequency: 900 }),
    await called({ codec: "PCMA" }),
  ];
  const [a, b, c, listener] = sides as [(typeof sides)[0], (typeof sides)[0], (typeof sides)[0], (typeof sides)[0]];
  for (const { leg } of sides) await room.join(leg);
  const hearsAll = (peer: RtpPeer, frequencies: number[]) =>
    until(`hears ${frequencies}`, () => frequencies.every((frequency) => Math.abs(peer.level(frequency, 400) + 15) < 4));
  await Promise.all([hearsAll(listener.peer, [500, 700, 900]), hearsAll(a.peer, [700, 900]), hearsAll(b.peer, [500, 900])]);
  assert.ok(a.peer.level(500, 400) < -35, "hears itself");
  const speakers = new Promise<readonly { leg: string }[]>((resolve) => {
    room.onEvent((event) => event.type === "speakers" && event.speakers.length === 3 && resolve(event.speakers));
  });
  assert.deepEqual((await speakers).map(({ leg }) => leg).sort(), [a.leg.id, b.leg.id, c.leg.id].sort());
  const recording = room.record({ file: join(folder, "room.wav") });
  await room.change(b.leg, { muted: true });
  await until("b is muted", () => listener.peer.level(700, 400) < -40);
  await room.change(c.leg, { heardBy: [a.leg] });
  await until("c whispers", () => listener.peer.level(900, 400) < -40 && a.peer.level(900, 400) > -19);
  await room.change(a.leg, { deafened: true });
  await until("a is deaf", () => a.peer.loudness(400) < -50);
  const done = room.play({ tone: { segments: [{ frequencies: [1500], ms: 1000 }] } }).done;
  await until("announcement", () => listener.peer.level(1500, 200) > -18 && b.peer.level(1500, 200) > -18);
  assert.equal((await done).reason, "finished");
  assert.equal((await room.members()).find(({ leg }) => leg === b.leg.id)?.muted, true);
  await room.leave(listener.leg);
  await silent(listener.peer);
  await recording.stop();
  assert.equal((await recording.done).reason, "stopped");
  await room.close();
  await end(...sides);
});

test("no media, and media again; who talks", async () => {
  const call = engine.call(`call-${++names}`);
  const seen: string[] = [];
  call.onEvent((event) => seen.push(event.type === "talking" ? `${event.type} ${event.talking}` : event.type));
  const peer = await RtpPeer.open({ frequency: 600 });
  const leg = call.leg();
  peer.connect(await leg.answer(peer.sdp(), { noMediaSeconds: 1 }));
  await until("talks", () => seen.includes("connected") && seen.includes("talking true"));
  peer.muted = true;
  await until("no media", () => seen.includes("no_media") && seen.includes("talking false"));
  peer.muted = false;
  await until("media again", () => seen.includes("media_again"));
  await end({ peer, leg });
});

test("strangers' packets are not heard once the source is known", async () => {
  const call = engine.call(`call-${++names}`);
  const a = await called({ frequency: 600 }, call);
  const b = await called({}, call);
  await engine.bridge(a.leg, b.leg);
  await hears(b.peer, 600);
  const stranger = await RtpPeer.open({ frequency: 1500 });
  stranger.connect(a.answer);
  await new Promise((resolve) => setTimeout(resolve, 300));
  await hears(b.peer, 600);
  assert.ok(b.peer.level(1500) < -40);
  assert.equal(stranger.packets.length, 0);
  stranger.close();
  await end(a, b);
});

test("what cannot be negotiated is refused", async () => {
  const leg = engine.call(`call-${++names}`).leg();
  await assert.rejects(leg.answer("hello"), { code: "malformed" });
  await assert.rejects(leg.answer("v=0\r\nm=audio 4000 RTP/AVP 18\r\nc=IN IP4 127.0.0.1\r\n"), { code: "not_acceptable" });
  await assert.rejects(leg.accept("v=0\r\nm=audio 4000 RTP/AVP 0\r\nc=IN IP4 127.0.0.1\r\n"), { code: "not_acceptable" });
  await leg.close();
  await assert.rejects(leg.offer(), { code: "gone" });
  await leg.call.close();
});

test("a worker that is killed ends its own calls only, and is replaced", async () => {
  const calls = [engine.call("k1"), engine.call("k2")];
  const a = await called({ frequency: 600 }, calls[0]);
  const b = await called({ frequency: 600 }, calls[1]);
  const playing = a.leg.play({ tone: { segments: [{ frequencies: [425], ms: 1000 }], repeat: true } });
  const figures = await engine.figures();
  assert.deepEqual(
    figures.workers.map((worker) => worker.calls),
    [1, 1],
  );
  const ended = new Promise<MediaEvent>((resolve) => {
    calls[0]!.onEvent((event) => event.type === "call_ended" && resolve(event));
  });
  process.kill(figures.workers[0]!.pid!, "SIGKILL");
  assert.deepEqual(await ended, { type: "call_ended", call: "k1", cause: "worker_died" });
  assert.equal((await playing.done).reason, "closed");
  await assert.rejects(a.leg.offer(), { code: "gone" });
  b.leg.play({ tone: { segments: [{ frequencies: [425], ms: 1000 }], repeat: true } });
  await until("the other goes on", () => b.peer.level(425) > -20);
  const c = await called({});
  c.leg.play({ tone: { segments: [{ frequencies: [425], ms: 1000 }], repeat: true } });
  await until("a new worker takes calls", () => c.peer.level(425) > -20);
  assert.equal(
    (await engine.figures()).workers.every(({ pid }) => pid !== figures.workers[0]!.pid),
    true,
  );
  await end(a, b, c);
});
