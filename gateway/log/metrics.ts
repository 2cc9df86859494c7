import type { RequestRecord } from "./record.ts";

/** Counts of durations in steps of a tenth, so that a percentile is at most 5 % off, in a few hundred numbers at most. */
export class Durations {
  readonly #counts = new Map<number, number>();
  #total = 0;

  add(ms: number): void {
    const step = ms < 1 ? 0 : 1 + Math.floor(Math.log(ms) / stepLog);
    this.#counts.set(step, (this.#counts.get(step) ?? 0) + 1);
    this.#total++;
  }

  merge(other: Durations): void {
    for (const [step, count] of other.#counts) this.#counts.set(step, (this.#counts.get(step) ?? 0) + count);
    this.#total += other.#total;
  }

  get count(): number {
    return this.#total;
  }

  /** In ms, for a share from 0 to 1. Undefined without any. */
  percentile(share: number): number | undefined {
    let left = Math.max(Math.ceil(this.#total * share), 1);
    for (const [step, count] of [...this.#counts].sort(([a], [b]) => a - b)) {
      left -= count;
      // The middle of the step.
      if (left <= 0) return step === 0 ? 0.5 : Math.exp((step - 0.5) * stepLog);
    }
    return undefined;
  }
}

const stepLog = Math.log(1.1);

export interface RouteFigures {
  requests: number;
  /** By the first digit of the status; `0` are clients that went away. */
  byClass: Record<"0" | "1" | "2" | "3" | "4" | "5", number>;
  bytesIn: number;
  bytesOut: number;
  /** From the request to the end of the answer; WebSockets are no part of it, as theirs is how long somebody stayed. */
  durations: Durations;
  firstBytes: Durations;
}

/** Per route what came since the last `take`: the caller adds minutes up to hours with `Durations.merge`. */
export class RouteMetrics {
  #routes = new Map<string, RouteFigures>();

  add(record: RequestRecord): void {
    if (record.route === undefined) return;
    const figures = this.#routes.get(record.route) ?? empty();
    this.#routes.set(record.route, figures);
    figures.requests++;
    const digit = String(Math.floor(record.status / 100));
    if (digit in figures.byClass) figures.byClass[digit as keyof RouteFigures["byClass"]]++;
    figures.bytesIn += record.bytesIn;
    figures.bytesOut += record.bytesOut;
    if (record.status !== 101) figures.durations.add(record.durationMs);
    if (record.firstByteMs !== undefined) figures.firstBytes.add(record.firstByteMs);
  }

  take(): ReadonlyMap<string, RouteFigures> {
    const taken = this.#routes;
    this.#routes = new Map();
    return taken;
  }
}

const empty = (): RouteFigures => ({
  requests: 0,
  byClass: { 0: 0, 1: 0, 2: 0, 3: 0, 4: 0, 5: 0 },
  bytesIn: 0,
  bytesOut: 0,
  durations: new Durations(),
  firstBytes: new Durations(),
});
