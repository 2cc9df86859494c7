import type { PlaySource } from "../media/engine.ts";
import { type Saying, sayingSource } from "../prompts/say.ts";
import type { Call } from "./call.ts";
import type { Party } from "./party.ts";
import { ownWord } from "./spoken.ts";

export interface SayOptions {
  /** Who hears it; the subject unless said. */
  party?: Party;
  /** Any of these ends it. */
  untilDtmf?: string;
}

/** Every key that a phone has. */
export const anyKey = "0123456789*#";

/** As something to play; nothing where a recording is missing, which the log tells: a call goes on without it. */
export function saidSource(call: Call, sayings: Saying | readonly Saying[]): PlaySource {
  try {
    return sayingSource(call.language, Array.isArray(sayings) ? sayings : [sayings as Saying], (clip) => ownWord(call, clip));
  } catch (error) {
    call.board.log.warn({ err: error, call: call.id }, "a recorded word is missing");
    return { sequence: [] };
  }
}

/** Says it to the end, or until a key; not at all when that was pressed already: people know what they will be asked. The party has answered, or hears early media. @throws the reason of `signal` */
export async function say(
  call: Call,
  sayings: Saying | readonly Saying[],
  signal: AbortSignal,
  { party = call.subject, untilDtmf }: SayOptions = {},
): Promise<void> {
  if (party.digits.first !== undefined && untilDtmf?.includes(party.digits.first)) return;
  await party.listen(saidSource(call, sayings), signal, untilDtmf === undefined ? {} : { untilDtmf });
}

/** Asks for digits that end with #, or when so many were pressed; "" when nothing came. @throws the reason of `signal` */
export async function ask(
  call: Call,
  sayings: Saying | readonly Saying[],
  signal: AbortSignal,
  options: { maximum: number; timeoutMs?: number },
): Promise<string> {
  await say(call, sayings, signal, { untilDtmf: anyKey });
  let pressed = "";
  while (pressed.length < options.maximum) {
    const digit = await call.subject.digits.next(options.timeoutMs ?? 6000, signal);
    if (digit === undefined || digit === "#") break;
    pressed += digit;
  }
  return pressed;
}

const choiceMs = 8000;

/** One key for one of several things; undefined when none came. @throws the reason of `signal` */
export async function choose(call: Call, sayings: Saying | readonly Saying[], signal: AbortSignal): Promise<string | undefined> {
  await say(call, sayings, signal, { untilDtmf: anyKey });
  return call.subject.digits.next(choiceMs, signal);
}

/** Asks three times for a PIN that is right. @throws the reason of `signal` */
export async function askPin(
  call: Call,
  prompt: Saying,
  isRight: (pin: string) => Promise<boolean> | boolean,
  signal: AbortSignal,
): Promise<boolean> {
  for (let attempt = 0; attempt < 3; attempt++) {
    const pin = await ask(call, prompt, signal, { maximum: 12 });
    if (pin !== "" && (await isRight(pin))) return true;
    await say(call, attempt === 2 ? "too_many_tries" : "wrong_pin", signal);
  }
  return false;
}
