import type { Message } from "../message.ts";

const usualMs = 160;

/** A key that was pressed, out of an INFO: application/dtmf-relay (Signal and Duration) or application/dtmf (the key alone). */
export function dtmfOf(message: Message): { digit: string; durationMs: number } | undefined {
  const type = message.contentType;
  if (type !== "application/dtmf-relay" && type !== "application/dtmf") return undefined;
  const signal = type === "application/dtmf" ? message.body.trim() : /^\s*signal\s*=\s*(\S+)/im.exec(message.body)?.[1];
  if (signal === undefined) return undefined;
  // Some send the event's number (RFC 4733) for the keys that are no digits.
  const named = signal === "10" ? "*" : signal === "11" ? "#" : signal.toUpperCase();
  if (!/^[0-9*#A-D]$/.test(named)) return undefined;
  const duration = Number(/^\s*duration\s*=\s*(\d{1,5})/im.exec(message.body)?.[1] ?? usualMs);
  return { digit: named, durationMs: duration };
}
