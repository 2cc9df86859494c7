import type { Call } from "./call.ts";
import type { Party } from "./party.ts";
import { recordCall } from "./recordings.ts";
import { saidSource } from "./say.ts";

/** Keys of one code follow each other within so long. */
const keyMs = 3000;

/** Records the call on somebody's word, until `stopOnDemand` or its end. */
export function startOnDemand(call: Call): void {
  call.onDemand = recordCall(call, call.subject);
}

export async function stopOnDemand(call: Call): Promise<void> {
  const running = call.onDemand;
  call.onDemand = undefined;
  await running?.stop();
}

/** Whoever of the two may record has it begin and end with the code for it. Returns how to stop listening. */
export function listenForRecordCode(call: Call, party: Party): () => void {
  const code = call.plan.system.featureCodes.record;
  if (code === null) return () => {};
  const pairs = [
    [call.subject, party],
    [party, call.subject],
  ] as const;
  const stops = pairs.filter(([by]) => mayRecord(call, by)).map(([by, other]) => onCode(by, code, () => toggle(call, by, other)));
  return () => {
    for (const stop of stops) stop();
  };
}

/** Where all is recorded, or nothing, no key changes that. */
function mayRecord(call: Call, { who }: Party): boolean {
  const extension = call.extension(who.extensionId);
  return extension !== undefined && (extension.recording ?? call.plan.system.recording.mode) === "on_demand";
}

function onCode(party: Party, code: string, work: () => void): () => void {
  let pressed = "";
  let last = 0;
  return party.digits.listen((digit) => {
    pressed = Date.now() - last > keyMs ? digit : (pressed + digit).slice(-code.length);
    last = Date.now();
    if (pressed !== code) return;
    pressed = "";
    work();
  });
}

/** Over what they say: who pressed the code hears that it is done, the other one too where recording is announced. */
function toggle(call: Call, by: Party, other: Party): void {
  const begins = call.onDemand === undefined;
  // By the policy of the other one, or by an app.
  if (begins && call.isRecorded) return;
  if (begins) startOnDemand(call);
  else void stopOnDemand(call);
  by.play(saidSource(call, begins ? "recording_on" : "recording_off"), { over: true });
  if (call.plan.system.recording.announce) other.play(saidSource(call, begins ? "recorded" : "recording_off"), { over: true });
}
