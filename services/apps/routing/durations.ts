/** Counts of durations in steps, each a fifth longer than the one before, so that a percentile is at most a tenth off. */

const stepLog = Math.log(1.2);

/** Milliseconds; 0 is what took less than one. */
export const stepOf = (ms: number): number => (ms < 1 ? 0 : 1 + Math.floor(Math.log(ms) / stepLog + 1e-9));

/** The middle of a step, in milliseconds. */
const middleOf = (step: number): number => (step === 0 ? 0.5 : Math.exp((step - 0.5) * stepLog));

export function addDuration(counts: number[], ms: number): void {
  const step = stepOf(ms);
  while (counts.length <= step) counts.push(0);
  counts[step] = (counts[step] as number) + 1;
}

/** In milliseconds, for a share from 0 to 1; 0 without any. */
export function percentile(counts: readonly number[], share: number): number {
  const total = counts.reduce((sum, count) => sum + count, 0);
  if (total === 0) return 0;
  let left = Math.max(Math.ceil(total * share), 1);
  for (const [step, count] of counts.entries()) {
    left -= count;
    if (left <= 0) return middleOf(step);
  }
  return 0;
}
