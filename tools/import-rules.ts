import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bin, repository, run } from "./checks.ts";

const roots = ["kernel", "services", "server", "cli", "client", "console"];
/** Fewer than this, and the cruise has not seen our modules: it passes over what it cannot parse without a word. */
const leastModules = 200;

const cruise = async (folder: string) => {
  const { output } = await run(bin("depcruise"), ["--config", ".dependency-cruiser.cjs", "--output-type", "json", ...roots], {
    cwd: folder,
  });
  const start = output.indexOf("{");
  if (start === -1) throw new Error(output);
  const report = JSON.parse(output.slice(start, output.lastIndexOf("}") + 1)) as {
    summary: { totalCruised: number; violations: { rule: { name: string }; from: string; to: string }[] };
  };
  return report.summary;
};

/** One file per rule that breaks it, and the rule that must find it. */
const planted: Record<string, { file: string; source: string }> = {
  "kernel-knows-no-service": { file: "kernel/planted.ts", source: 'import "../services/audit/index.ts";' },
  "services-meet-at-contract": { file: "services/audit/planted.ts", source: 'import "../identity/index.ts";' },
  "sql-only-in-store": {
    file: "services/audit/planted-sql.ts",
    source: 'import { openDatabase } from "../../kernel/db/database.ts";\nopenDatabase({ url: "" });',
  },
  "console-runs-no-contract": {
    file: "console/planted.ts",
    source: 'import contract from "../services/audit/contract.ts";\nconsole.log(contract);',
  },
  "console-sees-only-contracts": {
    file: "console/planted-kernel.ts",
    source: 'import type { Tx } from "../kernel/db/database.ts";\nexport type Planted = Tx;',
  },
  "cli-sees-only-contracts": {
    file: "cli/planted-kernel.ts",
    source: 'import type { Tx } from "../kernel/db/database.ts";\nexport type Planted = Tx;',
  },
  "client-sees-only-contracts": {
    file: "client/planted.ts",
    source: 'import type { Tx } from "../kernel/db/database.ts";\nexport type Planted = Tx;',
  },
  "front-door": { file: "server/planted.ts", source: 'import "../services/audit/service.ts";' },
  "no-unresolved": { file: "server/planted-missing.ts", source: 'import "./there-is-none.ts";' },
  "no-cycles": { file: "server/planted-cycle.ts", source: 'import "./planted-cycle-2.ts";\nexport const one = 1;' },
  "not-to-test": { file: "server/planted-test.ts", source: 'import "../testing/postgres.ts";' },
  "drivers-implement-only-the-port": { file: "services/objects/drivers/planted.ts", source: 'import "../service.ts";' },
  "contract-is-pure": { file: "services/planted/contract.ts", source: 'import "../../kernel/db/database.ts";' },
};

export async function checkImportRules(): Promise<string[]> {
  const problems: string[] = [];
  const clean = await cruise(repository);
  if (clean.totalCruised < leastModules)
    problems.push(`only ${clean.totalCruised} modules were seen; at least ${leastModules} are there`);
  for (const { rule, from, to } of clean.violations) problems.push(`${rule.name}: ${from} → ${to}`);
  if (problems.length > 0) return problems;
  // In a copy: the tree itself is never dirty, whatever happens.
  const copy = mkdtempSync(join(tmpdir(), "khmara-import-rules-"));
  try {
    for (const name of [...roots, ".dependency-cruiser.cjs", "tsconfig.json", "package.json"])
      cpSync(join(repository, name), join(copy, name), { recursive: true });
    symlinkSync(join(repository, "node_modules"), join(copy, "node_modules"));
    for (const { file, source } of Object.values(planted)) {
      mkdirSync(join(copy, file, ".."), { recursive: true });
      writeFileSync(join(copy, file), `${source}\n`);
    }
    writeFileSync(join(copy, "server/planted-cycle-2.ts"), 'import "./planted-cycle.ts";\nexport const two = 2;\n');
    mkdirSync(join(copy, "testing"));
    writeFileSync(join(copy, "testing/postgres.ts"), "export const there = true;\n");
    const broken = await cruise(copy);
    for (const [rule, { file }] of Object.entries(planted)) {
      if (
        !broken.violations.some(
          (violation) => violation.rule.name === rule && violation.from.startsWith(file.slice(0, -".ts".length)),
        )
      )
        problems.push(`the rule ${rule} did not find its planted violation in ${file}`);
    }
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
  return problems;
}
