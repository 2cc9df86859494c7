import { createReadStream } from "node:fs";
import { rm } from "node:fs/promises";
import { CloudError } from "../../../kernel/errors.ts";
import type { Id } from "../../../kernel/ids.ts";
import { changedPins } from "../extensions/changing.ts";
import { extensionStore } from "../extensions/store.ts";
import type { RecordingEnd } from "../media/engine.ts";
import type { PlanExtension } from "../plan.ts";
import type { GreetingKind } from "../records/contract.ts";
import { saveGreeting } from "../records/saving.ts";
import { unless } from "./abort.ts";
import type { Call } from "./call.ts";
import { newSoundFile, systemOf } from "./recordings.ts";
import { anyKey, ask, choose, say } from "./say.ts";

/** What people say and set of their mailbox at the phone. */

const mostAttempts = 5;
const shortestMs = 300;
/** Seconds. */
const longestGreeting = 120;
const longestName = 8;

/** Records until a key, and hands over what was said; the file is gone afterwards. @throws the reason of `signal` */
async function recordOnce(call: Call, maxSeconds: number, work: (end: RecordingEnd) => Promise<void>, signal: AbortSignal) {
  const file = newSoundFile(call);
  const recording = call.subject.leg.record({ file, beep: true, maxSeconds, untilDtmf: anyKey });
  try {
    const end = await unless(signal, recording.done);
    call.subject.digits.clear();
    await work(end);
  } finally {
    await recording.stop();
    await rm(file, { force: true });
  }
}

const keep = (call: Call, extension: PlanExtension, kind: GreetingKind, { file, ms }: RecordingEnd) =>
  call.board.database.transaction("system", (tx) =>
    saveGreeting(tx, { id: extension.id as Id<"extension">, system: systemOf(call) }, kind, createReadStream(file), ms),
  );

/** What callers hear before they leave a message. @throws the reason of `signal` */
export async function recordGreeting(call: Call, extension: PlanExtension, signal: AbortSignal): Promise<void> {
  let isDone = false;
  for (let attempt = 0; attempt < mostAttempts && !isDone; attempt++) {
    await say(call, "voicemail_greeting", signal);
    await recordOnce(
      call,
      longestGreeting,
      async (end) => {
        let choice = await choose(call, "voicemail_greeting_review", signal);
        while (choice === "2") {
          await call.subject.listen({ file: end.file }, signal, { untilDtmf: anyKey });
          choice = await choose(call, "voicemail_greeting_review", signal);
        }
        isDone = choice !== "3";
        if (choice !== "1") return;
        await keep(call, extension, "unavailable", end);
        await say(call, "voicemail_greeting_saved", signal);
      },
      signal,
    );
  }
}

/** What the directory and conferences say of them. @throws the reason of `signal` */
export async function recordName(call: Call, extension: PlanExtension, signal: AbortSignal): Promise<void> {
  await say(call, "conference_name", signal);
  await recordOnce(
    call,
    longestName,
    async (end) => {
      if (end.talkedMs < shortestMs) return say(call, "try_again", signal);
      await keep(call, extension, "name", end);
      await say(call, "thank_you", signal);
    },
    signal,
  );
}

/** Twice the same one, and none that is guessed at once. @throws the reason of `signal` */
export async function changePin(call: Call, extension: PlanExtension, signal: AbortSignal): Promise<void> {
  const pin = await ask(call, "pin_new", signal, { maximum: 12 });
  const again = await ask(call, "pin_again", signal, { maximum: 12 });
  const isChanged = /^\d{4,12}$/.test(pin) && pin === again && (await storePin(call, extension, pin));
  await say(call, isChanged ? "pin_saved" : "pin_kept", signal);
}

const storePin = (call: Call, { id }: PlanExtension, pin: string): Promise<boolean> =>
  call.board.database
    .transaction("system", async (tx) => {
      const row = await extensionStore.find(tx, id);
      if (!row) return false;
      await extensionStore.update(tx, { ...row, ...(await changedPins(row, { voicemailPin: pin })) });
      return true;
    })
    .catch((error) => {
      if (CloudError.is(error, "invalid_argument")) return false;
      throw error;
    });
