import type {
  AnswerOptions,
  LegMedia,
  MediaCall,
  MediaEvent,
  MediaLeg,
  OfferOptions,
  Playback,
  PlayOptions,
  PlaySource,
  QualityFigures,
  Recording,
  RecordOptions,
} from "../engine.ts";
import { MediaError } from "../engine.ts";
import { checkOffer, legMedia, numbersOf, type PayloadNumbers } from "../sdp/negotiation.ts";
import { type RemoteDescription, readRemote } from "../sdp/remote.ts";
import type { EmbeddedEngine } from "./engine.ts";
import type { LegOptions, ParametersOf, ResultOf, WorkerMethod } from "./protocol.ts";
import type { WorkerHandle } from "./workerHandle.ts";

export class EmbeddedCall implements MediaCall {
  readonly id: string;
  readonly worker: WorkerHandle;
  readonly generation: number;
  readonly #engine: EmbeddedEngine;
  readonly #closed: () => void;
  readonly #legs = new Set<EmbeddedLeg>();
  readonly #listeners = new Set<(event: MediaEvent) => void>();

  constructor(engine: EmbeddedEngine, id: string, worker: WorkerHandle, closed: () => void) {
    this.#engine = engine;
    this.id = id;
    this.worker = worker;
    this.generation = worker.generation;
    this.#closed = closed;
  }

  leg(name = ""): MediaLeg {
    const leg = new EmbeddedLeg(this.#engine, this, this.#engine.newId(`${name || "leg"}-`), () => this.#legs.delete(leg));
    this.#legs.add(leg);
    return leg;
  }

  onEvent(listener: (event: MediaEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  heard(event: MediaEvent): void {
    for (const listener of [...this.#listeners]) listener(event);
  }

  async close(): Promise<void> {
    await Promise.all([...this.#legs].map((leg) => leg.close()));
    this.#closed();
  }

  /** The worker is gone, and all with it. */
  forget(): void {
    for (const leg of [...this.#legs]) leg.forget();
    this.#closed();
  }
}

export class EmbeddedLeg implements MediaLeg {
  readonly id: string;
  readonly call: EmbeddedCall;
  readonly #engine: EmbeddedEngine;
  readonly #forgotten: () => void;
  #media: LegMedia | undefined;
  /** What its party said last. */
  #numbers: PayloadNumbers = [];
  #noMediaSeconds = 0;
  readonly #kept = new Map<string, Promise<() => void>>();
  #opening: Promise<unknown> | undefined;
  #closed = false;

  constructor(engine: EmbeddedEngine, call: EmbeddedCall, id: string, forgotten: () => void) {
    this.#engine = engine;
    this.call = call;
    this.id = id;
    this.#forgotten = forgotten;
    engine.legs.set(id, this);
  }

  get worker(): WorkerHandle {
    return this.call.worker;
  }

  get media(): LegMedia | undefined {
    return this.#media;
  }

  /** Its packets are passed on as they are, if at all. */
  get isPlain(): boolean {
    const media = this.#media;
    return media?.direction === "sendrecv" && !media.heldByRemote && media.telephoneEvent && this.#noMediaSeconds === 0;
  }

  async offer(options: OfferOptions = {}): Promise<string> {
    await this.#keep("offer");
    this.#noMediaSeconds = options.noMediaSeconds ?? this.#noMediaSeconds;
    const { edge } = this.#engine;
    const profile = options.profile ?? this.#media?.profile ?? "rtp";
    // What the party's family is concerns the edge alone.
    const own = edge ? { ...resolve(options), profile: "rtp" as const, video: false, toward: undefined } : resolve(options);
    const sdp = await this.ask("legOffer", { leg: this.id, options: own });
    return edge ? await edge.offerToParty(this, sdp, profile, options.toward) : sdp;
  }

  async consider(sdp: string): Promise<LegMedia> {
    this.#engine.edge?.check();
    const remote = this.#read(sdp);
    checkOffer(remote, { hasEdge: this.#engine.edge !== undefined });
    const media = legMedia(remote, undefined);
    // It will be needed: its ports are taken while others are asked.
    void this.open().catch(() => {});
    this.#media ??= media;
    return media;
  }

  async answer(remoteOffer: string, options: AnswerOptions = {}): Promise<string> {
    const { edge } = this.#engine;
    const { profile } = this.#read(remoteOffer);
    if (!edge) return await this.#answer(remoteOffer, resolve(options));
    await this.#keep("offer");
    this.#noMediaSeconds = options.noMediaSeconds ?? this.#noMediaSeconds;
    try {
      const inside = await edge.offerFromParty(this, remoteOffer);
      const sdp = await edge.answerToParty(this, await this.#answer(inside, { ...resolve(options), video: false }));
      this.#media = { ...this.#media!, profile };
      return sdp;
    } finally {
      this.#release("offer");
    }
  }

  get numbers(): PayloadNumbers {
    return this.#numbers;
  }

  #read(sdp: string): RemoteDescription {
    const remote = readRemote(sdp);
    this.#numbers = numbersOf(remote);
    return remote;
  }

  async #answer(offer: string, options: LegOptions): Promise<string> {
    const { sdp, media } = await this.ask("legAnswer", { leg: this.id, sdp: offer, options });
    this.#media = media;
    return sdp;
  }

  async accept(sdp: string): Promise<LegMedia> {
    const { edge } = this.#engine;
    const { profile } = this.#read(sdp);
    if (!edge) this.#media = await this.ask("legAccept", { leg: this.id, sdp });
    else {
      const inside = await edge.answerFromParty(this, sdp);
      this.#media = { ...(await this.ask("legAccept", { leg: this.id, sdp: inside })), profile };
      this.#release("offer");
    }
    return this.#media;
  }

  async rollback(): Promise<void> {
    await this.ask("legRollback", { leg: this.id });
    this.#release("offer");
  }

  play(source: PlaySource, options: PlayOptions = {}): Playback {
    const playback = this.#engine.runs.play(...this.#run("play-"), source, options);
    void playback.done.then(() => this.#release(playback.id));
    return playback;
  }

  record(options: RecordOptions): Recording {
    const recording = this.#engine.runs.record(...this.#run("record-"), options);
    void recording.done.then(() => this.#release(recording.id));
    return recording;
  }

  async sendDtmf(digits: string, { toneMs = 120, gapMs = 60 }: { toneMs?: number; gapMs?: number } = {}): Promise<void> {
    const why = this.#engine.newId("digits-");
    await this.#keep(why);
    try {
      await this.ask("legDtmf", { leg: this.id, digits, toneMs, gapMs });
    } finally {
      this.#release(why);
    }
  }

  async mute(muted: boolean): Promise<void> {
    if (muted) await this.#keep("mute");
    else this.#release("mute");
    await this.ask("legMute", { leg: this.id, muted });
  }

  async quality(): Promise<QualityFigures> {
    const { shortcuts } = this.#engine;
    return shortcuts ? await shortcuts.quality(this) : await this.ask("legQuality", { leg: this.id });
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    await this.#engine.ties.release(this).catch(() => {});
    this.forget();
    // One that never opened has nothing there.
    if (!this.#opening) return;
    await this.#opening.catch(() => {});
    await this.worker.ask("legClose", { leg: this.id }, this.call.generation).catch(() => {});
    await this.#engine.edge?.forget(this).catch(() => {});
  }

  forget(): void {
    this.#closed = true;
    this.#engine.shortcuts?.closed(this);
    this.#engine.legs.delete(this.id);
    this.#forgotten();
  }

  /** @throws MediaError gone, no_ports, and what the method throws */
  async ask<M extends WorkerMethod>(method: M, parameters: ParametersOf<M>): Promise<ResultOf<M>> {
    const opened = this.open();
    // In one go: the worker waits for the opening, and says why it failed.
    opened.catch(() => {});
    if (this.#closed) await opened;
    return await this.worker.ask(method, parameters, this.call.generation);
  }

  /** The leg is in its worker, with ports. @throws MediaError gone, no_ports */
  async open(): Promise<void> {
    if (this.#closed) throw new MediaError("gone", "This leg was closed.");
    this.#opening ??= this.worker.ask("legOpen", { call: this.call.id, leg: this.id }, this.call.generation);
    await this.#opening;
  }

  #run(kind: string) {
    const id = this.#engine.newId(kind);
    const opened = async () => {
      await this.#keep(id);
      await this.open();
    };
    return [id, { worker: this.worker, on: { leg: this.id }, opened }] as const;
  }

  /** The worker has this leg's packets from now on, until `#release` of the same. */
  async #keep(why: string): Promise<void> {
    const { shortcuts } = this.#engine;
    if (!shortcuts) return;
    const kept = this.#kept.get(why) ?? shortcuts.need(this);
    this.#kept.set(why, kept);
    await kept;
  }

  #release(why: string): void {
    const kept = this.#kept.get(why);
    this.#kept.delete(why);
    void kept?.then((release) => release());
  }
}

function resolve({ like, ...options }: OfferOptions): LegOptions {
  const media = like?.media;
  if (!media) return options;
  const numbers = like instanceof EmbeddedLeg ? like.numbers : [];
  return { ...options, numbers, prefer: media.codec ? [media.codec, ...media.codecs] : media.codecs };
}
