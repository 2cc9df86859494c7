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

/** Whoever of the two may has a recording begin and end with the code for it. Returns how to stop listening. */
export function listenForRecordCode(call: Call, party: Party): () => void {
  const code = call.plan.system.featureCodes.record;
  if (code === null) return () => {};
  const pairs = [
    [call.subject, party],
    [party, call.subject],
  ] as const;
  const stops = pairs.flatMap(([by, other]) => {
    const work = works[modeOf(call, by)];
    return work ? [onCode(by, code, () => work(call, by, other))] : [];
  });
  return () => {
    for (const stop of stops) stop();
  };
}

/** Where nothing is recorded no key changes that; where all is, only if the phone system says so. */
const works = { off: undefined, on_demand: toggle, all: pause } as const;

function modeOf(call: Call, { who }: Party): keyof typeof works {
  const { mode, mayPause } = call.plan.system.recording;
  const extension = call.extension(who.extensionId);
  const own = extension ? (extension.recording ?? mode) : "off";
  return own === "all" && !mayPause ? "off" : own;
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

function pause(call: Call, by: Party, other: Party): void {
  const recording = call.policyRecording;
  // Both are told yet that they will be recorded.
  if (!recording) return;
  recording.toggle();
  const phrase = recording.isPaused ? "recording_off" : "recording_on";
  by.play(saidSource(call, phrase), { over: true });
  if (call.plan.system.recording.announce)
    other.play(saidSource(call, recording.isPaused ? "recording_off" : "recorded"), { over: true });
}
