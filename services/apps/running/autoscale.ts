/** How many containers a process should have, from how busy those that there are have been. */
export interface Load {
  count: number;
  minimum: number;
  maximum: number;
  /** What each should use of its processors. */
  targetPercent: number;
  /** What they used over the last minute, on average; undefined: not known yet. */
  cpuPercent: number | undefined;
  /** Since the count was last changed; undefined: never. */
  sinceChangeMs: number | undefined;
}

export interface Patience {
  upMs: number;
  downMs: number;
}

/** Between these, as parts of the target, nothing is done: else the count would go up and down with every breath. */
const tolerance = 0.1;

export function wantedCount(load: Load, patience: Patience): number {
  const { count, minimum, maximum, targetPercent, cpuPercent, sinceChangeMs } = load;
  const within = (wanted: number) => Math.min(maximum, Math.max(minimum, wanted));
  // The limits hold whatever was measured.
  if (within(count) !== count) return within(count);
  if (cpuPercent === undefined || count === 0) return count;
  const ratio = cpuPercent / targetPercent;
  if (Math.abs(ratio - 1) <= tolerance) return count;
  const wanted = within(Math.max(1, Math.ceil(count * ratio - 1e-9)));
  const waited = sinceChangeMs === undefined || sinceChangeMs >= (wanted > count ? patience.upMs : patience.downMs);
  return waited ? wanted : count;
}
