import { frameMs, frameSamples } from "../codecs/codec.ts";
import { levelDbm0 } from "../codecs/level.ts";
import { WavWriter } from "../codecs/wav.ts";
import type { RecordingEnd, RecordOptions } from "../engine.ts";

const silence = new Int16Array(frameSamples);
const loud = -40;

/** One that runs. Gets a frame of each side every 20 ms. */
export class RunningRecording {
  readonly id: string;
  readonly both: boolean;
  readonly #options: RecordOptions;
  readonly #ended: (end: RecordingEnd) => void;
  #writer: WavWriter | undefined;
  #paused = false;
  #silentMs = 0;
  #talkedMs = 0;
  #unflushed = 0;
  #over = false;
  /** Frames that are left out at the beginning, while the beep is heard. */
  #beep: number;

  constructor(id: string, options: RecordOptions, beepMs: number, ended: (end: RecordingEnd) => void) {
    this.id = id;
    this.both = options.what === "both" || options.stereo === true;
    this.#options = options;
    this.#ended = ended;
    this.#beep = Math.ceil(beepMs / frameMs);
    try {
      this.#writer = new WavWriter(options.file, options.sampleRate ?? 16_000, options.stereo ? 2 : 1);
    } catch (error) {
      queueMicrotask(() => this.end({ reason: "failed", error: (error as Error).message }));
    }
  }

  frame(said: Int16Array | undefined, heard: Int16Array | undefined): void {
    if (this.#over || this.#paused || !this.#writer || this.#beep-- > 0) return;
    try {
      this.#write(this.#writer, said ?? silence, heard ?? silence);
    } catch (error) {
      this.end({ reason: "failed", error: (error as Error).message });
      return;
    }
    const talks = said !== undefined && levelDbm0(said) > loud;
    this.#silentMs = talks ? 0 : this.#silentMs + frameMs;
    if (talks) this.#talkedMs += frameMs;
    const { maxSeconds = 0, silenceSeconds = 0 } = this.#options;
    if (maxSeconds > 0 && this.#writer.ms >= maxSeconds * 1000) this.end({ reason: "max" });
    else if (silenceSeconds > 0 && this.#silentMs >= silenceSeconds * 1000) this.end({ reason: "silence" });
  }

  #write(writer: WavWriter, said: Int16Array, heard: Int16Array): void {
    if (this.#options.stereo) writer.write(said, heard);
    else writer.write(this.both ? mix(said, heard) : said);
    if (++this.#unflushed < 50) return;
    this.#unflushed = 0;
    writer.flush();
  }

  pause(paused: boolean): void {
    this.#paused = paused;
  }

  digit(digit: string): void {
    if (this.#options.untilDtmf?.includes(digit)) this.end({ reason: "dtmf", digit });
  }

  end(end: Pick<RecordingEnd, "reason" | "digit" | "error">): void {
    if (this.#over) return;
    this.#over = true;
    const ms = this.#writer?.ms ?? 0;
    let failure: Pick<RecordingEnd, "reason" | "error"> | undefined;
    try {
      this.#writer?.close();
    } catch (error) {
      failure = { reason: "failed", error: (error as Error).message };
    }
    this.#ended({ ...end, ...failure, file: this.#options.file, ms, talkedMs: this.#talkedMs });
  }
}

/** Sum, without going round. */
export function mix(one: Int16Array, other: Int16Array): Int16Array {
  const out = new Int16Array(one.length);
  for (let i = 0; i < out.length; i++) out[i] = Math.max(-32_768, Math.min(32_767, one[i]! + other[i]!));
  return out;
}
