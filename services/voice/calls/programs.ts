import { CloudError } from "../../../kernel/errors.ts";
import type { Destination } from "../destinations/contract.ts";
import { askProgram } from "../live/program.ts";
import { type ApplicationRow, applicationStore } from "../live/store/applications.ts";
import type { CallQuestion, CallVerb } from "../live/verbs/contract.ts";
import { pause, unless } from "./abort.ts";
import type { Call } from "./call.ts";
import { recordSubject } from "./recordings.ts";
import { announcementSource, textSource } from "./spoken.ts";

type Verb<V extends CallVerb["verb"]> = Extract<CallVerb, { verb: V }>;
/** What came of a verb: the next destination, another address to ask, or how the program is asked again. */
type Came =
  | { to: Destination | undefined }
  | { ask: Pick<CallQuestion, "event"> & Partial<CallQuestion>; action: string | undefined }
  | undefined;

/** Goes from destination to destination (destinations.ts, which knows us). */
export type Follow = (call: Call, first: Destination, signal: AbortSignal) => Promise<void>;

/** A program that never ends a call is asked no more. */
const mostQuestions = 200;

/** An application's program says what happens to the call. Returns where it goes next. @throws the reason of `signal` */
export async function callProgram(
  call: Call,
  applicationId: string,
  follow: Follow,
  signal: AbortSignal,
): Promise<Destination | undefined> {
  const { board } = call;
  const application = await unless(
    signal,
    board.database.transaction("system", (tx) => applicationStore.find(tx, applicationId)),
  );
  if (!application) {
    call.refuse(404, "failed", "There is no such application.");
    return undefined;
  }
  const leg = call.note("application", application.id, application.name);
  call.setState("application");
  try {
    return await converse(call, application, follow, signal);
  } catch (error) {
    signal.throwIfAborted();
    board.log.info({ err: error, call: call.id, application: application.id }, "a program did not say what to do with a call");
    leg.reason = complaintOf(error);
    call.refuse(480, "failed", `The program that answers this number failed: ${leg.reason}`.slice(0, longestReason));
    // Of a call that was answered already it is the only word on why it ended.
    if (application.fallback.kind === "hang_up") call.endReason = call.refusal.reason;
    return application.fallback;
  }
}

const longestReason = 1000;

/** What is wrong with its answer, field by field, for whoever writes the program. */
function complaintOf(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  const fields = CloudError.is(error, "invalid_argument") ? error.details?.["fields"] : undefined;
  const each = Array.isArray(fields) ? fields.map(({ path, message }) => `${path}: ${message}`) : [];
  return (each.length > 0 ? `Its answer is not understood. ${each.join(" ")}` : message).slice(0, longestReason);
}

/** @throws CloudError invalid_argument: nothing would be heard */
function announced(call: Call, id: string): ReturnType<typeof announcementSource> {
  if (!call.plan.elements.announcements.some((each) => each.id === id))
    throw new CloudError("invalid_argument", `The program names an announcement that is none of this phone system: ${id}`);
  return announcementSource(call, id);
}

async function converse(
  call: Call,
  application: ApplicationRow,
  follow: Follow,
  signal: AbortSignal,
): Promise<Destination | undefined> {
  let question: Pick<CallQuestion, "event"> & Partial<CallQuestion> = { event: "call" };
  let action: string | undefined;
  let askedBefore: string | undefined;
  for (let questions = 0; questions < mostQuestions; questions++) {
    const { url, instructions } = await unless(
      signal,
      askProgram(call.board, application, { ...about(call, application), ...question }, { action, askedBefore, signal }),
    );
    askedBefore = url;
    let asked = false;
    for (const verb of instructions.verbs) {
      const came = await carryOut(call, verb, follow, signal);
      if (came === undefined) continue;
      if ("to" in came) return came.to;
      ({ ask: question, action } = came);
      asked = true;
      break;
    }
    if (!asked) return undefined;
  }
  throw new Error(`The program was asked ${mostQuestions} times.`);
}

const about = (call: Call, application: ApplicationRow): Omit<CallQuestion, "event"> => ({
  call: {
    id: call.id,
    direction: call.direction,
    from: call.from.number ?? "anonymous",
    ...(call.from.name === undefined ? {} : { fromName: call.from.name }),
    to: call.to.number,
    startedAt: call.startedAt.toISOString(),
  },
  phoneSystemId: application.systemId,
  applicationId: application.id,
});

async function carryOut(call: Call, verb: CallVerb, follow: Follow, signal: AbortSignal): Promise<Came> {
  switch (verb.verb) {
    case "answer":
      await answer(call);
      return undefined;
    case "say":
      await listen(call, verb, signal);
      return undefined;
    case "play":
      return play(call, verb, signal);
    case "gather":
      return gather(call, verb, signal);
    case "record":
      return record(call, verb, signal);
    case "dial":
      return dial(call, verb, follow, signal);
    case "queue":
      if (!call.plan.elements.queues.some(({ id }) => id === verb.queue))
        throw new CloudError("invalid_argument", `The program names a queue that is none of this phone system: ${verb.queue}`);
      return { to: { kind: "queue", id: verb.queue } };
    case "send_digits":
      await answer(call);
      await unless(signal, call.subject.sendDigits(verb.digits));
      return undefined;
    case "pause":
      await pause(verb.seconds * 1000, signal);
      return undefined;
    case "redirect":
      return { ask: { event: "redirected" }, action: verb.url };
    case "hang_up":
      if (verb.reason === "busy") call.refuse(486, "busy");
      if (verb.reason === "rejected") call.refuse(603, "refused");
      return { to: undefined };
  }
}

async function play(call: Call, verb: Verb<"play">, signal: AbortSignal): Promise<undefined> {
  const source = await announced(call, verb.announcement);
  await answer(call);
  await call.subject.listen(source, signal, { repeat: verb.times });
}

async function answer(call: Call): Promise<void> {
  await call.subject.answer();
  call.answered();
  call.setState("application");
}

async function listen(
  call: Call,
  what: { text?: string | undefined; language?: Call["language"] | undefined; announcement?: string | undefined },
  signal: AbortSignal,
  untilDtmf?: string,
): Promise<void> {
  const source =
    what.announcement === undefined
      ? what.text && (await textSource(call, what.text, what.language))
      : await announced(call, what.announcement);
  await answer(call);
  if (source) await call.subject.listen(source, signal, untilDtmf === undefined ? {} : { untilDtmf });
}

const anyKey = "0123456789*#ABCD";

async function gather(call: Call, verb: Verb<"gather">, signal: AbortSignal): Promise<Came> {
  const { subject } = call;
  subject.digits.clear();
  // The first key ends what is said; it is the first of the digits, too.
  await listen(call, verb, signal, anyKey);
  let digits = "";
  while (digits.length < verb.maximumDigits) {
    const digit = await subject.digits.next(verb.timeoutSeconds * 1000, signal);
    if (digit === undefined || digit === verb.endKey) break;
    digits += digit;
  }
  return { ask: { event: "gathered", digits }, action: verb.action };
}

async function record(call: Call, verb: Verb<"record">, signal: AbortSignal): Promise<Came> {
  await answer(call);
  const recorded = await recordSubject(
    call,
    {
      maxSeconds: verb.maximumSeconds,
      silenceSeconds: verb.silenceSeconds,
      beep: verb.beep,
      untilDtmf: verb.endKey,
    },
    signal,
  );
  return {
    ask: { event: "recorded", recordingId: recorded.recordingId, recordedSeconds: recorded.seconds },
    action: verb.action,
  };
}

/** Without an action the call goes there, and with it out of the program's hands. */
async function dial(call: Call, verb: Verb<"dial">, follow: Follow, signal: AbortSignal): Promise<Came> {
  const to: Destination | undefined =
    verb.destination ?? (verb.number === undefined ? undefined : { kind: "number", number: verb.number });
  if (to === undefined || verb.action === undefined) return { to };
  const before = call.legs.filter(({ answeredAt }) => answeredAt !== undefined).length;
  await follow(call, to, signal);
  call.setState("application");
  const answered = call.legs.filter(({ answeredAt }) => answeredAt !== undefined).length > before;
  return { ask: { event: "dialled", answered }, action: verb.action };
}
