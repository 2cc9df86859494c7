/** Times of this part, so that tests need not wait. */
export interface JobTimes {
  /** Before the first retry; doubles with each, up to ten minutes. */
  retrySeconds: number;
  /** How often an attempt may be broken off by what is no fault of the command before the task is given up. */
  interruptions: number;
  /** Before an attempt that was broken off is made again; doubles too. */
  interruptedSeconds: number;
  /** How often a process says that it still looks after its tasks, and hears what is to be cancelled. */
  renewMs: number;
  /** How long the making of a server may take. */
  createSeconds: number;
  /** How many times a poll inside the guest looks before it answers that nothing is new. */
  pollWaits: number;
  /** After so long, a task that finds no room makes those behind it wait. */
  crowdedOutSeconds: number;
  /** How long a server may not answer, though it runs, before the attempt counts as broken off. */
  silentSeconds: number;
}

export const defaultTimes: JobTimes = {
  retrySeconds: 10,
  interruptions: 5,
  interruptedSeconds: 5,
  renewMs: 2000,
  createSeconds: 900,
  pollWaits: 12,
  crowdedOutSeconds: 300,
  silentSeconds: 300,
};

export const backOffSeconds = (first: number, times: number): number => Math.min(600, first * 2 ** Math.max(0, times - 1));
