import assert from "node:assert/strict";
import { test } from "node:test";
import { dayOf, ownSpan } from "./period.ts";

test("a span of one's own is of whole days by the phone system's clocks, also when these are changed", () => {
  assert.deepEqual(ownSpan("2026-05-01", "2026-05-01", "Europe/Paris"), {
    from: "2026-04-30T22:00:00.000Z",
    to: "2026-05-01T22:00:00.000Z",
  });
  // 23 and 25 hours.
  assert.deepEqual(ownSpan("2026-03-29", "2026-03-29", "Europe/Kyiv"), {
    from: "2026-03-28T22:00:00.000Z",
    to: "2026-03-29T21:00:00.000Z",
  });
  assert.deepEqual(ownSpan("2026-10-25", "2026-10-25", "Europe/Paris"), {
    from: "2026-10-24T22:00:00.000Z",
    to: "2026-10-25T23:00:00.000Z",
  });
  for (const [first, last] of [
    ["2026-05-02", "2026-05-01"],
    [undefined, "2026-05-01"],
    ["yesterday", "2026-05-01"],
  ])
    assert.equal(ownSpan(first, last, "Europe/Paris"), undefined);
  assert.equal(dayOf(Date.parse("2026-04-30T22:30:00Z"), "Europe/Paris"), "2026-05-01");
});
