import type { Database } from "../../../kernel/db/database.ts";
import type { PhonePlan, PlanNumber, PlanTrunk } from "../plan.ts";
import type { SipRequest } from "../sip/ports.ts";
import { parseNameAddress } from "../sip/uri.ts";
import type { CallStart } from "./call.ts";
import { contactOf } from "./contacts.ts";
import { isBlocked } from "./outbound.ts";
import { forPeople, outsideNumber } from "./outside.ts";

/** A call of a provider: who calls which number. */
export interface Inbound {
  start: CallStart;
  number: PlanNumber | undefined;
  /** What a blocked caller gets. */
  blocked: "reject" | "busy" | "voicemail" | undefined;
}

export function readInbound(request: SipRequest, plan: PhonePlan, trunk: PlanTrunk): Inbound {
  const { country } = plan.system;
  const number = calledNumber(request, plan, trunk);
  const asserted = addressOf(request, "P-Asserted-Identity") ?? addressOf(request, "Remote-Party-ID");
  const caller = asserted ?? request.from;
  const hides =
    /\bid\b|\buser\b/.test(request.header("Privacy") ?? "") ||
    request.from.uri.host === "anonymous.invalid" ||
    nobody.test(caller.uri.user ?? "anonymous");
  const from = hides ? undefined : (normal(caller.uri.user, country) ?? caller.uri.user);
  const name = hides ? undefined : (caller.displayName ?? request.from.displayName);
  const rule = plan.elements.blockedCallers.find(
    ({ pattern, direction }) => direction !== "outbound" && isBlocked(pattern, from),
  );
  return {
    start: {
      plan,
      direction: "inbound",
      from: {
        number: from,
        name: from !== undefined && (name === undefined || name === caller.uri.user) ? forPeople(from, country) : name,
        trunkId: trunk.id,
      },
      to: {
        number: number?.number ?? asked(request).find((user) => normal(user, country) !== undefined) ?? request.uri.user ?? "",
        name: number?.label || undefined,
      },
      trunkId: trunk.id,
      phoneNumberId: number?.id,
      language: number?.language ?? undefined,
    },
    number,
    blocked: rule?.action,
  };
}

/** Many providers tell no name: the phone book may know whose number it is. */
export async function nameByContact(database: Database, { start }: Inbound): Promise<void> {
  const { from, plan } = start;
  if (from.number === undefined || from.name !== forPeople(from.number, plan.system.country)) return;
  const name = await contactOf(database, plan, from.number);
  if (name !== undefined) start.from = { ...from, name };
}

/** Registered at a provider the Request-URI is our contact: the number is in one of the others. */
const asked = (request: SipRequest): (string | undefined)[] => [
  request.uri.user,
  addressOf(request, "P-Called-Party-ID")?.uri.user,
  request.to.uri.user,
];

/** The number of the phone system that is called, among those that come by this trunk. */
export function calledNumber(request: SipRequest, plan: PhonePlan, trunk: PlanTrunk): PlanNumber | undefined {
  const ours = plan.numbers.filter(({ trunkId }) => trunkId === null || trunkId === trunk.id);
  for (const user of asked(request)) {
    const called = normal(user, plan.system.country);
    const found = called && ours.find(({ number }) => number === called);
    if (found) return found;
  }
  return undefined;
}

/** What carriers write where no number is to be shown. */
const nobody = /^(anonymous|restricted|unavailable|unknown|private|blocked)$/i;

/** As it is compared: with its plus, however somebody in this country or a provider writes it. */
export const normal = (user: string | undefined, country: string): string | undefined =>
  user === undefined ? undefined : (outsideNumber(user, country)?.e164 ?? plusOf(user, country));

/** Providers leave the plus away, also where it is meant. */
const plusOf = (user: string, country: string): string | undefined =>
  /^\d{7,15}$/.test(user) ? outsideNumber(`+${user}`, country)?.e164 : undefined;

function addressOf(request: SipRequest, header: string) {
  const value = request.headers(header)[0];
  return value === undefined ? undefined : parseNameAddress(value);
}
