export const spans = ["day", "week", "month", "year"] as const;
export type Span = (typeof spans)[number];
const days: Record<Span, number> = { day: 1, week: 7, month: 30, year: 365 };
const dayMs = 86_400_000;

/** When a span of the address begins; on the hour, so that the same question has the same answer for a while. */
export function spanStart(span: string | undefined, now = Date.now()): string | undefined {
  const length = days[span as Span];
  return length === undefined ? undefined : new Date(Math.floor((now - length * dayMs) / 3_600_000) * 3_600_000).toISOString();
}
