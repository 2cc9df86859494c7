import { isoTime } from "../../../kernel/clock.ts";
import type { RouteResponse } from "../../../kernel/contract.ts";
import { invalid } from "../../../kernel/errors.ts";
import type { Area, RequestSample } from "../parts.ts";
import { openApp } from "../subjects.ts";
import type { runningRoutes } from "./contract.ts";
import type { Runtime } from "./runtime.ts";
import { coarseStep, fineStep, keptDays } from "./sampling.ts";
import { type Averages, sampleStore } from "./store/samples.ts";

type Routes = Pick<typeof runningRoutes, "appMetrics">;
type Series = RouteResponse<(typeof runningRoutes)["appMetrics"]>["series"][number];

const hourMs = 3_600_000;
const fineMs = 24 * hourMs;

/** Steps that people read well, in seconds. */
const steps = [15, 30, 60, 300, 600, 900, 1800, 3600, 7200, 14_400, 43_200, 86_400];

export function metricRoutes({ parts }: Runtime): Area<Routes>["handlers"] {
  return {
    async appMetrics(context, { params, query }) {
      const app = await openApp(parts, context, context.tx, params.app);
      const now = Date.now();
      const to = Math.min(now, query.to === undefined ? now : Date.parse(query.to));
      const from = Math.max(now - keptDays * 24 * hourMs, query.from === undefined ? to - hourMs : Date.parse(query.from));
      if (from >= to)
        throw invalid("query.from", `It must be before \`to\`, and not in the future; figures are kept for ${keptDays} days.`);
      // Older than a day there are only averages of five minutes.
      const isFine = now - from <= fineMs;
      const atLeast = Math.max((to - from) / 1000 / query.points, isFine ? fineStep : coarseStep);
      const stepSeconds = steps.find((step) => step >= atLeast) ?? Math.ceil(atLeast / 86_400) * 86_400;
      const span = { appId: app.id, from: new Date(from), to: new Date(to), stepSeconds };
      const averages = await sampleStore.averages(context.tx, { ...span, sampleStep: isFine ? fineStep : coarseStep });
      const requests = await parts.routing.requests(app.id, span.from, span.to, stepSeconds);
      return { stepSeconds, series: [...processSeries(averages), ...requestSeries(requests, stepSeconds)] };
    },
  };
}

function processSeries(averages: readonly Averages[]): Series[] {
  const names = [...new Set(averages.map(({ process }) => process))].sort();
  return names.flatMap((process) => {
    const own = averages.filter((each) => each.process === process);
    return [
      {
        metric: "cpu" as const,
        unit: "percent" as const,
        process,
        points: own.flatMap(({ at, cpuPercent }) =>
          cpuPercent === null ? [] : [{ at: isoTime(at), value: Math.round(cpuPercent * 100) / 100 }],
        ),
      },
      {
        metric: "memory" as const,
        unit: "bytes" as const,
        process,
        points: own.map(({ at, memoryBytes }) => ({ at: isoTime(at), value: Math.round(memoryBytes) })),
      },
    ];
  });
}

function requestSeries(samples: readonly RequestSample[], stepSeconds: number): Series[] {
  if (samples.length === 0) return [];
  const one = (metric: Series["metric"], unit: Series["unit"], value: (sample: RequestSample) => number): Series => ({
    metric,
    unit,
    points: samples.map((sample) => ({ at: isoTime(sample.at), value: value(sample) })),
  });
  const rate = (amount: number) => Math.round((amount / stepSeconds) * 1000) / 1000;
  return [
    one("requests", "per_second", ({ requests }) => rate(requests)),
    one("errors", "per_second", ({ errors }) => rate(errors)),
    one("sent", "per_second", ({ sentBytes }) => rate(sentBytes)),
    one("latency_p50", "milliseconds", ({ p50 }) => p50),
    one("latency_p95", "milliseconds", ({ p95 }) => p95),
    one("latency_p99", "milliseconds", ({ p99 }) => p99),
  ];
}
