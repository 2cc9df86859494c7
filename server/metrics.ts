import type { Gauge } from "prom-client";
import type { AnyService } from "../kernel/service.ts";
import { requestMetrics, type Snapshot, ToldMetrics } from "./told-metrics.ts";

/** What Prometheus reads at /metrics (text format 0.0.4). */
export interface Metrics {
  observe(route: string, status: number, seconds: number): void;
  contentType: string;
  /** With what other processes have told. */
  text(): Promise<string>;
  /** Another process has told its snapshot. */
  take(pid: number, snapshot: Snapshot): void;
}

export function openMetrics(process: string, services: AnyService[]): Metrics {
  const told = new ToldMetrics();
  // Loaded after the first answer: it has eighty modules, which would be a tenth of a start.
  let opened: ReturnType<typeof openRegistry> | undefined;
  const open = () => {
    opened ??= openRegistry(process, services);
    return opened;
  };
  return {
    observe: (...request) => void open().then(({ observe }) => observe(...request)),
    contentType: "text/plain; version=0.0.4; charset=utf-8",
    take: (pid, snapshot) => told.take(pid, snapshot),
    async text() {
      const { AggregatorRegistry } = await import("prom-client");
      // Of one process there is nothing to leave out.
      const own = (await (await open()).snapshot()).map((metric) =>
        metric.aggregator === "omit" ? { ...metric, aggregator: "first" as const } : metric,
      );
      return await AggregatorRegistry.aggregate([own, ...(await told.snapshots())]).metrics();
    },
  };
}

async function openRegistry(
  process: string,
  services: AnyService[],
): Promise<Pick<Metrics, "observe"> & { snapshot: () => Promise<Snapshot> }> {
  const { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } = await import("prom-client");
  const registry = new Registry();
  registry.setDefaultLabels({ process });
  collectDefaultMetrics({ register: registry, prefix: "khmara_" });
  const requests = new Counter({
    ...requestMetrics.count,
    labelNames: ["route", "status"],
    registers: [registry],
  });
  const seconds = new Histogram({
    ...requestMetrics.time,
    labelNames: ["route"],
    buckets: requestMetrics.buckets,
    registers: [registry],
  });
  const gauges = new Map<string, Gauge>();
  return {
    observe(route, status, duration) {
      requests.inc({ route, status: String(status) });
      seconds.observe({ route }, duration);
    },
    async snapshot() {
      for (const service of services) {
        for (const { name, help, value, labels } of (await service.metrics?.()) ?? []) {
          let gauge = gauges.get(name);
          if (!gauge) {
            gauge = new Gauge({ name, help, labelNames: Object.keys(labels ?? {}), registers: [registry] });
            gauges.set(name, gauge);
          }
          gauge.set(labels ?? {}, value);
        }
      }
      return await registry.getMetricsAsJSON();
    },
  };
}
