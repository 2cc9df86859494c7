import type { MediaEvent, QualityFigures } from "../engine.ts";
import type { EmbeddedLeg } from "./calls.ts";
import type { MediaEdge } from "./edge.ts";

/** Prompts, music and digits come one after the other: a bridge is left alone for so long before its packets take the short way. */
const quietMs = 500;
/** Who hangs up takes the other one along. */
const partingMs = 100;
const figuresMs = 5000;
/** The edge may be busy for a moment; then it is tried again, each time after twice as long. */
const mostFailures = 6;

interface Pair {
  legs: readonly [EmbeddedLeg, EmbeddedLeg];
  timer: NodeJS.Timeout | undefined;
  failures: number;
  /** It could not be done: both legs are with their workers until the next try. */
  isHalted: boolean;
}

/**
 * Two legs that are bridged behind an edge, and of whose audio nobody needs a sample: the edge passes their packets from one party to the other, and the
 * workers have nothing to do. Whatever needs a worker (`need`) brings both back first.
 */
export class Shortcuts {
  readonly #edge: MediaEdge;
  readonly #emit: (event: MediaEvent) => void;
  readonly #pairs = new Map<EmbeddedLeg, Pair>();
  readonly #needs = new WeakMap<EmbeddedLeg, number>();
  readonly #away = new Map<string, EmbeddedLeg>();
  /** What is done about a leg is done in turn. */
  readonly #turns = new WeakMap<EmbeddedLeg, Promise<void>>();
  readonly #figures: NodeJS.Timeout;
  #isClosed = false;

  constructor(edge: MediaEdge, emit: (event: MediaEvent) => void) {
    this.#edge = edge;
    this.#emit = emit;
    edge.onDigit((leg, digit, ms) => {
      const away = this.#away.get(leg);
      // A worker tells itself what it hears.
      if (away) emit({ type: "dtmf", call: away.call.id, leg, digit, by: "rfc4733", ms });
    });
    this.#figures = setInterval(() => void this.#tellFigures(), figuresMs).unref();
  }

  isAway(leg: EmbeddedLeg): boolean {
    return this.#away.has(leg.id);
  }

  /** Their workers bridged them. */
  bridged(one: EmbeddedLeg, other: EmbeddedLeg): void {
    const pair: Pair = { legs: [one, other], timer: undefined, failures: 0, isHalted: false };
    for (const leg of pair.legs) this.#pairs.set(leg, pair);
    this.#soon(pair);
  }

  /** The worker has the leg's packets when this resolves, and keeps them until what it returns was called. Never rejects. */
  async need(leg: EmbeddedLeg): Promise<() => void> {
    this.#needs.set(leg, (this.#needs.get(leg) ?? 0) + 1);
    await Promise.all((this.#pairs.get(leg)?.legs ?? [leg]).map((each) => this.#home(each)));
    let isNeeded = true;
    return () => {
      if (!isNeeded) return;
      isNeeded = false;
      this.#needs.set(leg, (this.#needs.get(leg) ?? 1) - 1);
      const pair = this.#pairs.get(leg);
      if (pair) this.#soon(pair);
    };
  }

  /** It is bridged no longer. Never rejects. */
  async part(leg: EmbeddedLeg): Promise<void> {
    const pair = this.#forget(leg);
    await Promise.all((pair?.legs ?? [leg]).map((each) => this.#home(each)));
  }

  closed(leg: EmbeddedLeg): void {
    this.#away.delete(leg.id);
    const pair = this.#forget(leg);
    const left = pair?.legs.find((each) => each !== leg);
    if (left && this.isAway(left)) setTimeout(() => void this.#home(left), partingMs).unref();
  }

  close(): void {
    this.#isClosed = true;
    clearInterval(this.#figures);
    for (const { timer } of this.#pairs.values()) clearTimeout(timer);
    this.#pairs.clear();
    this.#away.clear();
  }

  #forget(leg: EmbeddedLeg): Pair | undefined {
    const pair = this.#pairs.get(leg);
    clearTimeout(pair?.timer);
    for (const each of pair?.legs ?? []) this.#pairs.delete(each);
    return pair;
  }

  #soon(pair: Pair): void {
    clearTimeout(pair.timer);
    if (pair.failures >= mostFailures) return;
    pair.timer = setTimeout(
      () => {
        pair.isHalted = false;
        const [one, other] = pair.legs;
        this.#inTurn(one, () => this.#send(one, other, pair));
        this.#inTurn(other, () => this.#send(other, one, pair));
      },
      quietMs * 2 ** pair.failures,
    ).unref();
  }

  #may({ legs, isHalted }: Pair): boolean {
    const isFree = (leg: EmbeddedLeg) => this.#pairs.has(leg) && (this.#needs.get(leg) ?? 0) === 0 && leg.isPlain;
    return !isHalted && legs.every(isFree) && this.#edge.joins(...legs);
  }

  async #send(leg: EmbeddedLeg, to: EmbeddedLeg, pair: Pair): Promise<void> {
    if (this.isAway(leg) || !this.#may(pair)) return;
    this.#away.set(leg.id, leg);
    try {
      await leg.ask("legAway", { leg: leg.id, away: true });
      await this.#edge.point(leg, to);
    } catch {
      pair.isHalted = true;
      pair.failures++;
      for (const each of pair.legs) void this.#home(each);
      if (this.#pairs.get(leg) === pair) this.#soon(pair);
    }
  }

  async #home(leg: EmbeddedLeg): Promise<void> {
    clearTimeout(this.#pairs.get(leg)?.timer);
    if (!this.#turns.has(leg)) return;
    await this.#inTurn(leg, async () => {
      if (!this.isAway(leg)) return;
      await this.#pointBack(leg);
      await leg.ask("legAway", { leg: leg.id, away: false });
      this.#away.delete(leg.id);
    });
  }

  /** Nobody would hear anything if it stayed where it is. */
  async #pointBack(leg: EmbeddedLeg): Promise<void> {
    for (let failures = 0; ; failures++)
      try {
        return await this.#edge.point(leg);
      } catch (error) {
        if (failures === mostFailures || !this.isAway(leg)) throw error;
        await new Promise((resolve) => setTimeout(resolve, 50 * 2 ** failures));
      }
  }

  /** What fails is the end of the leg's media, of which others tell. */
  #inTurn(leg: EmbeddedLeg, work: () => Promise<void>): Promise<void> {
    const turn = (this.#turns.get(leg) ?? Promise.resolve()).then(() => (this.#isClosed ? undefined : work())).catch(() => {});
    this.#turns.set(leg, turn);
    return turn;
  }

  async #tellFigures(): Promise<void> {
    for (const leg of [...this.#away.values()]) {
      const quality = await this.quality(leg).catch(() => undefined);
      if (quality && this.isAway(leg)) this.#emit({ type: "quality", call: leg.call.id, leg: leg.id, quality });
    }
  }

  /** @throws MediaError */
  async quality(leg: EmbeddedLeg): Promise<QualityFigures> {
    const known = await leg.ask("legQuality", { leg: leg.id });
    return this.isAway(leg) ? await this.#edge.quality(leg, known) : known;
  }
}
