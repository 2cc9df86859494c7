import { createReadStream } from "node:fs";
import { rm } from "node:fs/promises";
import type { Id } from "../../../kernel/ids.ts";
import type { PlanExtension } from "../plan.ts";
import { voicemailCount, voicemailReceived } from "../prompts/sayings.ts";
import { saveGreeting } from "../records/saving.ts";
import { type VoicemailRow, voicemailStore } from "../records/store/voicemails.ts";
import { unless } from "./abort.ts";
import type { Call } from "./call.ts";
import { askOwnPin } from "./pins.ts";
import { newSoundFile, systemOf } from "./recordings.ts";
import { anyKey, ask, say } from "./say.ts";
import { audioFile } from "./spoken.ts";

const choiceMs = 8000;
const mostMessages = 100;

/** Somebody listens to the messages of an extension, by its PIN. @throws the reason of `signal` */
export async function listenToVoicemail(call: Call, extension: PlanExtension | undefined, signal: AbortSignal): Promise<void> {
  await call.subject.answer();
  call.answered();
  call.setState("voicemail");
  const number = extension?.number ?? (await ask(call, "voicemail_mailbox", signal, { maximum: 8 }));
  const box = extension ?? call.plan.extensions.find((each) => each.number === number);
  // Whoever guesses hears the same of a box that is not there.
  if (!(await askOwnPin(call, { number, kind: "voicemail", hash: box?.voicemailPin }, signal)) || !box) return;
  const messages = await inTransaction(call, (tx) => voicemailStore.page(tx, { extensionIds: [box.id], limit: mostMessages }));
  const unheard = messages.filter(({ folder }) => folder === "new");
  await say(call, voicemailCount(unheard.length, messages.length - unheard.length), signal, { untilDtmf: anyKey });
  for (;;) {
    const choice = await choose(call, "voicemail_menu", signal);
    if (choice === "1")
      await playAll(call, [...unheard.toReversed(), ...messages.filter(({ folder }) => folder !== "new")], signal);
    else if (choice === "2") await recordGreeting(call, box, signal);
    else return say(call, "goodbye", signal);
  }
}

const inTransaction = <T>(call: Call, work: Parameters<typeof call.board.database.transaction<T>>[1]): Promise<T> =>
  call.board.database.transaction("system", work);

async function choose(call: Call, prompt: Parameters<typeof say>[1], signal: AbortSignal): Promise<string | undefined> {
  await say(call, prompt, signal, { untilDtmf: anyKey });
  return call.subject.digits.next(choiceMs, signal);
}

async function playAll(call: Call, messages: VoicemailRow[], signal: AbortSignal): Promise<void> {
  for (const [index, message] of messages.entries()) {
    const from = message.fromNumber === "anonymous" ? undefined : message.fromNumber;
    const received = voicemailReceived({ at: message.createdAt, from }, call.plan.system.timeZone, new Date());
    await say(call, [index === 0 ? "voicemail_first" : "voicemail_next", ...received], signal, { untilDtmf: anyKey });
    if (!(await playOne(call, message, signal))) return;
  }
  await say(call, "voicemail_no_more", signal);
}

/** False when no more are wanted. */
async function playOne(call: Call, message: VoicemailRow, signal: AbortSignal): Promise<boolean> {
  const move = (change: Parameters<typeof voicemailStore.move>[2]) =>
    inTransaction(call, async (tx) => {
      const row = await voicemailStore.find(tx, message.id, { lock: true });
      if (row) await voicemailStore.move(tx, row, change);
    });
  for (let again = true; again; ) {
    const file = await audioFile(call.board, message.audioId);
    call.subject.digits.clear();
    if (file) await call.subject.listen({ file }, signal, { untilDtmf: anyKey });
    if (message.folder === "new") await move({ heard: true, folder: "saved" });
    const choice = await choose(call, "voicemail_options", signal);
    again = choice === "1";
    if (choice === "2") await Promise.all([move({ folder: "saved", heard: true }), say(call, "voicemail_saved", signal)]);
    if (choice === "3") await Promise.all([move({ folder: "deleted" }), say(call, "voicemail_deleted", signal)]);
    if (choice === "*" || choice === undefined) return false;
  }
  return true;
}

async function recordGreeting(call: Call, extension: PlanExtension, signal: AbortSignal): Promise<void> {
  for (let attempt = 0; attempt < 5; attempt++) {
    await say(call, "voicemail_greeting", signal);
    const file = newSoundFile(call);
    const recording = call.subject.leg.record({ file, beep: true, maxSeconds: 120, untilDtmf: anyKey });
    try {
      const { ms } = await unless(signal, recording.done);
      call.subject.digits.clear();
      let choice = await choose(call, "voicemail_greeting_review", signal);
      while (choice === "2") {
        await call.subject.listen({ file }, signal, { untilDtmf: anyKey });
        choice = await choose(call, "voicemail_greeting_review", signal);
      }
      if (choice === "3") continue;
      if (choice !== "1") return;
      const owner = { id: extension.id as Id<"extension">, system: systemOf(call) };
      await inTransaction(call, (tx) => saveGreeting(tx, owner, "unavailable", createReadStream(file), ms));
      return say(call, "voicemail_greeting_saved", signal);
    } finally {
      await recording.stop();
      await rm(file, { force: true });
    }
  }
}
