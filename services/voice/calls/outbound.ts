import type { PlanTrunk } from "../plan.ts";
import { creditStore } from "../systems/store.ts";
import { openTrunkPassword } from "../trunks/passwords.ts";
import { amountOf, exceeds, openRates, secondsFor } from "../trunks/rating.ts";
import type { Call } from "./call.ts";
import { connect, fromHeader, ring } from "./connect.ts";
import type { Target } from "./dial.ts";
import { dayBegan, isWithin } from "./hours.ts";
import { type OutsideNumber, outsideNumber, written } from "./outside.ts";
import type { Party, Who } from "./party.ts";

export interface Outside extends OutsideNumber {
  /** Goes out whatever else says no. */
  emergency: boolean;
}

/** A carrier that answers so did not take the call: the next one may. 404 or 486 is an answer about the one who was called. */
const triesNext = (status: number): boolean => status >= 500 || [401, 402, 403, 407, 408, 430, 480, 488].includes(status);
const outsideRingSeconds = 120;

/** Calls a number outside by the trunks of its route, one after the other. @throws the reason of `signal` */
export async function callOutside(call: Call, number: Outside, signal: AbortSignal): Promise<void> {
  call.to = { number: number.e164 };
  call.country = number.country;
  call.makeOutbound();
  const refused = number.emergency ? undefined : await whyNot(call, number);
  if (refused) return call.refuse(403, "refused", refused);
  const trunks = trunksFor(call, number);
  if (trunks.length === 0) return call.refuse(503, "failed", "No trunk is there for this number.");
  if (number.emergency) call.board.emergency(call, number.e164);
  for (const trunk of trunks) {
    call.trunkId = trunk.id;
    const result = await ring(call, [trunkTarget(call, trunk, number)], { ringSeconds: outsideRingSeconds }, signal);
    if (result.party) return talkOutside(call, result.party, trunk, number, signal);
    const outcome = result.why === "busy" ? "busy" : result.why === "no_answer" ? "missed" : "failed";
    call.refuse(result.status, outcome, `The trunk ${trunk.name} answered ${result.status}.`);
    if (!triesNext(result.status) || result.why === "no_answer") return;
  }
}

/** For members outside of groups and the like: the trunks that would be taken; without the checks of who pays. */
export function outsideTargets(call: Call, e164: string): Target[] {
  const number = outsideNumber(e164, call.plan.system.country);
  if (!number) return [];
  const [trunk] = trunksFor(call, { ...number, emergency: false });
  return trunk ? [trunkTarget(call, trunk, { ...number, emergency: false })] : [];
}

/** Until somebody hangs up, or the balance is used up. */
async function talkOutside(call: Call, party: Party, trunk: PlanTrunk, number: Outside, signal: AbortSignal): Promise<void> {
  const rates = openRates(call.plan.rates);
  const price = number.emergency ? undefined : rates.priceOf(number.e164);
  const cost = rates.costOf(trunk.id, number.e164);
  const began = Date.now();
  const { isPrepaid, id } = call.plan.system;
  let timer: NodeJS.Timeout | undefined;
  if (isPrepaid && price) {
    const { balance } = await call.board.database.transaction("system", (tx) => creditStore.spending(tx, id, new Date(0)));
    const seconds = secondsFor(price, balance);
    if (seconds < 2 ** 31 / 1000)
      timer = setTimeout(() => party.hangUp(480, 'Q.850;cause=16;text="No credit left"'), seconds * 1000);
  }
  try {
    await connect(call, party, signal);
  } finally {
    clearTimeout(timer);
    const seconds = (Date.now() - began) / 1000;
    if (price) call.price = amountOf(price, seconds);
    if (cost) call.cost = amountOf(cost, seconds);
  }
}

/** Why this call may not be made; undefined when it may. */
async function whyNot(call: Call, number: Outside): Promise<string | undefined> {
  const { plan, payer } = call;
  const { limits, country, timeZone, isPrepaid } = plan.system;
  if (payer && !payer.permissions[number.kind]) return `The extension may not make ${number.kind} calls.`;
  const blocked = plan.elements.blockedCallers.some(
    ({ pattern, direction }) => direction !== "inbound" && isBlocked(pattern, number.e164),
  );
  if (blocked || limits.blockedPrefixes.some((prefix) => number.e164.startsWith(prefix))) return "The number is blocked.";
  const abroad = number.country !== country;
  if (abroad && limits.allowedCountries && !limits.allowedCountries.includes(number.country ?? ""))
    return "Calls to this country are not allowed.";
  if (abroad && limits.internationalHours && !isWithin(limits.internationalHours, new Date(), timeZone))
    return "Calls abroad are not allowed at this time.";
  // This one is not outside yet.
  if (externalCalls(call) >= limits.maxExternalCalls) return "There are as many calls outside as are allowed.";
  if (!isPrepaid && limits.maxCostPerDay === null) return undefined;
  const day = dayBegan(new Date(), timeZone);
  const { balance, spent } = await call.board.database.transaction("system", (tx) =>
    creditStore.spending(tx, plan.system.id, day),
  );
  const price = openRates(plan.rates).priceOf(number.e164);
  if (limits.maxCostPerDay !== null && price && !exceeds(limits.maxCostPerDay, spent))
    return "What may be spent in a day is spent.";
  if (isPrepaid && price && secondsFor(price, balance) === 0) return "There is no credit left for this call.";
  return undefined;
}

/** A number, the beginning of numbers with * behind, or anonymous. */
export function isBlocked(pattern: string, number: string | undefined): boolean {
  if (pattern === "anonymous") return number === undefined;
  if (number === undefined) return false;
  const plain = (text: string) => text.replace(/^\+/, "");
  return pattern.endsWith("*") ? plain(number).startsWith(plain(pattern.slice(0, -1))) : plain(number) === plain(pattern);
}

const partiesOfSystem = (call: Call): Party[] =>
  [...call.board.calls.values()]
    .filter(({ plan }) => plan.system.id === call.plan.system.id)
    .flatMap(({ parties }) => [...parties]);
const externalCalls = (call: Call): number => partiesOfSystem(call).filter(({ who }) => who.trunkId !== undefined).length;

/** Of the route with the longest prefix that has one that can take the call. */
function trunksFor(call: Call, number: Outside): PlanTrunk[] {
  const { routes, trunks, rates } = call.plan;
  const used = new Map<string, number>();
  for (const { who } of partiesOfSystem(call)) if (who.trunkId) used.set(who.trunkId, (used.get(who.trunkId) ?? 0) + 1);
  const canTake = (trunk: PlanTrunk | undefined): trunk is PlanTrunk =>
    trunk?.enabled === true && (number.emergency || trunk.maxCalls === null || (used.get(trunk.id) ?? 0) < trunk.maxCalls);
  // An emergency number has no prefix: any route leads to somebody who knows it.
  const lengthOf = (prefixes: string[]) =>
    number.emergency
      ? 1
      : Math.max(0, ...prefixes.filter((prefix) => number.e164.startsWith(prefix)).map(({ length }) => length));
  const fitting = routes
    .filter(({ enabled }) => enabled)
    .map((route) => ({ route, length: lengthOf(route.prefixes) }))
    .filter(({ length }) => length > 0)
    .sort((a, b) => b.length - a.length || a.route.priority - b.route.priority);
  const found: PlanTrunk[] = [];
  for (const { route } of fitting) {
    const able = route.trunks.map((id) => trunks.find((trunk) => trunk.id === id)).filter(canTake);
    const ordered = route.strategy === "least_cost" ? openRates(rates).cheapestFirst(able, number.e164) : able;
    for (const trunk of ordered) if (!found.includes(trunk)) found.push(trunk);
    if (!number.emergency && found.length > 0) return found;
  }
  return found;
}

/** Who is shown outside: the number of the route, of the extension, of the system; of a call that is passed on, its caller. */
function shownNumber(call: Call): string | undefined {
  const { plan, payer } = call;
  const numberOf = (id: string | null | undefined) => plan.numbers.find((each) => each.id === id)?.number;
  if (call.from.extensionId === undefined) return call.from.number;
  if (call.hideNumber || payer?.hideNumber) return undefined;
  return numberOf(payer?.callerNumber) ?? numberOf(plan.system.defaultNumber) ?? plan.numbers[0]?.number;
}

function trunkTarget(call: Call, trunk: PlanTrunk, number: Outside): Target {
  const { country } = call.plan.system;
  const called = number.emergency ? number.e164 : written(number.e164, trunk.dialFormat, country);
  const user = number.emergency ? called : `${trunk.addPrefix}${called.slice(trunk.stripDigits)}`;
  const shown = shownNumber(call);
  const domain = trunk.fromDomain ?? trunk.host;
  const host = trunk.host.includes(":") && !trunk.host.startsWith("[") ? `[${trunk.host}]` : trunk.host;
  const port = trunk.port === null ? "" : `:${trunk.port}`;
  const caller = shown === undefined ? undefined : written(shown, trunk.callerIdFormat, country);
  const identity = `<sip:${caller ?? trunk.userName ?? "anonymous"}@${domain}>`;
  const account = `<sip:${trunk.userName ?? caller ?? "anonymous"}@${domain}>`;
  const hides = caller === undefined;
  const who: Who = { number: number.e164, name: trunk.name, trunkId: trunk.id };
  return {
    who,
    target: `sip:${user}@${host}${port}${trunk.transport === "udp" ? "" : `;transport=${trunk.transport}`}`,
    from: hides ? fromHeader(call, { number: undefined, name: undefined }) : trunk.callerIdHeader === "from" ? identity : account,
    headers: {
      ...(trunk.callerIdHeader === "p_asserted_identity" || hides ? { "P-Asserted-Identity": hides ? account : identity } : {}),
      ...(trunk.callerIdHeader === "remote_party_id"
        ? { "Remote-Party-ID": `${identity};party=calling;privacy=${hides ? "full" : "off"}` }
        : {}),
      ...(hides ? { Privacy: "id" } : {}),
    },
    ...(trunk.outboundProxy ? { routes: [`<sip:${trunk.outboundProxy};lr>`] } : {}),
    ...(trunk.password && trunk.userName
      ? {
          credentials: {
            username: trunk.authUserName ?? trunk.userName,
            password: openTrunkPassword(call.board.secrets, { id: trunk.id, password: trunk.password }),
          },
        }
      : {}),
    profile: trunk.mediaEncryption === "off" ? "rtp" : "srtp",
    codecs: trunk.codecs,
    ...(trunk.mediaEncryption === "required" ? { onlyProfile: true } : {}),
  };
}
