import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { choose, runBeside } from "./test-lanes.ts";

const plain: string[] = [];
const lxd = ["lxd"];
const docker = ["docker"];

test("what begins next: what needs an engine that is free, else what needs none; one of a busy engine when nothing else is left", () => {
  assert.equal(choose([plain, lxd], []), 1);
  assert.equal(choose([lxd, plain, docker], [lxd]), 2);
  assert.equal(choose([lxd, docker, plain], [lxd, docker]), 2);
  assert.equal(choose([lxd, lxd], [lxd]), 0);
  assert.equal(choose([], [lxd]), -1);
});

test("all run once, never more than there are lanes, and the check has one", async () => {
  const kinds = [plain, lxd, docker, plain];
  const names = Array.from({ length: 60 }, (_, index) => String(index));
  const engines = (name: string) => kinds[Number(name) % kinds.length] as string[];
  const begun: string[] = [];
  const busy: string[] = [];
  let now = 1;
  let fullest = 0;
  const check = turn().then(() => {
    now--;
  });
  const run = async (name: string) => {
    begun.push(name);
    fullest = Math.max(fullest, ++now);
    if (names.some((each) => !begun.includes(each) && engines(each).length === 0))
      for (const engine of engines(name)) assert.ok(!busy.includes(engine), engine);
    busy.push(...engines(name));
    for (let round = Number(name) % 7; round >= 0; round--) await turn();
    for (const engine of engines(name)) busy.splice(busy.indexOf(engine), 1);
    now--;
  };
  await runBeside(names, 3, run, { check, engines });
  assert.deepEqual([...begun].sort(), [...names].sort());
  assert.deepEqual([fullest, now], [3, 0]);
});
