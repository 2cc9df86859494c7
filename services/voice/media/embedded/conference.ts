import type {
  Conference,
  ConferenceMember,
  ConferenceOptions,
  MediaEvent,
  MediaLeg,
  MemberOptions,
  Playback,
  PlayOptions,
  PlaySource,
  Recording,
  RecordOptions,
} from "../engine.ts";
import type { EmbeddedEngine } from "./engine.ts";
import type { MemberChange } from "./room.ts";
import type { WorkerHandle } from "./workerHandle.ts";

export class EmbeddedConference implements Conference {
  readonly id: string;
  readonly worker: WorkerHandle;
  readonly #engine: EmbeddedEngine;
  readonly #generation: number;
  readonly #opening: Promise<unknown>;
  readonly #closed: () => void;
  readonly #listeners = new Set<(event: MediaEvent) => void>();
  readonly #legs = new Set<MediaLeg>();

  constructor(engine: EmbeddedEngine, id: string, worker: WorkerHandle, options: ConferenceOptions, closed: () => void) {
    this.#engine = engine;
    this.id = id;
    this.worker = worker;
    this.#generation = worker.generation;
    this.#closed = closed;
    this.#opening = worker.ask("roomOpen", { room: id, speakersEveryMs: options.speakersEveryMs ?? 500 }, this.#generation);
    // Whoever uses it is told.
    this.#opening.catch(() => {});
  }

  async join(leg: MediaLeg, options: MemberOptions = {}): Promise<void> {
    await this.#opening;
    const own = this.#engine.own(leg);
    if (!this.#legs.has(leg)) {
      await this.#engine.shortcuts?.part(own);
      await this.#engine.ties.release(own);
    }
    await own.open();
    const seat = await this.#engine.ties.seat(own, this.worker);
    await this.worker.ask("roomJoin", { room: this.id, leg: seat, change: await this.#change(options) }, this.#generation);
    this.#legs.add(leg);
  }

  async change(leg: MediaLeg, options: MemberOptions): Promise<void> {
    await this.join(leg, options);
  }

  async leave(leg: MediaLeg): Promise<void> {
    this.#legs.delete(leg);
    const own = this.#engine.own(leg);
    await this.worker.ask("roomLeave", { room: this.id, leg: own.id }, this.#generation);
    await this.#engine.ties.release(own);
  }

  async members(): Promise<readonly ConferenceMember[]> {
    await this.#opening;
    const members = await this.worker.ask("roomMembers", { room: this.id }, this.#generation);
    return members.map((member) => ({ ...member, leg: this.#engine.ties.owner(member.leg) }));
  }

  play(source: PlaySource, options: Omit<PlayOptions, "untilDtmf" | "over"> = {}): Playback {
    return this.#engine.runs.play(this.#engine.newId("play-"), this.#place(), source, options);
  }

  record(options: Omit<RecordOptions, "what" | "stereo" | "beep" | "untilDtmf">): Recording {
    return this.#engine.runs.record(this.#engine.newId("record-"), this.#place(), options);
  }

  onEvent(listener: (event: MediaEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  heard(event: MediaEvent): void {
    for (const listener of [...this.#listeners]) listener(event);
  }

  async close(): Promise<void> {
    this.#closed();
    await this.worker.ask("roomClose", { room: this.id }, this.#generation).catch(() => {});
    for (const leg of this.#legs) await this.#engine.ties.release(this.#engine.own(leg));
    this.#legs.clear();
  }

  async #change({ heardBy, ...options }: MemberOptions): Promise<MemberChange> {
    if (heardBy === undefined) return options;
    if (heardBy === null) return { ...options, heardBy: null };
    return {
      ...options,
      heardBy: await Promise.all(heardBy.map((leg) => this.#engine.ties.seat(this.#engine.own(leg), this.worker))),
    };
  }

  #place() {
    return { worker: this.worker, on: { room: this.id }, opened: () => this.#opening };
  }
}
