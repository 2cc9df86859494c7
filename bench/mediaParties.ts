/** Who speaks in the media benchmark: phones with RTP or SRTP (keys in SDP), and browsers, as far as a server can tell: ICE with consent, DTLS-SRTP, rtcp-mux. */
import { randomBytes } from "node:crypto";
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { openCodec } from "../services/voice/media/codecs/codec.ts";
import { decodeG711 } from "../services/voice/media/codecs/g711.ts";
import { levelDbm0 } from "../services/voice/media/codecs/level.ts";
import type { CodecName, MediaLeg } from "../services/voice/media/engine.ts";
import { buildRtp, parseRtp } from "../services/voice/media/rtp/packet.ts";
import { SrtpContext } from "../services/voice/media/rtp/srtp.ts";
import { readRemote } from "../services/voice/media/sdp/remote.ts";
import { BrowserTransport, levelId, type Place } from "./browserTransport.ts";

const maps: Record<CodecName, string> = {
  PCMU: "0 PCMU/8000",
  PCMA: "8 PCMA/8000",
  G722: "9 G722/8000",
  opus: "111 opus/48000/2",
};

/** Spoken again and again: 400 ms of sound and 100 of silence, so that the beginning of sound can be found in what was transcoded. */
const loopFrames = 25;
const quietFrames = 5;

/** Of each codec once: encoding is not what the load side is for. */
async function speech(name: CodecName): Promise<Buffer[]> {
  const codec = await openCodec(name);
  const frames: Buffer[] = [];
  // The second time round: an encoder that begins is not what it is later.
  for (let frame = 0; frame < 2 * loopFrames; frame++) {
    const isLoud = frame % loopFrames >= quietFrames;
    const sample = (at: number) => 4000 * Math.sin((2 * Math.PI * 500 * at) / 16_000) + 2000 * (Math.random() - 0.5);
    const pcm = Int16Array.from({ length: 320 }, (_, i) => (isLoud ? sample(frame * 320 + i) : 0));
    frames.push(Buffer.from(codec.encode(pcm)));
  }
  codec.free();
  return frames.slice(loopFrames);
}

const spoken = new Map<CodecName, Promise<Buffer[]>>();
const framesOf = (name: CodecName): Promise<Buffer[]> => {
  const known = spoken.get(name) ?? speech(name);
  spoken.set(name, known);
  return known;
};

export interface Figures {
  sent: number;
  received: number;
  delays: number[];
}

export interface PartyOptions {
  codec: CodecName;
  /** Default: plain RTP. */
  kind?: "rtp" | "srtp" | "browser";
  /** Packets come back as they were sent, so that each can carry the time of its sending; otherwise delays are those of sounds' beginnings. */
  isPassedOn?: boolean;
}

/** A party that sends a packet whenever it is told to. */
export class Party {
  readonly socket: Socket = createSocket({ type: "udp4", recvBufferSize: 1 << 20 });
  readonly figures: Figures = { sent: 0, received: 0, delays: [] };
  /** Whom it speaks with: what that one says is what it hears. */
  other: Party | undefined;
  /** When its last sound began. */
  loudSince = 0;
  readonly #options: PartyOptions;
  readonly #frames: readonly Buffer[];
  readonly #master = randomBytes(30);
  readonly #browser: BrowserTransport | undefined;
  #send: SrtpContext | undefined;
  #receive: SrtpContext | undefined;
  #to: Place | undefined;
  #sequence = 0;
  #quiet = 0;
  #saidAt = 0;

  private constructor(options: PartyOptions, frames: readonly Buffer[]) {
    this.#options = options;
    this.#frames = options.isPassedOn ? [Buffer.alloc(160, 0x55)] : frames;
    if (options.kind === "browser") this.#browser = new BrowserTransport((packet, to) => this.#transmit(packet, to));
    this.socket.on("message", (bytes, { address, port }) => this.#packet(bytes, { address, port }));
  }

  static async open(options: PartyOptions): Promise<Party> {
    const party = new Party(options, await framesOf(options.codec));
    party.socket.bind(0, "127.0.0.1");
    await once(party.socket, "listening");
    return party;
  }

  /** Resolves when it can speak: a browser's after ICE and DTLS. */
  async call(leg: MediaLeg): Promise<void> {
    const { port } = this.socket.address();
    const { codec, kind } = this.#options;
    const [number] = maps[codec].split(" ");
    const protocol = { rtp: "RTP/AVP", srtp: "RTP/SAVP", browser: "UDP/TLS/RTP/SAVPF" }[kind ?? "rtp"];
    const own = this.#browser
      ? await this.#browser.lines(port)
      : kind === "srtp"
        ? [`a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:${this.#master.toString("base64")}`]
        : [];
    const lines = [
      "v=0",
      "o=- 1 1 IN IP4 127.0.0.1",
      "s=-",
      "c=IN IP4 127.0.0.1",
      "t=0 0",
      `m=audio ${port} ${protocol} ${number} 101`,
      `a=rtpmap:${maps[codec]}`,
      `a=rtpmap:101 telephone-event/${codec === "opus" ? 48_000 : 8000}`,
      ...own,
      "",
    ];
    const answer = await leg.answer(lines.join("\r\n"));
    const remote = readRemote(answer);
    this.#to = { address: remote.address, port: remote.port };
    if (this.#browser) {
      const { send, receive } = await this.#browser.connect(remote, answer, this.#to);
      this.#keyed(send, receive);
    } else if (kind === "srtp") this.#keyed(this.#master, remote.crypto[0]!.key);
  }

  /** Without anything between. */
  connect(other: Party): void {
    this.#to = { address: "127.0.0.1", port: other.socket.address().port };
    if (this.#options.kind === "srtp") this.#keyed(this.#master, other.#master);
  }

  #keyed(send: Buffer, receive: Buffer): void {
    this.#send = new SrtpContext(send);
    this.#receive = new SrtpContext(receive);
  }

  say(): void {
    if (!this.#to) return;
    const sequence = this.#sequence++ & 0xffff;
    const frame = this.#frames[sequence % this.#frames.length]!;
    const now = performance.now();
    // Sound also begins where one who paused goes on in the middle of it.
    const isBeginning =
      sequence % loopFrames === quietFrames || (sequence % loopFrames > quietFrames && now - this.#saidAt > 100);
    this.#saidAt = now;
    if (this.#options.isPassedOn) frame.writeDoubleBE(now, 0);
    else if (isBeginning) this.loudSince = now;
    const rate = this.#options.codec === "opus" ? 960 : 160;
    const payloadType = Number(maps[this.#options.codec].split(" ")[0]);
    const packet = { payloadType, marker: false, sequence, timestamp: sequence * rate, ssrc: 7, payload: frame };
    const plain = buildRtp(packet, (this.#browser ? levelBytes : 0) + (this.#send?.tagBytes ?? 0));
    if (this.#browser) addLevel(plain, frame.length);
    this.#transmit(this.#send ? this.#send.protect(plain) : plain, this.#to);
    this.figures.sent++;
  }

  #transmit(packet: Buffer, to: Place): void {
    // With a callback, what cannot be sent is lost and no event.
    this.socket.send(packet, to.port, to.address, () => {});
  }

  #packet(bytes: Buffer, from: Place): void {
    if (this.#browser?.handles(bytes, from)) return;
    if (bytes.length < 12 || (bytes[1]! >= 192 && bytes[1]! <= 223)) return;
    const plain = this.#receive ? this.#receive.unprotect(bytes) : bytes;
    const packet = plain && parseRtp(plain);
    if (!packet) return;
    this.figures.received++;
    if (!this.#options.isPassedOn) this.#sound(packet.payload);
    else if (packet.payload.length >= 160) this.#delayed(packet.payload.readDoubleBE(0));
  }

  #sound(payload: Buffer): void {
    const { codec } = this.#options;
    // Silence is a few bytes of Opus.
    const isLoud = codec === "opus" ? payload.length > 30 : isLoudG711(codec, payload);
    if (isLoud && this.#quiet >= 3) this.#delayed(this.other?.loudSince ?? 0);
    this.#quiet = isLoud ? 0 : this.#quiet + 1;
  }

  #delayed(since: number): void {
    const delay = performance.now() - since;
    if (delay >= 0 && delay < 10_000) this.figures.delays.push(delay);
  }

  close(): void {
    this.#browser?.close();
    this.socket.close();
  }
}

const isLoudG711 = (codec: CodecName, payload: Buffer): boolean =>
  (codec === "PCMU" || codec === "PCMA") && levelDbm0(decodeG711(codec, payload)) > -35;

const levelBytes = 8;

/** RFC 6464, as browsers do. `bytes` has room for it after the payload. */
function addLevel(bytes: Buffer, payloadBytes: number): void {
  bytes.copyWithin(12 + levelBytes, 12, 12 + payloadBytes);
  bytes[0]! |= 0x10;
  bytes.writeUInt16BE(0xbede, 12);
  bytes.writeUInt16BE(1, 14);
  bytes.writeUInt32BE(((levelId << 4) << 24) | (30 << 16), 16);
}
