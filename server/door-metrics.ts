import type { MetricValue } from "prom-client";
import { requestMetrics, type Snapshot } from "./told-metrics.ts";

const { buckets } = requestMetrics;
const process_ = { process: "objects" };

/** What a process of the object door measures. Counted by hand: prom-client takes 11 MB, in each of these processes. */
export class DoorMetrics {
  readonly #answers = new Map<string, { labels: Record<string, string>; value: number }>();
  /** By route: how many took at most so long, for each bucket, and the sums. */
  readonly #times = new Map<string, { within: number[]; seconds: number; count: number }>();

  observe = (route: string, status: number, seconds: number): void => {
    const name = `${route} ${status}`;
    const answers = this.#answers.get(name) ?? { labels: { route, status: String(status), ...process_ }, value: 0 };
    this.#answers.set(name, answers);
    answers.value++;
    const times = this.#times.get(route) ?? { within: buckets.map(() => 0), seconds: 0, count: 0 };
    this.#times.set(route, times);
    times.seconds += seconds;
    times.count++;
    for (let at = buckets.length - 1; at >= 0 && seconds <= (buckets[at] as number); at--)
      times.within[at] = (times.within[at] ?? 0) + 1;
  };

  snapshot(connections: number): Snapshot {
    const { user, system } = process.cpuUsage();
    return [
      metric("counter", requestMetrics.count, [...this.#answers.values()]),
      metric("histogram", requestMetrics.time, [...this.#times].flatMap(histogramValues)),
      single("counter", "khmara_process_cpu_seconds_total", "Processor time.", (user + system) / 1e6),
      single("gauge", "khmara_process_resident_memory_bytes", "Resident memory.", process.memoryUsage.rss()),
      single("gauge", "khmara_object_processes", "Processes that serve S3.", 1),
      single("gauge", "khmara_object_connections", "Connections of S3 clients.", connections),
    ];
  }
}

type Kind = "counter" | "gauge" | "histogram";
type Values = (MetricValue<string> & { metricName?: string })[];

/** prom-client's own snapshots have words for types; its declarations have numbers. */
const metric = (type: Kind, { name, help }: { name: string; help: string }, values: Values): Snapshot[number] =>
  ({ name, help, type, values, aggregator: "sum" }) as unknown as Snapshot[number];

const single = (type: Kind, name: string, help: string, value: number): Snapshot[number] =>
  metric(type, { name, help }, [{ labels: process_, value }]);

/** "Exposition formats" of Prometheus, Histograms: each bucket has all that are below it too. */
function histogramValues([route, { within, seconds, count }]: [
  string,
  { within: number[]; seconds: number; count: number },
]): Values {
  const { name } = requestMetrics.time;
  const labels = { route, ...process_ };
  const bucket = (le: number | string, value: number) => ({ metricName: `${name}_bucket`, labels: { le, ...labels }, value });
  return [
    ...buckets.map((limit, at) => bucket(limit, within[at] ?? 0)),
    bucket("+Inf", count),
    { metricName: `${name}_sum`, labels, value: seconds },
    { metricName: `${name}_count`, labels, value: count },
  ];
}
