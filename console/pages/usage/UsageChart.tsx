import "@mantine/charts/styles.layer.css";
import { CompositeChart } from "@mantine/charts";
import { useMemo } from "react";
import { useFormat } from "../../i18n/format.ts";
import { useLanguage, useT } from "../../i18n/i18n.ts";
import { measureOf } from "./meters.ts";
import type { Step } from "./period.ts";

interface Props {
  values: number[];
  before: number[] | undefined;
  buckets: string[];
  step: Step;
  kind: "area" | "bar";
  height: number;
  unit: string;
}

/** The course of one meter over a period, with that of the period before as a dashed line behind it. */
export default function UsageChart({ values, before, buckets, step, kind, height, unit }: Props) {
  const t = useT();
  const language = useLanguage();
  const format = useFormat();
  const measure = measureOf(unit);
  const label = useMemo(() => {
    const parts: Intl.DateTimeFormatOptions =
      step === "hour"
        ? { hour: "numeric", minute: "2-digit", timeZone: "UTC" }
        : step === "day"
          ? { day: "numeric", month: "short", timeZone: "UTC" }
          : { month: "short", year: "numeric", timeZone: "UTC" };
    return new Intl.DateTimeFormat(language, parts);
  }, [language, step]);
  const [nowName, beforeName] = [t("usage.series.now"), t("usage.series.before")];
  const data = buckets.map((at, index) => ({
    at: label.format(new Date(at)),
    [nowName]: values[index] ?? 0,
    ...(before ? { [beforeName]: before[index] ?? 0 } : {}),
  }));
  const compared = before?.some((value) => value > 0) ?? false;
  return (
    <CompositeChart
      h={height}
      data={data}
      dataKey="at"
      series={[
        ...(compared ? [{ name: beforeName, color: "gray.5", type: "line" as const, strokeDasharray: "4 4" }] : []),
        { name: nowName, color: "sky.6", type: kind },
      ]}
      curveType="monotone"
      withDots={false}
      withLegend={compared}
      legendProps={{ verticalAlign: "bottom", height: 32 }}
      gridAxis="x"
      tickLine="none"
      strokeWidth={2}
      maxBarWidth={28}
      valueFormatter={(value) => measure.format(value, format)}
      yAxisProps={{
        width: 76,
        tickCount: 5,
        tickFormatter: (value: number) => (measure.short ?? measure.format)(value, format),
        allowDecimals: measure.kind === "level" || unit === "bytes",
      }}
      xAxisProps={{ minTickGap: 24, interval: "equidistantPreserveStart" }}
      tooltipAnimationDuration={0}
      areaProps={{ isAnimationActive: false, fillOpacity: 0.14 }}
      barProps={{ isAnimationActive: false, radius: [3, 3, 0, 0] }}
      lineProps={{ isAnimationActive: false }}
    />
  );
}
