import type { Cause, Step } from "./state.ts";

/** Why a call was not put through, by the final answer to the INVITE (RFC 3261 section 21). */
export function causeOf(status: number): Cause {
  if (status === 486 || status === 600) return "busy";
  if (status === 603 || status === 607) return "declined";
  if (status === 404 || status === 484 || status === 604 || status === 410) return "not_found";
  if (status === 408 || status === 480) return status === 408 ? "no_answer" : "unreachable";
  if (status === 487) return "cancelled";
  if (status === 402) return "no_credit";
  if (status === 401 || status === 403 || status === 407) return "not_allowed";
  return status >= 500 ? "unreachable" : "failed";
}

/** Of one that rang here and was called off: taken by another phone (RFC 3326), or nobody answered. */
export const cancelCause = (reason: string | undefined): Cause =>
  /cause\s*=\s*200\b/i.test(reason ?? "") ? "elsewhere" : "missed";

/** Why there is no microphone, by the error of getUserMedia (W3C Media Capture and Streams, section 10.2). */
export function microphoneCause(error: unknown): Cause {
  const name = error instanceof Error ? error.name : "";
  if (name === "NotAllowedError" || name === "SecurityError") return "microphone_refused";
  return name === "NotReadableError" || name === "AbortError" ? "microphone_busy" : "no_microphone";
}

/** What a person is told when something they wanted did not work; the words are the console's, not the browser's. */
export type Problem = "camera" | "microphone" | "change" | "account" | "failed";

export function problemOf(step: Step["kind"], error: unknown): Problem {
  if (step === "accept" && error instanceof MicrophoneError) return "microphone";
  if (step === "changeDevices") return "microphone";
  if (step === "setVideo" || step === "invite" || step === "accept") return error instanceof DOMException ? "camera" : "failed";
  return step === "setHold" ? "change" : "failed";
}

/** There is none to answer with; the call rings on. */
export class MicrophoneError extends Error {}
