import { rm } from "node:fs/promises";
import type { Id } from "../../../kernel/ids.ts";
import type { RecordingEnd } from "../media/engine.ts";
import type { PlanExtension } from "../plan.ts";
import { saveVoicemail } from "../records/saving.ts";
import { greetingStore } from "../records/store/voicemails.ts";
import { unless } from "./abort.ts";
import type { Call } from "./call.ts";
import { newSoundFile, systemOf } from "./recordings.ts";
import { say } from "./say.ts";
import { audioFile } from "./spoken.ts";

/** Whoever said less has said nothing. */
const shortestMs = 500;
const silenceSeconds = 10;

/** The caller leaves a message. @throws the reason of `signal` */
export async function leaveVoicemail(call: Call, extensionId: string, signal: AbortSignal): Promise<void> {
  const extension = call.extension(extensionId);
  if (!extension?.voicemail.enabled) {
    call.refuse(480, "missed", "There is no voicemail.");
    return;
  }
  const { subject } = call;
  const wasBusy = call.refusal.outcome === "busy";
  await subject.answer();
  call.note("voicemail", extension.id, extension.name);
  call.extensionIds.add(extension.id);
  call.outcome = "voicemail";
  call.setState("voicemail");
  await greet(call, extension, wasBusy, signal);
  const recording = subject.leg.record({
    file: newSoundFile(call),
    beep: true,
    maxSeconds: call.plan.system.voicemail.maxSeconds,
    silenceSeconds,
    untilDtmf: "#",
  });
  // Whoever hangs up after the message has left it all the same.
  const kept = recording.done.then((end) => keep(call, extension, end));
  call.board.track(kept.catch((error) => call.board.log.error({ err: error, call: call.id }, "a voicemail cannot be kept")));
  try {
    const isKept = await unless(signal, kept);
    await say(call, isKept ? "voicemail_sent" : "voicemail_too_short", signal);
  } finally {
    await recording.stop();
  }
}

async function greet(call: Call, extension: PlanExtension, wasBusy: boolean, signal: AbortSignal): Promise<void> {
  const { board } = call;
  const greeting = await board.database.transaction(
    "system",
    async (tx) =>
      (wasBusy ? await greetingStore.find(tx, extension.id, "busy") : undefined) ??
      greetingStore.find(tx, extension.id, "unavailable"),
  );
  const file = greeting && (await audioFile(board, greeting.audioId));
  if (file) await call.subject.listen({ file }, signal, { untilDtmf: "#" });
  else await say(call, ["voicemail_unavailable", "voicemail_leave"], signal, { untilDtmf: "#" });
}

/** Whether there was something in it. */
async function keep(call: Call, extension: PlanExtension, { file, ms, talkedMs }: RecordingEnd): Promise<boolean> {
  try {
    if (talkedMs < shortestMs) return false;
    await saveVoicemail(call.board.database, systemOf(call), {
      extensionId: extension.id as Id<"extension">,
      fromNumber: call.other.number ?? "anonymous",
      ...(call.other.name === undefined ? {} : { fromName: call.other.name }),
      callId: call.id,
      file: { path: file, milliseconds: ms },
    });
    return true;
  } finally {
    await rm(file, { force: true });
  }
}
