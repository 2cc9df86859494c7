import { ToneDetector } from "../codecs/dtmf.ts";
import { levelDbm0 } from "../codecs/level.ts";

const loud = -38;

/** Who talks, from levels every 20 ms or so; and digits as tones, where no RFC 4733 was agreed. */
export class Activity {
  talking = false;
  /** Of the last 200 ms. */
  level = -100;
  #loud = 0;
  #quiet = 0;
  #detector: ToneDetector | undefined;
  readonly #talks: (talking: boolean) => void;
  readonly #digit: (digit: string) => void;

  constructor(talks: (talking: boolean) => void, digit: (digit: string) => void) {
    this.#talks = talks;
    this.#digit = digit;
  }

  heard(levelDb: number): void {
    this.level = Math.max(levelDb, this.level - 3);
    if (levelDb > loud) {
      this.#quiet = 0;
      if (++this.#loud >= 3 && !this.talking) this.#say(true);
      return;
    }
    this.#loud = Math.max(0, this.#loud - 1);
    if (++this.#quiet >= 25 && this.talking) this.#say(false);
  }

  /** No packets: silence. */
  nothing(): void {
    this.heard(-100);
  }

  audio(pcm: Int16Array, rate: 8000 | 16000, detectTones: boolean): void {
    this.heard(levelDbm0(pcm));
    if (!detectTones) return;
    this.#detector ??= new ToneDetector(rate);
    const digit = this.#detector.frame(pcm);
    if (digit) this.#digit(digit);
  }

  /** The rate of what comes changed. */
  restart(): void {
    this.#detector = undefined;
  }

  #say(talking: boolean): void {
    this.talking = talking;
    this.#talks(talking);
  }
}
