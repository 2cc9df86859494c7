import "@mantine/charts/styles.layer.css";
import { AreaChart } from "@mantine/charts";
import { useMemo } from "react";
import { useLanguage } from "../../i18n/i18n.ts";

export interface Line {
  name: string;
  color: string;
  values: (number | undefined)[];
}

/** Round numbers up to `most` in the unit that it is written in: 0, 256 MiB, 512 MiB; 0, 1 GiB, 2 GiB. */
function binaryTicks(most: number): number[] {
  if (most <= 0) return [0];
  const step = 2 ** Math.ceil(Math.log2(most / 4));
  return Array.from({ length: Math.ceil(most / step) + 1 }, (_, index) => index * step);
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
  /** In powers of two, as memory and disks are counted: so is the axis. */
  binary?: boolean;
}) {
  const language = useLanguage();
  const { at, lines } = props;
  const label = useMemo(() => {
    const long = at.length * props.stepSeconds > 26 * 3600;
    const clock = { hour: "numeric", minute: "2-digit" } as const;
    const short = new Intl.DateTimeFormat(language, long ? { day: "numeric", month: "short", ...clock } : clock);
    const exact = new Intl.DateTimeFormat(language, {
      ...(long ? { day: "numeric", month: "short" } : {}),
      ...clock,
      ...(props.stepSeconds < 60 ? { second: "2-digit" } : {}),
    });
    // The chart asks for the label of no point, too.
    const written = (format: Intl.DateTimeFormat) => (moment: unknown) =>
      typeof moment === "string" && moment !== "" ? format.format(new Date(moment)) : "";
    return { short: written(short), exact: written(exact) };
  }, [at.length, language, props.stepSeconds]);
  const data = useMemo(
    () =>
      at.map((moment, index) => ({
        at: moment,
        ...Object.fromEntries(lines.map(({ name, values }) => [name, values[index] ?? null])),
      })),
    [at, lines],
  );
  const ticks = props.binary
    ? binaryTicks(props.most ?? Math.max(0, ...lines.flatMap(({ values }) => values.map((value) => value ?? 0))))
    : undefined;
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
      legendProps={{ verticalAlign: "bottom", height: 28, itemSorter: null }}
      gridAxis="x"
      tickLine="none"
      strokeWidth={1.8}
      fillOpacity={0.14}
      valueFormatter={props.format}
      yAxisProps={{
        width: 84,
        tickCount: props.most === undefined ? 4 : 5,
        ...(props.most === undefined ? {} : { domain: [0, props.most] }),
        ...(ticks ? { ticks, domain: [0, Math.max(props.most ?? 0, ticks.at(-1) ?? 0)] } : {}),
      }}
      xAxisProps={{ minTickGap: 48, interval: "equidistantPreserveStart", tickFormatter: label.short }}
      tooltipProps={{ labelFormatter: label.exact }}
      tooltipAnimationDuration={0}
      // Room for the upper half of the highest number.
      areaChartProps={{ margin: { top: 8 } }}
      areaProps={{ isAnimationActive: false }}
    />
  );
}
