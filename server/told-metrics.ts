import type { MetricObjectWithValues, MetricValue } from "prom-client";

/** What one process has measured since it began. */
export type Snapshot = MetricObjectWithValues<MetricValue<string>>[];

/** So often a process tells its snapshot. */
export const toldEveryMs = 5_000;
/** Who was not heard of for so long has ended. */
const goneAfterMs = 3 * toldEveryMs;

/**
 * What several processes that do the same have measured, as each tells it now and then. What the ended ones have counted stays part of the
 * sums, so that these never go back; what they held is gone with them.
 */
export class ToldMetrics {
  readonly #living = new Map<number, { snapshot: Snapshot; toldAtMs: number }>();
  readonly #now: () => number;
  #ended: Snapshot = [];

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  take(pid: number, snapshot: Snapshot): void {
    this.#living.set(pid, { snapshot: snapshot.filter(isSummable).map(withoutGaps), toldAtMs: this.#now() });
  }

  /** For the aggregation of prom-client. */
  async snapshots(): Promise<Snapshot[]> {
    const { AggregatorRegistry } = await import("prom-client");
    for (const [pid, { snapshot, toldAtMs }] of this.#living) {
      if (this.#now() - toldAtMs < goneAfterMs) continue;
      this.#living.delete(pid);
      this.#ended = await AggregatorRegistry.aggregate([this.#ended, snapshot.filter(isCounted)]).getMetricsAsJSON();
    }
    return [...[...this.#living.values()].map(({ snapshot }) => snapshot), this.#ended];
  }
}

/** When a process began says nothing about several. */
const isSummable = (metric: Snapshot[number]): boolean => metric.aggregator !== "omit";

/** The type of a metric is a word in what prom-client hands out, and a number in its types. */
const isCounted = ({ type }: Snapshot[number]): boolean => ["counter", "histogram"].includes(String(type));

/** What was not a number has become null on its way. */
const withoutGaps = (metric: Snapshot[number]): Snapshot[number] => ({
  ...metric,
  values: metric.values.filter(({ value }) => Number.isFinite(value)),
});
