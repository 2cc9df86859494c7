import assert from "node:assert/strict";
import { test } from "node:test";
import { fitsGrid, fromGrid, type Hours, toGrid } from "./hours.ts";

const week: Hours = [
  { days: [1, 2, 3, 4, 5], from: "08:30", to: "12:00" },
  { days: [1, 2, 3, 4], from: "13:00", to: "17:30" },
  { days: [6], from: "00:00", to: "24:00" },
];

test("hours become half hours and the same hours again", () => {
  const grid = toGrid(week);
  assert.equal(grid[0]?.[16], false);
  assert.equal(grid[0]?.[17], true);
  assert.equal(grid[4]?.[26], false);
  assert.ok(grid[5]?.every(Boolean));
  assert.ok(!grid[6]?.some(Boolean));
  assert.deepEqual(fromGrid(grid), week);
});

test("past midnight it is the next day, from Sunday Monday", () => {
  const grid = toGrid([{ days: [7], from: "22:00", to: "02:00" }]);
  assert.deepEqual(fromGrid(grid), [
    { days: [1], from: "00:00", to: "02:00" },
    { days: [7], from: "22:00", to: "24:00" },
  ]);
});

test("a grid of half hours does not round what is more exact", () => {
  assert.ok(fitsGrid(week));
  assert.ok(!fitsGrid([{ days: [1], from: "08:15", to: "12:00" }]));
});
