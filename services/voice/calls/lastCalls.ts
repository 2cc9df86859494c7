import { extensionStore } from "../extensions/store.ts";
import type { PhonePlan, PlanExtension } from "../plan.ts";
import { callStore } from "../records/store/calls.ts";
import type { Call } from "./call.ts";
import { isSlot, lotOf } from "./parking.ts";

/** Of the records that are looked at: the newest may all be codes. */
const looked = 30;
const mostBlocked = 200;

/** What somebody may mean by "the last number": no code, and nothing that parks the call. */
function isNumber(plan: PhonePlan, dialled: string): boolean {
  const codes = Object.values(plan.system.featureCodes);
  return /^\+?\d+$/.test(dialled) && !codes.includes(dialled) && !lotOf(plan, dialled) && !isSlot(plan, dialled);
}

/** What the extension called last; undefined when nothing. */
export async function lastDialled(call: Call, caller: PlanExtension): Promise<string | undefined> {
  await call.board.settled();
  const numbers = await call.board.database.transaction("system", (tx) => callStore.dialledBy(tx, caller, looked));
  return numbers.find((number) => isNumber(call.plan, number));
}

/** Who called the extension last, whether somebody answered or not; undefined when nobody did, or hid the number. */
export async function lastCaller(call: Call, called: PlanExtension): Promise<string | undefined> {
  await call.board.settled();
  return call.board.database.transaction("system", (tx) => callStore.lastCallerOf(tx, called));
}

/** Calls of the last caller are refused from now on, by this extension alone. False when there is none. */
export async function blockLastCaller(call: Call, called: PlanExtension): Promise<boolean> {
  const number = await lastCaller(call, called);
  if (number === undefined) return false;
  await call.board.database.transaction("system", async (tx) => {
    const row = await extensionStore.find(tx, called.id);
    if (!row) return;
    const before = row.settings.blockedCallers.filter((each) => each !== number);
    // The oldest makes room for the newest.
    const blockedCallers = [...before, number].slice(-mostBlocked);
    await extensionStore.update(tx, { ...row, settings: { ...row.settings, blockedCallers } });
  });
  return true;
}
