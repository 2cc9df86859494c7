import type { Destination } from "../destinations/contract.ts";
import type { PlanExtension } from "../plan.ts";
import { pushStore } from "../push/store.ts";
import type { SipUri } from "../sip/ports.ts";
import { unless } from "./abort.ts";
import type { Call } from "./call.ts";
import { connect, instead, ring, targetsOf } from "./connect.ts";
import { normal } from "./inbound.ts";
import { dialledDestination } from "./inside.ts";

/** Calls an extension: all its phones, or where it says that calls go. Returns where the call goes next. @throws the reason of `signal` */
export async function callExtension(call: Call, extensionId: string, signal: AbortSignal): Promise<Destination | undefined> {
  const extension = call.extension(extensionId);
  if (!extension) {
    call.refuse(404, "failed", "There is no such extension.");
    return undefined;
  }
  if (isBlockedBy(extension, call.from.number, call.plan.system.country)) {
    call.refuse(603, "refused", "The extension has blocked the caller.");
    return undefined;
  }
  call.missedBy.add(extension.id);
  if (call.to.number === extension.number) call.to = { number: extension.number, name: extension.name };
  const { forwarding } = extension;
  if (forwarding.always && !call.forwardedBy.has(extension.id)) {
    call.forwardedBy.add(extension.id);
    call.payer = extension;
    return forwarding.always;
  }
  const active = call.board.partiesOf(extension.id).filter((party) => party !== call.subject).length;
  const isBusy = extension.doNotDisturb || active >= extension.maxCalls || (active > 0 && !extension.callWaiting);
  if (isBusy) {
    call.refuse(486, "busy", extension.doNotDisturb ? "Do not disturb." : "Busy.");
    return goOn(call, extension.id, forwarding.busy);
  }
  const targets = targetsOf(call, extension).filter(({ who }) => who.deviceId !== call.subject.who.deviceId);
  // Browsers without a tab have no registration: whoever is told there has the time that it rings to come.
  const waits = targets.length === 0 && (await isToldByPush(call, extension.id, signal));
  if (targets.length === 0 && !waits) {
    call.refuse(480, "missed", "No phone of the extension is registered.");
    return goOn(call, extension.id, forwarding.unreachable);
  }
  const result = await ring(call, targets, { ringSeconds: extension.ringSeconds, followsMoved: true, extension, waits }, signal);
  if (result.party) {
    await connect(call, result.party, signal);
    return undefined;
  }
  const moved = result.moved && movedTo(call, extension, result.moved);
  if (moved) {
    call.forwardedBy.add(extension.id);
    call.payer = extension;
    return moved;
  }
  switch (result.why) {
    case "busy":
    case "declined":
      call.refuse(result.status === 603 ? 603 : 486, result.why === "busy" ? "busy" : "refused");
      return goOn(call, extension.id, forwarding.busy);
    case "unreachable":
      call.refuse(480, "missed", "The phone did not answer.");
      return goOn(call, extension.id, forwarding.unreachable);
    case "no_answer":
      call.refuse(480, "missed");
      return goOn(call, extension.id, forwarding.noAnswer);
    default:
      call.refuse(result.status >= 400 ? result.status : 480, "failed", `The phone answered ${result.status}.`);
      return goOn(call, extension.id, forwarding.unreachable);
  }
}

/** People write numbers as they dial them. */
const isBlockedBy = ({ blockedCallers }: PlanExtension, caller: string | undefined, country: string): boolean =>
  caller !== undefined && blockedCallers.some((each) => each === caller || normal(each, country) === caller);

const isToldByPush = (call: Call, extensionId: string, signal: AbortSignal): Promise<boolean> =>
  unless(
    signal,
    call.board.database.transaction("system", (tx) => pushStore.reaches(tx, extensionId)),
  );

/**
 * Where a phone sends its caller by 302, once for each extension: as if the extension forwarded there, so what it may call holds, and what the phone
 * system may. Only what can be dialled in the phone system counts: the call goes to no stranger's server, runs no code, and calls no emergency service.
 */
function movedTo(call: Call, extension: PlanExtension, contacts: readonly SipUri[]): Destination | undefined {
  if (call.forwardedBy.has(extension.id)) return undefined;
  for (const { user = "" } of contacts) {
    const destination = dialledDestination(call.plan, user);
    if (destination && (destination.kind === "number" || extension.permissions.internal)) return destination;
  }
  return undefined;
}

/** Once for each extension: two that forward to each other would go on for ever. */
function goOn(call: Call, extensionId: string, forwarding: Destination | null): Destination | undefined {
  const extension = call.extension(extensionId);
  if (!extension || call.forwardedBy.has(extensionId)) return undefined;
  call.forwardedBy.add(extensionId);
  call.payer = extension;
  return instead(extension, forwarding);
}
