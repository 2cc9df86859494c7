import type { LimitKind } from "../mails/store.ts";
import type { Phrase } from "../prompts/words/en.ts";
import type { CallOutcome } from "../records/contract.ts";
import type { Call } from "./call.ts";
import { cannotPay, chargeOf, spentWords } from "./charges.ts";
import { connect, ring } from "./connect.ts";
import { contactOf } from "./contacts.ts";
import { type Dialled, type Target, triesNext } from "./dial.ts";
import { raiseAlarm } from "./emergency.ts";
import { isWithin } from "./hours.ts";
import { type OutsideNumber, outsideNumber } from "./outside.ts";
import { say } from "./say.ts";
import { linesFor, type Outside, outsideNow, sumOfCalls, trunkTarget } from "./trunkTargets.ts";

/** Why a call may not be made: for its record, and for who hears it. */
interface No {
  reason: string;
  phrase: Phrase;
  /** One against abuse: it is told of. */
  limit?: LimitKind;
}

const outsideRingSeconds = 120;

/** Calls a number outside by the trunks of its route, one after the other. @throws the reason of `signal` */
export async function callOutside(call: Call, number: Outside, signal: AbortSignal): Promise<void> {
  call.to = { number: number.e164 };
  call.country = number.country;
  call.makeOutbound();
  if (!number.emergency) call.to.name = await contactOf(call.board.database, call.plan, number.e164);
  if (number.emergency) raiseAlarm(call, number.e164);
  const no = number.emergency ? undefined : await whyNot(call, number);
  if (no?.limit) call.board.limitReached(call, no.limit);
  if (no) return refuseAloud(call, { status: 403, outcome: "refused", ...no }, signal);
  const lines = linesFor(call, number);
  if (lines.length === 0) {
    const reason = "No trunk is there for this number, or all of them are full.";
    return refuseAloud(call, { status: 503, outcome: "failed", reason, phrase: "circuits_busy" }, signal);
  }
  let last: Refused | undefined;
  for (const line of lines) {
    call.trunkId = line.trunk.id;
    const result = await ring(call, [trunkTarget(call, line, number)], { ringSeconds: outsideRingSeconds }, signal);
    if (result.party) return void (await connect(call, result.party, signal));
    last = refusedBy(line.trunk.name, result);
    // 112 may be unknown to one carrier, and its lines taken at another.
    if (!number.emergency && !triesNext(result.status)) break;
  }
  if (last) await refuseAloud(call, last, signal);
}

interface Refused {
  status: number;
  outcome: CallOutcome;
  reason: string;
  phrase?: Phrase;
}

/** What the caller gets for what a trunk answered: that of the one called, or that no trunk took the call. */
function refusedBy(trunk: string, { why, status }: Extract<Dialled, { party: undefined }>): Refused {
  const reason = `The trunk ${trunk} answered ${status}.`;
  if (why === "busy") return { status, outcome: "busy", reason };
  if (why === "no_answer") return { status: 480, outcome: "missed", reason };
  if (why === "not_found") return { status, outcome: "failed", reason, phrase: "not_in_service" };
  if (!triesNext(status)) return { status, outcome: "failed", reason };
  return { status: 503, outcome: "failed", reason, phrase: "circuits_busy" };
}

/** The caller is told in words, before the call is answered (RFC 3261 section 13.2.1), and gets the status after that. */
async function refuseAloud(call: Call, { status, outcome, reason, phrase }: Refused, signal: AbortSignal): Promise<void> {
  call.refuse(status, outcome, reason);
  if (phrase === undefined) return;
  await call.subject.early();
  if (call.subject.hears) await say(call, phrase, signal);
}

/** For members outside of groups and the like: by the first trunk, the others when it does not take the call. Who pays is asked when they answer. */
export function outsideTargets(call: Call, e164: string): Target[] {
  const found = outsideNumber(e164, call.plan.system.country);
  if (!found) return [];
  const number = { ...found, emergency: false };
  return forbidden(call, number) ? [] : asOne(call, number);
}

const asOne = (call: Call, number: Outside): Target[] => {
  const first = linesFor(call, number).reduceRight<Target | undefined>(
    (otherwise, line) => ({ ...trunkTarget(call, line, number), otherwise }),
    undefined,
  );
  return first ? [first] : [];
};

/** For a call that begins outside: as one target, or why it may not be made. */
export async function targetsOutside(call: Call, found: OutsideNumber): Promise<Target[] | { reason: string }> {
  const number = { ...found, emergency: false };
  call.country = number.country;
  call.makeOutbound();
  const no = await whyNot(call, number);
  if (no?.limit) call.board.limitReached(call, no.limit);
  if (no) return { reason: no.reason };
  const targets = asOne(call, number);
  return targets.length > 0 ? targets : { reason: "No trunk is there for this number, or all of them are full." };
}

async function whyNot(call: Call, number: Outside): Promise<No | undefined> {
  // In the name of a number nobody's permissions hold: a program must not spend what no extension may.
  if (call.callsOut && !call.payer && number.kind === "premium")
    return { reason: "Only extensions that may make premium calls make them.", phrase: "not_allowed" };
  if (call.payer && !call.payer.permissions[number.kind])
    return { reason: `The extension may not make ${number.kind} calls.`, phrase: "not_allowed" };
  const no = forbidden(call, number);
  if (no) return no;
  const [line] = linesFor(call, number);
  const spent = line && (await cannotPay(call.board, call.plan, chargeOf(call.plan, line.trunk.id, number, call.payer?.id)));
  return spent && { reason: spentWords[spent].refused, phrase: spentWords[spent].phrase, limit: spent };
}

/** What nobody of the phone system may call. */
function forbidden(call: Call, number: Outside): No | undefined {
  const { limits, country, timeZone } = call.plan.system;
  const blocked = call.plan.elements.blockedCallers.some(
    ({ pattern, direction }) => direction !== "inbound" && isBlocked(pattern, number.e164),
  );
  if (blocked) return { reason: "The number is blocked.", phrase: "not_allowed" };
  if (limits.blockedPrefixes.some((prefix) => number.e164.startsWith(prefix)))
    return { reason: "The number is blocked.", phrase: "not_allowed", limit: "prefixes" };
  const abroad = number.country !== country;
  if (abroad && limits.allowedCountries && !limits.allowedCountries.includes(number.country ?? ""))
    return { reason: "Calls to this country are not allowed.", phrase: "not_allowed", limit: "countries" };
  if (abroad && limits.internationalHours && !isWithin(limits.internationalHours, new Date(), timeZone))
    return { reason: "Calls abroad are not allowed at this time.", phrase: "not_allowed", limit: "hours" };
  const external = sumOfCalls(outsideNow(call.board.calls, call.plan.system.id));
  // This one is not outside yet.
  if (external >= limits.maxExternalCalls)
    return { reason: "There are as many calls outside as are allowed.", phrase: "call_limit", limit: "calls" };
  return undefined;
}

/** A number, the beginning of numbers with * behind, or anonymous. */
export function isBlocked(pattern: string, number: string | undefined): boolean {
  if (pattern === "anonymous") return number === undefined;
  if (number === undefined) return false;
  const plain = (text: string) => text.replace(/^\+/, "");
  return pattern.endsWith("*") ? plain(number).startsWith(plain(pattern.slice(0, -1))) : plain(number) === plain(pattern);
}
