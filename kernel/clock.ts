/** The time, so that tests can set it. Milliseconds since the Unix epoch. */
export interface Clock {
  nowMs(): number;
}

export const systemClock: Clock = { nowMs: () => Date.now() };

/** RFC 3339, UTC, as every answer of the API has it. */
export const isoTime = (at: Date | number): string => new Date(at).toISOString();
