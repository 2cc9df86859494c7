import "@mantine/charts/styles.layer.css";
import { AreaChart } from "@mantine/charts";
import { useMemo } from "react";
import { useLanguage } from "../../i18n/i18n.ts";

export interface Line {
  name: string;
  color: string;
  values: (number | undefined)[];
}

/** Lines over a span of time; gaps stay gaps. */
export default function MetricChart(props: {
  at: string[];
  lines: Line[];
  format: (value: number) => string;
  /** The top of the axis, where it is known (percent). */
  most?: number;
  stepSeconds: number;
  height?: number;
}) {
  const language = useLanguage();
  const { at, lines } = props;
  const data = useMemo(() => {
    const long = at.length * props.stepSeconds > 26 * 3600;
    const label = new Intl.DateTimeFormat(
      language,
      long
        ? { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" }
        : { hour: "2-digit", minute: "2-digit", ...(props.stepSeconds < 60 ? { second: "2-digit" } : {}) },
    );
    return at.map((moment, index) => ({
      at: label.format(new Date(moment)),
      ...Object.fromEntries(lines.map(({ name, values }) => [name, values[index] ?? null])),
    }));
  }, [at, lines, language, props.stepSeconds]);
  return (
    <AreaChart
      h={props.height ?? 200}
      data={data}
      dataKey="at"
      series={lines.map(({ name, color }) => ({ name, color }))}
      curveType="linear"
      withDots={false}
      connectNulls={false}
      withLegend={lines.length > 1}
      legendProps={{ verticalAlign: "bottom", height: 28 }}
      gridAxis="x"
      tickLine="none"
      strokeWidth={1.8}
      fillOpacity={0.14}
      valueFormatter={props.format}
      yAxisProps={{ width: 84, tickCount: 4, ...(props.most === undefined ? {} : { domain: [0, props.most] }) }}
      xAxisProps={{ minTickGap: 48, interval: "preserveStartEnd" }}
      tooltipAnimationDuration={0}
      areaProps={{ isAnimationActive: false }}
    />
  );
}
