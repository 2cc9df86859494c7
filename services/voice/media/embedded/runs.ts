import type { Playback, PlaybackEnd, PlayOptions, PlaySource, Recording, RecordingEnd, RecordOptions } from "../engine.ts";
import type { PlaceOf, WorkerMessage } from "./protocol.ts";
import type { WorkerHandle } from "./workerHandle.ts";

interface Place {
  worker: WorkerHandle;
  on: PlaceOf;
  /** The place is open in its worker. @throws MediaError */
  opened: () => Promise<unknown>;
}

/** Playbacks and recordings that run, by their ids. */
export class Runs {
  readonly #playing = new Map<string, { worker: WorkerHandle; end: (end: PlaybackEnd) => void }>();
  readonly #recording = new Map<string, { worker: WorkerHandle; file: string; end: (end: RecordingEnd) => void }>();

  play(id: string, place: Place, source: PlaySource, options: PlayOptions): Playback {
    const { worker, on, opened } = place;
    const done = new Promise<PlaybackEnd>((end) => this.#playing.set(id, { worker, end }));
    const { generation } = worker;
    opened()
      .then(() => worker.ask("play", { on, id, source, options }, generation))
      .catch((error: Error) => this.ended({ played: id, end: { reason: "closed", error: error.message, playedMs: 0 } }));
    const stop = async (): Promise<void> => {
      if (!this.#playing.has(id)) return;
      await worker.ask("playStop", { on, id }, generation).catch(() => {});
      await done;
    };
    return { id, done, stop };
  }

  record(id: string, place: Place, options: RecordOptions): Recording {
    const { worker, on, opened } = place;
    const { file } = options;
    const done = new Promise<RecordingEnd>((end) => this.#recording.set(id, { worker, file, end }));
    const { generation } = worker;
    opened()
      .then(() => worker.ask("record", { on, id, options }, generation))
      .catch((error: Error) =>
        this.ended({ recorded: id, end: { reason: "closed", error: error.message, file, ms: 0, talkedMs: 0 } }),
      );
    const change = async (what: "stop" | "pause" | "resume"): Promise<void> => {
      if (this.#recording.has(id)) await worker.ask("recordChange", { on, id, change: what }, generation).catch(() => {});
    };
    return {
      id,
      done,
      pause: () => change("pause"),
      resume: () => change("resume"),
      stop: async () => {
        await change("stop");
        await done;
      },
    };
  }

  ended(told: Extract<WorkerMessage, { played: string } | { recorded: string }>): void {
    if ("played" in told) {
      this.#playing.get(told.played)?.end(told.end);
      this.#playing.delete(told.played);
    } else {
      this.#recording.get(told.recorded)?.end(told.end);
      this.#recording.delete(told.recorded);
    }
  }

  lost(worker: WorkerHandle): void {
    for (const [id, run] of [...this.#playing])
      if (run.worker === worker) this.ended({ played: id, end: { reason: "closed", playedMs: 0 } });
    for (const [id, run] of [...this.#recording])
      if (run.worker === worker) this.ended({ recorded: id, end: { reason: "closed", file: run.file, ms: 0, talkedMs: 0 } });
  }
}
