/**
 * The embedded media engine with one worker: calls that it bridges and conferences that it mixes. Packets carry the moment when they were sent; where they
 * are passed on as they are (SRTP is taken off and put on), it comes out again. The load generator is this process, and its own part is measured without a worker between.
 */
import { randomBytes } from "node:crypto";
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { type AudioCodec, openCodec } from "../services/voice/media/codecs/codec.ts";
import type { CodecName, MediaEngine, MediaLeg } from "../services/voice/media/engine.ts";
import { openMediaEngine } from "../services/voice/media/openEngine.ts";
import { buildRtp, parseRtp } from "../services/voice/media/rtp/packet.ts";
import { SrtpContext } from "../services/voice/media/rtp/srtp.ts";
import { readRemote } from "../services/voice/media/sdp/remote.ts";
import { startRtpengine } from "../services/voice/media/testing/rtpengine.ts";
import { cpuSeconds, figure, table, tell } from "./report.ts";
import type { BenchOptions } from "./run.ts";

const maps: Record<CodecName, string> = {
  PCMU: "0 PCMU/8000",
  PCMA: "8 PCMA/8000",
  G722: "9 G722/8000",
  opus: "111 opus/48000/2",
};
const warmUpMs = 1500;

interface Figures {
  sent: number;
  received: number;
  delays: number[];
}

/** A phone that sends the same frame again and again. */
class Phone {
  readonly socket: Socket = createSocket({ type: "udp4", recvBufferSize: 1 << 20 });
  readonly figures: Figures = { sent: 0, received: 0, delays: [] };
  readonly #codec: CodecName;
  readonly #master: Buffer | undefined;
  #frame: Buffer;
  #send: SrtpContext | undefined;
  #receive: SrtpContext | undefined;
  #to: { address: string; port: number } | undefined;
  #sequence = 0;

  private constructor(codec: CodecName, srtp: boolean, frame: Buffer) {
    this.#codec = codec;
    this.#frame = frame;
    this.#master = srtp ? randomBytes(30) : undefined;
    this.socket.on("message", (bytes) => this.#packet(bytes));
  }

  static async open(codec: CodecName, srtp: boolean, encoder: AudioCodec): Promise<Phone> {
    const pcm = Int16Array.from({ length: 320 }, (_, i) => 4000 * Math.sin((2 * Math.PI * 500 * i) / 16_000));
    const phone = new Phone(codec, srtp, Buffer.from(encoder.encode(pcm)));
    phone.socket.bind(0, "127.0.0.1");
    await once(phone.socket, "listening");
    return phone;
  }

  async call(leg: MediaLeg): Promise<void> {
    const [number] = maps[this.#codec].split(" ");
    const key = this.#master ? [`a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:${this.#master.toString("base64")}`] : [];
    const media = `m=audio ${this.socket.address().port} RTP/${this.#master ? "S" : ""}AVP ${number} 101`;
    const event = `a=rtpmap:101 telephone-event/${this.#codec === "opus" ? 48_000 : 8000}`;
    const lines = [
      "v=0",
      "o=- 1 1 IN IP4 127.0.0.1",
      "s=-",
      "c=IN IP4 127.0.0.1",
      "t=0 0",
      media,
      `a=rtpmap:${maps[this.#codec]}`,
      event,
    ];
    const remote = readRemote(await leg.answer([...lines, ...key, ""].join("\r\n")));
    this.#to = { address: remote.address, port: remote.port };
    if (this.#master) this.#send = new SrtpContext(this.#master);
    if (this.#master) this.#receive = new SrtpContext(remote.crypto[0]!.key);
  }

  connect(port: number): void {
    this.#to = { address: "127.0.0.1", port };
  }

  say(): void {
    if (!this.#to) return;
    const sequence = this.#sequence++ & 0xffff;
    if (this.#codec !== "opus") this.#frame.writeDoubleBE(performance.now(), 0);
    const rate = this.#codec === "opus" ? 960 : 160;
    const payloadType = Number(maps[this.#codec].split(" ")[0]);
    const packet = { payloadType, marker: false, sequence, timestamp: sequence * rate, ssrc: 7, payload: this.#frame };
    const bytes = buildRtp(packet, this.#send?.tagBytes ?? 0);
    this.socket.send(this.#send ? this.#send.protect(bytes) : bytes, this.#to.port, this.#to.address);
    this.figures.sent++;
  }

  #packet(bytes: Buffer): void {
    if (bytes[1]! >= 192 && bytes[1]! <= 223) return;
    const plain = this.#receive ? this.#receive.unprotect(bytes) : bytes;
    const packet = plain && parseRtp(plain);
    if (!packet) return;
    this.figures.received++;
    if (packet.payload.length < 160) return;
    const delay = performance.now() - packet.payload.readDoubleBE(0);
    if (delay >= 0 && delay < 10_000) this.figures.delays.push(delay);
  }
}

/** All of them say a packet every 20 ms, spread over that time, for so long. */
async function talk(phones: readonly Phone[], ms: number): Promise<void> {
  const end = performance.now() + ms;
  let next = performance.now();
  let turn = 0;
  const step = 20 / phones.length;
  while (performance.now() < end) {
    for (; next <= performance.now(); next += step) phones[turn++ % phones.length]!.say();
    await sleep(1);
  }
}

interface Row {
  name: string;
  phones: Phone[];
  engine: MediaEngine | undefined;
  /** Another process that takes part. */
  edgePid?: number | undefined;
}

async function measure({ name, phones, engine, edgePid }: Row, ms: number): Promise<string[]> {
  await talk(phones, warmUpMs);
  await sleep(300);
  for (const { figures } of phones) Object.assign(figures, { sent: 0, received: 0, delays: [] });
  const pid = engine ? (await engine.figures()).workers[0]!.pid! : 0;
  const cpuNow = (): number => [pid, edgePid ?? 0].reduce((sum, each) => sum + (each === 0 ? 0 : cpuSeconds(each)), 0);
  const before = cpuNow();
  const began = performance.now();
  await talk(phones, ms);
  const cpu = ((cpuNow() - before) / (performance.now() - began)) * 1e5;
  await sleep(300);
  const sum = (of: (figures: Figures) => number): number => phones.reduce((all, { figures }) => all + of(figures), 0);
  const delays = phones.flatMap(({ figures }) => figures.delays).sort((a, b) => a - b);
  const at = (share: number): string => (delays.length === 0 ? "" : figure(delays[Math.floor(share * (delays.length - 1))]!));
  const [sent, received] = [sum(({ sent }) => sent), sum(({ received }) => received)];
  tell(`${name}: ${sent} sent, ${received} received`);
  for (const { socket } of phones) socket.close();
  return [name, String(sent), String(received), at(0.5), at(0.99), pid === 0 ? "" : `${cpu.toFixed(0)} %`];
}

async function bridged(
  engine: MediaEngine,
  calls: number,
  one: CodecName,
  other: CodecName,
  encoders: Map<CodecName, AudioCodec>,
): Promise<Phone[]> {
  const phones: Phone[] = [];
  for (let i = 0; i < calls; i++) {
    const call = engine.call(`bench-${i}`);
    const pair = [await Phone.open(one, true, encoders.get(one)!), await Phone.open(other, false, encoders.get(other)!)] as const;
    const legs = [call.leg(), call.leg()] as const;
    await Promise.all([pair[0].call(legs[0]), pair[1].call(legs[1])]);
    await engine.bridge(legs[0], legs[1]);
    phones.push(...pair);
  }
  return phones;
}

async function conference(
  engine: MediaEngine,
  parties: number,
  codec: CodecName,
  encoders: Map<CodecName, AudioCodec>,
): Promise<Phone[]> {
  const room = engine.conference("bench");
  const phones: Phone[] = [];
  for (let i = 0; i < parties; i++) {
    const leg = engine.call(`bench-${i}`).leg();
    const phone = await Phone.open(codec, false, encoders.get(codec)!);
    await phone.call(leg);
    await room.join(leg);
    phones.push(phone);
  }
  return phones;
}

export async function run({ seconds = 10 }: Partial<BenchOptions>): Promise<string> {
  const encoders = new Map<CodecName, AudioCodec>();
  for (const codec of ["PCMU", "G722", "opus"] as const) encoders.set(codec, await openCodec(codec));
  const rows: string[][] = [];
  const direct: Phone[] = [];
  for (let i = 0; i < 100; i++) direct.push(await Phone.open("PCMU", false, encoders.get("PCMU")!));
  for (const [i, phone] of direct.entries()) phone.connect(direct[i ^ 1]!.socket.address().port);
  rows.push(await measure({ name: "floor: 50 pairs without a worker", phones: direct, engine: undefined }, seconds * 1000));
  const scenarios: [string, (engine: MediaEngine) => Promise<Phone[]>][] = [
    ["50 calls, SRTP to RTP, G.711 passed on", (engine) => bridged(engine, 50, "PCMU", "PCMU", encoders)],
    ["100 calls, SRTP to RTP, G.711 passed on", (engine) => bridged(engine, 100, "PCMU", "PCMU", encoders)],
    ["20 calls, SRTP to RTP, Opus to G.711", (engine) => bridged(engine, 20, "opus", "PCMU", encoders)],
    ["a conference of 30, G.711, all talk", (engine) => conference(engine, 30, "PCMU", encoders)],
    ["a conference of 30, Opus, all talk", (engine) => conference(engine, 30, "opus", encoders)],
  ];
  for (const [name, prepare] of scenarios) {
    const engine = await openMediaEngine({ kind: "embedded", workers: 1, ports: [34_000, 34_999], advertised: ["127.0.0.1"] });
    try {
      rows.push(await measure({ name, phones: await prepare(engine), engine }, seconds * 1000));
    } finally {
      await engine.close();
    }
  }
  for (const calls of [50, 100]) {
    const edge = await startRtpengine([35_000, 36_999]);
    const embedded = { kind: "embedded", workers: 1, ports: [34_000, 34_999], advertised: ["127.0.0.1"] } as const;
    const engine = await openMediaEngine({ kind: "rtpengine", hosts: [edge], embedded });
    try {
      const phones = await bridged(engine, calls, "PCMU", "PCMU", encoders);
      const name = `${calls} calls, SRTP to RTP, G.711, rtpengine past the worker`;
      rows.push(await measure({ name, phones, engine, edgePid: edge.child.pid }, seconds * 1000));
    } finally {
      await engine.close();
      await edge.stop();
    }
  }
  return table(["one worker", "sent", "received", "delay p50, ms", "p99, ms", "of one processor"], rows);
}
