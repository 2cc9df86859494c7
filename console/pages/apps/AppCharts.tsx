import { Group, Skeleton } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { lazy, Suspense } from "react";
import type { App } from "../../../services/apps/deploying/contract.ts";
import { type Answer, client } from "../../api/api.ts";
import { useFormat } from "../../i18n/format.ts";
import { useT } from "../../i18n/i18n.ts";
import { EmptyState } from "../../ui/EmptyState.tsx";
import charts from "../watch/charts.module.css";
import { SpanChoice } from "../watch/SpanChoice.tsx";
import { useSpan } from "../watch/span.ts";
import css from "./apps.module.css";
import { aligned, latest } from "./metrics.ts";

const MetricChart = lazy(() => import("../watch/MetricChart.tsx"));
type Metric = Answer<"appMetrics">["series"][number]["metric"];
const colors = ["sky.6", "teal.6", "grape.6", "orange.6", "indigo.5", "pink.6"];
const points = 120;

/** What the gateway and the containers measured: requests, how long they take, processors, memory. */
export default function AppCharts({ app }: { app: App }) {
  const t = useT();
  const format = useFormat();
  const { span, setSpan, seconds, refreshMs } = useSpan();
  const metrics = useQuery({
    queryKey: ["appMetrics", app.id, span],
    queryFn: () => client.appMetrics({ app: app.id, from: new Date(Date.now() - seconds * 1000).toISOString(), points }),
    refetchInterval: refreshMs,
  });
  const series = metrics.data?.series ?? [];
  const rate = (value: number) => t("apps.perSecond", { amount: format.small(value) });
  const milliseconds = (value: number) => t("apps.milliseconds", { amount: format.small(value) });
  const percent = (value: number) => format.percent(value / 100);
  const chart = (
    title: string,
    wanted: Partial<Record<Metric, string>>,
    write: (value: number) => string,
    more: { most?: number; binary?: boolean } = {},
  ) => {
    const shown = series.filter(({ metric }) => metric in wanted);
    const { at, values } = aligned(shown);
    const name = (one: (typeof series)[number]) => one.process ?? wanted[one.metric] ?? one.metric;
    const now = shown
      .map((one) => [name(one), latest(one)] as const)
      .filter(([, value]) => value !== undefined)
      .map(([label, value]) => (shown.length > 1 ? `${label} ${write(value as number)}` : write(value as number)));
    return (
      <figure className={charts.chart} style={{ margin: 0 }}>
        <figcaption>
          {title}
          <small>{now.length > 0 ? t("watch.now", { value: now.join(" · ") }) : "–"}</small>
        </figcaption>
        <Suspense fallback={<Skeleton height={200} />}>
          <MetricChart
            at={at}
            stepSeconds={metrics.data?.stepSeconds ?? 30}
            format={write}
            {...more}
            lines={shown.map((one, index) => ({
              name: name(one),
              color: one.metric === "errors" ? "red.6" : (colors[index % colors.length] as string),
              values: values.get(one) ?? [],
            }))}
          />
        </Suspense>
      </figure>
    );
  };
  if (metrics.error) return null;
  return (
    <section aria-label={t("apps.charts")} className={css.charts}>
      <Group justify="space-between">
        <h2 className={css.chartsTitle}>{t("apps.charts")}</h2>
        <SpanChoice value={span} onChange={setSpan} />
      </Group>
      {metrics.data === undefined ? (
        <div className={charts.charts}>
          <Skeleton height={260} />
          <Skeleton height={260} />
        </div>
      ) : series.every((one) => one.points.length === 0) ? (
        <EmptyState picture="chart" title={t("watch.empty")} text={t("apps.charts.emptyText")} />
      ) : (
        <div className={charts.charts}>
          {chart(t("apps.charts.requests"), { requests: t("apps.charts.all"), errors: t("apps.charts.errors") }, rate)}
          {chart(
            t("apps.charts.latency"),
            { latency_p50: t("apps.charts.p50"), latency_p95: t("apps.charts.p95"), latency_p99: t("apps.charts.p99") },
            milliseconds,
          )}
          {chart(t("apps.charts.cpu"), { cpu: t("watch.cpuLine") }, percent)}
          {chart(t("apps.charts.memory"), { memory: t("watch.memoryLine") }, format.memory, { binary: true })}
        </div>
      )}
    </section>
  );
}
