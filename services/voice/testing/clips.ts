import { readFile } from "node:fs/promises";
import type { Language } from "../prompts/languages.ts";
import { clipFile } from "../prompts/say.ts";
import { readWav, type Sound } from "../prompts/wav.ts";

/** Milliseconds of a clip that are looked for: short enough that no packet is missing in most of them. */
const pieceMs = 300;

/** When a recorded word of the phone system is first heard, milliseconds from the beginning of a sound of 8 kHz; undefined: it is not. */
export async function whenSaid(sound: Sound, language: Language, clip: string): Promise<number | undefined> {
  const word = readWav(await readFile(clipFile({ language, clip })));
  if (word.sampleRate !== sound.sampleRate)
    throw new Error(`The sound has ${sound.sampleRate} Hz, and the clip ${word.sampleRate}.`);
  const [from, length] = loudest(word);
  const at = bestFit(sound.samples, word.samples.subarray(from, from + length));
  return at === undefined ? undefined : ((at - from) * 1000) / sound.sampleRate;
}

function loudest({ samples, sampleRate }: Sound): [from: number, length: number] {
  const length = Math.min(samples.length, Math.round((pieceMs * sampleRate) / 1000));
  let best = 0;
  let most = -1;
  for (let from = 0; from + length <= samples.length; from += 80) {
    const energy = energyOf(samples.subarray(from, from + length));
    if (energy > most) [best, most] = [from, energy];
  }
  return [best, length];
}

/** Where the piece is found as it is, but for its level: its correlation with the sound is nearly one. */
function bestFit(samples: Int16Array, piece: Int16Array): number | undefined {
  const own = energyOf(piece);
  let energy = energyOf(samples.subarray(0, piece.length));
  for (let at = 0; at + piece.length <= samples.length; at++) {
    if (energy > own / 100) {
      let sum = 0;
      for (let index = 0; index < piece.length; index++) sum += (samples[at + index] as number) * (piece[index] as number);
      if (sum > 0.85 * Math.sqrt(energy * own)) return at;
    }
    energy += (samples[at + piece.length] ?? 0) ** 2 - (samples[at] as number) ** 2;
  }
  return undefined;
}

function energyOf(samples: Int16Array): number {
  let sum = 0;
  for (const sample of samples) sum += sample * sample;
  return sum;
}
