import { Group, Skeleton } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { lazy, Suspense, useMemo } from "react";
import type { DatabaseView } from "../../../services/databases/contract.ts";
import { type Answer, client } from "../../api/api.ts";
import { useFormat } from "../../i18n/format.ts";
import { useT } from "../../i18n/i18n.ts";
import { EmptyState } from "../../ui/EmptyState.tsx";
import charts from "../watch/charts.module.css";
import { SpanChoice } from "../watch/SpanChoice.tsx";
import { useSpan } from "../watch/span.ts";
import css from "./databases.module.css";

const MetricChart = lazy(() => import("../watch/MetricChart.tsx"));
type Point = Answer<"databaseHistoryGet">["points"][number];
const points = 120;

/** What was measured of it: processors, memory, disk, connections, transactions. */
export default function DatabaseCharts({ database }: { database: DatabaseView }) {
  const t = useT();
  const format = useFormat();
  const { span, setSpan, seconds, refreshMs } = useSpan();
  const history = useQuery({
    queryKey: ["databaseHistoryGet", database.id, span],
    queryFn: () =>
      client.databaseHistoryGet({ database: database.id, from: new Date(Date.now() - seconds * 1000).toISOString(), points }),
    refetchInterval: refreshMs,
  });
  const found = history.data?.points;
  const at = useMemo(() => (found ?? []).map((point) => point.at), [found]);
  if (history.error) return null;
  const chart = (
    title: string,
    key: Exclude<keyof Point, "at">,
    color: string,
    write: (value: number) => string,
    more: { most?: number; binary?: boolean } = {},
  ) => {
    const latest = found?.findLast((point) => point[key] !== undefined)?.[key];
    return (
      <figure className={charts.chart} style={{ margin: 0 }}>
        <figcaption>
          {title}
          <small>{latest === undefined ? "–" : t("watch.now", { value: write(latest) })}</small>
        </figcaption>
        <Suspense fallback={<Skeleton height={200} />}>
          <MetricChart
            at={at}
            stepSeconds={history.data?.stepSeconds ?? 30}
            format={write}
            {...more}
            lines={[{ name: title, color, values: (found ?? []).map((point) => point[key]) }]}
          />
        </Suspense>
      </figure>
    );
  };
  return (
    <section aria-label={t("databases.charts")} className={css.charts}>
      <Group justify="space-between">
        <h2 className={css.chartsTitle}>{t("databases.charts")}</h2>
        <SpanChoice value={span} onChange={setSpan} />
      </Group>
      {found === undefined ? (
        <div className={charts.charts}>
          <Skeleton height={260} />
          <Skeleton height={260} />
        </div>
      ) : found.length === 0 ? (
        <EmptyState picture="chart" title={t("watch.empty")} text={t("databases.charts.emptyText")} />
      ) : (
        <div className={charts.charts}>
          {chart(t("databases.charts.cpu"), "cpuPercent", "sky.6", (value) => format.percent(value / 100))}
          {chart(t("databases.charts.memory"), "memoryBytes", "grape.6", format.memory, {
            most: database.memoryBytes,
            binary: true,
          })}
          {chart(t("databases.charts.connections"), "connections", "teal.6", (value) => format.small(value))}
          {chart(t("databases.charts.transactions"), "transactionsPerSecond", "orange.6", (value) =>
            t("databases.perSecond", { amount: format.small(value) }),
          )}
          {chart(t("databases.charts.disk"), "diskBytes", "indigo.5", format.memory, { binary: true })}
        </div>
      )}
    </section>
  );
}
