import type { PlaybackEnd, PlayOptions, PlaySource } from "../engine.ts";
import { type FrameSource, openSource } from "./player.ts";

/** One that runs on a leg or in a conference. */
export class RunningPlayback {
  readonly id: string;
  readonly over: boolean;
  readonly #source: PlaySource;
  readonly #until: string;
  readonly #gain: number;
  readonly #ended: (end: PlaybackEnd) => void;
  #left: number;
  #frames: FrameSource | undefined;
  #opening = false;
  #played = 0;
  #over = false;

  constructor(id: string, source: PlaySource, options: PlayOptions, ended: (end: PlaybackEnd) => void) {
    this.id = id;
    this.over = options.over === true;
    this.#source = source;
    this.#until = options.untilDtmf ?? "";
    this.#left = options.repeat === 0 ? Number.POSITIVE_INFINITY : (options.repeat ?? 1);
    this.#gain = 10 ** ((options.gainDb ?? 0) / 20);
    this.#ended = ended;
    this.#open();
  }

  /** Undefined while the file is read, or when it is over. */
  next(): Int16Array | undefined {
    if (this.#over || !this.#frames) return undefined;
    const frame = this.#frames.next();
    if (frame) {
      this.#played += 20;
      return this.#gain === 1 ? frame : frame.map((sample) => Math.max(-32_768, Math.min(32_767, sample * this.#gain)));
    }
    this.#frames = undefined;
    if (--this.#left > 0 && this.#played > 0) this.#open();
    else this.end({ reason: "finished" });
    return undefined;
  }

  digit(digit: string): void {
    if (this.#until.includes(digit)) this.end({ reason: "dtmf", digit });
  }

  end(end: Omit<PlaybackEnd, "playedMs">): void {
    if (this.#over) return;
    this.#over = true;
    this.#ended({ ...end, playedMs: this.#played });
  }

  #open(): void {
    if (this.#opening) return;
    this.#opening = true;
    openSource(this.#source).then(
      (frames) => {
        this.#frames = frames;
        this.#opening = false;
      },
      (error: Error) => this.end({ reason: "failed", error: error.message }),
    );
  }
}
