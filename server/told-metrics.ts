import type { MetricObjectWithValues, MetricValue } from "prom-client";

/** What one process has measured since it began, as prom-client adds it up. */
export type Snapshot = MetricObjectWithValues<MetricValue<string>>[];

/** Of requests, in every process that answers some. Buckets in seconds. */
export const requestMetrics = {
  count: { name: "khmara_http_requests_total", help: "Answered requests." },
  time: { name: "khmara_http_request_seconds", help: "Time from a request to its answer." },
  buckets: [0.005, 0.02, 0.1, 0.5, 2, 10],
};

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
    this.#living.set(pid, { snapshot, toldAtMs: this.#now() });
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

/** The type of a metric is a word in what prom-client hands out, and a number in its types. */
const isCounted = ({ type }: Snapshot[number]): boolean => ["counter", "histogram"].includes(String(type));
