import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep, setImmediate as turn } from "node:timers/promises";
import { choose, type Demand, room, runBeside } from "./test-lanes.ts";

const unit: Demand = { weight: 1, engines: [], speaks: false };
const scenario: Demand = { weight: 1.25, engines: [], speaks: false };
const speech: Demand = { weight: 0.5, engines: [], speaks: true };
const lxd: Demand = { weight: 1, engines: ["lxd"], speaks: false };
const docker: Demand = { weight: 1.25, engines: ["docker"], speaks: false };

test("what begins next: what needs an engine that is free, then what speaks, then the rest, as far as there is room", () => {
  assert.equal(choose([unit, speech, lxd], []), 2);
  assert.equal(choose([lxd, unit, docker], [lxd]), 2);
  assert.equal(choose([lxd, docker, unit, speech], [lxd, docker]), 3);
  assert.equal(choose([lxd, docker, unit], [lxd, docker]), -1, "there is no room");
  assert.equal(choose([lxd, scenario, unit], [lxd]), 1);
  assert.equal(choose([unit, speech], [scenario, scenario]), 1);
  assert.equal(choose([speech], [speech, speech]), -1, "sounds would be late");
  assert.equal(choose([lxd, unit], [lxd, speech]), 1, "the engine is busy, and there is something else");
  assert.equal(choose([lxd, lxd], [lxd]), 0);
  assert.equal(choose([], [lxd]), -1);
});

test("all run once, never more than there is room for, and the check takes its part", async () => {
  const kinds = [unit, lxd, docker, scenario, speech];
  const names = Array.from({ length: 60 }, (_, index) => String(index));
  const demand = (name: string) => kinds[Number(name) % kinds.length] as Demand;
  const begun: string[] = [];
  const busy: string[] = [];
  let now = 1;
  let fullest = 0;
  let isChecked = false;
  let besideCheck = 0;
  const check = turn().then(() => {
    now--;
    isChecked = true;
  });
  const run = async (name: string) => {
    const { weight, engines } = demand(name);
    begun.push(name);
    now += weight;
    fullest = Math.max(fullest, now);
    if (!isChecked) besideCheck++;
    if (names.some((each) => !begun.includes(each) && demand(each).engines.length === 0))
      for (const engine of engines) assert.ok(!busy.includes(engine), engine);
    busy.push(...engines);
    for (let round = Number(name) % 7; round >= 0; round--) await turn();
    for (const engine of engines) busy.splice(busy.indexOf(engine), 1);
    now -= weight;
  };
  await runBeside(names, run, { check, demand, unused: () => 0 });
  assert.deepEqual([...begun].sort(), [...names].sort());
  assert.deepEqual([fullest, now], [room, 0]);
  assert.ok(besideCheck > 0);
});

test("one more begins when processors are idle, and no second one before they are idle again", async () => {
  const ends = new Map<string, () => void>();
  let unused = 0;
  let looks = 0;
  const all = runBeside(["a", "b", "c", "d", "e"], (name) => new Promise<void>((resolve) => ends.set(name, resolve)), {
    demand: () => unit,
    unused: () => {
      looks++;
      const share = unused;
      unused = 0;
      return share;
    },
    lookMs: 1,
  });
  const lookedTwice = async () => {
    const before = looks;
    while (looks < before + 2) await sleep(1);
    return [...ends.keys()].join("");
  };
  assert.equal(await lookedTwice(), "abc");
  unused = 0.5;
  assert.equal(await lookedTwice(), "abcd");
  assert.equal(await lookedTwice(), "abcd");
  const ending = setInterval(() => ends.forEach((end) => void end()), 1);
  await all;
  clearInterval(ending);
});
