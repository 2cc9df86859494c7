import assert from "node:assert/strict";
import { test } from "node:test";
import { prefixOf } from "./prefixes.ts";
import { amountOf, exceeds, negated, openRates, secondsFor } from "./rating.ts";
import type { Rate } from "./store.ts";

const rate = (change: Partial<Rate> = {}): Rate => ({
  trunkId: null,
  prefix: "+380",
  label: "",
  perMinute: "0.06",
  connectionFee: "0",
  firstSeconds: 60,
  stepSeconds: 60,
  ...change,
});

test("begun steps are counted whole, and a call that was not answered costs nothing", () => {
  assert.equal(amountOf(rate(), 0), "0");
  assert.equal(amountOf(rate(), 1), "0.06");
  assert.equal(amountOf(rate(), 60), "0.06");
  assert.equal(amountOf(rate(), 61), "0.12");
  assert.equal(amountOf(rate({ firstSeconds: 30, stepSeconds: 6 }), 31), "0.036");
  assert.equal(amountOf(rate({ firstSeconds: 1, stepSeconds: 1, connectionFee: "0.1" }), 90), "0.19");
});

test("what is no whole millionth goes up, and large amounts stay exact", () => {
  assert.equal(amountOf(rate({ perMinute: "0.000001", firstSeconds: 1, stepSeconds: 1 }), 1), "0.000001");
  assert.equal(amountOf(rate({ perMinute: "999999999.999999" }), 3600), "59999999999.99994");
});

test("a balance lasts for whole steps", () => {
  assert.equal(secondsFor(rate(), "0.13"), 120);
  assert.equal(secondsFor(rate(), "0.05"), 0);
  assert.equal(secondsFor(rate({ connectionFee: "1" }), "0.99"), 0);
  assert.equal(secondsFor(rate(), "-3"), 0);
  assert.equal(secondsFor(rate({ perMinute: "0" }), "0"), Number.POSITIVE_INFINITY);
  for (const balance of ["0.5", "1.234567", "10"]) {
    const seconds = secondsFor(rate({ firstSeconds: 30, stepSeconds: 7 }), balance);
    assert.equal(exceeds(amountOf(rate({ firstSeconds: 30, stepSeconds: 7 }), seconds), balance), false, balance);
    assert.equal(exceeds(amountOf(rate({ firstSeconds: 30, stepSeconds: 7 }), seconds + 1), balance), true, balance);
  }
});

test("decimals are compared and negated as numbers, not as text", () => {
  assert.equal(exceeds("10", "9.5"), true);
  assert.equal(exceeds("9.50", "9.5"), false);
  assert.equal(negated("0.05"), "-0.05");
  assert.equal(negated("-12"), "12");
});

test("of a number the longest prefix holds, each list for itself", () => {
  const trunkId = "trk_a" as Rate["trunkId"];
  const rates = openRates([
    rate({ prefix: "+", perMinute: "9" }),
    rate({ prefix: "+380", perMinute: "0.5" }),
    rate({ prefix: "+38067", perMinute: "0.7" }),
    rate({ trunkId, prefix: "+380", perMinute: "0.1" }),
  ]);
  assert.equal(rates.priceOf("+380671112233")?.perMinute, "0.7");
  assert.equal(rates.priceOf("+380441112233")?.perMinute, "0.5");
  assert.equal(rates.priceOf("+4912345678")?.perMinute, "9");
  assert.equal(rates.costOf("trk_a", "+380671112233")?.perMinute, "0.1");
  assert.equal(rates.costOf("trk_a", "+4912345678"), undefined);
  assert.equal(rates.costOf("trk_b", "+380671112233"), undefined);
  // A short number: its own, then the country's, then that of all.
  assert.equal(rates.priceOf("1580", "+380")?.perMinute, "0.5");
  assert.equal(rates.priceOf("1580")?.perMinute, "9");
  assert.equal(openRates([rate({ prefix: "15", perMinute: "3" })]).priceOf("1580", "+380")?.perMinute, "3");
});

test("prefixes of lists: with the country's code, as its people dial, short numbers", () => {
  const read = (country: string, bare: "international" | "national", ...list: string[]) =>
    list.map((each) => prefixOf(each, country, bare));
  assert.deepEqual(read("UA", "international", "+380 67", "0038067", "380-67", "044", "0 (67)", "+"), [
    ...["+38067", "+38067", "+38067", "+38044", "+38067", "+"],
  ]);
  assert.deepEqual(read("FR", "national", "3639", "1 45", "06", "0049", "112"), ["3639", "+33145", "+336", "+49", "112"]);
  assert.deepEqual(read("FR", "international", "3639", "112"), ["+3639", "+112"]);
  // Where it is not two zeros; where the zero stays; where there is none.
  assert.deepEqual(read("US", "national", "01144", "1212", "212"), ["+44", "+1212", "+1212"]);
  assert.deepEqual(read("IT", "national", "06", "3"), ["+3906", "+393"]);
  assert.deepEqual(read("LU", "national", "26", "0032"), ["+35226", "+32"]);
  assert.deepEqual(read("UA", "international", "", "00", "Kyiv", "+0", "38o"), [...Array.from({ length: 5 }, () => undefined)]);
});

test("the cheapest trunk comes first, unknown ones last, equal ones by priority", () => {
  const of = (id: string, perMinute: string) => rate({ trunkId: id as Rate["trunkId"], perMinute });
  const rates = openRates([of("dear", "2"), of("cheap", "1"), of("same", "1")]);
  const trunks = ["unknown", "dear", "same", "cheap"].map((id, index) => ({ id, priority: index }));
  assert.deepEqual(
    rates.cheapestFirst(trunks, "+380441112233").map(({ id }) => id),
    ["same", "cheap", "dear", "unknown"],
  );
});
