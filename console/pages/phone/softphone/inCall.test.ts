import assert from "node:assert/strict";
import { test } from "node:test";
import type { ActiveCall } from "../../../../services/voice/live/contract.ts";
import { activeOf, recordWay } from "./inCall.ts";

type Recording = Parameters<typeof recordWay>[0]["recording"];
const systemWith = (mode: Recording["mode"], more: { mayPause?: boolean; code?: string | null } = {}) =>
  ({
    recording: { mode, mayPause: more.mayPause ?? false },
    featureCodes: { record: more.code === undefined ? "*1" : more.code },
  }) as Parameters<typeof recordWay>[0];
const usual = { recording: null };

test("the button for recording is there where the code does something, and says what", () => {
  assert.equal(recordWay(systemWith("off"), usual, false), undefined);
  assert.equal(recordWay(systemWith("off"), { recording: "on_demand" }, false), "start");
  assert.equal(recordWay(systemWith("on_demand"), usual, true), "stop");
  assert.equal(recordWay(systemWith("on_demand", { code: null }), usual, false), undefined);
  assert.equal(recordWay(systemWith("all"), usual, true), undefined);
  assert.equal(recordWay(systemWith("all", { mayPause: true }), usual, true), "pause");
  assert.equal(recordWay(systemWith("all", { mayPause: true }), usual, false), "goOn");
});

test("which of the calls that run is the one of this phone", () => {
  const own = { id: "ext_1", number: "101" } as Parameters<typeof activeOf>[1];
  const call = (id: string, from: string, to: string, extensionIds: string[]) => ({ id, from, to, extensionIds }) as ActiveCall;
  const calls = [
    call("others", "103", "102", ["ext_3", "ext_2"]),
    call("inside", "101", "102", ["ext_1", "ext_2"]),
    call("outside", "+33142685300", "101", ["ext_1"]),
  ];
  assert.equal(activeOf(calls, own, "102")?.id, "inside");
  assert.equal(activeOf(calls, own, "0142685300")?.id, "outside");
  assert.equal(activeOf(calls, own, "777"), undefined);
  // Sent on meanwhile: the only one it can be.
  assert.equal(activeOf(calls.slice(0, 2), own, "777")?.id, "inside");
  assert.equal(activeOf(calls.slice(0, 1), own, "102"), undefined);
});
