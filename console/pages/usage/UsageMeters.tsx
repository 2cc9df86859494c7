import type { Answer } from "../../api/api.ts";
import { translateMaybe } from "../../i18n/i18n.ts";
import type { Period } from "./period.ts";
import { UsageMeter } from "./UsageMeter.tsx";
import css from "./usage.module.css";

type Usage = Answer<"usageSummarize">;

interface Props {
  usage: Usage;
  /** Of `usage`, in the order in which they are shown. */
  series: Usage["series"];
  /** The same of the period before; undefined while it comes. */
  before: Usage | undefined;
  period: Period;
  now: Date;
}

/** Meters by service, side by side, each compared with the period before. */
export function UsageMeters(props: Props) {
  const services = [...new Set(props.series.map(({ meter }) => serviceOf(meter)))];
  return services.map((service) => (
    <div key={service} className={css.service}>
      <h2>{translateMaybe(`usage.service.${service}`) ?? service}</h2>
      <Meters {...props} series={props.series.filter(({ meter }) => serviceOf(meter) === service)} />
    </div>
  ));
}

const serviceOf = (meter: string) => meter.split(".")[0] ?? meter;

function Meters({ usage, series, before, period, now }: Props) {
  return (
    <div className={css.meters}>
      {series.map((one) => (
        <UsageMeter
          key={`${one.meter} ${one.unit}`}
          series={one}
          buckets={usage.buckets}
          period={period}
          now={now}
          previous={
            before &&
            (before.series.find(({ meter, unit }) => meter === one.meter && unit === one.unit) ?? { total: "0", values: [] })
          }
          previousBuckets={before?.buckets}
        />
      ))}
    </div>
  );
}
