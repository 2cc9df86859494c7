import type { LimitKind } from "../mails/store.ts";
import type { PhonePlan } from "../plan.ts";
import { creditStore } from "../systems/store.ts";
import { amountOf, difference, exceeds, openRates, sumOf } from "../trunks/rating.ts";
import type { Rate } from "../trunks/store.ts";
import { aborted } from "./abort.ts";
import type { Board } from "./board.ts";
import { dayBegan } from "./hours.ts";
import type { Party } from "./party.ts";
import { spendingWarning } from "./sounds.ts";
import type { Outside } from "./trunkTargets.ts";

/** What a call outside costs: it goes with the party, however it is transferred. Undefined: nobody said what. */
export interface Charge {
  /** What the phone system takes, and its balance pays. */
  price: Rate | undefined;
  /** What the trunk takes. */
  cost: Rate | undefined;
  /** What limits count: the price, or where nobody set one the cost. */
  counted: Rate | undefined;
  /** No limit ends it. */
  isEmergency: boolean;
}

export type Amounts = "price" | "cost" | "counted";

/** Why no more may be spent. */
export type Spent = "no_credit" | "call_limit";

/** Whose limit that is. */
export const limitOf = { no_credit: "balance", call_limit: "day" } as const satisfies Record<Spent, LimitKind>;

const lookMs = 1000;
/** How often money that came or went elsewhere is seen. */
const readMs = 10_000;
/** So long before its end a call is told. */
const warnSeconds = 30;

/** Where something is spent that nobody knows, something must be left. */
const least = "0.000001";

/** Emergency calls have no price. Where calls are paid before, those that nobody has set a price for cost what their trunk takes. */
export function chargeOf({ rates: all, system }: PhonePlan, trunkId: string, { e164, ratedLike, emergency }: Outside): Charge {
  const rates = openRates(all);
  const cost = rates.costOf(trunkId, e164, ratedLike);
  if (emergency) return { price: undefined, cost, counted: undefined, isEmergency: true };
  const set = rates.priceOf(e164, ratedLike);
  const price = set ?? (system.isPrepaid ? cost : undefined);
  return { price, cost, counted: price ?? cost, isEmergency: false };
}

/** What a party has come to, and will have `aheadSeconds` later if it goes on. */
export function amountSoFar(party: Party, of: Amounts, aheadSeconds = 0): string | undefined {
  const rate = party.charge?.[of];
  if (!rate) return undefined;
  if (!party.answeredAt) return "0";
  const until = party.endedAt?.getTime() ?? Date.now() + aheadSeconds * 1000;
  return amountOf(rate, (until - party.answeredAt.getTime()) / 1000);
}

/** Of all calls that run in a phone system: what they will have come to. */
function running(board: Board, systemId: string, aheadSeconds: number): string {
  const calls = [...board.calls.values()].filter(({ plan }) => plan.system.id === systemId);
  return sumOf(calls.map((call) => call.amount("counted", aheadSeconds) ?? "0"));
}

interface Budget {
  day: string | undefined;
  balance: string | undefined;
}

const isLimited = ({ system }: PhonePlan): boolean => system.isPrepaid || system.limits.maxCostPerDay !== null;

/** What the records of calls that are over leave to spend; undefined: any. */
async function budgetOf(board: Board, plan: PhonePlan): Promise<Budget> {
  if (!isLimited(plan)) return { day: undefined, balance: undefined };
  const { system } = plan;
  const { limits, isPrepaid, timeZone } = system;
  const day = dayBegan(new Date(), timeZone);
  const { balance, spent } = await board.database.transaction("system", (tx) => creditStore.spending(tx, system.id, day));
  return {
    day: limits.maxCostPerDay === null ? undefined : difference(limits.maxCostPerDay, spent),
    balance: isPrepaid ? balance : undefined,
  };
}

function spentOf({ day, balance }: Budget, amount: string): Spent | undefined {
  if (balance !== undefined && exceeds(amount, balance)) return "no_credit";
  return day !== undefined && exceeds(amount, day) ? "call_limit" : undefined;
}

/** Whether the beginning of one more call cannot be paid. */
export async function cannotPay(board: Board, plan: PhonePlan, { counted, isEmergency }: Charge): Promise<Spent | undefined> {
  if (isEmergency || !isLimited(plan)) return undefined;
  const budget = await budgetOf(board, plan);
  return spentOf(budget, sumOf([running(board, plan.system.id, 0), counted ? amountOf(counted, 1) : least]));
}

/**
 * Ends a party outside when what may be spent is spent, and tells before it. It counts what all calls of the phone system cost together, so that many
 * at once do not spend the same money.
 */
export function watchSpending(board: Board, plan: PhonePlan, party: Party): void {
  const { charge } = party;
  if (!charge || charge.isEmergency || party.isWatched) return;
  party.isWatched = true;
  let budget: Budget | undefined;
  let readAt = 0;
  let warned = false;
  const look = async () => {
    if (Date.now() - readAt > readMs) {
      readAt = Date.now();
      budget = await budgetOf(board, plan);
    }
    if (!budget || party.gone.aborted) return;
    // The plan as it was: a limit that is changed holds from the next call on.
    const spent = running(board, plan.system.id, lookMs / 1000);
    party.spent = spentOf(budget, charge.counted ? spent : sumOf([spent, least]));
    if (party.spent && party.call) board.limitReached(party.call, limitOf[party.spent]);
    if (party.spent) return party.hangUp(480, 'Q.850;cause=16;text="Nothing left to spend"');
    if (warned || !spentOf(budget, running(board, plan.system.id, warnSeconds))) return;
    warned = true;
    for (const other of party.call?.parties ?? [])
      if (other.who.trunkId === undefined && other.hears) other.play(spendingWarning);
  };
  const failed = (error: unknown) => board.log.warn({ err: error }, "what a call may spend cannot be read; it goes on");
  const timer = setInterval(() => void look().catch(failed), lookMs);
  void look().catch(failed);
  void aborted(party.gone).then(() => clearInterval(timer));
}
