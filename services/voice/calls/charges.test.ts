import assert from "node:assert/strict";
import { test } from "node:test";
import type { PhonePlan } from "../plan.ts";
import type { Rate } from "../trunks/store.ts";
import type { Board } from "./board.ts";
import { cannotPay, chargeOf } from "./charges.ts";

const rate = (trunkId: string | null, prefix: string, perMinute: string) => ({
  ...{ trunkId: trunkId as Rate["trunkId"], prefix, perMinute, label: "", connectionFee: "0", firstSeconds: 1, stepSeconds: 1 },
});
const planOf = (rates: Rate[], isPrepaid: boolean, maxCostPerDay: string | null = null) =>
  ({ rates, system: { id: "s", isPrepaid, timeZone: "UTC", limits: { maxCostPerDay } } }) as unknown as PhonePlan;
const number = (e164: string, emergency = false) => ({ e164, country: "DE", kind: "international" as const, emergency });
const germany = number("+49301234567");

const ask = (plan: PhonePlan, money: { balance: string; spent: string }, called = germany) =>
  cannotPay(
    { calls: new Map(), database: { transaction: async () => money } } as unknown as Board,
    plan,
    chargeOf(plan, "trunk", called),
  );

test("limits count what a trunk costs where nobody has set a price", async () => {
  const costs = [rate("trunk", "+49", "60")];
  const day = planOf(costs, false, "5");
  assert.equal(await ask(day, { balance: "0", spent: "4" }), undefined);
  assert.equal(await ask(day, { balance: "0", spent: "4.5" }), "call_limit");
  assert.equal(chargeOf(day, "trunk", germany).price, undefined, "the balance does not pay it");
  const prepaid = planOf(costs, true);
  assert.equal(chargeOf(prepaid, "trunk", germany).price?.perMinute, "60");
  assert.equal(await ask(prepaid, { balance: "0.5", spent: "0" }), "no_credit");
  assert.equal(await ask(prepaid, { balance: "1", spent: "0" }), undefined);
  const priced = planOf([...costs, rate(null, "+49", "6")], true);
  assert.equal(chargeOf(priced, "trunk", germany).price?.perMinute, "6");
});

test("what nobody knows the cost of needs something left; free numbers and emergencies do not", async () => {
  const nothing = { balance: "0", spent: "5" };
  assert.equal(await ask(planOf([], true), nothing), "no_credit");
  assert.equal(await ask(planOf([], true), { balance: "0.01", spent: "0" }), undefined);
  assert.equal(await ask(planOf([], false, "5"), nothing), "call_limit");
  assert.equal(await ask(planOf([], false), nothing), undefined);
  assert.equal(await ask(planOf([rate(null, "+4980", "0")], true), nothing, number("+49800123456")), undefined);
  assert.equal(await ask(planOf([rate("trunk", "+", "60")], true, "0"), nothing, number("112", true)), undefined);
});
