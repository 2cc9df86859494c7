import { setImmediate as immediate } from "node:timers/promises";
import type { Sound } from "./wav.ts";

/** Zero crossings of the sinc on each side: enough for speech (stopband below -60 dB). */
const crossings = 16;

/** Another rate, by a sinc under a Hann window whose cut-off is the lower of both rates' halves. */
export function resample(sound: Sound, sampleRate: number): Sound {
  if (sound.sampleRate === sampleRate) return sound;
  const samples = new Int16Array(Math.floor((sound.samples.length * sampleRate) / sound.sampleRate));
  resampleInto(samples, sound, sampleRate, 0, samples.length);
  return { sampleRate, samples };
}

/** The same for long sounds: others get their turn after each second of it. */
export async function resampleInTurns(sound: Sound, sampleRate: number): Promise<Sound> {
  if (sound.sampleRate === sampleRate) return sound;
  const samples = new Int16Array(Math.floor((sound.samples.length * sampleRate) / sound.sampleRate));
  for (let from = 0; from < samples.length; from += sampleRate) {
    resampleInto(samples, sound, sampleRate, from, Math.min(samples.length, from + sampleRate));
    await immediate();
  }
  return { sampleRate, samples };
}

function resampleInto(samples: Int16Array, sound: Sound, sampleRate: number, from: number, to: number): void {
  const input = sound.samples;
  const ratio = sampleRate / sound.sampleRate;
  const cutOff = Math.min(1, ratio) * 0.95;
  const reach = crossings / cutOff;
  for (let index = from; index < to; index++) {
    const centre = index / ratio;
    let sum = 0;
    for (let at = Math.max(0, Math.ceil(centre - reach)); at <= Math.min(input.length - 1, centre + reach); at++) {
      const distance = at - centre;
      sum += input[at]! * sinc(distance * cutOff) * (0.5 + 0.5 * Math.cos((Math.PI * distance) / reach));
    }
    samples[index] = Math.max(-32768, Math.min(32767, Math.round(sum * cutOff)));
  }
}

function sinc(x: number): number {
  return x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x);
}
