import { strict as assert } from "node:assert";
import { spawnSync } from "node:child_process";
import { createHmac, randomBytes } from "node:crypto";
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { installTestTools } from "../../../tools/test-tools.ts";
import { openCodec } from "./codecs/codec.ts";
import { ComfortNoise } from "./codecs/comfortNoise.ts";
import { frequenciesOf, ToneDetector } from "./codecs/dtmf.ts";
import { goertzelDbm0, levelDbm0, peakOf } from "./codecs/level.ts";
import { readWav, WavWriter } from "./codecs/wav.ts";
import { Ports } from "./embedded/ports.ts";
import { JitterBuffer } from "./rtp/jitterBuffer.ts";
import { buildRtp, parseRtp } from "./rtp/packet.ts";
import { meanOpinionScore, ReceptionFigures } from "./rtp/quality.ts";
import { buildReport, ntpNow, parseRtcp } from "./rtp/rtcp.ts";
import { SrtpContext } from "./rtp/srtp.ts";
import { bindingResponse, readBindingRequest } from "./rtp/stun.ts";
import { bdecode, bencode } from "./rtpengine/bencode.ts";
import { Negotiation } from "./sdp/negotiation.ts";
import { concat } from "./testing/rtpPeer.ts";
import { turnCredentials } from "./turn.ts";

const folder = mkdtempSync(join(tmpdir(), "khmara-media-parts-"));
after(() => rmSync(folder, { recursive: true, force: true }));

const tone = (frequencies: readonly number[], samples: number, dbm0 = -10, rate = 16_000): Int16Array =>
  Int16Array.from({ length: samples }, (_, i) =>
    Math.round(frequencies.reduce((sum, each) => sum + peakOf(dbm0) * Math.sin((2 * Math.PI * each * i) / rate), 0)),
  );

test("G.711 and G.722 are those of ffmpeg, both ways", async () => {
  await installTestTools({ "/usr/bin/ffmpeg": "ffmpeg" });
  const file = (name: string): string => join(folder, name);
  const ffmpeg = (...words: string[]): void => {
    const { status, stderr } = spawnSync("ffmpeg", ["-y", "-loglevel", "error", ...words], { encoding: "utf8" });
    assert.equal(status, 0, stderr);
  };
  for (const [name, format, rate] of [
    ["PCMU", "mulaw", 8000],
    ["PCMA", "alaw", 8000],
    ["G722", "g722", 16_000],
  ] as const) {
    const codec = await openCodec(name);
    const frames = Array.from({ length: 50 }, (_, i) => tone([1004], 16_000).subarray(i * 320, i * 320 + 320));
    writeFileSync(file("ours"), Buffer.concat(frames.map((frame) => codec.encode(frame))));
    const rates = format === "g722" ? [] : ["-ar", String(rate)];
    ffmpeg("-f", format, ...rates, "-i", file("ours"), "-ar", "16000", "-c:a", "pcm_s16le", file("ours.wav"));
    const theirs = (await readWav(file("ours.wav"))).pcm.subarray(1600, 14_400);
    assert.ok(Math.abs(goertzelDbm0(theirs, 1004, 16_000) + 10) < 0.5, `${name}: ${goertzelDbm0(theirs, 1004, 16_000)}`);
    assert.ok(levelDbm0(theirs) + 10 < 0.6, `${name}: more than the tone`);
    ffmpeg(
      "-f",
      "lavfi",
      "-i",
      "sine=frequency=1004:sample_rate=16000:duration=1",
      "-f",
      format,
      "-ar",
      String(rate),
      file("theirs"),
    );
    const ours = concat([codec.decode(readFileSync(file("theirs")))]).subarray(1600, 14_400);
    const level = goertzelDbm0(ours, 1004, 16_000);
    assert.ok(Math.abs(level - levelDbm0(ours)) < 0.3 && level > -20, `${name}: ${level} of ${levelDbm0(ours)}`);
  }
});

test("SRTP: what is played again, late or forged is refused; the count survives losses where it goes round", () => {
  const master = Buffer.from("e1f97a0d3e018be0d64fa32c06de41390ec675ad498afeebb6960b3aabe6", "hex");
  const [sending, receiving] = [new SrtpContext(master), new SrtpContext(master)];
  const make = (sequence: number): Buffer =>
    sending.protect(
      buildRtp({ payloadType: 0, marker: false, sequence, timestamp: 0, ssrc: 7, payload: Buffer.from("words") }, 10),
    );
  const read = (packet: Buffer): string | undefined => {
    const plain = receiving.unprotect(Buffer.from(packet));
    return plain && parseRtp(plain)!.payload.toString();
  };
  const first = make(65_530);
  assert.notEqual(parseRtp(first)!.payload.toString(), "words");
  assert.equal(read(first), "words");
  assert.equal(read(first), undefined, "played again");
  const late = make(65_534);
  // Some hundred are lost where the count goes round.
  assert.equal(read(make(300)), "words");
  assert.equal(read(late), undefined, "too late");
  const forged = make(301);
  forged[13]! ^= 1;
  assert.equal(read(forged), undefined);
  for (let sequence = 301; sequence < 70_000; sequence += 400) assert.equal(read(make(sequence & 0xffff)), "words");
  const report = buildReport(7, undefined, [], "name");
  const sealed = sending.protectRtcp(report);
  assert.deepEqual(receiving.unprotectRtcp(Buffer.from(sealed)), report);
  assert.equal(receiving.unprotectRtcp(Buffer.from(sealed)), undefined);
});

test("SRTP is the one of werift", async () => {
  const { ProtectionProfileAes128CmHmacSha1_80, SrtpSession, RtpHeader } = await import("werift");
  const master = randomBytes(30);
  const keys = {
    localMasterKey: master.subarray(0, 16),
    localMasterSalt: master.subarray(16),
    remoteMasterKey: master.subarray(0, 16),
    remoteMasterSalt: master.subarray(16),
  };
  const theirs = new SrtpSession({ keys, profile: ProtectionProfileAes128CmHmacSha1_80 });
  const payload = randomBytes(160);
  const header = new RtpHeader({ payloadType: 8, sequenceNumber: 1000, timestamp: 5, ssrc: 99 });
  const plain = new SrtpContext(master).unprotect(Buffer.from(theirs.encrypt(payload, header)));
  assert.deepEqual(plain && parseRtp(plain)!.payload, payload);
  const ours = new SrtpContext(master).protect(
    buildRtp({ payloadType: 8, marker: false, sequence: 1001, timestamp: 6, ssrc: 98, payload }, 10),
  );
  assert.deepEqual(parseRtp(theirs.decrypt(ours))!.payload, payload);
});

test("STUN: the sample request of RFC 5769 section 2.1, and an answer to it", () => {
  const request = Buffer.from(
    "000100582112a442b7e7a701bc34d686fa87dfae802200105354554e207465737420636c69656e74002400046e0001ff80290008932ff9b151263b36" +
      "00060009657674 6a3a68367659202020000800149aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a280280004e57a3bcf".replaceAll(" ", ""),
    "hex",
  );
  const password = "VOkJxbRl1RmTxUk/WvJxBt";
  assert.ok(readBindingRequest(request, "evtj", password));
  assert.equal(readBindingRequest(request, "evtj", "another"), undefined);
  assert.equal(readBindingRequest(request, "other", password), undefined);
  const response = bindingResponse(request.subarray(8, 20), "192.0.2.1", 32_853, password);
  // RFC 5769 section 2.2: the same address, the same bytes.
  assert.equal(response.subarray(24, 32).toString("hex"), "0001a147e112a643");
});

test("tones: every digit is found once, speech-like sums are not", () => {
  for (const rate of [8000, 16_000] as const)
    for (const digit of "0123456789*#ABCD") {
      const detector = new ToneDetector(rate);
      const samples = tone(frequenciesOf(digit), rate / 10, -12, rate);
      const found = [];
      for (let at = 0; at + rate / 50 <= samples.length; at += rate / 50)
        found.push(detector.frame(samples.subarray(at, at + rate / 50)));
      assert.deepEqual(
        found.filter((each) => each !== undefined),
        [digit],
      );
    }
  const detector = new ToneDetector(16_000);
  for (const frequencies of [[697], [440, 480], [350, 440], [697, 1209, 2000, 2600], [150, 700, 1220]])
    for (let i = 0; i < 5; i++) assert.equal(detector.frame(tone(frequencies, 320)), undefined);
});

test("the jitter buffer puts in order, conceals, waits longer after it ran out", async () => {
  const codec = await openCodec("PCMU");
  const buffer = new JitterBuffer(codec);
  const packet = (level: number): Buffer => codec.encode(tone([1000], 320, level));
  for (const sequence of [65_535, 1, 0, 3]) buffer.push(sequence, packet(-10));
  const frames = Array.from({ length: 6 }, () => buffer.pull());
  assert.deepEqual(
    frames.map((frame) => frame !== undefined),
    [true, true, true, true, true, false],
  );
  assert.ok(levelDbm0(frames[3]!) < levelDbm0(frames[2]!), "what is missing is quieter");
  buffer.push(4, packet(-10));
  buffer.push(5, packet(-10));
  assert.equal(buffer.pull(), undefined);
  buffer.push(6, packet(-10));
  assert.ok(buffer.pull());
});

test("comfort noise has the level that was told, and the spectrum; a pause that was told makes nobody wait longer", async () => {
  const heard = (...payload: number[]): Int16Array => {
    const noise = new ComfortNoise();
    noise.update(Buffer.from(payload));
    return Int16Array.from(Array.from({ length: 100 }, () => [...noise.next()]).flat());
  };
  // 0 dBov is 6.15 dB over 0 dBm0; resampling takes what is above 3.4 kHz.
  for (const level of [20, 40, 60]) assert.ok(Math.abs(levelDbm0(heard(level)) - (6.15 - level)) < 2, `-${level} dBov`);
  // A first coefficient of -0.9 is dull noise, of +0.9 a sharp one; both as loud as told.
  const slopes = [12, 241].map((coefficient) => {
    const pcm = heard(40, coefficient);
    assert.ok(Math.abs(levelDbm0(pcm) + 34) < 3, `${coefficient}: ${levelDbm0(pcm)}`);
    return (
      pcm.reduce((sum, sample, i) => sum + sample * (pcm[i + 2] ?? 0), 0) / pcm.reduce((sum, sample) => sum + sample ** 2, 0)
    );
  });
  assert.ok(slopes[0]! > 0.6 && slopes[1]! < -0.6, String(slopes));
  assert.equal(levelDbm0(heard(127)) < -90, true);

  const codec = await openCodec("PCMU");
  const buffer = new JitterBuffer(codec);
  const frame = codec.encode(tone([500], 320));
  for (let pause = 0; pause < 8; pause++) {
    for (const packet of [0, 1]) buffer.push(pause * 3 + packet, frame);
    const pulled = [buffer.pull(), buffer.pull(), buffer.pull(true)].map((each) => each !== undefined);
    assert.deepEqual(pulled, [true, true, false], `pause ${pause}`);
    buffer.reset(pause * 3 + 3);
  }
});

test("figures: loss, jitter, rollover; reports there and back; MOS falls with loss and delay", () => {
  const figures = new ReceptionFigures(8000);
  for (let i = 0; i < 100; i++) if (i % 10 !== 5) figures.packet(1, (65_500 + i) & 0xffff, i * 160, i * 20 + (i % 2) * 4);
  assert.equal(Math.round(figures.loss * 100), 10);
  assert.ok(figures.jitter / 8 > 2 && figures.jitter / 8 < 5);
  const block = figures.block(undefined, 0)!;
  const [part] = parseRtcp(buildReport(9, { ssrc: 9, ntp: ntpNow(), timestamp: 1, packets: 2, octets: 3 }, [block], "c"));
  assert.ok(part?.type === "report" && part.sender?.ssrc === 9 && part.blocks[0]!.lost === 10);
  assert.deepEqual(
    [meanOpinionScore(0, 20) > 4.3, meanOpinionScore(0.05, 20) < 3.5, meanOpinionScore(0, 400) < 3.9],
    [true, true, true],
  );
});

test("WAV: what a recorder leaves when it is killed can be read; other files are refused", async () => {
  const file = join(folder, "cut.wav");
  const writer = new WavWriter(file, 16_000, 2);
  writer.write(tone([500], 320), tone([700], 320));
  writer.flush();
  writer.write(tone([500], 320), tone([700], 320));
  assert.equal((await readWav(file)).pcm.length, 320);
  writer.close();
  assert.equal((await readWav(file)).pcm.length, 640);
  writeFileSync(file, "no sound");
  await assert.rejects(readWav(file), /is no WAV file/);
});

test("an answer has the protocol of its offer, and its lines; a hold of the old kind is one", () => {
  const fixed = { addresses: ["192.0.2.1"], port: 4000, fingerprint: "", ssrc: 1, videoSsrc: 2 };
  const lines = [
    "v=0",
    "o=- 1 1 IN IP4 192.0.2.9",
    "s=-",
    "c=IN IP4 192.0.2.9",
    "t=0 0",
    "m=video 9 RTP/AVP 31",
    "m=audio 5004 RTP/AVPF 96 9",
    "a=rtpmap:96 opus/48000/2",
    "a=rtpmap:97 telephone-event/8000",
  ];
  const { sdp, agreed } = new Negotiation(fixed).answer(lines.join("\r\n"), { prefer: ["G722"], direction: "sendonly" });
  assert.match(sdp, /m=video 0 RTP\/AVP 31\r\n.*m=audio 4000 RTP\/AVPF 9\r\n.*a=sendonly/s);
  assert.deepEqual([agreed.codec.name, agreed.direction, agreed.event], ["G722", "sendonly", undefined]);
  const held = new Negotiation(fixed).answer(lines.join("\r\n").replace("c=IN IP4 192.0.2.9", "c=IN IP4 0.0.0.0"), {});
  assert.equal(held.agreed.direction, "recvonly");
});

test("TURN credentials, bencode", () => {
  const made = turnCredentials({ secret: "s", user: "ada", validSeconds: 60, now: 1_000_000, urls: ["turn:turn.example.org"] });
  assert.equal(made.username, "1060:ada");
  assert.equal(made.credential, createHmac("sha1", "s").update("1060:ada").digest("base64"));
  const value = { list: [1, "два", { deep: [] }] };
  assert.deepEqual(bdecode(Buffer.from(bencode(value))), value);
  for (const broken of ["", "d", "5:ab", "i5", "li1e"]) assert.throws(() => bdecode(Buffer.from(broken)));
});

test("a pair of ports that has rested is given to the next leg, and what came meanwhile reaches nobody", async () => {
  const from = 33_960;
  const heard = (pair: { rtp: Socket }) => {
    const packets: string[] = [];
    pair.rtp.on("message", (packet) => packets.push(String(packet)));
    return packets;
  };
  const stranger = createSocket("udp4");
  const say = (words: string, port: number) => new Promise<void>((sent) => stranger.send(words, port, "127.0.0.1", () => sent()));
  const comes = async (packets: string[]) => {
    while (packets.length === 0) await new Promise(setImmediate);
  };
  const ports = new Ports([from, from + 3], "127.0.0.1", { restMs: 0, keepMs: 600_000 });
  const first = await ports.take();
  const before = heard(first);
  await say("to the first", first.port);
  await comes(before);
  first.release();
  first.release();
  const late = once(first.rtp, "message");
  await say("late", first.port);
  const alive = setInterval(() => {}, 1000);
  await late;
  const second = await ports.take();
  assert.deepEqual([second.port, second.rtp], [first.port, first.rtp]);
  const after = heard(second);
  await say("to the second", second.port);
  await comes(after);
  assert.deepEqual([before, after], [["to the first"], ["to the second"]]);
  second.release();
  stranger.close();

  const careful = new Ports([from + 10, from + 13], "127.0.0.1", { restMs: 600_000, keepMs: 100 });
  const third = await careful.take();
  third.release();
  const fourth = await careful.take();
  assert.notEqual(fourth.port, third.port, "it has not rested");
  const fifth = await careful.take();
  assert.equal(fifth.port, third.port, "but there is no other");
  await assert.rejects(careful.take(), { code: "no_ports" });
  // Those that nobody needs are closed.
  const closed = Promise.all([fourth, fifth].map((pair) => once(pair.rtcp, "close")));
  for (const pair of [fourth, fifth]) pair.release();
  await closed;
  clearInterval(alive);
});
