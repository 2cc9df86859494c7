/**
 * `./khmara test [check|unit|e2e] [PATTERN …]`: all tests, or those whose path contains a pattern. Ends with the line
 * `N passed, N failed` for the whole run. With CI=true a missing tool is a failure, never a skip.
 */
import { globSync } from "node:fs";
import { join } from "node:path";
import { run as runTests } from "node:test";
import { spec } from "node:test/reporters";
import { printCheck, runChecks } from "./check.ts";
import { repository } from "./checks.ts";
import { installTestTools } from "./test-tools.ts";

const kinds = ["check", "unit", "e2e"] as const;
type Kind = (typeof kinds)[number];

const words = process.argv.slice(2);
const chosen = kinds.filter((kind) => words.includes(kind));
const patterns = words.filter((word) => !(kinds as readonly string[]).includes(word));
const wanted = (kind: Kind) => chosen.length === 0 || chosen.includes(kind);
const unknown = patterns.filter((pattern) => pattern.startsWith("-"));
if (unknown.length > 0) {
  process.stderr.write(`khmara test: there is no option ${unknown[0]}. Use: ./khmara test [check|unit|e2e] [part of a path …]\n`);
  process.exit(2);
}

let passed = 0;
let failed = 0;
let skipped = 0;
const failures: string[] = [];
const began = performance.now();

if (wanted("check") && patterns.length === 0) {
  for (const result of await runChecks(printCheck)) {
    if (result.passed) passed++;
    else {
      failed++;
      failures.push(`check: ${result.name}`);
    }
  }
}
const files = (suffix: string) =>
  globSync(`{kernel,services,server,gateway,client,cli,console,testing,tools,e2e,bench}/**/*.${suffix}`, { cwd: repository })
    .filter(
      (file) => !file.includes("node_modules") && (patterns.length === 0 || patterns.some((pattern) => file.includes(pattern))),
    )
    .sort()
    .map((file) => join(repository, file));

// Node's own parallelism, on few cores.
if (wanted("unit")) await test(files("test.ts"), 2);
if (wanted("e2e")) {
  const scenarios = files("e2e.ts");
  const missing = scenarios.length > 0 ? await installTestTools() : [];
  for (const tool of missing) {
    failed++;
    failures.push(`tool: ${tool}`);
  }
  // One cloud at a time: each measures and kills its own.
  await test(scenarios, 1);
}

if (failures.length > 0) process.stdout.write(`\nFailed:\n${failures.map((failure) => `  ✖ ${failure}\n`).join("")}`);
process.stdout.write(`\n${Math.round((performance.now() - began) / 1000)} seconds\n`);
process.stdout.write(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}\n`);
process.exit(failed > 0 || passed === 0 ? 1 : 0);

async function test(paths: string[], concurrency: number): Promise<void> {
  if (paths.length === 0) return;
  const stream = runTests({ files: paths, concurrency, timeout: 1_200_000, cwd: repository });
  stream.on("test:pass", (event) => {
    if (event.details.type === "suite") return;
    if (event.skip !== undefined) skipped++;
    else passed++;
  });
  stream.on("test:fail", (event) => {
    if (event.details.type === "suite") return;
    failed++;
    failures.push(`${event.file?.slice(repository.length + 1) ?? ""} ${event.name}`);
  });
  const report = stream.compose(spec);
  for await (const text of report) process.stdout.write(text as string);
}
