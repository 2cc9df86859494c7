import { isoTime } from "../../../kernel/clock.ts";
import { invalid } from "../../../kernel/errors.ts";
import { type MetricPoint, type MetricStep, metricSteps } from "./contract.ts";
import { metricStore, type SlotRow, slotSeconds, type Values } from "./store/metrics.ts";

type Tx = Parameters<typeof metricStore.points>[0];

const hourMs = 3_600_000;
const automaticPoints = 1500;
const mostPoints = 10_000;

export interface Range {
  fromMs: number;
  toMs: number;
  step: MetricStep;
}

/** What is asked for, with what was left open filled in; invalid_argument when it makes no sense. */
export function rangeOf(
  query: { from?: string | undefined; to?: string | undefined; step?: number | undefined },
  nowMs: number = Date.now(),
): Range {
  const toMs = query.to === undefined ? nowMs : Math.min(nowMs, Date.parse(query.to));
  const fromMs = query.from === undefined ? toMs - hourMs : Date.parse(query.from);
  if (fromMs >= toMs) throw invalid("query.from", "It must be before `to`, and not in the future.");
  const steps = metricSteps.map(({ seconds }) => seconds);
  if (query.step !== undefined) {
    const step = steps.find((each) => each === query.step);
    if (step === undefined) throw invalid("query.step", `There are the steps ${steps.join(", ")} (seconds).`);
    if ((toMs - fromMs) / 1000 / step > mostPoints)
      throw invalid("query.step", `That is more than ${mostPoints} points. Choose a longer step or a shorter time.`);
    return { fromMs, toMs, step };
  }
  const fits = metricSteps.find(
    ({ seconds, keptSeconds }) => (nowMs - fromMs) / 1000 <= keptSeconds && (toMs - fromMs) / 1000 / seconds <= automaticPoints,
  );
  const step = fits?.seconds ?? 3600;
  // A year is the most that there is of anything.
  const oldest = nowMs - (metricSteps.at(-1)?.keptSeconds as number) * 1000;
  const beginMs = Math.max(fromMs, oldest);
  if (beginMs >= toMs) throw invalid("query.to", "Nothing is kept for longer than a year.");
  return { fromMs: beginMs, toMs, step };
}

const rounded = (value: number | null, digits: number): number | undefined =>
  value === null ? undefined : Math.round(value * 10 ** digits) / 10 ** digits;

/** Without what was not measured. */
const defined = <T extends object>(values: T): T =>
  Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as T;

export const viewValues = (values: Values): Omit<MetricPoint, "at"> =>
  defined({
    cpuPercent: rounded(values.cpuPercent, 2),
    memoryBytes: rounded(values.memoryBytes, 0),
    memoryPercent: rounded(values.memoryPercent, 2),
    diskBytes: rounded(values.diskBytes, 0),
    diskPercent: rounded(values.diskPercent, 2),
    networkReceivedBytesPerSecond: rounded(values.receivedPerSecond, 0),
    networkSentBytesPerSecond: rounded(values.sentPerSecond, 0),
    processes: rounded(values.processes, 0),
  });

/** Of the engine or a member the same columns mean other things. */
export const viewEngineValues = (values: Values) =>
  defined({
    cpuPercent: rounded(values.cpuPercent, 2),
    memoryBytes: rounded(values.memoryBytes, 0),
    memoryPercent: rounded(values.memoryPercent, 2),
    poolBytes: rounded(values.diskBytes, 0),
    poolPercent: rounded(values.diskPercent, 2),
    networkReceivedBytesPerSecond: rounded(values.receivedPerSecond, 0),
    networkSentBytesPerSecond: rounded(values.sentPerSecond, 0),
    running: rounded(values.processes, 1),
  });

/** Evenly spaced points, with empty ones where nothing was measured. */
export async function readSeries<V extends object>(
  tx: Tx,
  key: string,
  { fromMs, toMs, step }: Range,
  view: (values: Values) => V,
): Promise<{ from: string; to: string; stepSeconds: number; points: ({ at: string } & V)[] }> {
  const width = step / slotSeconds;
  const slot = (ms: number) => Math.floor(ms / 1000 / slotSeconds);
  const from = slot(fromMs) - (slot(fromMs) % width);
  const to = slot(toMs);
  const series = await metricStore.series(tx, key);
  const done = (await metricStore.progress(tx)).get(step) ?? to;
  const found = new Map<number, SlotRow>();
  // The slot that is under way has not been measured perhaps: the last whole one ends the chart.
  if (series)
    for (const row of await metricStore.points(tx, series.id, step, { from, to: to + 1, done })) found.set(row.slot, row);
  const points: ({ at: string } & V)[] = [];
  for (let at = from; at <= to; at += width) {
    const row = found.get(at);
    if (!row && at + width > to) break;
    points.push({ at: isoTime(at * slotSeconds * 1000), ...(row ? view(row) : ({} as V)) });
  }
  return { from: isoTime(fromMs), to: isoTime(toMs), stepSeconds: step, points };
}
