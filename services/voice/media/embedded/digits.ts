import { eventPayload } from "../codecs/dtmf.ts";
import { digitTone, type FrameSource, openSource } from "./player.ts";

export interface DigitOutput {
  /** Undefined: tones in the audio. */
  event: { payloadType: number; rate: number } | undefined;
  timestamp: number;
  send(payload: Buffer, payloadType: number, timestamp: number, marker: boolean): void;
}

interface Waiting {
  digit: string;
  toneMs: number;
  gapMs: number;
  done: () => void;
}

/** Digits that a leg sends, one after the other, driven by its ticks of 20 ms. */
export class DigitSender {
  readonly #waiting: Waiting[] = [];
  #ms = 0;
  #timestamp = 0;
  #tone: FrameSource | undefined;

  get busy(): boolean {
    return this.#waiting.length > 0;
  }

  add(digits: string, toneMs: number, gapMs: number): Promise<void> {
    return new Promise((done) => {
      const last = digits.length - 1;
      for (const [i, digit] of [...digits].entries())
        this.#waiting.push({ digit, toneMs, gapMs, done: i === last ? done : () => {} });
      if (last < 0) done();
    });
  }

  /** A frame of tones when there is no event to send; undefined otherwise, and then no audio is sent in this tick. */
  tick(output: DigitOutput): Int16Array | undefined {
    const current = this.#waiting[0]!;
    if (current.digit === ",") {
      this.#advance(current, 500);
      return undefined;
    }
    return output.event ? this.#eventTick(current, output, output.event) : this.#toneTick(current);
  }

  #eventTick(current: Waiting, output: DigitOutput, event: { payloadType: number; rate: number }): undefined {
    if (this.#ms === 0) this.#timestamp = output.timestamp;
    const begins = this.#ms === 0;
    const ms = this.#ms + 20;
    const ends = ms >= current.toneMs && this.#ms < current.toneMs;
    if (this.#ms < current.toneMs) {
      const payload = eventPayload(current.digit, (Math.min(ms, current.toneMs) * event.rate) / 1000, ends);
      // RFC 4733 section 2.5.1.4: the end three times, as it may be lost.
      for (let i = ends ? 3 : 1; i > 0; i--) output.send(payload, event.payloadType, this.#timestamp, begins && i === 1);
    }
    this.#advance(current, current.toneMs + current.gapMs);
    return undefined;
  }

  #toneTick(current: Waiting): Int16Array | undefined {
    if (this.#ms === 0) {
      this.#tone = undefined;
      void openSource(digitTone(current.digit, current.toneMs, current.gapMs)).then((source) => {
        this.#tone = source;
      });
    }
    const frame = this.#tone?.next();
    this.#advance(current, current.toneMs + current.gapMs + 20);
    return frame;
  }

  #advance(current: Waiting, lengthMs: number): void {
    this.#ms += 20;
    if (this.#ms < lengthMs) return;
    this.#ms = 0;
    this.#waiting.shift();
    current.done();
  }

  /** Nothing more is sent; who waits is told. */
  clear(): void {
    for (const waiting of this.#waiting.splice(0)) waiting.done();
  }
}
