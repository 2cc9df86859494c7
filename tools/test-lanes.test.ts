import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { choose, type Demand, runBeside } from "./test-lanes.ts";

const scenario: Demand = { room: 3, engines: [] };
const unit: Demand = { room: 2, engines: [] };
const voice: Demand = { room: 1, engines: [] };
const lxd: Demand = { room: 2, engines: ["lxd"] };
const docker: Demand = { room: 2, engines: ["docker"] };

test("what begins next: what needs an engine that is free, else what has room; one of a busy engine when nothing else is left", () => {
  assert.equal(choose([scenario, unit, lxd], []), 2);
  assert.equal(choose([lxd, scenario, docker], [lxd]), 2);
  assert.equal(choose([lxd, docker, scenario], [lxd, docker]), 2);
  assert.equal(choose([lxd, scenario, unit, voice], [scenario, scenario]), 3);
  assert.equal(choose([lxd, scenario], [lxd, scenario]), -1, "the engine is busy, and there is no room for the other");
  assert.equal(choose([lxd, lxd], [lxd, scenario]), 0);
  assert.equal(choose([voice], [scenario, scenario, voice]), -1);
  assert.equal(choose([voice], [voice, voice, voice, voice]), -1, "what is said must still come in time");
  assert.equal(choose([], []), -1);
});

test("all run once, never more than there is room for, and the check counts", async () => {
  const kinds = [scenario, unit, voice, lxd, docker];
  const names = Array.from({ length: 60 }, (_, index) => String(index));
  const demand = (name: string) => kinds[Number(name) % kinds.length] as Demand;
  const begun: string[] = [];
  const busy: string[] = [];
  let now = 3;
  let fullest = 0;
  const check = turn().then(() => {
    now -= 3;
  });
  const run = async (name: string) => {
    begun.push(name);
    const { room, engines } = demand(name);
    now += room;
    fullest = Math.max(fullest, now);
    if (names.length - begun.length > 24) for (const engine of engines) assert.ok(!busy.includes(engine), engine);
    busy.push(...engines);
    for (let round = Number(name) % 7; round >= 0; round--) await turn();
    for (const engine of engines) busy.splice(busy.indexOf(engine), 1);
    now -= room;
  };
  await runBeside(names, run, { check, demand });
  assert.deepEqual([...begun].sort(), [...names].sort());
  assert.equal(fullest, 7);
  assert.equal(now, 0);
});
