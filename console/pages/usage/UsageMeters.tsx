import type { Answer } from "../../api/api.ts";
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

/** Meters side by side, each compared with the period before. */
export function UsageMeters({ usage, series, before, period, now }: Props) {
  return (
    <div className={css.meters}>
      {series.map((one) => (
        <UsageMeter
          key={one.meter}
          series={one}
          buckets={usage.buckets}
          period={period}
          now={now}
          previous={before && (before.series.find(({ meter }) => meter === one.meter) ?? { total: "0", values: [] })}
          previousBuckets={before?.buckets}
        />
      ))}
    </div>
  );
}
