import { randomInt } from "node:crypto";
import { type AudioCodec, openCodec } from "../codecs/codec.ts";
import { ComfortNoise, comfortNoisePayloadType } from "../codecs/comfortNoise.ts";
import { EventReceiver } from "../codecs/dtmf.ts";
import { decodeG711 } from "../codecs/g711.ts";
import type { LegMedia, MediaEvent, QualityFigures } from "../engine.ts";
import { MediaError } from "../engine.ts";
import type { DtlsIdentity } from "../rtp/dtls.ts";
import { JitterBuffer } from "../rtp/jitterBuffer.ts";
import { buildRtp, parseRtp, type RtpPacket } from "../rtp/packet.ts";
import { ReceptionFigures } from "../rtp/quality.ts";
import { RtpSender } from "../rtp/sender.ts";
import { type Agreement, legMedia, Negotiation, type NegotiationOptions, receives, sends } from "../sdp/negotiation.ts";
import { Activity } from "./activity.ts";
import { DigitSender } from "./digits.ts";
import type { RunningPlayback } from "./playback.ts";
import type { PortPair } from "./ports.ts";
import { mix, type RunningRecording } from "./recorder.ts";
import { LegReports } from "./reports.ts";
import type { Room } from "./room.ts";
import { LegTransport } from "./transport.ts";
import { askForPicture, type VideoSide } from "./video.ts";

const silence = new Int16Array(320);

export interface LegPlace {
  identity: DtlsIdentity;
  addresses: readonly string[];
  emit: (event: MediaEvent) => void;
}

/** One party's media in a worker: what comes is passed on as packets, or decoded where somebody needs the audio. */
export class Leg {
  readonly id: string;
  readonly call: string;
  readonly sender: RtpSender;
  readonly videoSender: RtpSender;
  readonly activity: Activity;
  readonly reports: LegReports;
  readonly recordings = new Set<RunningRecording>();
  playback: RunningPlayback | undefined;
  peer: Leg | undefined;
  room: Room | undefined;
  muted = false;
  /** Its packets go past us. */
  away = false;
  noMediaSeconds = 0;
  /** Of this tick: what the party said, and what it hears. */
  said: Int16Array | undefined;
  heard: Int16Array | undefined;
  videoSource: number | undefined;
  #relayDigits = true;
  readonly #place: LegPlace;
  readonly #transport: LegTransport;
  readonly #negotiation: Negotiation;
  readonly #digits = new DigitSender();
  readonly #events = new EventReceiver();
  #agreed: Agreement | undefined;
  #codec: AudioCodec | undefined;
  #jitter: JitterBuffer | undefined;
  #decoding = false;
  /** While the party is silent and sends no more than what that sounds like. */
  #comfort: ComfortNoise | undefined;
  /** All that it said before has been played. */
  #isDrained = false;

  constructor(id: string, call: string, pair: PortPair, place: LegPlace) {
    this.id = id;
    this.call = call;
    this.#place = place;
    const random = () => ({ sequence: randomInt(0, 0x8000), timestamp: randomInt(0, 2 ** 32) });
    const emit = (packet: Omit<RtpPacket, "audioLevel">): void =>
      this.#transport.sendRtp(buildRtp(packet, this.#transport.tagBytes));
    this.sender = new RtpSender(randomInt(1, 2 ** 32), random(), emit);
    this.videoSender = new RtpSender(randomInt(1, 2 ** 32), random(), emit);
    this.videoSender.clockRate = 90_000;
    this.#negotiation = new Negotiation({
      addresses: place.addresses,
      port: pair.port,
      fingerprint: place.identity.fingerprint,
      ssrc: this.sender.ssrc,
      videoSsrc: this.videoSender.ssrc,
    });
    this.#transport = new LegTransport(pair, place.identity, () => this.#negotiation.ice, {
      rtp: (packet) => this.#rtp(packet),
      rtcp: (packet) => this.reports.received(packet),
      connected: () => place.emit({ type: "connected", call, leg: id }),
      failed: (reason) => place.emit({ type: "failed", call, leg: id, reason }),
    });
    this.activity = new Activity(
      (talking) => place.emit({ type: "talking", call, leg: id, talking }),
      (digit) => this.#digit(digit, "in_band", 40),
    );
    this.reports = new LegReports(this, (packet) => this.#transport.sendRtcp(packet), place.emit);
  }

  get agreed(): Agreement | undefined {
    return this.#agreed;
  }

  offer(options: NegotiationOptions): string {
    return this.#negotiation.offer(options);
  }

  async answer(text: string, options: NegotiationOptions): Promise<{ sdp: string; media: LegMedia }> {
    const { sdp, agreed } = this.#negotiation.answer(text, options);
    await this.#agree(agreed);
    return { sdp, media: legMedia(agreed.remote, agreed) };
  }

  async accept(text: string): Promise<LegMedia> {
    const agreed = this.#negotiation.accept(text);
    await this.#agree(agreed);
    return legMedia(agreed.remote, agreed);
  }

  rollback(): void {
    this.#negotiation.rollback();
  }

  async #agree(agreed: Agreement): Promise<void> {
    if (agreed.codec.name !== this.#codec?.name) {
      const codec = await openCodec(agreed.codec.name);
      this.#codec?.free();
      this.#codec = codec;
      this.#jitter = new JitterBuffer(codec);
      this.#comfort = undefined;
      this.sender.clockRate = codec.clockRate;
      this.reports.audio = new ReceptionFigures(codec.clockRate);
      this.activity.restart();
    }
    this.#agreed = agreed;
    this.#transport.agree(agreed);
    this.reports.started();
  }

  // What comes.

  #rtp(bytes: Buffer): void {
    const agreed = this.#agreed;
    const packet = agreed && parseRtp(bytes, agreed.audioLevelId);
    if (!packet) return;
    const now = performance.now();
    if (packet.payloadType === agreed.codec.receive) this.#audio(agreed, packet, now);
    else if (packet.payloadType === agreed.event?.receive) this.#event(agreed, packet, now);
    else if (packet.payloadType === agreed.video?.receive) this.#video(packet, now);
    else if (packet.payloadType === (agreed.remote.comfortNoise ?? comfortNoisePayloadType)) this.#silent(agreed, packet, now);
  }

  #audio(agreed: Agreement, packet: RtpPacket, now: number): void {
    this.reports.packet(packet, now);
    if (!receives(agreed.direction)) return;
    if (this.#comfort && this.#isDrained) this.#jitter!.reset(packet.sequence);
    this.#comfort = undefined;
    const { peer } = this;
    if (peer?.relays) peer.sender.relay(packet, peer.agreed!.codec.send, this.id, now);
    if (this.#needsAudio()) {
      if (!this.#decoding) this.#jitter!.reset();
      this.#decoding = true;
      this.#jitter!.push(packet.sequence, packet.payload);
      return;
    }
    this.#decoding = false;
    const { name } = agreed.codec;
    // RFC 6464 counts from full scale, 6.2 dB above 0 dBm0.
    if (packet.audioLevel !== undefined) this.activity.heard(6.2 - packet.audioLevel);
    else if (name === "PCMU" || name === "PCMA") this.activity.audio(decodeG711(name, packet.payload), 8000, !agreed.event);
  }

  /** Comfort noise: passed on to who takes it, made here for everybody else. We ask for none, as then nobody sends less than all. */
  #silent(agreed: Agreement, packet: RtpPacket, now: number): void {
    this.reports.packet(packet, now);
    if (!receives(agreed.direction) || this.#codec!.clockRate !== 8000) return;
    if (!this.#comfort) this.#isDrained = !this.#decoding;
    this.#comfort ??= new ComfortNoise();
    this.#comfort.update(packet.payload);
    const { peer } = this;
    if (peer?.relays) peer.sender.relay(packet, peer.agreed!.remote.comfortNoise!, this.id, now);
    this.#decoding = this.#needsAudio();
  }

  #event(agreed: Agreement, packet: RtpPacket, now: number): void {
    this.reports.packet(packet, now);
    if (!receives(agreed.direction)) return;
    const digit = this.#events.packet(packet.payload, packet.timestamp);
    if (digit !== undefined) this.#digit(digit, "rfc4733", 0);
    const { peer } = this;
    if (!peer || !this.#relayDigits || this.muted) return;
    const theirs = peer.agreed?.event;
    if (peer.relays && theirs && theirs.rate === agreed.event!.rate) peer.sender.relay(packet, theirs.send, this.id, now);
    else if (digit !== undefined) void peer.sendDigits(digit, 120, 60);
  }

  #digit(digit: string, by: "rfc4733" | "in_band", ms: number): void {
    this.#place.emit({ type: "dtmf", call: this.call, leg: this.id, digit, by, ms });
    this.playback?.digit(digit);
    for (const recording of this.recordings) recording.digit(digit);
  }

  #video(packet: RtpPacket, now: number): void {
    const known = this.videoSource === packet.ssrc;
    this.videoSource = packet.ssrc;
    this.reports.videoPacket(packet, now);
    const { peer } = this;
    const theirs = peer?.agreed?.video;
    if (!peer || !theirs || theirs.name !== this.#agreed!.video!.name || !sends(theirs.direction)) return;
    if (!known) askForPicture(this.videoSide);
    peer.videoSender.relay(packet, theirs.send, this.id, now);
  }

  get videoSide(): VideoSide {
    const sendRtcp = (packet: Buffer): void => this.#transport.sendRtcp(packet);
    return { id: this.id, sender: this.videoSender, sourceSsrc: this.videoSource, sendRtcp };
  }

  /** Whether the peer's packets go to this party as they are. */
  get relays(): boolean {
    const { peer } = this;
    return (
      peer !== undefined &&
      !peer.muted &&
      this.playback === undefined &&
      !this.#digits.busy &&
      this.#agreed !== undefined &&
      sends(this.#agreed.direction) &&
      this.#codec?.name === peer.#codec?.name &&
      (!peer.#comfort || this.#agreed.remote.comfortNoise !== undefined)
    );
  }

  #needsAudio(): boolean {
    if (this.recordings.size > 0 || this.room) return true;
    const { peer } = this;
    if (peer && (peer.recordsBoth || (!peer.relays && peer.playback?.over !== false))) return true;
    // Tones are looked for in G.711 without decoding in time.
    return !this.#agreed!.event && (this.#codec!.name === "G722" || this.#codec!.name === "opus");
  }

  get recordsBoth(): boolean {
    for (const recording of this.recordings) if (recording.both) return true;
    return false;
  }

  // Every 20 ms.

  tickIn(): void {
    this.said = undefined;
    if (!this.#decoding || !this.#jitter) return;
    this.said = this.#jitter.pull(this.#comfort !== undefined);
    if (this.#comfort && !this.said) {
      this.#isDrained = true;
      this.said = this.#comfort.next();
    }
    if (this.said) this.activity.audio(this.said, 16_000, !this.#agreed?.event);
    else this.activity.nothing();
  }

  tickOut(now: number): void {
    const agreed = this.#agreed;
    if (!agreed || this.away || !this.#transport.ready) return;
    const relays = this.relays;
    const busy = this.#digits.busy;
    const toneFrame = busy && sends(agreed.direction) ? this.#tickDigits(agreed, now) : undefined;
    const frame = relays ? this.peer!.said : (toneFrame ?? this.#hears());
    this.heard = frame;
    for (const recording of this.recordings) recording.frame(this.said, frame);
    if (relays || !sends(agreed.direction) || (busy && (agreed.event || !toneFrame))) return;
    this.sender.generated(this.#codec!.encode(frame ?? silence), agreed.codec.send, now);
  }

  #hears(): Int16Array | undefined {
    const played = this.playback?.next();
    if (this.playback && !this.playback.over) return played;
    const peer = this.peer;
    const others = this.room ? this.room.mixFor(this) : peer && !peer.muted ? peer.said : undefined;
    return played && others ? mix(played, others) : (played ?? others);
  }

  #tickDigits(agreed: Agreement, now: number): Int16Array | undefined {
    return this.#digits.tick({
      event: agreed.event && { payloadType: agreed.event.send, rate: agreed.event.rate },
      timestamp: this.sender.now(now),
      send: (payload, payloadType, timestamp, marker) => this.sender.event(payload, payloadType, timestamp, marker),
    });
  }

  // What is asked of it.

  bridge(peer: Leg, relayDigits: boolean): void {
    this.peer = peer;
    this.#relayDigits = relayDigits;
    if (this.videoSource !== undefined) askForPicture(this.videoSide);
  }

  unbridge(): void {
    const { peer } = this;
    this.peer = undefined;
    if (peer?.peer === this) peer.peer = undefined;
  }

  /** @throws MediaError malformed */
  sendDigits(digits: string, toneMs: number, gapMs: number): Promise<void> {
    if (!/^[0-9A-D*#,]{0,128}$/.test(digits))
      throw new MediaError("malformed", "Digits are up to 128 of 0-9, A-D, *, # and a comma for a pause.");
    return this.#digits.add(digits, toneMs, gapMs);
  }

  goAway(away: boolean): void {
    this.away = away;
    if (!away) this.reports.started();
    else if (this.activity.talking) this.activity.nothing();
  }

  quality(): QualityFigures {
    return this.reports.quality();
  }

  close(): void {
    this.unbridge();
    this.room?.leave(this);
    this.playback?.end({ reason: "closed" });
    for (const recording of [...this.recordings]) recording.end({ reason: "closed" });
    this.#digits.clear();
    this.#transport.close();
    this.#codec?.free();
    this.#codec = undefined;
    this.#agreed = undefined;
  }
}
