import assert from "node:assert/strict";
import { cpSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { bin, repository, run } from "./checks.ts";

const copy = mkdtempSync(join(tmpdir(), "khmara-new-service-"));
after(() => rmSync(copy, { recursive: true, force: true }));

test("a new service type-checks, keeps the import rules and is in the API", async () => {
  const left = new Set(["node_modules", ".git", "e2e", "docs", "bench"]);
  // Its pictures are taken with the end-to-end tests' cloud, which the copy leaves out.
  left.add("tools/screenshots.ts");
  cpSync(repository, copy, {
    recursive: true,
    filter: (path) => {
      const inside = path.slice(repository.length + 1);
      return !left.has(inside) && !left.has(inside.split("/")[0] as string);
    },
  });
  symlinkSync(join(repository, "node_modules"), join(copy, "node_modules"));
  const made = await run(process.execPath, [join(repository, "tools/new-service.ts"), "parcels", copy]);
  assert.equal(made.code, 0, made.output);
  const generated = await run(process.execPath, ["tools/generate.ts"], { cwd: copy });
  assert.equal(generated.code, 0, generated.output);
  // What was made, what it was written into, and all that these import; the rest is checked as it is.
  const touched = ["services/parcels", "services/contracts.ts", "server/cloud.ts", "server/core.ts", "client/client.ts"];
  const settings = { extends: "./tsconfig.json", include: [...touched, "services/**/*.d.ts"] };
  writeFileSync(join(copy, "tsconfig.parcels.json"), JSON.stringify(settings));
  const types = await run(bin("tsc"), ["-p", "tsconfig.parcels.json"], { cwd: copy });
  assert.equal(types.code, 0, types.output);
  const rules = await run(bin("depcruise"), ["--config", ".dependency-cruiser.cjs", "services", "server"], { cwd: copy });
  assert.equal(rules.code, 0, rules.output);
  const found = await run("grep", ["-c", '"/api/v1/parcels"', "openapi.json"], { cwd: copy });
  assert.equal(found.output.trim(), "1");
  const again = await run(process.execPath, [join(repository, "tools/new-service.ts"), "parcels", copy]);
  assert.equal(again.code, 2);
});
