import { BarChart } from "@mantine/charts";
import "@mantine/charts/styles.layer.css";
import { useT } from "../../../i18n/i18n.ts";

/** Calls that were answered, and those that were not, stacked. */
export default function ReportChart({ lines }: { lines: { name: string; answered: number; rest: number }[] }) {
  const t = useT();
  return (
    <BarChart
      h={240}
      data={lines}
      dataKey="name"
      type="stacked"
      withLegend
      legendProps={{ verticalAlign: "bottom", height: 28, itemSorter: null }}
      tickLine="none"
      xAxisProps={{ minTickGap: 24, interval: "equidistantPreserveStart" }}
      barChartProps={{ margin: { top: 8 } }}
      series={[
        { name: "answered", label: t("phoneRecords.answered"), color: "sky.6" },
        { name: "rest", label: t("phoneRecords.notAnswered"), color: "gray.5" },
      ]}
    />
  );
}
