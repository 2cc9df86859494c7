import { useMemo } from "react";
import { useListState } from "../../ui/list/state.ts";

export const spans = { hour: 3600, sixHours: 6 * 3600, day: 86_400, week: 7 * 86_400, month: 30 * 86_400 } as const;
export type Span = keyof typeof spans;

/** The span of the charts, kept in the address (`?span=day`), with how often it is worth asking again. */
export function useSpan(): { span: Span; setSpan: (span: Span) => void; seconds: number; refreshMs: number } {
  const state = useListState();
  const asked = state.filter("span") as Span | undefined;
  const span = asked !== undefined && asked in spans ? asked : "hour";
  const seconds = spans[span];
  return useMemo(
    () => ({ span, seconds, setSpan: (to: Span) => state.set({ span: to }), refreshMs: seconds <= 6 * 3600 ? 10_000 : 60_000 }),
    [span, seconds, state],
  );
}
