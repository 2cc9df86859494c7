import type { Destination } from "../destinations/contract.ts";
import { timeState } from "../elements/times.ts";
import type { Call } from "./call.ts";
import { internalDestination } from "./inside.ts";
import { say } from "./say.ts";
import { announcementSource, speechSource } from "./spoken.ts";

/** Between the digits of a number that is dialled in a menu. */
const digitPauseMs = 2000;

/** Asks for keys. @throws the reason of `signal` */
export async function callMenu(call: Call, menuId: string, signal: AbortSignal): Promise<Destination | undefined> {
  const menu = call.plan.elements.menus.find(({ id }) => id === menuId);
  if (!menu) {
    call.refuse(404, "failed", "There is no such menu.");
    return undefined;
  }
  const { subject } = call;
  call.note("menu", menu.id, menu.name);
  await subject.answer();
  call.setState("menu");
  subject.digits.clear();
  for (let attempt = 0; attempt <= menu.retries; attempt++) {
    await subject.listen(await speechSource(call, menu.greeting), signal, { untilDtmf: "0123456789*#" });
    const pressed = await keysPressed(call, menu.directDial, menu.timeoutSeconds * 1000, Object.keys(menu.keys), signal);
    const chosen =
      pressed === undefined
        ? undefined
        : (menu.keys[pressed] ?? (menu.directDial ? internalDestination(call.plan, pressed) : undefined));
    if (chosen) return chosen;
    if (menu.invalidMessage) await subject.listen(await speechSource(call, menu.invalidMessage), signal);
    else await say(call, pressed === undefined ? "nothing_entered" : "invalid_choice", signal);
  }
  return menu.fallback;
}

/** One key, or the digits of an extension where those may be dialled; undefined when nothing came. */
async function keysPressed(
  call: Call,
  directDial: boolean,
  timeoutMs: number,
  keys: string[],
  signal: AbortSignal,
): Promise<string | undefined> {
  const { digits } = call.subject;
  let pressed = await digits.next(timeoutMs, signal);
  if (pressed === undefined || !directDial) return pressed;
  const leadsOn = (begin: string) => call.plan.extensions.some(({ number }) => number !== begin && number.startsWith(begin));
  while (leadsOn(pressed)) {
    // A key that is the beginning of a number: only who goes on means the number.
    const next = await digits.next(keys.includes(pressed) ? digitPauseMs : timeoutMs, signal);
    if (next === undefined || next === "#") break;
    pressed += next;
  }
  return pressed;
}

/** Says it, and goes on. @throws the reason of `signal` */
export async function callAnnouncement(
  call: Call,
  announcementId: string,
  signal: AbortSignal,
): Promise<Destination | undefined> {
  const announcement = call.plan.elements.announcements.find(({ id }) => id === announcementId);
  if (!announcement) {
    call.refuse(404, "failed", "There is no such announcement.");
    return undefined;
  }
  call.note("announcement", announcement.id, announcement.name);
  await call.subject.answer();
  call.setState("menu");
  await call.subject.listen(await announcementSource(call, announcement.id), signal);
  return announcement.afterwards;
}

/** Where a call goes at this time of day. */
export function timeDestination(call: Call, conditionId: string): Destination | undefined {
  const condition = call.plan.elements.timeConditions.find(({ id }) => id === conditionId);
  if (!condition) {
    call.refuse(404, "failed", "There is no such time condition.");
    return undefined;
  }
  const state = timeState(condition, new Date(), call.plan.system.timeZone);
  if (state === "holiday") return condition.onHoliday ?? condition.closed;
  return state === "open" ? condition.open : condition.closed;
}
