export type PeriodChoice = "month" | "last7" | "last30" | "custom";
export type Step = "hour" | "day" | "month";

export interface Period {
  from: Date;
  to: Date;
  step: Step;
}

const day = 24 * 3600 * 1000;

/** UTC throughout, as the bill is: a day of usage must not change with the reader's clock. */
const startOfDay = (at: Date) => new Date(Date.UTC(at.getUTCFullYear(), at.getUTCMonth(), at.getUTCDate()));

/** The end is the next full hour, so that what happened a minute ago is seen and the question stays the same for a while. */
const nextHour = (at: Date) => new Date(Math.ceil((at.getTime() + 1) / 3_600_000) * 3_600_000);

export function periodOf(
  choice: PeriodChoice,
  now: Date,
  custom?: { from?: string | undefined; to?: string | undefined },
): Period {
  const end = nextHour(now);
  if (choice === "month") {
    const from = new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth(), 1));
    // On the first two days bars of hours say more than one bar.
    return { from, to: end, step: end.getTime() - from.getTime() <= 2 * day ? "hour" : "day" };
  }
  if (choice === "custom" && custom?.from) {
    const from = startOfDay(new Date(custom.from));
    const last = custom.to ? startOfDay(new Date(custom.to)) : startOfDay(now);
    const to = new Date(
      Math.min(Math.max(last.getTime(), from.getTime()) + day, Math.max(end.getTime(), from.getTime() + 3_600_000)),
    );
    const days = (to.getTime() - from.getTime()) / day;
    return { from, to, step: days <= 2 ? "hour" : days <= 100 ? "day" : "month" };
  }
  const days = choice === "last7" ? 7 : 30;
  return { from: new Date(startOfDay(now).getTime() - (days - 1) * day), to: end, step: "day" };
}

/** As long, and earlier by whole days (or hours), so that the same times of the day are compared. */
export function periodBefore({ from, to, step }: Period): Period {
  const unit = step === "hour" ? 3_600_000 : day;
  const shift = Math.ceil((to.getTime() - from.getTime()) / unit) * unit;
  return { from: new Date(from.getTime() - shift), to: new Date(to.getTime() - shift), step };
}

/** How long each step lasted within the period and up to now: averages must not count hours that have not been. */
export function stepHours(buckets: string[], period: Period, now: Date): number[] {
  const end = Math.min(period.to.getTime(), Math.max(now.getTime(), period.from.getTime()));
  return buckets.map((start, index) => {
    const from = Math.max(Date.parse(start), period.from.getTime());
    const until = Math.min(index + 1 < buckets.length ? Date.parse(buckets[index + 1] as string) : period.to.getTime(), end);
    return Math.max(0, (until - from) / 3_600_000);
  });
}
