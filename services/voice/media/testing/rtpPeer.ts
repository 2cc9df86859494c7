import { randomBytes } from "node:crypto";
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { type AudioCodec, frameSamples, openCodec, sampleRate } from "../codecs/codec.ts";
import { eventPayload } from "../codecs/dtmf.ts";
import { goertzelDbm0, levelDbm0, peakOf } from "../codecs/level.ts";
import type { CodecName } from "../engine.ts";
import { buildRtp, parseRtp } from "../rtp/packet.ts";
import { SrtpContext } from "../rtp/srtp.ts";
import { readRemote } from "../sdp/remote.ts";

const numbers: Record<CodecName, number> = { PCMU: 0, PCMA: 8, G722: 9, opus: 111 };
const maps: Record<CodecName, string> = { PCMU: "PCMU/8000", PCMA: "PCMA/8000", G722: "G722/8000", opus: "opus/48000/2" };

export interface PeerOptions {
  codec?: CodecName;
  /** Of what it says; undefined: says nothing. */
  frequency?: number;
  levelDbm0?: number;
  srtp?: boolean;
  telephoneEvent?: boolean;
  /** Takes comfort noise (RFC 3389), and has said so. */
  comfortNoise?: boolean;
  direction?: string;
  /** Leaves out every n-th packet. */
  dropEvery?: number;
  rtcpMux?: boolean;
}

/** A phone's media, for tests: says a tone, and keeps what it hears. */
export class RtpPeer {
  readonly options: PeerOptions;
  readonly socket: Socket = createSocket("udp4");
  readonly heard: Int16Array[] = [];
  readonly digits: { digit: number; end: boolean; duration: number; timestamp: number }[] = [];
  /** Payloads of comfort noise. */
  readonly noises: Buffer[] = [];
  readonly packets: { sequence: number; timestamp: number; ssrc: number; payloadType: number; marker: boolean; at: number }[] =
    [];
  #codec!: AudioCodec;
  #master = randomBytes(30);
  #send: SrtpContext | undefined;
  #receive: SrtpContext | undefined;
  #to: { address: string; port: number } | undefined;
  #timer: NodeJS.Timeout | undefined;
  #sequence = 100;
  #timestamp = 1000;
  #phase = 0;
  #version = 0;
  #tones: { frequencies: readonly number[]; packets: number } | undefined;
  muted = false;
  ssrc = 0x1234;

  static readonly #open = new Set<RtpPeer>();

  private constructor(options: PeerOptions) {
    this.options = options;
    RtpPeer.#open.add(this);
  }

  /** What a test that failed has left. */
  static closeAll(): void {
    for (const peer of [...RtpPeer.#open]) peer.close();
  }

  static async open(options: PeerOptions = {}): Promise<RtpPeer> {
    const peer = new RtpPeer(options);
    peer.socket.bind(0, "127.0.0.1");
    await once(peer.socket, "listening");
    peer.#codec = await openCodec(options.codec ?? "PCMU");
    peer.socket.on("message", (bytes) => peer.#packet(bytes));
    return peer;
  }

  get name(): CodecName {
    return this.options.codec ?? "PCMU";
  }

  /** Offer or answer: this peer speaks one codec. */
  sdp(direction = this.options.direction ?? "sendrecv"): string {
    const number = numbers[this.name];
    const events = this.options.telephoneEvent !== false;
    const { port } = this.socket.address();
    const rate = this.name === "opus" ? 48_000 : 8000;
    const key = this.#master.toString("base64");
    return [
      "v=0",
      `o=- 1 ${++this.#version} IN IP4 127.0.0.1`,
      "s=-",
      "c=IN IP4 127.0.0.1",
      "t=0 0",
      `m=audio ${port} RTP/${this.options.srtp ? "S" : ""}AVP ${number}${this.options.comfortNoise ? " 13" : ""}${events ? " 101" : ""}`,
      `a=rtpmap:${number} ${maps[this.name]}`,
      ...(events ? [`a=rtpmap:101 telephone-event/${rate}`, "a=fmtp:101 0-15"] : []),
      ...(this.options.srtp ? [`a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:${key}`] : []),
      ...(this.options.rtcpMux === false ? [] : ["a=rtcp-mux"]),
      `a=${direction}`,
      "",
    ].join("\r\n");
  }

  /** The engine's side. Begins to speak. */
  connect(sdp: string): void {
    const remote = readRemote(sdp);
    this.#to = { address: remote.address, port: remote.port };
    if (this.options.srtp && !this.#send) {
      this.#send = new SrtpContext(this.#master, remote.crypto[0]!.suite);
      this.#receive = new SrtpContext(remote.crypto[0]!.key, remote.crypto[0]!.suite);
    }
    if (this.#timer) return;
    let next = performance.now();
    const beat = (): void => {
      for (; next <= performance.now(); next += 20) this.#say();
      this.#timer = setTimeout(beat, Math.max(1, next - performance.now()));
    };
    beat();
  }

  press(digit: number, { packets = 5, lose = 0 }: { packets?: number; lose?: number } = {}): void {
    const timestamp = this.#timestamp;
    for (let i = 1; i <= packets + 2; i++) {
      const end = i >= packets;
      const payload = eventPayload("0123456789*#ABCD"[digit]!, Math.min(i, packets) * (this.#codec.clockRate / 50), end);
      this.#sequence++;
      if (i > lose) this.#transmit(payload, 101, timestamp, i === 1);
    }
  }

  /** Says nothing any more, but what that sounds like. */
  rest(payload: Buffer): void {
    this.muted = true;
    this.#sequence = (this.#sequence + 1) & 0xffff;
    this.#transmit(payload, 13, this.#timestamp, false);
  }

  #say(): void {
    const { frequency, dropEvery } = this.options;
    this.#timestamp += this.#codec.clockRate / 50;
    if (frequency === undefined || this.muted || !this.#to) return;
    this.#sequence = (this.#sequence + 1) & 0xffff;
    const peak = peakOf(this.options.levelDbm0 ?? -15);
    const frequencies = this.#tones ? this.#tones.frequencies : [frequency];
    if (this.#tones && --this.#tones.packets <= 0) this.#tones = undefined;
    const pcm = Int16Array.from({ length: frameSamples }, (_, i) =>
      Math.round(
        frequencies.reduce((sum, each) => sum + peak * Math.sin((2 * Math.PI * each * (this.#phase + i)) / sampleRate), 0),
      ),
    );
    this.#phase += frameSamples;
    const payload = this.#codec.encode(pcm);
    if (dropEvery && this.#sequence % dropEvery === 0) return;
    this.#transmit(payload, numbers[this.name], this.#timestamp, false);
  }

  #transmit(payload: Buffer, payloadType: number, timestamp: number, marker: boolean): void {
    const { ssrc } = this;
    const packet = buildRtp(
      { payloadType, marker, sequence: this.#sequence, timestamp, ssrc, payload },
      this.#send?.tagBytes ?? 0,
    );
    if (this.#to) this.socket.send(this.#send ? this.#send.protect(packet) : packet, this.#to.port, this.#to.address);
  }

  #packet(bytes: Buffer): void {
    if (bytes.length < 12 || (bytes[1]! >= 192 && bytes[1]! <= 223)) return;
    const plain = this.#receive ? this.#receive.unprotect(bytes) : bytes;
    const packet = plain && parseRtp(plain);
    if (!packet) return;
    const { sequence, timestamp, ssrc, payloadType, marker, payload } = packet;
    this.packets.push({ sequence, timestamp, ssrc, payloadType, marker, at: performance.now() });
    if (payloadType === 101)
      this.digits.push({ digit: payload[0]!, end: payload[1]! > 127, duration: payload.readUInt16BE(2), timestamp });
    else if (payloadType === 13) this.noises.push(payload);
    else if (payloadType === numbers[this.name]) this.heard.push(this.#codec.decode(payload));
  }

  /** Says these frequencies at once for so many packets. */
  dial(frequencies: readonly number[], packets: number): void {
    this.#tones = { frequencies, packets };
  }

  /** The last `ms` of what it heard. */
  last(ms: number): Int16Array {
    return concat(this.heard.slice(-ms / 20));
  }

  /** Level at this frequency over the last `ms`, and of all. */
  level(frequency: number, ms = 200): number {
    return goertzelDbm0(this.last(ms), frequency, sampleRate);
  }

  loudness(ms = 200): number {
    return levelDbm0(this.last(ms));
  }

  forget(): void {
    this.heard.length = 0;
    this.packets.length = 0;
    this.digits.length = 0;
    this.noises.length = 0;
  }

  close(): void {
    if (!RtpPeer.#open.delete(this)) return;
    clearTimeout(this.#timer);
    this.socket.close();
    this.#codec.free();
  }
}

export function concat(frames: readonly Int16Array[]): Int16Array {
  const out = new Int16Array(frames.reduce((sum, frame) => sum + frame.length, 0));
  let at = 0;
  for (const frame of frames) {
    out.set(frame, at);
    at += frame.length;
  }
  return out;
}

/** Waits for it, generously. */
export async function until(what: string, condition: () => boolean | Promise<boolean>, ms = 20_000): Promise<void> {
  const end = performance.now() + ms;
  while (!(await condition())) {
    if (performance.now() > end) throw new Error(`It did not come: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
