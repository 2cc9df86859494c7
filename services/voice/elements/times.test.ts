import assert from "node:assert/strict";
import { test } from "node:test";
import { timeState } from "./times.ts";

type Condition = Parameters<typeof timeState>[0];
const week = [1, 2, 3, 4, 5];
const office: Condition = {
  hours: [{ days: week, from: "08:30", to: "17:00" }],
  holidays: [],
  override: "none",
};
/** Kyiv is two hours before UTC in winter, three in summer. */
const at = (time: string, condition: Partial<Condition> = {}) =>
  timeState({ ...office, ...condition }, new Date(time), "Europe/Kyiv");

test("hours hold in the time zone, summer and winter; the end is not open any more", () => {
  assert.equal(at("2026-01-05T06:29:59Z"), "closed");
  assert.equal(at("2026-01-05T06:30:00Z"), "open");
  assert.equal(at("2026-01-05T14:59:59Z"), "open");
  assert.equal(at("2026-01-05T15:00:00Z"), "closed");
  assert.equal(at("2026-07-06T05:30:00Z"), "open", "summer time");
  assert.equal(at("2026-07-06T05:29:59Z"), "closed");
  assert.equal(at("2026-01-03T10:00:00Z"), "closed", "a Saturday");
  assert.equal(at("2026-01-05T08:00:00Z", { timeZone: "America/New_York" }), "closed", "its own zone goes before the system's");
  assert.equal(at("2026-01-05T14:00:00Z", { timeZone: "America/New_York" }), "open");
});

test("hours over midnight belong to the day on which they begin; 24:00 is the end of a day", () => {
  const night: Partial<Condition> = { timeZone: "UTC", hours: [{ days: [5], from: "22:00", to: "06:00" }] };
  assert.equal(at("2026-01-02T21:59:00Z", night), "closed");
  assert.equal(at("2026-01-02T22:00:00Z", night), "open", "Friday night");
  assert.equal(at("2026-01-03T05:59:00Z", night), "open", "Saturday morning");
  assert.equal(at("2026-01-03T06:00:00Z", night), "closed");
  assert.equal(at("2026-01-02T05:00:00Z", night), "closed", "the morning of Friday is Thursday's");
  const sunday: Partial<Condition> = { timeZone: "UTC", hours: [{ days: [7], from: "22:00", to: "06:00" }] };
  assert.equal(at("2026-01-05T01:00:00Z", sunday), "open", "Monday morning is Sunday's");
  const all: Partial<Condition> = { timeZone: "UTC", hours: [{ days: [5], from: "00:00", to: "24:00" }] };
  assert.equal(at("2026-01-02T00:00:00Z", all), "open");
  assert.equal(at("2026-01-02T23:59:59Z", all), "open");
  assert.equal(at("2026-01-03T00:00:00Z", all), "closed");
});

test("holidays go before hours, also each year and over its end", () => {
  const holidays = [
    { name: "Easter Monday", from: "2026-04-13", to: "2026-04-13", yearly: false },
    { name: "Year's end", from: "2025-12-24", to: "2026-01-02", yearly: true },
  ];
  assert.equal(at("2026-04-13T08:00:00Z", { holidays }), "holiday");
  assert.equal(at("2027-04-13T08:00:00Z", { holidays }), "open", "another year");
  assert.equal(at("2026-04-12T21:30:00Z", { holidays }), "holiday", "begins at midnight there, not in UTC");
  assert.equal(at("2024-12-27T08:00:00Z", { holidays }), "open", "before the first of them");
  assert.equal(at("2029-12-27T08:00:00Z", { holidays }), "holiday");
  assert.equal(at("2030-01-02T08:00:00Z", { holidays }), "holiday");
  assert.equal(at("2030-01-03T08:00:00Z", { holidays }), "open");
});

test("a person's word goes before the clock", () => {
  assert.equal(at("2026-01-05T08:00:00Z", { override: "closed" }), "closed");
  assert.equal(at("2026-01-03T08:00:00Z", { override: "open" }), "open");
  assert.equal(at("2026-01-03T08:00:00Z", { override: "holiday" }), "holiday");
});
