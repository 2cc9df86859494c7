import type { QualityFigures } from "../engine.ts";
import { type ReportBlock, shortNtp } from "./rtcp.ts";

/** What is counted of the packets that come from one source (RFC 3550 appendix A.3, A.8). */
export class ReceptionFigures {
  ssrc: number | undefined;
  received = 0;
  #base = 0;
  #highest = 0;
  #cycles = 0;
  #sinceBase = 0;
  #lostBefore = 0;
  #expectedBefore = 0;
  #expectedPrior = 0;
  #receivedPrior = 0;
  #transit: number | undefined;
  jitter = 0;
  readonly clockRate: number;

  constructor(clockRate: number) {
    this.clockRate = clockRate;
  }

  packet(ssrc: number, sequence: number, timestamp: number, now: number): void {
    if (ssrc !== this.ssrc) this.#begin(ssrc, sequence);
    else if (((sequence - this.#highest) << 16) >> 16 > 0) {
      if (sequence < this.#highest) this.#cycles += 65_536;
      this.#highest = sequence;
    }
    this.received++;
    this.#sinceBase++;
    const transit = (now / 1000) * this.clockRate - timestamp;
    if (this.#transit !== undefined) {
      const change = Math.abs(transit - this.#transit);
      // A new source's clock, or a jump of it, is no jitter.
      if (change < this.clockRate) this.jitter += (change - this.jitter) / 16;
    }
    this.#transit = transit;
  }

  #begin(ssrc: number, sequence: number): void {
    this.#expectedBefore += this.expectedHere;
    this.#lostBefore += this.ssrc === undefined ? 0 : Math.max(0, this.expectedHere - this.#sinceBase);
    this.ssrc = ssrc;
    this.#base = this.#highest = sequence;
    this.#cycles = this.#sinceBase = this.#expectedPrior = this.#receivedPrior = 0;
    this.#transit = undefined;
  }

  get expectedHere(): number {
    return this.ssrc === undefined ? 0 : this.#cycles + this.#highest - this.#base + 1;
  }

  get loss(): number {
    const expected = this.#expectedBefore + this.expectedHere;
    const lost = this.#lostBefore + Math.max(0, this.expectedHere - this.#sinceBase);
    return expected <= 0 ? 0 : lost / expected;
  }

  block(lastSr: { ntp: number; at: number } | undefined, now: number): ReportBlock | undefined {
    if (this.ssrc === undefined) return undefined;
    const expected = this.expectedHere - this.#expectedPrior;
    const received = this.#sinceBase - this.#receivedPrior;
    this.#expectedPrior = this.expectedHere;
    this.#receivedPrior = this.#sinceBase;
    return {
      ssrc: this.ssrc,
      fraction: expected > 0 ? Math.max(0, expected - received) / expected : 0,
      lost: this.expectedHere - this.#sinceBase,
      highest: this.#cycles + this.#highest,
      jitter: this.jitter,
      lastSr: lastSr?.ntp ?? 0,
      sinceLastSr: lastSr ? Math.round(((now - lastSr.at) / 1000) * 65_536) : 0,
    };
  }
}

/** RFC 3550 section 6.4.1: from a report about what we sent. */
export function roundTripMs(block: ReportBlock, ntp: bigint): number | undefined {
  if (block.lastSr === 0) return undefined;
  const trip = (shortNtp(ntp) - block.lastSr - block.sinceLastSr) | 0;
  return trip < 0 ? 0 : Math.round((trip / 65_536) * 1000);
}

/** ITU-T G.107 with its defaults, G.113 for loss (Ie 0, Bpl 10 as for G.711 with concealment), and the mapping of G.107 annex B. */
export function meanOpinionScore(lossShare: number, delayMs: number): number {
  const delay = delayMs;
  const delayImpairment = 0.024 * delay + (delay > 177.3 ? 0.11 * (delay - 177.3) : 0);
  const percent = lossShare * 100;
  const lossImpairment = (95 * percent) / (percent + 10);
  const r = Math.max(0, Math.min(100, 93.2 - delayImpairment - lossImpairment));
  return Math.round(Math.max(1, Math.min(4.5, 1 + 0.035 * r + 7e-6 * r * (r - 60) * (100 - r))) * 100) / 100;
}

export function qualityFigures(figures: {
  received: number;
  sent: number;
  lossReceived: number;
  lossSent: number | undefined;
  jitterMs: number;
  roundTripMs: number | undefined;
}): QualityFigures {
  const delay = (figures.roundTripMs ?? 40) / 2 + 2 * figures.jitterMs + 20;
  return {
    packetsReceived: figures.received,
    packetsSent: figures.sent,
    lossReceived: figures.lossReceived,
    lossSent: figures.lossSent,
    jitterMs: Math.round(figures.jitterMs * 10) / 10,
    roundTripMs: figures.roundTripMs,
    mos: meanOpinionScore(Math.max(figures.lossReceived, figures.lossSent ?? 0), delay),
  };
}
