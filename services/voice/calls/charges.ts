import type { LimitKind } from "../mails/store.ts";
import type { PhonePlan } from "../plan.ts";
import type { Phrase } from "../prompts/words/en.ts";
import { creditStore } from "../systems/store.ts";
import { amountOf, difference, exceeds, openRates, sumOf } from "../trunks/rating.ts";
import type { Rate } from "../trunks/store.ts";
import { aborted } from "./abort.ts";
import type { Board } from "./board.ts";
import { dayBegan, monthBegan } from "./hours.ts";
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
  /** The extension whose limits hold for it; undefined: nobody's. */
  payerId: string | undefined;
  /** No limit ends it. */
  isEmergency: boolean;
}

export type Amounts = "price" | "cost" | "counted";

/** Why no more may be spent: which limit says so. */
export type Spent = Extract<LimitKind, "balance" | "day" | "extension_day" | "extension_month">;

/** What the caller hears, and what the record says of a call that was refused or ended. */
export const spentWords: Record<Spent, { phrase: Phrase; refused: string; ended: string }> = {
  balance: { phrase: "no_credit", refused: "There is no credit left for this call.", ended: "The balance was used up." },
  day: { phrase: "call_limit", refused: "What may be spent in a day is spent.", ended: "What may be spent in a day was spent." },
  extension_day: {
    phrase: "call_limit",
    refused: "What the extension may spend in a day is spent.",
    ended: "What the extension may spend in a day was spent.",
  },
  extension_month: {
    phrase: "call_limit",
    refused: "What the extension may spend in a month is spent.",
    ended: "What the extension may spend in a month was spent.",
  },
};

const lookMs = 1000;
/** How often money that came or went elsewhere is seen. */
const readMs = 10_000;
/** So long before its end a call is told. */
const warnSeconds = 30;

/** Where something is spent that nobody knows, something must be left. */
const least = "0.000001";

/** Emergency calls have no price. Where calls are paid before, those that nobody has set a price for cost what their trunk takes. */
export function chargeOf(
  { rates: all, system }: PhonePlan,
  trunkId: string,
  { e164, ratedLike, emergency }: Outside,
  payerId?: string,
): Charge {
  const rates = openRates(all);
  const cost = rates.costOf(trunkId, e164, ratedLike);
  if (emergency) return { price: undefined, cost, counted: undefined, payerId: undefined, isEmergency: true };
  const set = rates.priceOf(e164, ratedLike);
  const price = set ?? (system.isPrepaid ? cost : undefined);
  return { price, cost, counted: price ?? cost, payerId, isEmergency: false };
}

/** What a party has come to, and will have `aheadSeconds` later if it goes on. */
export function amountSoFar(party: Party, of: Amounts, aheadSeconds = 0): string | undefined {
  const rate = party.charge?.[of];
  if (!rate) return undefined;
  if (!party.answeredAt) return "0";
  const until = party.endedAt?.getTime() ?? Date.now() + aheadSeconds * 1000;
  return amountOf(rate, (until - party.answeredAt.getTime()) / 1000);
}

/** Of all calls that run in a phone system, or that extension's part of them: what they will have come to. */
function running(board: Board, systemId: string, aheadSeconds: number, payerId?: string): string {
  const calls = [...board.calls.values()].filter(({ plan }) => plan.system.id === systemId);
  return sumOf(calls.map((call) => call.amount("counted", aheadSeconds, payerId) ?? "0"));
}

/** What is left of each limit that is set. */
type Budget = Map<Spent, string>;

const limitsOf = (plan: PhonePlan, payerId: string | undefined) =>
  plan.extensions.find(({ id }) => id === payerId)?.limits ?? { maxCostPerDay: null, maxCostPerMonth: null };

/** What the records of calls that are over leave to spend. */
async function budgetOf(board: Board, plan: PhonePlan, payerId: string | undefined): Promise<Budget> {
  const { system } = plan;
  const { limits, isPrepaid, timeZone } = system;
  const budget: Budget = new Map();
  const own = limitsOf(plan, payerId);
  const [ofSystem, ofExtension] = [isPrepaid || limits.maxCostPerDay !== null, Object.values(own).some((each) => each !== null)];
  if (!ofSystem && !ofExtension) return budget;
  const now = new Date();
  const day = dayBegan(now, timeZone);
  const month = monthBegan(now, timeZone);
  await board.database.transaction("system", async (tx) => {
    if (ofSystem) {
      const { balance, spent } = await creditStore.spending(tx, system.id, day);
      if (isPrepaid) budget.set("balance", balance);
      if (limits.maxCostPerDay !== null) budget.set("day", difference(limits.maxCostPerDay, spent));
    }
    if (ofExtension && payerId !== undefined) {
      const spent = await creditStore.extensionSpending(tx, payerId, day, month);
      if (own.maxCostPerDay !== null) budget.set("extension_day", difference(own.maxCostPerDay, spent.day));
      if (own.maxCostPerMonth !== null) budget.set("extension_month", difference(own.maxCostPerMonth, spent.month));
    }
  });
  return budget;
}

/** The first limit that what runs now, and `more`, goes beyond. */
function spentOf(board: Board, plan: PhonePlan, payerId: string | undefined, budget: Budget, aheadSeconds: number, more = "0") {
  const all = sumOf([running(board, plan.system.id, aheadSeconds), more]);
  const own = payerId === undefined ? "0" : sumOf([running(board, plan.system.id, aheadSeconds, payerId), more]);
  for (const [limit, left] of budget) if (exceeds(limit.startsWith("extension") ? own : all, left)) return limit;
  return undefined;
}

/** Whether the beginning of one more call cannot be paid. */
export async function cannotPay(
  board: Board,
  plan: PhonePlan,
  { counted, payerId, isEmergency }: Charge,
): Promise<Spent | undefined> {
  if (isEmergency) return undefined;
  const budget = await budgetOf(board, plan, payerId);
  return budget.size === 0 ? undefined : spentOf(board, plan, payerId, budget, 0, counted ? amountOf(counted, 1) : least);
}

/**
 * Ends a party outside when what may be spent is spent, and tells before it. It counts what all calls of the phone system cost together, so that many
 * at once do not spend the same money.
 */
export function watchSpending(board: Board, plan: PhonePlan, party: Party): void {
  const { charge } = party;
  if (!charge || charge.isEmergency || party.isWatched) return;
  party.isWatched = true;
  const { payerId } = charge;
  let budget: Budget | undefined;
  let readAt = 0;
  let warned = false;
  const look = async () => {
    if (Date.now() - readAt > readMs) {
      readAt = Date.now();
      budget = await budgetOf(board, plan, payerId);
    }
    if (!budget || budget.size === 0 || party.gone.aborted) return;
    // The plan as it was: a limit that is changed holds from the next call on.
    const spent = (seconds: number, more?: string) => spentOf(board, plan, payerId, budget as Budget, seconds, more);
    party.spent = spent(lookMs / 1000, charge.counted ? "0" : least);
    if (party.spent && party.call) board.limitReached(party.call, party.spent);
    if (party.spent) return party.hangUp(480, 'Q.850;cause=16;text="Nothing left to spend"');
    if (warned || !spent(warnSeconds)) return;
    warned = true;
    for (const other of party.call?.parties ?? [])
      if (other.who.trunkId === undefined && other.hears) other.play(spendingWarning);
  };
  const failed = (error: unknown) => board.log.warn({ err: error }, "what a call may spend cannot be read; it goes on");
  const timer = setInterval(() => void look().catch(failed), lookMs);
  void look().catch(failed);
  void aborted(party.gone).then(() => clearInterval(timer));
}
