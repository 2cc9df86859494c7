import type { Quality } from "./state.ts";

/** Figures of a call over the last seconds. */
export interface Figures {
  /** Of packets, 0 to 1. */
  loss: number;
  /** Milliseconds. */
  jitter: number;
  /** Milliseconds there and back. */
  roundTrip: number;
}

/**
 * Mean opinion score, 1 to 4.4, by the E-model in its short form (ITU-T G.107 with the usual reckoning of delay: half of the round trip, twice the
 * jitter for the buffer, 10 ms for the codec).
 */
export function opinionScore({ loss, jitter, roundTrip }: Figures): number {
  const delay = roundTrip / 2 + jitter * 2 + 10;
  const r = Math.max(0, Math.min(93.2, 93.2 - (delay < 160 ? delay / 40 : (delay - 120) / 10) - loss * 250));
  return 1 + 0.035 * r + r * (r - 60) * (100 - r) * 7e-6;
}

export function qualityOf(figures: Figures): Quality {
  const score = opinionScore(figures);
  // R of 80 and of 60: "satisfied" and "nearly all dissatisfied" of ITU-T G.107, annex B.
  return score >= 4.03 ? "good" : score >= 3.1 ? "fair" : "poor";
}

/** What `getStats` counts, summed up since the beginning. */
export interface Counters {
  received: number;
  lost: number;
  /** Seconds. */
  jitter: number;
  /** Seconds; undefined before the first report. */
  roundTrip: number | undefined;
}

export function countersOf(report: Iterable<[string, object]>): Counters {
  const counters: Counters = { received: 0, lost: 0, jitter: 0, roundTrip: undefined };
  for (const [, entry] of report) {
    const one = entry as Record<string, unknown>;
    if (one["kind"] === "audio" && one["type"] === "inbound-rtp") {
      counters.received += Number(one["packetsReceived"] ?? 0);
      counters.lost += Math.max(0, Number(one["packetsLost"] ?? 0));
      counters.jitter = Math.max(counters.jitter, Number(one["jitter"] ?? 0));
    }
    if (one["type"] === "remote-inbound-rtp" && one["kind"] === "audio" && typeof one["roundTripTime"] === "number")
      counters.roundTrip = one["roundTripTime"];
    // Without reports of the other side, the path itself still says how long it is.
    if (one["type"] === "candidate-pair" && one["nominated"] === true && typeof one["currentRoundTripTime"] === "number")
      counters.roundTrip ??= one["currentRoundTripTime"];
  }
  return counters;
}

/** Between two readings; undefined while nothing arrived, which says nothing about the line (hold, silence suppression). */
export function figuresBetween(before: Counters, now: Counters): Figures | undefined {
  const received = now.received - before.received;
  const lost = Math.max(0, now.lost - before.lost);
  if (received + lost <= 0) return undefined;
  return { loss: lost / (received + lost), jitter: now.jitter * 1000, roundTrip: (now.roundTrip ?? 0) * 1000 };
}
