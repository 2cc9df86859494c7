import type { Rate } from "./store.ts";

/** Of a decimal with at most six digits after the point: exact. */
const micros = (decimal: string): bigint => {
  const [, sign, whole, part = ""] = /^(-?)(\d+)(?:\.(\d{1,6}))?$/.exec(decimal) ?? [];
  if (whole === undefined) throw new Error(`${decimal} is no decimal with at most six digits after the point.`);
  const value = BigInt(whole) * 1_000_000n + BigInt(part.padEnd(6, "0"));
  return sign === "-" ? -value : value;
};
const decimal = (value: bigint): string => {
  const digits = (value < 0n ? -value : value).toString().padStart(7, "0");
  const text = `${digits.slice(0, -6)}.${digits.slice(-6)}`.replace(/\.?0+$/, "");
  return value < 0n ? `-${text}` : text;
};

/** What a call of so many seconds comes to: the first period and each begun step are counted whole; up to the next millionth. */
export function amountOf(rate: Rate, seconds: number): string {
  if (seconds <= 0) return "0";
  const beyond = Math.max(0, Math.ceil(seconds) - rate.firstSeconds);
  const counted = BigInt(rate.firstSeconds + Math.ceil(beyond / rate.stepSeconds) * rate.stepSeconds);
  return decimal(micros(rate.connectionFee) + (micros(rate.perMinute) * counted + 59n) / 60n);
}

export const sumOf = (amounts: readonly string[]): string => decimal(amounts.reduce((sum, each) => sum + micros(each), 0n));
export const difference = (one: string, other: string): string => decimal(micros(one) - micros(other));

/** For how many seconds a decimal lasts; 0 when it does not pay for the beginning, Infinity where calls are free. */
export function secondsFor(rate: Rate, balance: string): number {
  const left = micros(balance) - micros(rate.connectionFee);
  const perMinute = micros(rate.perMinute);
  if (left < 0n) return 0;
  if (perMinute === 0n) return Number.POSITIVE_INFINITY;
  const seconds = Number((left * 60n) / perMinute);
  if (seconds < rate.firstSeconds) return 0;
  return rate.firstSeconds + Math.floor((seconds - rate.firstSeconds) / rate.stepSeconds) * rate.stepSeconds;
}

/** Whether more of a decimal is used than another one allows. */
export const exceeds = (used: string, limit: string): boolean => micros(used) > micros(limit);
export const negated = (amount: string): string => decimal(-micros(amount));

export interface Rates {
  /** What a trunk takes for a number (E.164); undefined: nobody said. `like` is the prefix whose rate holds for a number that no other has. */
  costOf(trunkId: string, number: string, like?: string): Rate | undefined;
  /** What the phone system takes for it. */
  priceOf(number: string, like?: string): Rate | undefined;
  /** The cheapest first; those of unknown cost last, and what is the same stays in order. */
  cheapestFirst<T extends { id: string; priority: number }>(trunks: readonly T[], number: string, like?: string): T[];
}

/** The rates of a plan, for looking up: of a number the longest prefix holds. */
export function openRates(rates: readonly Rate[]): Rates {
  const lists = new Map<string, Map<string, Rate>>();
  for (const rate of rates) {
    const owner = rate.trunkId ?? "";
    const list = lists.get(owner) ?? new Map<string, Rate>();
    lists.set(owner, list.set(rate.prefix, rate));
  }
  const find = (owner: string, number: string, like = ""): Rate | undefined => {
    const list = lists.get(owner);
    if (list === undefined) return undefined;
    for (let length = number.length; length > 0; length--) {
      const rate = list.get(number.slice(0, length));
      if (rate !== undefined) return rate;
    }
    // A short number has no country code: beside its own prefixes "+" holds for it, as for all.
    return list.get(like) ?? list.get("+");
  };
  /** Of a call of three minutes: fees and steps count too. */
  const weight = (trunkId: string, number: string, like?: string): bigint | undefined => {
    const rate = find(trunkId, number, like);
    return rate && micros(amountOf(rate, 180));
  };
  return {
    costOf: find,
    priceOf: (number, like) => find("", number, like),
    cheapestFirst(trunks, number, like) {
      const weights = new Map(trunks.map(({ id }) => [id, weight(id, number, like)]));
      return [...trunks].sort((a, b) => {
        const [left, right] = [weights.get(a.id), weights.get(b.id)];
        if (left === right) return a.priority - b.priority;
        if (left === undefined) return 1;
        if (right === undefined) return -1;
        return left < right ? -1 : 1;
      });
    },
  };
}
