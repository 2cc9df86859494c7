import type { PlanExtension } from "../plan.ts";
import { voicemailCount, voicemailReceived } from "../prompts/sayings.ts";
import { type VoicemailRow, voicemailStore } from "../records/store/voicemails.ts";
import { forwardVoicemail } from "../records/voicemails.ts";
import type { Call } from "./call.ts";
import { changePin, recordGreeting, recordName } from "./mailboxSettings.ts";
import { askOwnPin } from "./pins.ts";
import { anyKey, ask, choose, say } from "./say.ts";
import { audioFile } from "./spoken.ts";

const mostMessages = 100;
/** Whoever wrote is called. */
export type CallBack = { dial: string };

/** Somebody listens to the messages of an extension, by its PIN. Returns whom to call then. @throws the reason of `signal` */
export async function listenToVoicemail(
  call: Call,
  extension: PlanExtension | undefined,
  signal: AbortSignal,
): Promise<CallBack | undefined> {
  await call.subject.answer();
  call.answered();
  call.setState("voicemail");
  const number = extension?.number ?? (await ask(call, "voicemail_mailbox", signal, { maximum: 8 }));
  const box = extension ?? call.plan.extensions.find((each) => each.number === number);
  // At one's own phone a box that has no PIN is open: else nobody who was given none could ever set one.
  const isOpen = box !== undefined && box.id === call.subject.who.extensionId && box.voicemailPin === undefined;
  // Whoever guesses hears the same of a box that is not there.
  if (!isOpen && !(await askOwnPin(call, { number, kind: "voicemail", hash: box?.voicemailPin }, signal))) return undefined;
  if (!box) return undefined;
  const messages = await messagesOf(call, box);
  const unheard = messages.filter(({ folder }) => folder === "new");
  await say(call, voicemailCount(unheard.length, messages.length - unheard.length), signal, { untilDtmf: anyKey });
  for (;;) {
    const choice = await choose(call, "voicemail_menu", signal);
    if (choice === "1") {
      const callBack = await playAll(call, box, signal);
      if (callBack) return callBack;
    } else if (choice === "2") await recordGreeting(call, box, signal);
    else if (choice === "3") await recordName(call, box, signal);
    else if (choice === "4") await changePin(call, box, signal);
    else break;
  }
  await say(call, "goodbye", signal);
  return undefined;
}

const inTransaction = <T>(call: Call, work: Parameters<typeof call.board.database.transaction<T>>[1]): Promise<T> =>
  call.board.database.transaction("system", work);

const messagesOf = (call: Call, { id }: PlanExtension): Promise<VoicemailRow[]> =>
  inTransaction(call, (tx) => voicemailStore.page(tx, { extensionIds: [id], limit: mostMessages }));

/** The new ones as they came, then the saved ones. */
async function playAll(call: Call, box: PlanExtension, signal: AbortSignal): Promise<CallBack | undefined> {
  const all = await messagesOf(call, box);
  const ofFolder = (isNew: boolean) => all.filter(({ folder }) => (folder === "new") === isNew);
  for (const [index, message] of [...ofFolder(true).toReversed(), ...ofFolder(false)].entries()) {
    const from = message.fromNumber === "anonymous" ? undefined : message.fromNumber;
    const received = voicemailReceived({ at: message.createdAt, from }, call.plan.system.timeZone, new Date());
    await say(call, [index === 0 ? "voicemail_first" : "voicemail_next", ...received], signal, { untilDtmf: anyKey });
    const came = await playOne(call, box, message, signal);
    if (came === "stop") return undefined;
    if (came !== "next") return came;
  }
  await say(call, "voicemail_no_more", signal);
  return undefined;
}

async function playOne(
  call: Call,
  box: PlanExtension,
  message: VoicemailRow,
  signal: AbortSignal,
): Promise<"next" | "stop" | CallBack> {
  const move = (change: Parameters<typeof voicemailStore.move>[2]) =>
    inTransaction(call, async (tx) => {
      const row = await voicemailStore.find(tx, message.id, { lock: true });
      if (row) await voicemailStore.move(tx, row, change);
    });
  for (;;) {
    const file = await audioFile(call.board, message.audioId);
    call.subject.digits.clear();
    if (file) await call.subject.listen({ file }, signal, { untilDtmf: anyKey });
    if (message.folder === "new") await move({ heard: true, folder: "saved" });
    switch (await choose(call, "voicemail_options", signal)) {
      case "1":
        continue;
      case "2":
        await Promise.all([move({ folder: "saved", heard: true }), say(call, "voicemail_saved", signal)]);
        return "next";
      case "3":
        await Promise.all([move({ folder: "deleted" }), say(call, "voicemail_deleted", signal)]);
        return "next";
      case "4":
        await forward(call, box, message, signal);
        return "next";
      case "5":
        if (message.fromNumber !== "anonymous") return { dial: message.fromNumber };
        await say(call, "from_unknown", signal);
        return "next";
      case "*":
      case undefined:
        return "stop";
      default:
        return "next";
    }
  }
}

async function forward(call: Call, box: PlanExtension, message: VoicemailRow, signal: AbortSignal): Promise<void> {
  const number = await ask(call, "enter_extension", signal, { maximum: call.plan.system.extensionDigits });
  const to = call.plan.extensions.find((each) => each.number === number && each.voicemail.enabled);
  if (!to) return say(call, "not_in_service", signal);
  await inTransaction(call, async (tx) => {
    const row = await voicemailStore.find(tx, message.id);
    if (row) await forwardVoicemail(tx, row, { extensionId: to.id, by: `${box.number} ${box.name}` });
  });
  await say(call, "voicemail_forwarded", signal);
}
