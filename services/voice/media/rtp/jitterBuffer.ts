import { type AudioCodec, frameSamples } from "../codecs/codec.ts";
import { sequenceDistance } from "./packet.ts";

const mostPackets = 64;
/** 200 ms: who waits longer no longer talks with each other. */
const mostDelay = 10;

/**
 * Puts packets in order and makes frames of 20 ms of them, whatever the length of the sender's packets. The delay follows the jitter: a frame more after
 * each time that nothing was there, a frame less after ten seconds without.
 */
export class JitterBuffer {
  #packets = new Map<number, Buffer>();
  #next: number | undefined;
  #newest = 0;
  #pcm: Int16Array[] = [];
  #samples = 0;
  #filling = true;
  #delay = 2;
  #calm = 0;
  #deep = 0;
  readonly #codec: AudioCodec;

  constructor(codec: AudioCodec) {
    this.#codec = codec;
  }

  push(sequence: number, payload: Buffer): void {
    if (this.#next === undefined || Math.abs(sequenceDistance(this.#next, sequence)) > 1000) this.reset(sequence);
    if (sequenceDistance(this.#next!, sequence) < 0) {
      // While nothing was played yet, a late one may still be the first.
      if (!this.#filling || this.#pcm.length > 0) return;
      this.#next = sequence;
    }
    if (this.#packets.size >= mostPackets) this.#packets.delete(this.#packets.keys().next().value!);
    // The socket's buffer is not ours to keep.
    this.#packets.set(sequence, Buffer.from(payload));
    if (this.#packets.size === 1 || sequenceDistance(this.#newest, sequence) > 0) this.#newest = sequence;
  }

  reset(next?: number): void {
    this.#packets.clear();
    this.#pcm = [];
    this.#samples = 0;
    this.#filling = true;
    this.#next = next;
    this.#newest = next ?? 0;
  }

  /** The next 20 ms; undefined while there is nothing. `isPaused`: the sender has said that nothing comes, so that none of it is late. */
  pull(isPaused = false): Int16Array | undefined {
    if (this.#filling) {
      if (this.#packets.size < this.#delay) return undefined;
      this.#filling = false;
    }
    this.#shorten();
    while (this.#samples < frameSamples) if (!this.#decodeNext()) return this.#ranOut(isPaused);
    if (++this.#calm > 500) {
      this.#calm = 0;
      this.#delay = Math.max(2, this.#delay - 1);
    }
    return this.#take();
  }

  #ranOut(isPaused: boolean): undefined {
    this.#filling = true;
    if (isPaused) return undefined;
    this.#calm = 0;
    this.#delay = Math.min(mostDelay, this.#delay + 1);
    return undefined;
  }

  /** When more waits than is needed for a second long, one packet is left out: clocks differ, and bursts pass. */
  #shorten(): void {
    this.#deep = this.#packets.size > this.#delay + 2 ? this.#deep + 1 : 0;
    if (this.#deep < 50 || this.#next === undefined) return;
    this.#deep = 0;
    this.#packets.delete(this.#next);
    this.#next = (this.#next + 1) & 0xffff;
  }

  #decodeNext(): boolean {
    const next = this.#next;
    if (next === undefined || this.#packets.size === 0) return false;
    const payload = this.#packets.get(next);
    this.#packets.delete(next);
    this.#next = (next + 1) & 0xffff;
    let pcm: Int16Array;
    try {
      pcm = payload ? this.#codec.decode(payload) : this.#codec.conceal();
    } catch {
      pcm = this.#codec.conceal();
    }
    // A gap in the count that is not filled: never conceal more than 100 ms of it.
    if (!payload && sequenceDistance(this.#next, this.#newest) > 5 && !this.#packets.has(this.#next)) this.#skipGap();
    this.#pcm.push(pcm);
    this.#samples += pcm.length;
    return pcm.length > 0 || this.#packets.size > 0;
  }

  #skipGap(): void {
    const there = [...this.#packets.keys()].sort((a, b) => sequenceDistance(b, a));
    if (there.length > 0) this.#next = there[0]!;
  }

  #take(): Int16Array {
    const frame = new Int16Array(frameSamples);
    let filled = 0;
    while (filled < frameSamples) {
      const piece = this.#pcm[0]!;
      const part = piece.subarray(0, frameSamples - filled);
      frame.set(part, filled);
      filled += part.length;
      if (part.length === piece.length) this.#pcm.shift();
      else this.#pcm[0] = piece.subarray(part.length);
    }
    this.#samples -= frameSamples;
    return frame;
  }
}
