import type { PlaySource } from "../media/engine.ts";
import type { PhonePlan } from "../plan.ts";
import { musicFile } from "../prompts/music.ts";
import { callTone } from "../prompts/tones.ts";

/** What is heard in calls beside people and words. */

export const ringback = ({ system }: PhonePlan): PlaySource => ({
  tone: { ...callTone(system.country, "ringback"), repeat: true },
});

/** Of calls that are held; `heldMusic` of spoken.ts is the system's own where it has one. */
export const music = (_plan: PhonePlan): PlaySource => ({ music: musicFile });
