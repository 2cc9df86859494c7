import { frameSamples } from "./codec.ts";
import { Upsampler } from "./resample.ts";

/** Its static payload type, which phones also send where nobody has said a word of it in SDP. */
export const comfortNoisePayloadType = 13;

const maxOrder = 12;
/** RMS of 0 dBov: the loudest that 16 bits can be, a square wave. */
const overload = 32_768;

/**
 * The background of a party that says nothing and therefore sends nothing (RFC 3389): noise of the level that it told, with its spectrum where it told one.
 * Audio at 8 kHz, as of G.711, in frames of 20 ms at 16 kHz.
 */
export class ComfortNoise {
  #rms = 0;
  #reflections: readonly number[] = [];
  #gain = 1;
  readonly #state = new Float64Array(maxOrder + 1);
  readonly #upsampler = new Upsampler();

  /** A packet's payload, section 3: the level in -dBov, then reflection coefficients of an all-pole model; more than 12 of them are not looked at. */
  update(payload: Buffer): void {
    if (payload.length === 0) return;
    this.#rms = overload * 10 ** (-(payload[0]! & 0x7f) / 20);
    // 255 is left for later use by the RFC, and would be no stable filter.
    this.#reflections = [...payload.subarray(1, 1 + maxOrder)].map((byte) => (258 * (Math.min(byte, 254) - 127)) / 32_768);
    // What the filter adds to white noise, in power: 1 / Π(1 - k²).
    this.#gain = Math.sqrt(this.#reflections.reduce((product, k) => product * (1 - k * k), 1));
  }

  next(): Int16Array {
    const narrow = Int16Array.from({ length: frameSamples / 2 }, () => this.#sample());
    return this.#upsampler.double(narrow);
  }

  #sample(): number {
    // White, of power 1 (variance of a uniform one is width² / 12).
    let forward = (Math.random() - 0.5) * Math.sqrt(12) * this.#gain;
    const state = this.#state;
    for (let i = this.#reflections.length - 1; i >= 0; i--) {
      const k = this.#reflections[i]!;
      forward -= k * state[i]!;
      state[i + 1] = state[i]! + k * forward;
    }
    state[0] = forward;
    return Math.max(-overload, Math.min(overload - 1, Math.round(forward * this.#rms)));
  }
}
