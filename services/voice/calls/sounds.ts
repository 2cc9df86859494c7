import type { PlaySource } from "../media/engine.ts";
import type { PhonePlan } from "../plan.ts";
import { callTone } from "../prompts/tones.ts";

/** What is heard in calls beside people and words. */

export const ringback = ({ system }: PhonePlan): PlaySource => ({
  tone: { ...callTone(system.country, "ringback"), repeat: true },
});

/** Before the greatest length of a call outside: two low tones, for both sides. */
export const lengthWarning: PlaySource = {
  tone: { segments: Array.from({ length: 3 }, (_, index) => ({ frequencies: index % 2 === 0 ? [950] : [], ms: 250 })) },
};

/** Not heard by who was called: three short tones of 1400 Hz, as payphones have before their money ends. */
export const spendingWarning: PlaySource = {
  tone: { segments: Array.from({ length: 6 }, (_, index) => ({ frequencies: index % 2 === 0 ? [1400] : [], ms: 200 })) },
};
