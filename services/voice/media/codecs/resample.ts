/** From 8 to 16 kHz and back by a half-band filter (a windowed sinc, pass band to 3.4 kHz); each keeps the end of the last piece. */
const taps = 31;
const middle = taps >> 1;
const filter = Float64Array.from({ length: taps }, (_, i) => {
  const x = i - middle;
  const sinc = x === 0 ? 0.5 : Math.sin((Math.PI * x) / 2) / (Math.PI * x);
  return sinc * (0.42 + 0.5 * Math.cos((Math.PI * x) / (middle + 1)) + 0.08 * Math.cos((2 * Math.PI * x) / (middle + 1)));
});

const clip = (value: number): number => (value > 32767 ? 32767 : value < -32768 ? -32768 : Math.round(value));

export class Upsampler {
  readonly #past = new Float64Array(taps >> 1);

  double(pcm: Int16Array): Int16Array {
    const kept = this.#past.length;
    const input = new Float64Array(kept + pcm.length);
    input.set(this.#past);
    input.set(pcm, kept);
    const out = new Int16Array(pcm.length * 2);
    for (let i = 0; i < out.length; i++) {
      // Only each second tap meets a sample, the others meet the zeros in between.
      let sum = 0;
      const newest = kept + (i >> 1);
      for (let tap = i & 1, back = 0; tap < taps && newest - back >= 0; tap += 2, back++)
        sum += filter[tap]! * input[newest - back]!;
      out[i] = clip(sum * 2);
    }
    this.#past.set(input.subarray(input.length - kept));
    return out;
  }
}

export class Downsampler {
  readonly #past = new Float64Array(taps - 1);

  halve(pcm: Int16Array): Int16Array {
    const kept = this.#past.length;
    const input = new Float64Array(kept + pcm.length);
    input.set(this.#past);
    input.set(pcm, kept);
    const out = new Int16Array(pcm.length >> 1);
    for (let i = 0; i < out.length; i++) {
      let sum = filter[middle]! * input[i * 2 + middle]!;
      // A half-band filter: every second tap but the middle one is zero.
      for (let tap = 0; tap < taps; tap += 2) sum += filter[tap]! * input[i * 2 + tap]!;
      out[i] = clip(sum);
    }
    this.#past.set(input.subarray(input.length - kept));
    return out;
  }
}
