export const spans = ["day", "week", "month", "year"] as const;
export type Span = (typeof spans)[number];
const days: Record<Span, number> = { day: 1, week: 7, month: 30, year: 365 };
const dayMs = 86_400_000;

/** When a span of the address begins; on the hour, so that the same question has the same answer for a while. */
export function spanStart(span: string | undefined, now = Date.now()): string | undefined {
  const length = days[span as Span];
  return length === undefined ? undefined : new Date(Math.floor((now - length * dayMs) / 3_600_000) * 3_600_000).toISOString();
}

/** The first and the last day of a span of one's own, both included; when that is by the clocks of the phone system's zone. */
export function ownSpan(
  first: string | undefined,
  last: string | undefined,
  timeZone: string,
): { from: string; to: string } | undefined {
  const [from, to] = [midnight(first, 0, timeZone), midnight(last, 1, timeZone)];
  return from === undefined || to === undefined || from >= to
    ? undefined
    : { from: new Date(from).toISOString(), to: new Date(to).toISOString() };
}

/** When the day begins there that is so many days later. */
function midnight(day: string | undefined, later: number, timeZone: string): number | undefined {
  if (!/^\d{4}-\d{2}-\d{2}$/.test(day ?? "")) return undefined;
  const utc = Date.parse(`${day}T00:00:00Z`) + later * dayMs;
  if (Number.isNaN(utc)) return undefined;
  // How far the clocks there are ahead; asked twice, as the first guess may be of the other season.
  return utc - aheadMs(utc - aheadMs(utc, timeZone), timeZone);
}

function aheadMs(at: number, timeZone: string): number {
  const shown = new Date(at).toLocaleString("sv-SE", { timeZone });
  return Date.parse(`${shown.replace(" ", "T")}Z`) - at;
}

/** The day of a moment in a zone: 2026-05-01. */
export const dayOf = (at: number, timeZone: string): string => new Date(at).toLocaleDateString("sv-SE", { timeZone });
