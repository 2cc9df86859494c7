import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { raiseKernelLimits } from "./kernelLimits.ts";

test("limits of the kernel that are too low are raised, others left; what there is not is no limit", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "khmara-limits-"));
  t.after(() => rmSync(folder, { recursive: true }));
  mkdirSync(join(folder, "fs/inotify"), { recursive: true });
  const [low, high] = ["fs/inotify/max_user_instances", "fs/inotify/max_user_watches"];
  writeFileSync(join(folder, low), "128\n");
  writeFileSync(join(folder, high), "2000000\n");
  assert.deepEqual(await raiseKernelLimits(folder), { [low]: [128, 1_048_576] });
  assert.equal(readFileSync(join(folder, low), "utf8"), "1048576");
  assert.equal(readFileSync(join(folder, high), "utf8"), "2000000\n");
  assert.deepEqual(await raiseKernelLimits(folder), {});
});
