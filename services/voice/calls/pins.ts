import { verifyPin } from "../extensions/pins.ts";
import type { Call } from "./call.ts";
import { askPin, say } from "./say.ts";

/** A PIN of four digits is guessed in 10,000 calls: whoever guesses is stopped long before. */
const mostWrong = 12;
const forgottenMs = 3_600_000;
const wrong = new Map<string, { count: number; since: number }>();

function isStopped(key: string): boolean {
  const tries = wrong.get(key);
  if (tries === undefined) return false;
  if (Date.now() - tries.since < forgottenMs) return tries.count >= mostWrong;
  wrong.delete(key);
  return false;
}

/**
 * Asks for the PIN of a number; `hash` undefined: there is no such extension, or it has none, which sounds the same. After a dozen wrong ones for a
 * number none is right for an hour. @throws the reason of `signal`
 */
export async function askOwnPin(
  call: Call,
  { number, kind, hash }: { number: string; kind: "voicemail" | "hot_desk"; hash: string | undefined },
  signal: AbortSignal,
): Promise<boolean> {
  const key = `${call.plan.system.id} ${kind} ${number}`;
  if (isStopped(key)) {
    await say(call, "too_many_tries", signal);
    return false;
  }
  const isRight = async (pin: string): Promise<boolean> => {
    if (!isStopped(key) && (await verifyPin(hash, pin))) return wrong.delete(key) || true;
    const tries = wrong.get(key) ?? { count: 0, since: Date.now() };
    wrong.set(key, { ...tries, count: tries.count + 1 });
    return false;
  };
  return askPin(call, "enter_pin", isRight, signal);
}
