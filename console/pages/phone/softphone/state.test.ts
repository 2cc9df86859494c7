import assert from "node:assert/strict";
import { test } from "node:test";
import { after, allowed, idle, mostCalls, type PhoneEvent, type PhoneState, ringing, shownCall, steps } from "./state.ts";

const play = (...events: PhoneEvent[]): PhoneState => events.reduce(after, idle);
const incoming = (id: string): PhoneEvent => ({ kind: "added", id, direction: "in", peer: { number: id }, at: 1 });
const outgoing = (id: string, consultsFor?: string): PhoneEvent => ({
  kind: "added",
  id,
  direction: "out",
  peer: { number: id },
  at: 1,
  ...(consultsFor ? { consultsFor } : {}),
});
const answered = (id: string): PhoneEvent => ({ kind: "answered", id, at: 2 });
const ended = (id: string): PhoneEvent => ({ kind: "ended", id, at: 3, cause: "ended" });
const held = (id: string, on = true): PhoneEvent => ({ kind: "changed", id, change: { held: on } });
const call = (state: PhoneState, id: string) => {
  const found = state.calls.find((one) => one.id === id);
  assert.ok(found);
  return found;
};

test("a call out: calling, put through, spoken with, over, forgotten", () => {
  let state = play(outgoing("a"));
  assert.equal(call(state, "a").state, "calling");
  state = after(state, { kind: "progress", id: "a" });
  assert.equal(call(state, "a").state, "progress");
  state = after(state, answered("a"));
  assert.equal(call(state, "a").answeredAt, 2);
  state = after(state, { kind: "forgotten", id: "a" });
  assert.equal(state.calls.length, 1, "one that speaks is not forgotten");
  state = after(state, ended("a"));
  assert.equal(shownCall(state)?.cause, "ended");
  state = after(state, { kind: "forgotten", id: "a" });
  assert.deepEqual(state, idle);
});

test("what comes too late changes nothing: progress after the answer, an answer after the end", () => {
  const over = play(outgoing("a"), answered("a"), ended("a"));
  assert.deepEqual(after(over, answered("a")), over);
  assert.deepEqual(after(over, { kind: "progress", id: "a" }), over);
  assert.deepEqual(after(over, { kind: "ended", id: "a", at: 9, cause: "busy" }), over);
  assert.deepEqual(steps(over, { kind: "hangUp", id: "a" }), []);
  assert.deepEqual(steps(over, { kind: "answer", id: "nobody" }), []);
});

test("a second call that rings does not push the first aside; answering it puts the first on hold", () => {
  let state = play(outgoing("a"), answered("a"), incoming("b"));
  assert.equal(state.shown, "a");
  assert.deepEqual(
    ringing(state).map(({ id }) => id),
    ["b"],
  );
  assert.deepEqual(steps(state, { kind: "answer", id: "b" }), [
    { kind: "setHold", id: "a", held: true },
    { kind: "accept", id: "b", video: false },
  ]);
  state = [held("a"), answered("b")].reduce(after, state);
  assert.equal(state.shown, "b");
  assert.deepEqual(steps(state, { kind: "resume", id: "a" }), [
    { kind: "setHold", id: "b", held: true },
    { kind: "setHold", id: "a", held: false },
    { kind: "show", id: "a" },
  ]);
  assert.equal(after(state, ended("b")).shown, "a", "the other one is shown when this one is over");
});

test("hanging up says to each state what it needs: reject, CANCEL, BYE", () => {
  const kinds = (state: PhoneState) => steps(state, { kind: "hangUp", id: "a" }).map(({ kind }) => kind);
  assert.deepEqual(kinds(play(incoming("a"))), ["reject"]);
  assert.deepEqual(kinds(play(outgoing("a"))), ["cancel"]);
  assert.deepEqual(kinds(play(outgoing("a"), answered("a"))), ["bye"]);
});

test("an attended transfer: the one is on hold, the other is asked, then both are brought together", () => {
  const first = play(incoming("a"), answered("a"));
  assert.deepEqual(steps(first, { kind: "dial", number: "12", consultsFor: "a" }), [
    { kind: "setHold", id: "a", held: true },
    { kind: "invite", number: "12", video: false, consultsFor: "a" },
  ]);
  const asking = [held("a"), outgoing("b", "a")].reduce(after, first);
  assert.deepEqual(steps(asking, { kind: "handOver", id: "b" }), [], "nobody has answered yet");
  const consulted = after(asking, answered("b"));
  assert.deepEqual(steps(consulted, { kind: "handOver", id: "b" }), [{ kind: "referTo", id: "a", other: "b" }]);
  const alone = after(consulted, ended("a"));
  assert.ok(!allowed(alone, call(alone, "b")).includes("handOver"), "whoever was to be handed over has gone");
});

test("a conference takes everyone off hold, is muted as one, and ends as calls of which one goes on", () => {
  let state = play(outgoing("a"), answered("a"), held("a"), outgoing("b"), answered("b"));
  assert.deepEqual(steps(state, { kind: "merge" }), [
    { kind: "setHold", id: "a", held: false },
    { kind: "mix", ids: ["a", "b"] },
  ]);
  state = [held("a", false), { kind: "merged", ids: ["a", "b"] } as PhoneEvent].reduce(after, state);
  assert.deepEqual(steps(state, { kind: "mute", id: "a", muted: true }), [
    { kind: "setMuted", id: "a", muted: true },
    { kind: "setMuted", id: "b", muted: true },
  ]);
  assert.ok(!allowed(state, call(state, "a")).includes("transfer"));
  assert.deepEqual(steps(state, { kind: "split" }), [
    { kind: "mix", ids: [] },
    { kind: "setHold", id: "a", held: true },
    { kind: "show", id: "b" },
  ]);
  assert.equal(call(after(state, ended("a")), "a").merged, false);
});

test("more calls than one keeps apart are not made, and no nonsense is sent as tones", () => {
  const many = play(...Array.from({ length: mostCalls }, (_, index) => outgoing(String(index))));
  assert.deepEqual(steps(many, { kind: "dial", number: "1" }), []);
  assert.deepEqual(steps(idle, { kind: "dial", number: "" }), []);
  const state = play(outgoing("a"), answered("a"));
  assert.deepEqual(steps(state, { kind: "tones", id: "a", tones: "1x" }), []);
  assert.deepEqual(steps(state, { kind: "tones", id: "a", tones: "12#*" }), [{ kind: "sendTones", id: "a", tones: "12#*" }]);
  assert.deepEqual(steps(play(outgoing("a")), { kind: "tones", id: "a", tones: "1" }), [], "nobody has answered yet");
});
