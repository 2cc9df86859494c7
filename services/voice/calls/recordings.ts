import { rm } from "node:fs/promises";
import { join } from "node:path";
import { type Id, newId } from "../../../kernel/ids.ts";
import type { RecordingEnd, RecordOptions } from "../media/engine.ts";
import { saveRecording } from "../records/saving.ts";
import { unless } from "./abort.ts";
import type { Call } from "./call.ts";
import type { Party } from "./party.ts";
import { say } from "./say.ts";

export interface CallRecording {
  /** Resolves when it is kept. */
  stop(): Promise<void>;
}

export const systemOf = (call: Call) => ({
  id: call.plan.system.id as Id<"phoneSystem">,
  organisationId: call.plan.system.organisationId as Id<"organisation">,
  projectId: call.plan.system.projectId as Id<"project">,
});

export const newSoundFile = (call: Call): string => join(call.board.folder, `${newId("recording")}.wav`);

/** Of a whole call, as a policy says. */
export interface PolicyRecording extends CallRecording {
  readonly isPaused: boolean;
  /** Pauses, or goes on: what comes then is a recording of its own. */
  toggle(): void;
}

/** Written into the database, and taken from the disk. Undefined when there is nothing in it. */
export async function keepRecording(call: Call, { file, ms }: RecordingEnd): Promise<Id<"recording"> | undefined> {
  try {
    if (ms === 0) return undefined;
    return await saveRecording(call.board.database, systemOf(call), {
      callId: call.id,
      extensionIds: [...call.extensionIds] as Id<"extension">[],
      fromNumber: call.from.number ?? "anonymous",
      toNumber: call.to.number,
      file: { path: file, milliseconds: ms },
    });
  } finally {
    await rm(file, { force: true });
  }
}

/** Records both sides of what this party hears and says. What cannot be kept is told to the log: the call goes on. */
export function recordCall(call: Call, party: Party): CallRecording {
  const recording = party.leg.record({ file: newSoundFile(call), what: "both", stereo: true });
  call.isRecorded = true;
  call.setState(call.state);
  const kept = recording.done
    .then((end) => keepRecording(call, end))
    .catch((error) => call.board.log.error({ err: error, call: call.id }, "a recording cannot be kept"));
  call.board.track(kept);
  return {
    async stop() {
      call.isRecorded = false;
      call.setState(call.state);
      await recording.stop();
      await kept;
    },
  };
}

/** Begins to record when the policy of somebody who takes part says so, and tells both where that is wished. */
export async function startPolicyRecording(call: Call, party: Party, signal: AbortSignal): Promise<PolicyRecording | undefined> {
  const { recording } = call.plan.system;
  const modes = [call.subject, party].flatMap(({ who }) => {
    const extension = call.extension(who.extensionId);
    return extension ? [extension.recording ?? recording.mode] : [];
  });
  if (!modes.includes("all")) return undefined;
  if (recording.announce) {
    const told = [call.subject, party].map((each) => say(call, "recorded", signal, { party: each }));
    await Promise.allSettled(told);
    signal.throwIfAborted();
  }
  let running: CallRecording | undefined = recordCall(call, call.subject);
  return {
    get isPaused() {
      return running === undefined;
    },
    toggle() {
      const before = running;
      running = before ? undefined : recordCall(call, call.subject);
      // It is kept whatever becomes of the call (`track`).
      void before?.stop();
    },
    stop: async () => running?.stop(),
  };
}

/** What the subject says now, as one of the phone system's recordings. @throws the reason of `signal` */
export async function recordSubject(
  call: Call,
  options: Pick<RecordOptions, "maxSeconds" | "silenceSeconds" | "beep" | "untilDtmf">,
  signal: AbortSignal,
): Promise<{ recordingId: string; seconds: number }> {
  const recording = call.subject.leg.record({ file: newSoundFile(call), ...options });
  const kept = recording.done.then(async (end) => ({
    recordingId: (await keepRecording(call, end)) ?? "",
    seconds: end.ms / 1000,
  }));
  call.board.track(kept.catch((error) => call.board.log.error({ err: error, call: call.id }, "a recording cannot be kept")));
  try {
    return await unless(signal, kept);
  } finally {
    await recording.stop();
  }
}
