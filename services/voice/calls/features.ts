import type { PhonePlan } from "../plan.ts";
import type { FeatureCode } from "../systems/contract.ts";
import type { Call } from "./call.ts";

export interface Feature {
  code: FeatureCode;
  /** What was dialled behind the code. */
  rest: string;
}

/** The longest code that what was dialled begins with. */
export function featureOf(plan: PhonePlan, dialled: string): Feature | undefined {
  const codes = Object.entries(plan.system.featureCodes) as [FeatureCode, string | null][];
  const found = codes
    .filter(([, digits]) => digits !== null && dialled.startsWith(digits))
    .sort(([, a], [, b]) => (b as string).length - (a as string).length)[0];
  if (!found) return undefined;
  const [code, digits] = found;
  const rest = dialled.slice((digits as string).length);
  // 700 parks, and 7001 is an extension.
  if (rest !== "" && /^\d/.test(digits as string)) return undefined;
  return { code, rest };
}

export async function callFeature(call: Call, _feature: Feature, _signal: AbortSignal): Promise<void> {
  call.refuse(501, "failed", "This code does nothing yet.");
}
