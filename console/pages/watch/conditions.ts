import type { AlertMetric, AlertRule } from "../../../services/compute/watch/contract.ts";
import { useFormat } from "../../i18n/format.ts";
import { useT } from "../../i18n/i18n.ts";

export const isPercent = (metric: AlertMetric): boolean => metric.endsWith("_percent");

/** A value of a metric in its unit. */
export function useMetricFormat(): (metric: AlertMetric, value: number) => string {
  const t = useT();
  const format = useFormat();
  return (metric, value) =>
    metric === "not_running"
      ? "–"
      : isPercent(metric)
        ? format.percent(value / 100)
        : metric.endsWith("_per_second")
          ? t("watch.perSecond", { amount: format.bytes(value) })
          : format.memory(value);
}

/** "Processor above 90 % for 5 minutes, all instances" */
export function useConditionWords(): (rule: AlertRule) => string {
  const t = useT();
  const format = useFormat();
  const metricFormat = useMetricFormat();
  return (rule) => {
    const what =
      rule.metric === "not_running"
        ? t("watch.metric.not_running")
        : t(`watch.condition.${rule.comparison}`, {
            metric: t(`watch.metric.${rule.metric}`),
            value: metricFormat(rule.metric, rule.threshold),
          });
    const where =
      rule.scope.kind === "all"
        ? t("watch.scope.all")
        : rule.scope.kind === "label"
          ? t("watch.scope.labelled", { label: rule.scope.value ? `${rule.scope.key}=${rule.scope.value}` : rule.scope.key })
          : t("watch.scope.one");
    return t("watch.condition.full", { what, time: format.duration(rule.forSeconds * 1000), where });
  };
}
