import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { missingPackages } from "./dependencies.ts";

test("what npm recorded is compared with the lock file", (t) => {
  const folder = mkdtempSync(join(tmpdir(), "khmara-dependencies-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const lock = (file: string, packages: Record<string, object>) =>
    writeFileSync(join(folder, file), JSON.stringify({ packages }));
  const wanted = {
    "": {},
    "node_modules/a": { version: "1.0.0" },
    "node_modules/b": { version: "2.0.0", dev: true },
    "node_modules/c-arm64": { version: "3.0.0", optional: true },
  };
  lock("package-lock.json", wanted);
  assert.deepEqual(missingPackages(folder, "lean"), ["node_modules"]);

  mkdirSync(join(folder, "node_modules", "a"), { recursive: true });
  lock("node_modules/.package-lock.json", { "node_modules/a": { version: "1.0.0" } });
  assert.deepEqual(missingPackages(folder, "lean"), []);
  assert.deepEqual(missingPackages(folder, "full"), ["node_modules/b"]);

  lock("package-lock.json", { ...wanted, "node_modules/a": { version: "1.0.1" } });
  assert.deepEqual(missingPackages(folder, "lean"), ["node_modules/a"]);
});
