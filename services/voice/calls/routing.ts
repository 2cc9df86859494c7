import type { Destination } from "../destinations/contract.ts";
import type { Call } from "./call.ts";
import { follow } from "./destinations.ts";
import { callFeature, featureOf, maySendTo, type Next } from "./features.ts";
import { internalDestination } from "./inside.ts";
import { callOutside } from "./outbound.ts";
import { outsideNumber } from "./outside.ts";
import { fetchParked, isSlot, lotOf, park } from "./parking.ts";
import { shortNumber } from "./shortNumbers.ts";

async function callInside(call: Call, to: Destination, signal: AbortSignal): Promise<void> {
  if (call.payer?.permissions.internal === false && to.kind !== "number")
    return call.refuse(403, "refused", "The extension may not call inside.");
  await follow(call, to, signal);
}

/** Where a code leads. */
async function callNext(call: Call, next: Next, signal: AbortSignal): Promise<void> {
  if (next === undefined) return;
  if ("to" in next) return callInside(call, next.to, signal);
  call.to = { number: next.dial };
  await routeDialled(call, next.dial, signal);
}

/** Visual separators, and what phones put around a number. */
const cleaned = (dialled: string): string => dialled.replace(/[\s().-]/g, "");

/**
 * What was dialled: emergency, a code, a number inside, a number outside, in this order, so that nobody can build an element that hides an emergency
 * number. @throws the reason of `signal`
 */
export async function routeDialled(call: Call, dialled: string, signal: AbortSignal): Promise<void> {
  const { plan } = call;
  const digits = cleaned(dialled);
  const { outsidePrefix, emergency, country } = plan.system;
  const outside = outsidePrefix !== "" && digits.startsWith(outsidePrefix) ? digits.slice(outsidePrefix.length) : digits;
  for (const number of [digits, outside]) {
    if (!emergency.numbers.includes(number)) continue;
    return callOutside(call, { e164: number, country, kind: "national", emergency: true }, signal);
  }
  const lot = lotOf(plan, digits);
  if (lot) {
    const end = await park(call, lot, call.payer?.id, signal);
    if (end === "fetched") return;
    if (call.payer) await follow(call, { kind: "extension", id: call.payer.id as never }, signal);
    return follow(call, lot.timeout, signal);
  }
  if (isSlot(plan, digits)) return fetchParked(call, digits, signal);
  const feature = call.subject.who.extensionId === undefined ? undefined : featureOf(plan, digits);
  if (feature && !maySendTo(call, feature))
    return call.refuse(403, "refused", "A code that works for its caller alone was dialled for somebody else.");
  if (feature) return callNext(call, await callFeature(call, feature, signal), signal);
  const internal = internalDestination(plan, digits);
  if (internal) return callInside(call, internal, signal);
  // With a prefix for outside, numbers without it are none, but for those with their country.
  const isOutside = outsidePrefix === "" || outside !== digits || digits.startsWith("+");
  const prefixes = plan.routes.flatMap((route) => (route.enabled ? route.prefixes : []));
  const number = isOutside ? (outsideNumber(outside, country) ?? shortNumber(outside, country, prefixes)) : undefined;
  if (!number) return call.refuse(404, "failed", "Nothing has this number.");
  // Our own numbers are not called round by a provider.
  const ours = plan.numbers.find((each) => each.number === number.e164);
  if (ours) {
    call.phoneNumberId = ours.id;
    call.namePrefix = ours.callerNamePrefix;
    return follow(call, ours.destination, signal);
  }
  return callOutside(call, { ...number, emergency: false }, signal);
}
