import type { Sound } from "../prompts/wav.ts";

/** What a phone of the tests says: sines that are found again on the other side. Each has `level` (0 dB is the loudest sine; default -9) over the number of them. */
export function tone(frequencies: readonly number[], seconds: number, { sampleRate = 8000, level = -9 } = {}): Sound {
  const amplitude = (32767 * 10 ** (level / 20)) / frequencies.length;
  const samples = new Int16Array(Math.round(seconds * sampleRate));
  // Whole numbers of Hz begin anew each second: the minutes that a phone says are the first one's copies.
  const period = frequencies.every(Number.isInteger) ? Math.min(sampleRate, samples.length) : samples.length;
  for (let index = 0; index < period; index++) {
    let value = 0;
    for (const frequency of frequencies) value += Math.sin((2 * Math.PI * frequency * index) / sampleRate);
    samples[index] = Math.round(amplitude * value);
  }
  for (let filled = period; filled < samples.length; filled *= 2) samples.copyWithin(filled, 0, filled);
  return { sampleRate, samples };
}

/** Level of one frequency by Goertzel's algorithm, in dB below the loudest sine; -120 is nothing. */
export function toneLevel(samples: Int16Array, sampleRate: number, frequency: number): number {
  if (samples.length === 0) return -120;
  const coefficient = 2 * Math.cos((2 * Math.PI * frequency) / sampleRate);
  let previous = 0;
  let before = 0;
  for (const sample of samples) {
    const next = sample / 32767 + coefficient * previous - before;
    before = previous;
    previous = next;
  }
  const power = previous * previous + before * before - coefficient * previous * before;
  return decibels((2 * Math.sqrt(Math.max(0, power))) / samples.length);
}

/** Root mean square, in dB below that of the loudest sine; -120 is silence. */
export function loudness(samples: Int16Array): number {
  let sum = 0;
  for (const sample of samples) sum += (sample / 32767) ** 2;
  return decibels(Math.sqrt((2 * sum) / Math.max(1, samples.length)));
}

export interface Stretch {
  fromMs: number;
  toMs: number;
}

export interface ToneFigures {
  /** Where the tone is (its level is at least `from`, and most of the energy is its own). */
  heardMs: number;
  /** The mean level where it is heard. */
  level: number;
  /** Between the first and the last time it is heard: where it is not. */
  gaps: Stretch[];
  /** When it is first heard, from the beginning of the sound; undefined when never. */
  startsMs: number | undefined;
  endsMs: number | undefined;
}

/** Where a tone is heard in a sound, looked at in steps of 20 ms, each over 40 ms. `from`: what is quieter is none (dB, default -40). */
export function findTone({ samples, sampleRate }: Sound, frequency: number, { from = -40 } = {}): ToneFigures {
  const step = Math.round(sampleRate / 50);
  const levels: (number | undefined)[] = [];
  for (let at = 0; at + 2 * step <= samples.length; at += step) {
    const part = samples.subarray(at, at + 2 * step);
    const level = toneLevel(part, sampleRate, frequency);
    levels.push(level >= from && level > loudness(part) - 3 ? level : undefined);
  }
  const first = levels.findIndex((level) => level !== undefined);
  const last = levels.findLastIndex((level) => level !== undefined);
  const heard = levels.filter((level) => level !== undefined);
  return {
    heardMs: heard.length * 20,
    level: heard.length === 0 ? -120 : heard.reduce((sum, level) => sum + level, 0) / heard.length,
    gaps: first < 0 ? [] : gapsIn(levels, first, last),
    startsMs: first < 0 ? undefined : first * 20,
    endsMs: first < 0 ? undefined : (last + 2) * 20,
  };
}

function gapsIn(levels: readonly (number | undefined)[], first: number, last: number): Stretch[] {
  const gaps: Stretch[] = [];
  let start: number | undefined;
  for (let index = first; index <= last; index++) {
    if (levels[index] === undefined) start ??= index;
    else if (start !== undefined) {
      gaps.push({ fromMs: start * 20, toMs: index * 20 });
      start = undefined;
    }
  }
  return gaps;
}

/** How loud a sound is, every `everyMs`. */
export function loudnessOverTime({ samples, sampleRate }: Sound, everyMs = 100): number[] {
  const step = Math.round((sampleRate * everyMs) / 1000);
  const levels: number[] = [];
  for (let at = 0; at + step <= samples.length; at += step) levels.push(loudness(samples.subarray(at, at + step)));
  return levels;
}

/** The last `seconds` of a sound. */
export function endOf({ samples, sampleRate }: Sound, seconds: number): Sound {
  return { sampleRate, samples: samples.subarray(Math.max(0, samples.length - Math.round(seconds * sampleRate))) };
}

function decibels(value: number): number {
  return value < 1e-6 ? -120 : 20 * Math.log10(value);
}
