import type { MediaEvent, QualityFigures } from "../engine.ts";
import type { RtpPacket } from "../rtp/packet.ts";
import { qualityFigures, ReceptionFigures, roundTripMs } from "../rtp/quality.ts";
import { buildReport, ntpNow, parseRtcp, type ReportBlock, shortNtp } from "../rtp/rtcp.ts";
import type { RtpSender } from "../rtp/sender.ts";
import type { Leg } from "./leg.ts";
import { passFeedback } from "./video.ts";

const everyMs = 5000;

/** A leg's RTCP, and what follows from when packets come and do not. */
export class LegReports {
  audio = new ReceptionFigures(8000);
  readonly #video = new ReceptionFigures(90_000);
  readonly #leg: Leg;
  readonly #send: (packet: Buffer) => void;
  readonly #emit: (event: MediaEvent) => void;
  readonly #lastSr = new Map<number, { ntp: number; at: number }>();
  #received = 0;
  #lossSent: number | undefined;
  #roundTrip: number | undefined;
  #lastPacket = 0;
  #silent = false;
  #due = performance.now() + 1000 + Math.random() * everyMs;

  constructor(leg: Leg, send: (packet: Buffer) => void, emit: (event: MediaEvent) => void) {
    this.#leg = leg;
    this.#send = send;
    this.#emit = emit;
  }

  /** A negotiation is done: from now on media should come. */
  started(): void {
    this.#lastPacket = performance.now();
  }

  packet(packet: RtpPacket, now: number): void {
    this.audio.packet(packet.ssrc, packet.sequence, packet.timestamp, now);
    this.#received++;
    this.#lastPacket = now;
    if (!this.#silent) return;
    this.#silent = false;
    this.#emit({ type: "media_again", call: this.#leg.call, leg: this.#leg.id });
  }

  videoPacket(packet: RtpPacket, now: number): void {
    this.#video.packet(packet.ssrc, packet.sequence, packet.timestamp, now);
  }

  received(bytes: Buffer): void {
    const ntp = ntpNow();
    for (const part of parseRtcp(bytes)) {
      if (part.type === "report") {
        const { sender, blocks } = part;
        if (sender && this.#lastSr.size < 16) this.#lastSr.set(sender.ssrc, { ntp: shortNtp(sender.ntp), at: performance.now() });
        const block = blocks.find(({ ssrc }) => ssrc === this.#leg.sender.ssrc);
        if (block) this.#about(block, ntp);
      } else if (part.type === "feedback" && this.#leg.peer) passFeedback(part, this.#leg.videoSide, this.#leg.peer.videoSide);
    }
  }

  #about(block: ReportBlock, ntp: bigint): void {
    this.#lossSent = Math.max(0, Math.min(1, block.lost / Math.max(1, this.#leg.sender.packets)));
    this.#roundTrip = roundTripMs(block, ntp) ?? this.#roundTrip;
  }

  quality(): QualityFigures {
    return qualityFigures({
      received: this.#received,
      sent: this.#leg.sender.packets,
      lossReceived: this.audio.loss,
      lossSent: this.#lossSent,
      jitterMs: (this.audio.jitter / this.audio.clockRate) * 1000,
      roundTripMs: this.#roundTrip,
    });
  }

  /** A few times a second. */
  look(now: number): void {
    const { agreed, noMediaSeconds, activity } = this.#leg;
    if (!agreed || this.#leg.away) return;
    const silentMs = now - this.#lastPacket;
    if (silentMs > 500 && activity.talking) for (let i = 0; i < 25; i++) activity.nothing();
    if (noMediaSeconds > 0 && !this.#silent && silentMs > noMediaSeconds * 1000) {
      this.#silent = true;
      this.#emit({ type: "no_media", call: this.#leg.call, leg: this.#leg.id, seconds: Math.round(silentMs / 1000) });
    }
    if (now < this.#due) return;
    // RFC 3550 section 6.2: spread, so that many do not speak at once.
    this.#due = now + everyMs * (0.75 + Math.random() / 2);
    this.#report(this.#leg.sender, this.audio, now);
    if (agreed.video) this.#report(this.#leg.videoSender, this.#video, now);
    if (silentMs < everyMs) this.#emit({ type: "quality", call: this.#leg.call, leg: this.#leg.id, quality: this.quality() });
  }

  #report(sender: RtpSender, figures: ReceptionFigures, now: number): void {
    const block = figures.block(figures.ssrc === undefined ? undefined : this.#lastSr.get(figures.ssrc), now);
    const { ssrc, packets, octets } = sender;
    const state = packets > 0 ? { ssrc, ntp: ntpNow(), timestamp: sender.now(now), packets, octets } : undefined;
    if (state || block) this.#send(buildReport(ssrc, state, block ? [block] : [], this.#leg.id));
  }
}
