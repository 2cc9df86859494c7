import { availableParallelism } from "node:os";
import type {
  BridgeOptions,
  Conference,
  ConferenceOptions,
  EmbeddedOptions,
  EngineFigures,
  MediaCall,
  MediaCapability,
  MediaEngine,
  MediaEvent,
  MediaLeg,
} from "../engine.ts";
import { MediaError } from "../engine.ts";
import { EmbeddedCall, EmbeddedLeg } from "./calls.ts";
import { EmbeddedConference } from "./conference.ts";
import type { MediaEdge } from "./edge.ts";
import { Runs } from "./runs.ts";
import { Shortcuts } from "./shortcuts.ts";
import { Ties } from "./ties.ts";
import { WorkerHandle } from "./workerHandle.ts";

const all: readonly MediaCapability[] = [
  "webrtc",
  "video",
  "play",
  "tones",
  "record",
  "conference",
  "dtmf_send",
  "dtmf_in_band",
  "talking",
  "quality",
  "no_media",
  "transcoding",
];

/** Worker processes of ours: everything that the port offers. */
export class EmbeddedEngine implements MediaEngine {
  readonly kind: "embedded" | "rtpengine";
  readonly capabilities: ReadonlySet<MediaCapability>;
  readonly edge: MediaEdge | undefined;

  readonly runs = new Runs();
  readonly ties: Ties;
  readonly shortcuts: Shortcuts | undefined;
  readonly legs = new Map<string, EmbeddedLeg>();
  readonly #calls = new Map<string, EmbeddedCall>();
  readonly #conferences = new Map<string, EmbeddedConference>();
  readonly #workers: WorkerHandle[];
  readonly #listeners = new Set<(event: MediaEvent) => void>();
  #closed = false;
  #ids = 0;

  /** With an `edge`, the workers are behind it, and what they see of video it does not pass on. */
  constructor(options: EmbeddedOptions, edge?: MediaEdge) {
    this.edge = edge;
    this.kind = edge ? "rtpengine" : "embedded";
    this.capabilities = new Set(edge ? all.filter((each) => each !== "video") : all);
    const count = Math.max(1, options.workers ?? availableParallelism());
    const listen = options.listen ?? "0.0.0.0";
    const [from, to] = options.ports;
    const share = 2 * Math.floor((to - from + 1) / count / 2);
    if (share < 4) throw new MediaError("no_ports", `The UDP ports ${from} to ${to} are too few for ${count} media workers.`);
    this.#workers = Array.from({ length: count }, (_, i) => {
      const setup = { ports: [from + i * share, from + (i + 1) * share - 1], listen, addresses: options.advertised } as const;
      const worker: WorkerHandle = new WorkerHandle(
        setup,
        (told) => ("event" in told ? this.#event(told.event) : this.runs.ended(told)),
        () => {
          options.log?.({
            level: "error",
            message: "A media worker died; its calls are lost.",
            calls: this.#callsOf(worker).length,
          });
          this.#lost(worker, "worker_died");
        },
      );
      return worker;
    });
    this.ties = new Ties(this, listen === "0.0.0.0" || listen === "::" ? "127.0.0.1" : listen);
    this.shortcuts = edge && new Shortcuts(edge, (event) => this.#emit(event));
    edge?.onLost((calls) => this.#unreachable(calls));
  }

  newId(kind: string): string {
    return `${kind}${++this.#ids}`;
  }

  call(id: string): MediaCall {
    if (this.#closed) throw new MediaError("gone", "The media engine was closed.");
    if (this.#calls.has(id)) throw new MediaError("malformed", `There is a media call ${id} already.`);
    const call = new EmbeddedCall(this, id, this.#leastBusy(), () => this.#calls.delete(id));
    this.#calls.set(id, call);
    return call;
  }

  conference(id: string, options: ConferenceOptions = {}): Conference {
    if (this.#conferences.has(id)) throw new MediaError("malformed", `There is a conference ${id} already.`);
    const conference = new EmbeddedConference(this, id, this.#leastBusy(), options, () => this.#conferences.delete(id));
    this.#conferences.set(id, conference);
    return conference;
  }

  async bridge(one: MediaLeg, other: MediaLeg, options: BridgeOptions = {}): Promise<void> {
    const legs = [this.own(one), this.own(other)] as const;
    if (legs[0] === legs[1]) throw new MediaError("malformed", "A leg cannot be bridged with itself.");
    for (const leg of legs) await this.shortcuts?.part(leg);
    for (const leg of legs) await this.ties.release(leg);
    if (legs[0].worker === legs[1].worker) await legs[0].ask("bridge", { one: one.id, other: other.id, options });
    else await this.ties.bridge(legs[0], legs[1], options);
    if (options.dtmf !== "absorb") this.shortcuts?.bridged(legs[0], legs[1]);
  }

  async unbridge(leg: MediaLeg): Promise<void> {
    const own = this.own(leg);
    await this.shortcuts?.part(own);
    await this.ties.release(own);
    await own.ask("unbridge", { leg: own.id });
  }

  async figures(): Promise<EngineFigures> {
    return {
      hosts: this.edge?.figures() ?? [],
      workers: this.#workers.map((worker) => ({
        pid: worker.pid,
        calls: this.#callsOf(worker).length,
        legs: [...this.legs.values()].filter((leg) => leg.worker === worker).length,
        conferences: [...this.#conferences.values()].filter((each) => each.worker === worker).length,
      })),
    };
  }

  onEvent(listener: (event: MediaEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    for (const worker of this.#workers) this.#lost(worker, "engine_closed");
    this.shortcuts?.close();
    await Promise.all(this.#workers.map((worker) => worker.close()));
    this.edge?.close();
  }

  /** @throws MediaError malformed, for a leg of another engine */
  own(leg: MediaLeg): EmbeddedLeg {
    if (leg instanceof EmbeddedLeg) return leg;
    throw new MediaError("malformed", "This leg belongs to another media engine.");
  }

  #callsOf(worker: WorkerHandle): EmbeddedCall[] {
    return [...this.#calls.values()].filter((call) => call.worker === worker);
  }

  #leastBusy(): WorkerHandle {
    const load = new Map(this.#workers.map((worker) => [worker, 0]));
    const add = (worker: WorkerHandle, more: number) => void load.set(worker, (load.get(worker) as number) + more);
    for (const { worker } of this.#calls.values()) add(worker, 1);
    for (const { worker } of this.#conferences.values()) add(worker, 5);
    return this.#workers.reduce((best, worker) => ((load.get(worker) as number) < (load.get(best) as number) ? worker : best));
  }

  #event(event: MediaEvent): void {
    const translated = this.ties.translate(event);
    if (translated) this.#emit(translated);
  }

  #emit(event: MediaEvent): void {
    if ("call" in event) this.#calls.get(event.call)?.heard(event);
    if ("conference" in event) this.#conferences.get(event.conference)?.heard(event);
    for (const listener of [...this.#listeners]) listener(event);
  }

  /** Their workers go on: what is there of them is closed. */
  #unreachable(calls: readonly string[]): void {
    for (const id of calls) {
      const call = this.#calls.get(id);
      this.#emit({ type: "call_ended", call: id, cause: "engine_unreachable" });
      void call?.close();
    }
  }

  #lost(worker: WorkerHandle, cause: "worker_died" | "engine_closed"): void {
    this.runs.lost(worker);
    this.ties.lost(worker);
    for (const call of this.#callsOf(worker)) {
      this.#emit({ type: "call_ended", call: call.id, cause });
      call.forget();
    }
    for (const conference of [...this.#conferences.values()].filter((each) => each.worker === worker)) {
      this.#emit({ type: "conference_ended", conference: conference.id, cause });
      this.#conferences.delete(conference.id);
    }
  }
}
