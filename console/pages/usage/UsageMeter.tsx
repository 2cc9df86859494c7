import { Skeleton } from "@mantine/core";
import { lazy, Suspense } from "react";
import type { Answer } from "../../api/api.ts";
import { type Format, useFormat } from "../../i18n/format.ts";
import { translateMaybe, useT } from "../../i18n/i18n.ts";
import { averageOf, changeOf, inHours, measureOf } from "./meters.ts";
import { type Period, periodBefore, stepHours } from "./period.ts";
import css from "./usage.module.css";

// The charts weigh more than all the rest of the page.
const UsageChart = lazy(() => import("./UsageChart.tsx"));

type Series = Answer<"usageSummarize">["series"][number];

interface Props {
  series: Series;
  buckets: string[];
  period: Period;
  now: Date;
  /** The same meter in the period before; undefined while it comes. */
  previous: { total: string; values: string[] } | undefined;
  previousBuckets: string[] | undefined;
}

export const meterName = (meter: string): string => translateMaybe(`usage.meter.${meter}`) ?? meter;

const sum = (hours: number[]) => hours.reduce((total, one) => total + one, 0);

/** One meter: what it says as a sentence, the course of it, and the numbers behind. */
export function UsageMeter(props: Props) {
  const { series, buckets, period, now } = props;
  const t = useT();
  const format = useFormat();
  const measure = measureOf(series.unit);
  const level = measure.kind === "level";
  const hours = stepHours(buckets, period, now);
  const show = (value: number) => measure.format(value, format);
  const beforePeriod = periodBefore(period);
  const beforeHours = props.previousBuckets ? stepHours(props.previousBuckets, beforePeriod, now) : [];

  const total = Number(series.total);
  const amount = level ? averageOf(total, series.unit, sum(hours)) : total;
  const beforeTotal = Number(props.previous?.total ?? 0);
  const beforeAmount = level
    ? averageOf(beforeTotal, series.unit, (beforePeriod.to.getTime() - beforePeriod.from.getTime()) / 3_600_000)
    : beforeTotal;
  const values = series.values.map((value, index) =>
    level ? averageOf(Number(value), series.unit, hours[index] ?? 0) : Number(value),
  );
  const earlier = props.previous?.values.map((value, index) =>
    level ? averageOf(Number(value), series.unit, beforeHours[index] ?? 0) : Number(value),
  );
  const change = changeWords(t, format, changeOf(amount, beforeAmount));
  const title =
    translateMaybe(`usage.sentence.${series.meter}`, { amount: show(amount), change }) ??
    t("usage.sentence", { meter: meterName(series.meter), amount: show(amount), change });
  const highest = Math.max(0, ...values);

  return (
    <section className={css.meter} aria-label={meterName(series.meter)}>
      <h3>{meterName(series.meter)}</h3>
      <p className={css.sentence}>{title}</p>
      <figure aria-label={title}>
        <Suspense fallback={<Skeleton height={200} />}>
          <UsageChart
            values={values}
            before={earlier}
            buckets={buckets}
            step={period.step}
            kind={level ? "area" : "bar"}
            height={200}
            unit={series.unit}
          />
        </Suspense>
      </figure>
      <dl className={css.totals}>
        <div>
          <dt>{level ? t("usage.average") : t("usage.total")}</dt>
          <dd>{show(amount)}</dd>
        </div>
        <div>
          <dt>{t("usage.before")}</dt>
          <dd>{props.previous ? show(beforeAmount) : "…"}</dd>
        </div>
        {level ? (
          <>
            <div>
              <dt>{t("usage.highest")}</dt>
              <dd>{show(highest)}</dd>
            </div>
            <div>
              <dt>{t("usage.billed")}</dt>
              <dd>{measure.billed?.(inHours(total, series.unit), format)}</dd>
            </div>
          </>
        ) : (
          <div>
            <dt>{t(`usage.highest.${period.step}`)}</dt>
            <dd>{show(highest)}</dd>
          </div>
        )}
      </dl>
    </section>
  );
}

function changeWords(t: ReturnType<typeof useT>, format: Format, change: number | undefined): string {
  if (change === undefined) return t("usage.change.none");
  if (Math.abs(change) < 0.005) return t("usage.change.same");
  const percent = format.percent(Math.abs(change));
  return change > 0 ? t("usage.change.more", { percent }) : t("usage.change.less", { percent });
}
