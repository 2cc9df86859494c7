import type { BridgeOptions, MediaEvent } from "../engine.ts";
import { MediaError } from "../engine.ts";
import type { EmbeddedLeg } from "./calls.ts";
import type { EmbeddedEngine } from "./engine.ts";
import type { WorkerHandle } from "./workerHandle.ts";

/** A pair of legs of our own, one in each of two workers, that speak plain RTP with each other on this machine. */
interface Tie {
  near: { worker: WorkerHandle; leg: string };
  far: { worker: WorkerHandle; leg: string };
}

/** What joins legs of different workers. A leg has one tie at most. */
export class Ties {
  readonly #engine: EmbeddedEngine;
  readonly #address: string;
  readonly #ofLeg = new Map<string, Tie>();
  /** A tie's far end stands for this leg in a conference. */
  readonly #standsFor = new Map<string, string>();

  constructor(engine: EmbeddedEngine, address: string) {
    this.#engine = engine;
    this.#address = address;
  }

  async bridge(one: EmbeddedLeg, other: EmbeddedLeg, options: BridgeOptions): Promise<void> {
    const tie = await this.#make(one, other.worker);
    this.#ofLeg.set(one.id, tie);
    this.#ofLeg.set(other.id, tie);
    await one.ask("bridge", { one: one.id, other: tie.near.leg, options });
    await other.ask("bridge", { one: other.id, other: tie.far.leg, options });
  }

  /** Returns the id that stands for the leg in `worker`. */
  async seat(leg: EmbeddedLeg, worker: WorkerHandle): Promise<string> {
    if (leg.worker === worker) return leg.id;
    const known = this.#ofLeg.get(leg.id);
    if (known && this.#standsFor.get(known.far.leg) === leg.id) return known.far.leg;
    await this.release(leg);
    const tie = await this.#make(leg, worker);
    this.#ofLeg.set(leg.id, tie);
    this.#standsFor.set(tie.far.leg, leg.id);
    await leg.ask("bridge", { one: leg.id, other: tie.near.leg, options: {} });
    return tie.far.leg;
  }

  /** Whom the seat stands for. */
  owner(seat: string): string {
    return this.#standsFor.get(seat) ?? seat;
  }

  async release(leg: EmbeddedLeg): Promise<void> {
    const tie = this.#ofLeg.get(leg.id);
    if (!tie) return;
    this.#forget(tie);
    for (const end of [tie.near, tie.far]) await end.worker.ask("legClose", { leg: end.leg }).catch(() => {});
  }

  lost(worker: WorkerHandle): void {
    for (const tie of new Set(this.#ofLeg.values())) {
      if (tie.near.worker !== worker && tie.far.worker !== worker) continue;
      this.#forget(tie);
      const left = tie.near.worker === worker ? tie.far : tie.near;
      void left.worker.ask("legClose", { leg: left.leg }).catch(() => {});
    }
  }

  /** Events of ties are nobody's; of conferences, seats are called by their legs. */
  translate(event: MediaEvent): MediaEvent | undefined {
    if (event.type === "speakers")
      return { ...event, speakers: event.speakers.map((each) => ({ ...each, leg: this.owner(each.leg) })) };
    return "leg" in event && event.leg.startsWith("tie-") ? undefined : event;
  }

  #forget(tie: Tie): void {
    for (const [leg, each] of [...this.#ofLeg]) if (each === tie) this.#ofLeg.delete(leg);
    this.#standsFor.delete(tie.far.leg);
  }

  /** In the leg's codec, so that at most the far side transcodes. */
  async #make(leg: EmbeddedLeg, worker: WorkerHandle): Promise<Tie> {
    const codec = leg.media?.codec;
    if (!codec) throw new MediaError("malformed", "A leg has to be negotiated before it is bridged.");
    const call = leg.call.id;
    const near = { worker: leg.worker, leg: this.#engine.newId("tie-") };
    const far = { worker, leg: this.#engine.newId("tie-") };
    for (const end of [near, far]) await end.worker.ask("legOpen", { call, leg: end.leg });
    const options = { codecs: [codec], advertise: this.#address };
    const offer = await near.worker.ask("legOffer", { leg: near.leg, options });
    const { sdp } = await far.worker.ask("legAnswer", { leg: far.leg, sdp: offer, options });
    await near.worker.ask("legAccept", { leg: near.leg, sdp });
    return { near, far };
  }
}
