import assert from "node:assert/strict";
import { test } from "node:test";
import type { PhonePlan } from "../plan.ts";
import type { Rate } from "../trunks/store.ts";
import type { Board } from "./board.ts";
import { cannotPay, chargeOf } from "./charges.ts";
import { monthBegan } from "./hours.ts";

const rate = (trunkId: string | null, prefix: string, perMinute: string) => ({
  ...{ trunkId: trunkId as Rate["trunkId"], prefix, perMinute, label: "", connectionFee: "0", firstSeconds: 1, stepSeconds: 1 },
});
const planOf = (rates: Rate[], isPrepaid: boolean, maxCostPerDay: string | null = null) =>
  ({ rates, extensions: [], system: { id: "s", isPrepaid, timeZone: "UTC", limits: { maxCostPerDay } } }) as unknown as PhonePlan;
const number = (e164: string, emergency = false) => ({ e164, country: "DE", kind: "international" as const, emergency });
const germany = number("+49301234567");

/** The one row that is read: what is left, and what was spent. */
const ask = (plan: PhonePlan, money: object, called = germany, payer?: string) =>
  cannotPay(
    {
      calls: new Map(),
      database: { transaction: (_: string, work: (tx: object) => unknown) => work({ sql: async () => [money] }) },
    } as unknown as Board,
    plan,
    chargeOf(plan, "trunk", called, payer),
  );

test("limits count what a trunk costs where nobody has set a price", async () => {
  const costs = [rate("trunk", "+49", "60")];
  const day = planOf(costs, false, "5");
  assert.equal(await ask(day, { balance: "0", spent: "4" }), undefined);
  assert.equal(await ask(day, { balance: "0", spent: "4.5" }), "day");
  assert.equal(chargeOf(day, "trunk", germany).price, undefined, "the balance does not pay it");
  const prepaid = planOf(costs, true);
  assert.equal(chargeOf(prepaid, "trunk", germany).price?.perMinute, "60");
  assert.equal(await ask(prepaid, { balance: "0.5", spent: "0" }), "balance");
  assert.equal(await ask(prepaid, { balance: "1", spent: "0" }), undefined);
  const priced = planOf([...costs, rate(null, "+49", "6")], true);
  assert.equal(chargeOf(priced, "trunk", germany).price?.perMinute, "6");
});

test("what nobody knows the cost of needs something left; free numbers and emergencies do not", async () => {
  const nothing = { balance: "0", spent: "5" };
  assert.equal(await ask(planOf([], true), nothing), "balance");
  assert.equal(await ask(planOf([], true), { balance: "0.01", spent: "0" }), undefined);
  assert.equal(await ask(planOf([], false, "5"), nothing), "day");
  assert.equal(await ask(planOf([], false), nothing), undefined);
  assert.equal(await ask(planOf([rate(null, "+4980", "0")], true), nothing, number("+49800123456")), undefined);
  assert.equal(await ask(planOf([rate("trunk", "+", "60")], true, "0"), nothing, number("112", true)), undefined);
});

test("an extension has limits of its own, for the day and the month; those of others are not its", async () => {
  const plan = planOf([rate("trunk", "+49", "60")], false);
  const limits = (maxCostPerDay: string | null, maxCostPerMonth: string | null) => ({ maxCostPerDay, maxCostPerMonth });
  Object.assign(plan, {
    extensions: [
      { id: "ann", limits: limits("5", null) },
      { id: "bob", limits: limits(null, "20") },
      { id: "eve", limits: limits(null, null) },
    ],
  });
  const spent = { day: "4.5", month: "19.5" };
  assert.equal(await ask(plan, spent, germany, "ann"), "extension_day");
  assert.equal(await ask(plan, spent, germany, "bob"), "extension_month");
  assert.equal(await ask(plan, { day: "4", month: "19" }, germany, "ann"), undefined);
  assert.equal(await ask(plan, { day: "4", month: "19" }, germany, "bob"), undefined);
  assert.equal(await ask(plan, spent, germany, "eve"), undefined);
  assert.equal(await ask(plan, spent, germany), undefined, "nobody's limits hold for an inbound call that is sent on");
  assert.equal(await ask(plan, spent, number("112", true), "ann"), undefined);
});

test("days and months begin by the clock of the phone system, also where it was changed in between", () => {
  const at = (iso: string) => new Date(iso);
  assert.equal(monthBegan(at("2026-03-31T21:30:00Z"), "Europe/Kyiv").toISOString(), "2026-03-31T21:00:00.000Z");
  assert.equal(monthBegan(at("2026-03-31T12:00:00Z"), "Europe/Kyiv").toISOString(), "2026-02-28T22:00:00.000Z");
  assert.equal(monthBegan(at("2026-11-24T12:00:00Z"), "America/New_York").toISOString(), "2026-11-01T04:00:00.000Z");
});
