import type { PhonePlan, PlanNumber, PlanTrunk } from "../plan.ts";
import type { SipRequest } from "../sip/ports.ts";
import { parseNameAddress } from "../sip/uri.ts";
import type { CallStart } from "./call.ts";
import { isBlocked } from "./outbound.ts";
import { outsideNumber } from "./outside.ts";

/** A call of a provider: who calls which number. */
export interface Inbound {
  start: CallStart;
  number: PlanNumber | undefined;
  /** What a blocked caller gets. */
  blocked: "reject" | "busy" | "voicemail" | undefined;
}

export function readInbound(request: SipRequest, plan: PhonePlan, trunk: PlanTrunk): Inbound {
  const { country } = plan.system;
  const normal = (user: string | undefined) =>
    user === undefined ? undefined : (outsideNumber(user, country)?.e164 ?? plusOf(user, country));
  // Registered at a provider the Request-URI is our contact: the number is in one of the others.
  const asked = [request.uri.user, addressOf(request, "P-Called-Party-ID")?.uri.user, request.to.uri.user];
  const number = asked.map((user) => plan.numbers.find((each) => each.number === normal(user))).find(Boolean);
  const asserted = addressOf(request, "P-Asserted-Identity") ?? addressOf(request, "Remote-Party-ID");
  const hides = /\bid\b|\buser\b/.test(request.header("Privacy") ?? "") || request.from.uri.host === "anonymous.invalid";
  const caller = asserted ?? request.from;
  const from = hides ? undefined : (normal(caller.uri.user) ?? caller.uri.user);
  const name = hides ? undefined : (caller.displayName ?? request.from.displayName);
  const rule = plan.elements.blockedCallers.find(
    ({ pattern, direction }) => direction !== "outbound" && isBlocked(pattern, from),
  );
  return {
    start: {
      plan,
      direction: "inbound",
      from: { number: from, name: name === caller.uri.user ? undefined : name, trunkId: trunk.id },
      to: {
        number: number?.number ?? asked.find((user) => normal(user) !== undefined) ?? request.uri.user ?? "",
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

/** Providers leave the plus away, also where it is meant. */
const plusOf = (user: string, country: string): string | undefined =>
  /^\d{7,15}$/.test(user) ? outsideNumber(`+${user}`, country)?.e164 : undefined;

function addressOf(request: SipRequest, header: string) {
  const value = request.headers(header)[0];
  return value === undefined ? undefined : parseNameAddress(value);
}
