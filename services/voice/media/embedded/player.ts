import { frameSamples } from "../codecs/codec.ts";
import { frequenciesOf } from "../codecs/dtmf.ts";
import { peakOf } from "../codecs/level.ts";
import { Upsampler } from "../codecs/resample.ts";
import { readWav, type WavAudio } from "../codecs/wav.ts";
import type { PlaySource, ToneSpec } from "../engine.ts";

/** Gives a frame of 20 ms at a time; undefined at its end. */
export interface FrameSource {
  next(): Int16Array | undefined;
}

/** Files that are heard by many at once, as music is, are read once. */
const music = new Map<string, Promise<WavAudio>>();
const mostMusic = 16;

/** Which frame the worker is at: all that hear the same music hear the same moment. */
let clock = 0;
export const advanceMusic = (): void => {
  clock++;
};

/** @throws Error when a file cannot be read or is no WAV that we know */
export async function openSource(source: PlaySource): Promise<FrameSource> {
  if ("file" in source) return new FileSource(await readWav(source.file), source.fromMs ?? 0);
  if ("music" in source) return new MusicSource(await cached(source.music), source.gainDb ?? 0);
  if ("tone" in source) return new ToneSource(source.tone);
  if ("silenceMs" in source) return new ToneSource({ segments: [{ frequencies: [], ms: source.silenceMs }] });
  return new Sequence(await Promise.all(source.sequence.map(openSource)));
}

function cached(file: string): Promise<WavAudio> {
  const known = music.get(file);
  if (known) return known;
  if (music.size >= mostMusic) music.delete(music.keys().next().value!);
  const reading = readWav(file);
  music.set(file, reading);
  reading.catch(() => music.delete(file));
  return reading;
}

class FileSource implements FrameSource {
  readonly #audio: WavAudio;
  readonly #step: number;
  readonly #up = new Upsampler();
  #at: number;
  constructor(audio: WavAudio, fromMs: number) {
    this.#audio = audio;
    this.#step = audio.rate / 50;
    this.#at = Math.round((fromMs * audio.rate) / 1000);
  }
  next(): Int16Array | undefined {
    const { pcm, rate } = this.#audio;
    if (this.#at >= pcm.length) return undefined;
    const piece = new Int16Array(this.#step);
    piece.set(pcm.subarray(this.#at, this.#at + this.#step));
    this.#at += this.#step;
    return rate === 16_000 ? piece : this.#up.double(piece);
  }
}

class MusicSource implements FrameSource {
  readonly #audio: WavAudio;
  readonly #gain: number;
  readonly #up = new Upsampler();
  constructor(audio: WavAudio, gainDb: number) {
    this.#audio = audio;
    this.#gain = 10 ** (gainDb / 20);
  }
  next(): Int16Array {
    const { pcm, rate } = this.#audio;
    const step = rate / 50;
    const piece = new Int16Array(step);
    const start = pcm.length === 0 ? 0 : (clock * step) % pcm.length;
    if (pcm.length > 0) for (let i = 0; i < step; i++) piece[i] = pcm[(start + i) % pcm.length]! * this.#gain;
    return rate === 16_000 ? piece : this.#up.double(piece);
  }
}

export class ToneSource implements FrameSource {
  readonly #samples: { frequencies: readonly number[]; samples: number }[];
  readonly #repeat: boolean;
  readonly #peak: number;
  #segment = 0;
  #at = 0;
  constructor(spec: ToneSpec) {
    this.#samples = spec.segments
      .map(({ frequencies, ms }) => ({ frequencies, samples: Math.round(ms * 16) }))
      .filter(({ samples }) => samples > 0);
    this.#repeat = spec.repeat === true && this.#samples.length > 0;
    this.#peak = peakOf(spec.levelDbm0 ?? -13);
  }
  next(): Int16Array | undefined {
    if (this.#segment >= this.#samples.length) return undefined;
    const frame = new Int16Array(frameSamples);
    for (let i = 0; i < frameSamples && this.#segment < this.#samples.length; i++) {
      const { frequencies, samples } = this.#samples[this.#segment]!;
      let sum = 0;
      for (const frequency of frequencies) sum += Math.sin((2 * Math.PI * frequency * this.#at) / 16_000);
      frame[i] = Math.max(-32_768, Math.min(32_767, sum * this.#peak));
      if (++this.#at >= samples) this.#advance();
    }
    return frame;
  }
  #advance(): void {
    this.#at = 0;
    this.#segment++;
    if (this.#repeat && this.#segment >= this.#samples.length) this.#segment = 0;
  }
}

class Sequence implements FrameSource {
  readonly #sources: FrameSource[];
  constructor(sources: FrameSource[]) {
    this.#sources = sources;
  }
  next(): Int16Array | undefined {
    while (this.#sources.length > 0) {
      const frame = this.#sources[0]!.next();
      if (frame) return frame;
      this.#sources.shift();
    }
    return undefined;
  }
}

/** Digits as tones, for a party that takes no RFC 4733. */
export const digitTone = (digit: string, toneMs: number, gapMs: number): PlaySource => ({
  tone: {
    segments: [
      { frequencies: frequenciesOf(digit), ms: toneMs },
      { frequencies: [], ms: gapMs },
    ],
    levelDbm0: -10,
  },
});
