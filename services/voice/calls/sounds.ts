import type { PlaySource } from "../media/engine.ts";
import type { PhonePlan } from "../plan.ts";

/** What is heard in calls beside people. */

/** ITU-T E.180: one second of 425 Hz, four of silence. */
export const ringback = (_plan: PhonePlan): PlaySource => ({
  tone: {
    segments: [
      { frequencies: [425], ms: 1000 },
      { frequencies: [], ms: 4000 },
    ],
    repeat: true,
  },
});

export const music = (_plan: PhonePlan): PlaySource => ({
  tone: {
    segments: [
      { frequencies: [330], ms: 500 },
      { frequencies: [392], ms: 500 },
    ],
    repeat: true,
  },
});
