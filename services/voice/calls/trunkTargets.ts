import type { PlanRoute, PlanTrunk } from "../plan.ts";
import { openTrunkPassword } from "../trunks/passwords.ts";
import { openRates } from "../trunks/rating.ts";
import type { Board } from "./board.ts";
import type { Call } from "./call.ts";
import { chargeOf } from "./charges.ts";
import { fromHeader } from "./connect.ts";
import type { Target } from "./dial.ts";
import { type OutsideNumber, written } from "./outside.ts";
import type { Who } from "./party.ts";
import { isShort } from "./shortNumbers.ts";

export interface Outside extends OutsideNumber {
  /** Goes out whatever else says no. */
  emergency: boolean;
}

/** A way out: the route says what is shown. An emergency call may have no route. */
export interface Line {
  trunk: PlanTrunk;
  route: PlanRoute | undefined;
}

/** Of one that is there the first word comes at once (RFC 3261 section 8.2.6.1): the caller cannot wait half a minute for one that is not. */
const silenceMs = 5000;

/** How many calls a phone system has outside, by trunk. It is asked for at each call, so it makes nothing of the others. */
export function outsideNow(calls: Board["calls"], systemId: string): Map<string, number> {
  const used = new Map<string, number>();
  for (const { plan, parties } of calls.values()) {
    if (plan.system.id !== systemId) continue;
    for (const { who } of parties) if (who.trunkId !== undefined) used.set(who.trunkId, (used.get(who.trunkId) ?? 0) + 1);
  }
  return used;
}

export const sumOfCalls = (used: ReadonlyMap<string, number>): number => used.values().reduce((sum, count) => sum + count, 0);

/** By the route with the longest prefix that has a trunk that can take the call; those that do not answer now come last. */
export function linesFor(call: Call, number: Outside): Line[] {
  const lines = number.emergency ? emergencyLines(call) : routedLines(call, number);
  const isDown = ({ trunk }: Line) => call.board.isDown(trunk.id);
  return [...lines.filter((line) => !isDown(line)), ...lines.filter(isDown)];
}

function routedLines(call: Call, number: Outside): Line[] {
  const { routes, trunks, rates } = call.plan;
  const used = outsideNow(call.board.calls, call.plan.system.id);
  const canTake = (trunk: PlanTrunk | undefined): trunk is PlanTrunk =>
    trunk?.enabled === true && (trunk.maxCalls === null || (used.get(trunk.id) ?? 0) < trunk.maxCalls);
  const lengthOf = (prefixes: string[]) =>
    Math.max(0, ...prefixes.filter((prefix) => prefix === "+" || number.e164.startsWith(prefix)).map(({ length }) => length));
  const fitting = routes
    .filter(({ enabled }) => enabled)
    .map((route) => ({ route, length: lengthOf(route.prefixes) }))
    .filter(({ length }) => length > 0)
    .sort((a, b) => b.length - a.length || a.route.priority - b.route.priority);
  for (const { route } of fitting) {
    const able = route.trunks.map((id) => trunks.find((trunk) => trunk.id === id)).filter(canTake);
    const ordered = route.strategy === "least_cost" ? openRates(rates).cheapestFirst(able, number.e164, number.ratedLike) : able;
    if (ordered.length > 0) return ordered.map((trunk) => ({ trunk, route }));
  }
  return [];
}

/** An emergency number has no prefix, and no limit holds for it: every trunk that is on, those of routes first. */
function emergencyLines(call: Call): Line[] {
  const { routes, trunks } = call.plan;
  const on = new Map(trunks.filter(({ enabled }) => enabled).map((trunk) => [trunk.id, trunk]));
  const routed = routes.filter(({ enabled }) => enabled).toSorted((a, b) => a.priority - b.priority);
  const lines: Line[] = [];
  const add = (id: string, route: PlanRoute | undefined) => {
    const trunk = on.get(id);
    if (trunk) lines.push({ trunk, route });
    on.delete(id);
  };
  for (const route of routed) for (const id of route.trunks) add(id, route);
  for (const id of [...on.keys()]) add(id, undefined);
  return lines;
}

/**
 * Who is shown outside: the number of the route, of the extension, of the system; of a call that is passed on, its caller. Whoever needs help must be
 * called back: an emergency call hides nothing.
 */
function shownNumber(call: Call, route: PlanRoute | undefined, emergency: boolean): string | undefined {
  const { plan, payer } = call;
  const numberOf = (id: string | null | undefined) => plan.numbers.find((each) => each.id === id)?.number;
  if (call.from.extensionId === undefined) return call.from.number;
  if (!emergency && (call.hideNumber || payer?.hideNumber)) return undefined;
  return (
    numberOf(route?.callerNumber) ??
    numberOf(payer?.callerNumber) ??
    numberOf(plan.system.defaultNumber) ??
    plan.numbers[0]?.number
  );
}

/** Its number as that trunk wants it. */
function dialledAt(trunk: PlanTrunk, { e164, emergency }: Outside, country: string): string {
  if (emergency || isShort(e164)) return e164;
  return `${trunk.addPrefix}${written(e164, trunk.dialFormat, country).slice(trunk.stripDigits)}`;
}

const transportOf = ({ transport }: PlanTrunk): string => (transport === "udp" ? "" : `;transport=${transport}`);

/**
 * Its requests go there first, by the trunk's transport (RFC 3261 section 8.1.2), and then the way that the registrar has named, which may begin there
 * (RFC 3608 section 6.1). Registrations themselves have no such way.
 */
export function throughProxy(trunk: PlanTrunk, serviceRoute: readonly string[] = []): { routes?: string[] } {
  const proxy = trunk.outboundProxy ? [`<sip:${trunk.outboundProxy}${transportOf(trunk)};lr>`] : [];
  const begins = new RegExp(`^[^<]*<sips?:([^@>]*@)?${RegExp.escape(trunk.outboundProxy ?? "")}[;>]`, "i");
  const routes = serviceRoute[0] !== undefined && begins.test(serviceRoute[0]) ? serviceRoute : [...proxy, ...serviceRoute];
  return routes.length === 0 ? {} : { routes: [...routes] };
}

export function trunkTarget(call: Call, { trunk, route }: Line, number: Outside): Target {
  const { country } = call.plan.system;
  const shown = shownNumber(call, route, number.emergency);
  const host = trunk.host.includes(":") && !trunk.host.startsWith("[") ? `[${trunk.host}]` : trunk.host;
  const port = trunk.port === null ? "" : `:${trunk.port}`;
  const transport = transportOf(trunk);
  const name = call.to.number === number.e164 ? call.to.name : undefined;
  const who: Who = { number: number.e164, name, trunkId: trunk.id, trunkName: trunk.name };
  return {
    who,
    target: `sip:${dialledAt(trunk, number, country)}@${host}${port}${transport}`,
    ...callerHeaders(call, trunk, shown === undefined ? undefined : written(shown, trunk.callerIdFormat, country)),
    ...throughProxy(trunk, call.board.serviceRoute(trunk.id)),
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
    ...(trunk.dtmf === "info" ? { digitsByInfo: true } : {}),
    silenceMs,
    toward: call.board.addressOfTrunk(trunk.id),
    charge: chargeOf(call.plan, trunk.id, number, call.payer?.id),
  };
}

/** RFC 3261 section 8.1.1.3, RFC 3325; who hides is anonymous, but for the provider (RFC 3323). */
function callerHeaders(call: Call, trunk: PlanTrunk, caller: string | undefined): Pick<Target, "from" | "headers"> {
  const domain = trunk.fromDomain ?? trunk.host;
  const identity = `<sip:${caller ?? trunk.userName ?? "anonymous"}@${domain}>`;
  const account = `<sip:${trunk.userName ?? caller ?? "anonymous"}@${domain}>`;
  if (caller === undefined) {
    const remoteParty = { "Remote-Party-ID": `${account};party=calling;privacy=full` };
    return {
      from: fromHeader(call, { number: undefined, name: undefined }),
      headers: {
        "P-Asserted-Identity": account,
        ...(trunk.callerIdHeader === "remote_party_id" ? remoteParty : {}),
        Privacy: "id",
      },
    };
  }
  switch (trunk.callerIdHeader) {
    case "from":
      return { from: identity };
    case "p_asserted_identity":
      return { from: account, headers: { "P-Asserted-Identity": identity } };
    case "remote_party_id":
      return { from: account, headers: { "Remote-Party-ID": `${identity};party=calling;privacy=off` } };
  }
}
