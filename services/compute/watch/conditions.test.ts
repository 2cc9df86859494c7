import assert from "node:assert/strict";
import { test } from "node:test";
import { type Firing, judge, type Pending, type Rule, type Watched } from "./conditions.ts";

const rule = (change: Partial<Rule> = {}): Rule => ({
  id: "arl_1",
  projectId: "prj_1",
  metric: "cpu_percent",
  comparison: "above",
  threshold: 80,
  resolveThreshold: 70,
  forSeconds: 30,
  scope: { kind: "all" },
  ...change,
});
const instance: Watched = { id: "ins_1", projectId: "prj_1", labels: { role: "web" } };

/** Feeds values, one each ten seconds (undefined: nothing measured), and tells what happened when. */
function play(values: (number | undefined)[], given: Rule = rule(), gapSeconds = 10): string[] {
  let pending: Pending[] = [];
  let firing: Firing[] = [];
  const told: string[] = [];
  for (const [index, value] of values.entries()) {
    const at = new Date(1_700_000_000_000 + index * gapSeconds * 1000);
    const {
      pending: left,
      fire,
      firing: on,
      resolve,
    } = judge({
      rules: [given],
      instances: [instance],
      measure: () => value,
      pending,
      firing,
      at,
    });
    pending = left;
    firing = [
      ...on,
      ...fire.map((each) => ({
        id: "alt_1",
        ruleId: each.rule.id,
        instanceId: each.instanceId,
        worstValue: each.worstValue,
        lastValue: each.value,
        seenAt: at,
        recoveringSince: null,
      })),
    ];
    for (const each of fire)
      told.push(
        `${index}: fires at ${each.value}, worst ${each.worstValue}, began ${(at.getTime() - each.beganAt.getTime()) / 1000} s ago`,
      );
    for (const each of resolve) told.push(`${index}: ${each.resolution}, worst ${each.alert.worstValue}`);
  }
  return told;
}

test("it fires after its time in a row, not before, and once", () => {
  assert.deepEqual(play([90, 95, 91]), []);
  assert.deepEqual(play([90, 95, 91, 92, 99, 99]), ["3: fires at 92, worst 95, began 30 s ago"]);
  assert.deepEqual(play([90, 95, 79, 92, 99, 99]), [], "one good value begins it anew");
  assert.deepEqual(play([80, 80, 80, 80, 80]), [], "at the threshold is not above it");
  assert.deepEqual(play([90], rule({ forSeconds: 0 })), ["0: fires at 90, worst 90, began 0 s ago"]);
});

test("between the two thresholds nothing changes; beyond the second one it ends after its time", () => {
  const fired = [90, 90, 90, 90];
  assert.deepEqual(play([...fired, 75, 75, 75, 75, 75]).length, 1, "no flapping");
  assert.deepEqual(play([...fired, 99, 60, 60, 60, 60]).at(-1), "8: recovered, worst 99");
  assert.deepEqual(play([...fired, 60, 60, 60, 75, 60, 60, 60, 60]).at(-1), "11: recovered, worst 90");
  assert.deepEqual(play([...fired, 70, 70, 70, 70]).at(-1), "7: recovered, worst 90", "at the second threshold is good");
});

test("below works the other way round", () => {
  const below = rule({ metric: "memory_bytes", comparison: "below", threshold: 100, resolveThreshold: 120, forSeconds: 10 });
  assert.deepEqual(play([90, 80, 110, 130, 130], below), ["1: fires at 80, worst 80, began 10 s ago", "4: recovered, worst 80"]);
});

test("what cannot be measured for a moment changes nothing; for longer it ends the alert, or begins anew", () => {
  assert.deepEqual(play([90, undefined, 90, 90]), ["3: fires at 90, worst 90, began 30 s ago"]);
  const gap = Array<undefined>(8).fill(undefined);
  assert.deepEqual(play([90, 90, ...gap, 90, 90]), []);
  assert.deepEqual(play([90, 90, 90, 90, ...gap]).at(-1), "10: not_measured, worst 90");
  assert.deepEqual(play([90, 90, 90, 90], rule(), 100), [], "after a long pause nobody knows what was in between");
});

test("an instance that goes, or is no longer meant, ends its alert", () => {
  const firing: Firing = {
    id: "alt_1",
    ruleId: "arl_1",
    instanceId: "ins_1",
    worstValue: 90,
    lastValue: 90,
    seenAt: new Date(),
    recoveringSince: null,
  };
  const resolutions = (rules: Rule[], instances: Watched[]) =>
    judge({ rules, instances, measure: () => 95, pending: [], firing: [firing], at: new Date() }).resolve.map(
      ({ resolution }) => resolution,
    );
  assert.deepEqual(resolutions([rule()], [instance]), []);
  assert.deepEqual(resolutions([rule()], []), ["instance_deleted"]);
  assert.deepEqual(resolutions([rule({ scope: { kind: "label", key: "role", value: "db" } })], [instance]), ["rule_changed"]);
  assert.deepEqual(resolutions([], [instance]), ["rule_changed"]);
});

test("a scope is all of the project, one instance, or a label", () => {
  const others: Watched[] = [
    instance,
    { id: "ins_2", projectId: "prj_1", labels: { role: "db" } },
    { id: "ins_3", projectId: "prj_1", labels: {} },
    { id: "ins_4", projectId: "prj_2", labels: { role: "web" } },
  ];
  const met = (scope: Rule["scope"]) =>
    judge({
      rules: [rule({ scope })],
      instances: others,
      measure: () => 99,
      pending: [],
      firing: [],
      at: new Date(),
    }).pending.map(({ instanceId }) => instanceId);
  assert.deepEqual(met({ kind: "all" }), ["ins_1", "ins_2", "ins_3"]);
  assert.deepEqual(met({ kind: "instance", instanceId: "ins_2" as never }), ["ins_2"]);
  assert.deepEqual(met({ kind: "label", key: "role" }), ["ins_1", "ins_2"]);
  assert.deepEqual(met({ kind: "label", key: "role", value: "web" }), ["ins_1"]);
});
