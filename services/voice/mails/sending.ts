import { createRequire } from "node:module";
import { setTimeout as sleep } from "node:timers/promises";
import type MailComposer from "nodemailer/lib/mail-composer";
import { afterAttempt } from "../../../kernel/outbound/retries.ts";
import { findAudio, readAudio } from "../audio/store.ts";
import type { VoiceParts } from "../parts.ts";
import { voicemailStore } from "../records/store/voicemails.ts";
import { type DueMail, mailStore } from "./store.ts";
import { mailWords } from "./words.ts";

/** Of different phone systems: one of them that is slow keeps no other waiting. */
const atOnce = 8;
/** Longer than any attempt takes: nobody else sends it meanwhile. */
const heldSeconds = 300;
const keptDays = 30;
/** A third more in the mail; most servers take 20 MB and more. */
const mostSoundBytes = 12_000_000;

type Parts = Pick<VoiceParts, "database" | "log" | "mail" | "publicUrl">;
interface Result {
  delivered: boolean;
  final: boolean;
  message: string;
}

/** Sends the mails that are due, until there are none. */
export function createMailRounds({ database, log, mail, publicUrl }: Parts) {
  const transaction: typeof database.transaction<unknown> = (scope, work) => database.transaction(scope, work);

  async function deliver(due: DueMail, signal: AbortSignal): Promise<void> {
    const { voicemailId } = due.content;
    const sound = voicemailId === undefined ? undefined : await soundOf(voicemailId, due.content.attachAudio === true);
    const result = await attempt(due, sound, signal);
    // Told to stop, not refused: it is held until somebody takes it up again.
    if (!result.delivered && signal.aborted) return;
    const after = afterAttempt(result, due.attempts);
    if (after.state === "failed") log.info({ mail: due.id, message: result.message }, "a mail of a phone system was given up");
    await database.transaction("system", async (tx) => {
      await mailStore.finish(tx, due, { ...after, state: after.state === "delivered" ? "sent" : after.state });
      if (!result.delivered || !due.content.deleteAfterMail || !Buffer.isBuffer(sound) || voicemailId === undefined) return;
      const row = await voicemailStore.find(tx, voicemailId, { lock: true });
      if (row) await voicemailStore.move(tx, row, { folder: "deleted" });
    });
  }

  async function attempt(due: DueMail, sound: Sound, signal: AbortSignal): Promise<Result> {
    const failed = (message: string, final = false): Result => ({ delivered: false, final, message });
    if (sound === "gone") return failed("The voicemail was deleted before its mail could be sent.", true);
    if (due.mailAccountId === null)
      return failed("The phone system has no mail account. Choose one in its settings, then send this again.");
    return mail
      .send(due.mailAccountId, { to: due.to, compose: (sender) => compose(due, sender, sound, publicUrl) }, signal)
      .catch((error: Error) => {
        log.error({ err: error, mail: due.id }, "a mail of a phone system cannot be made");
        return failed("It could not be made. The log of the cloud says why.");
      });
  }

  async function soundOf(voicemailId: string, wanted: boolean): Promise<Sound> {
    const audio = await database.transaction("system", async (tx) => {
      const row = await voicemailStore.find(tx, voicemailId);
      return row === undefined || row.folder === "deleted" ? undefined : findAudio(tx, row.audioId);
    });
    if (audio === undefined) return "gone";
    if (!wanted) return undefined;
    if (audio.sizeBytes > mostSoundBytes) return "too_long";
    const pieces: Buffer[] = [];
    for await (const piece of readAudio((work) => transaction("system", work) as never, audio)) pieces.push(piece);
    return Buffer.concat(pieces);
  }

  return {
    async round(signal: AbortSignal): Promise<void> {
      const running = new Map<string, Promise<void>>();
      for (;;) {
        const room = signal.aborted ? 0 : atOnce - running.size;
        const options = { limit: room, heldSeconds, except: [...running.keys()] };
        const due = room === 0 ? [] : await database.transaction("system", (tx) => mailStore.takeDue(tx, options));
        for (const each of due) {
          const work = deliver(each, signal)
            .catch((error) => log.warn({ err: error, mail: each.id }, "what became of a mail cannot be written down"))
            .finally(() => running.delete(each.systemId));
          running.set(each.systemId, work);
        }
        if (running.size === 0) return;
        await Promise.race([...running.values(), sleep(1000)]);
      }
    },
    forget: () => database.transaction("system", (tx) => mailStore.forget(tx, keptDays)),
  };
}

/** What goes with the mail of a voicemail; undefined: nothing was wished. */
type Sound = Buffer | "too_long" | "gone" | undefined;

function compose(due: DueMail, sender: string, sound: Exclude<Sound, "gone">, publicUrl: string): Promise<Buffer> {
  // Only once there is a mail, and as CommonJS: its other form imports node:http, which would load undici for good (server/loaded.test.ts).
  const Composer = createRequire(import.meta.url)("nodemailer/lib/mail-composer") as typeof MailComposer;
  const { subject, text } = mailWords({
    kind: due.kind,
    content: due.content,
    at: due.createdAt,
    systemName: due.systemName,
    timeZone: due.timeZone,
    consoleUrl: new URL("/my-phone", publicUrl).href,
    sound: Buffer.isBuffer(sound) ? "attached" : sound,
  });
  return new Composer({
    from: { name: due.systemName, address: sender },
    to: due.to,
    subject,
    text,
    date: due.createdAt,
    // The same for each attempt: one that was taken twice is seen to be one.
    messageId: `<${due.id}@${sender.split("@").at(-1)}>`,
    // RFC 3834: nobody answers that they are on holiday.
    headers: { "Auto-Submitted": "auto-generated" },
    ...(Buffer.isBuffer(sound) ? { attachments: [{ filename: "voicemail.wav", contentType: "audio/wav", content: sound }] } : {}),
    disableFileAccess: true,
    disableUrlAccess: true,
  })
    .compile()
    .build();
}
