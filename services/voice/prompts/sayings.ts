import type { Saying } from "./say.ts";

/** "You have two new messages and one saved message." */
export function voicemailCount(unheard: number, saved: number): Saying[] {
  const parts: Saying[][] = [];
  if (unheard > 0) parts.push([{ number: unheard, noun: "voicemail_new" }]);
  if (saved > 0) parts.push([{ number: saved, noun: "voicemail_saved" }]);
  if (parts.length === 0) return ["voicemail_none"];
  return ["voicemail_you_have", ...parts.flatMap((part, index): Saying[] => (index === 0 ? part : ["voicemail_and", ...part]))];
}

/** "received yesterday at two thirty p.m. from 1 0 2". Without a number the caller is unknown. */
export function voicemailReceived(received: { at: Date; from: string | undefined }, timeZone: string, now: Date): Saying[] {
  const from: Saying[] = received.from === undefined ? ["from_unknown"] : ["from", { digits: received.from }];
  return ["voicemail_received", { date: received.at, timeZone, now }, { time: received.at, timeZone }, ...from];
}

/** `position` counts from 1. */
export function queuePosition(position: number): Saying[] {
  return position <= 1 ? ["queue_next"] : ["queue_position", { number: position }];
}

/** Up to a minute is less than one; from an hour on in hours and minutes. */
export function queueWait(seconds: number): Saying[] {
  const minutes = Math.round(seconds / 60);
  if (minutes < 1) return ["queue_wait_short"];
  const [hours, rest] = [Math.floor(minutes / 60), minutes % 60];
  const parts: Saying[] = [];
  if (hours > 0) parts.push({ number: hours, noun: "hour" });
  if (rest > 0) parts.push({ number: rest, noun: "minute" });
  return ["queue_wait", ...parts];
}

export function parkedAt(slot: string): Saying[] {
  return ["parked_at", { digits: slot }];
}

/** `others`: without the one who is told. */
export function conferenceCount(others: number): Saying[] {
  return others === 0 ? ["conference_alone"] : ["conference_there_are", { number: others + 1, noun: "conference_member" }];
}

/** `name`: the recording of it; without one it is somebody. */
export function conferenceCame(name: string | undefined): Saying[] {
  return name === undefined ? ["conference_somebody_joined"] : [{ file: name }, "conference_joined"];
}

export function conferenceWent(name: string | undefined): Saying[] {
  return name === undefined ? ["conference_somebody_left"] : [{ file: name }, "conference_left"];
}

export function forwardedTo(number: string, when: "always" | "busy" | "noAnswer" | "unreachable" = "always"): Saying[] {
  const phrases = {
    always: "forward_on",
    busy: "forward_busy_on",
    noAnswer: "forward_no_answer_on",
    // Of who called, it is the same.
    unreachable: "forward_no_answer_on",
  } as const;
  return [phrases[when], { digits: number }];
}
