import type { Call } from "./call.ts";
import type { Party } from "./party.ts";

export interface CallRecording {
  stop(): Promise<void>;
}

/** Begins to record when the policy of somebody who takes part says so. */
export async function startPolicyRecording(call: Call, party: Party): Promise<CallRecording | undefined> {
  const parties = [call.subject, party].flatMap(({ who }) => call.extension(who.extensionId) ?? []);
  const mode = parties.map(({ recording }) => recording ?? call.plan.system.recording.mode);
  return mode.includes("all") ? undefined : undefined;
}
