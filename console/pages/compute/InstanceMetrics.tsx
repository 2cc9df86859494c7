import { Anchor, Group, Skeleton } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { lazy, type ReactNode, Suspense, useMemo } from "react";
import type { MetricPoint } from "../../../services/compute/watch/contract.ts";
import { client, useApiList } from "../../api/api.ts";
import { projectAddress } from "../../frame/address.ts";
import { useOrganisation, useProject } from "../../frame/identity.ts";
import { useFormat } from "../../i18n/format.ts";
import { useT } from "../../i18n/i18n.ts";
import { EmptyState } from "../../ui/EmptyState.tsx";
import css from "../watch/charts.module.css";
import { SpanChoice } from "../watch/SpanChoice.tsx";
import { useSpan } from "../watch/span.ts";
import type { InstanceTabProps } from "./InstancePage.tsx";

const MetricChart = lazy(() => import("../watch/MetricChart.tsx"));

/** Processor, memory, disk and network over time; the last hour moves on by itself. */
export default function InstanceMetrics({ instance }: InstanceTabProps) {
  const t = useT();
  const format = useFormat();
  const organisation = useOrganisation();
  const project = useProject();
  const { span, setSpan, seconds, refreshMs } = useSpan();
  const firing = useApiList("alertList", { project: project.id, instance: instance.id, state: "firing" });
  const metrics = useQuery({
    queryKey: ["instanceMetricsGet", instance.id, span],
    queryFn: () =>
      client.instanceMetricsGet({ instance: instance.id, from: new Date(Date.now() - seconds * 1000).toISOString() }),
    refetchInterval: refreshMs,
  });
  const points = metrics.data?.points ?? [];
  const at = useMemo(() => points.map((point) => point.at), [points]);
  const values = (key: keyof MetricPoint) => points.map((point) => point[key] as number | undefined);
  const latest = points.findLast((point) => point.cpuPercent !== undefined);
  const percent = (value: number) => format.percent(value / 100);
  const rate = (value: number) => t("watch.perSecond", { amount: format.bytes(value) });
  const chart = (title: string, note: string, content: ReactNode) => (
    <figure className={css.chart} style={{ margin: 0 }}>
      <figcaption>
        {title}
        <small>{note}</small>
      </figcaption>
      <Suspense fallback={<Skeleton height={200} />}>{metrics.data ? content : <Skeleton height={200} />}</Suspense>
    </figure>
  );
  const shared = { at, stepSeconds: metrics.data?.stepSeconds ?? 10 };
  if (metrics.data && latest === undefined)
    return (
      <>
        <SpanChoice value={span} onChange={setSpan} />
        <EmptyState picture="chart" title={t("watch.empty")} text={t("watch.emptyText")} />
      </>
    );
  return (
    <>
      <Group justify="space-between">
        <SpanChoice value={span} onChange={setSpan} />
        <Anchor component={Link} size="sm" to={projectAddress(organisation.slug, project.slug, "alerts")}>
          {firing.rows && firing.rows.length > 0 ? t("watch.firing", { count: firing.rows.length }) : t("watch.alerts")}
        </Anchor>
      </Group>
      <div className={css.charts}>
        {chart(
          t("watch.cpu"),
          latest?.cpuPercent === undefined ? "–" : t("watch.now", { value: percent(latest.cpuPercent) }),
          <MetricChart
            {...shared}
            most={100}
            format={percent}
            lines={[{ name: t("watch.cpuLine"), color: "sky.6", values: values("cpuPercent") }]}
          />,
        )}
        {chart(
          t("watch.memory"),
          latest?.memoryBytes === undefined
            ? "–"
            : t("watch.nowOf", { value: format.memory(latest.memoryBytes), all: format.memory(instance.memoryBytes) }),
          <MetricChart
            {...shared}
            most={instance.memoryBytes}
            binary
            format={format.memory}
            lines={[{ name: t("watch.memoryLine"), color: "grape.6", values: values("memoryBytes") }]}
          />,
        )}
        {chart(
          t("watch.network"),
          latest?.networkReceivedBytesPerSecond === undefined
            ? "–"
            : t("watch.now", { value: rate(latest.networkReceivedBytesPerSecond) }),
          <MetricChart
            {...shared}
            format={rate}
            lines={[
              { name: t("watch.received"), color: "teal.6", values: values("networkReceivedBytesPerSecond") },
              { name: t("watch.sent"), color: "orange.6", values: values("networkSentBytesPerSecond") },
            ]}
          />,
        )}
        {chart(
          t("watch.disk"),
          latest?.diskBytes === undefined
            ? t("watch.notMeasured")
            : t("watch.nowOf", { value: format.memory(latest.diskBytes), all: format.memory(instance.diskBytes) }),
          <MetricChart
            {...shared}
            binary
            format={format.memory}
            lines={[{ name: t("watch.diskLine"), color: "indigo.5", values: values("diskBytes") }]}
          />,
        )}
      </div>
    </>
  );
}
