import assert from "node:assert/strict";
import { test } from "node:test";
import { openAdmission } from "./admission.ts";

test("who sends from where somebody says that a trunk is may send more than others, but not without end", () => {
  let time = 0;
  const admission = openAdmission({
    isKnown: (flow) => flow === "known",
    isProvider: (address) => address === "192.0.2.1",
    now: () => time,
  });
  const heard = (address: string, flow = "") => {
    let count = 0;
    while (count < 20_000 && admission.admits(address, flow)) count++;
    return count;
  };
  assert.equal(heard("198.51.100.1"), 600);
  assert.equal(heard("192.0.2.1"), 6000, "a burst of calls is no flood");
  time += 1000;
  assert.equal(heard("192.0.2.1"), 600);
  for (let failures = 0; failures < 9; failures++) admission.failed("192.0.2.1");
  time += 10_000;
  assert.equal(heard("192.0.2.1"), 0, "nonsense counts there too");
  assert.equal(heard("192.0.2.1", "known"), 20_000, "a trunk that has answered is heard");
});
