import type { Answer } from "../../api/api.ts";

type Series = Answer<"appMetrics">["series"][number];

/** The moments of all series together, and each series with a value or a gap at each of them. */
export function aligned(series: readonly Series[]): { at: string[]; values: Map<Series, (number | undefined)[]> } {
  const at = [...new Set(series.flatMap(({ points }) => points.map((point) => point.at)))].sort();
  const values = new Map(
    series.map((one) => {
      const byMoment = new Map(one.points.map((point) => [point.at, point.value]));
      return [one, at.map((moment) => byMoment.get(moment))] as const;
    }),
  );
  return { at, values };
}

/** The last value of a series, if it is of now: not of before the app stopped. */
export const latest = (series: Series | undefined): number | undefined => series?.points.at(-1)?.value;
