/** `npm run check`: everything that can be known without running the cloud. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { bin, type CheckResult, repository, run } from "./checks.ts";
import { checkImportRules } from "./import-rules.ts";
import { checkDocumentPaths, checkServiceShape } from "./service-shape.ts";

const command =
  (program: string, ...args: string[]) =>
  async () => {
    const { code, output } = await run(program, args);
    return code === 0 ? [] : [output.trim()];
  };
const script = (file: string, ...args: string[]) => command(process.execPath, join(repository, file), ...args);

const checks: Record<string, () => Promise<string[]>> = {
  types: command(bin("tsc"), "-p", "."),
  "types of the console": command(bin("tsc"), "-p", "console"),
  "lint and format": command(bin("biome"), "ci", "--reporter=summary", "."),
  translations: script("console/i18n/check.ts"),
  "generated files (OpenAPI, client)": script("tools/generate.ts", "--check"),
  "service shape": checkServiceShape,
  "paths in documents": async () => checkDocumentPaths(),
  "import rules": checkImportRules,
};

export async function runChecks(onResult: (result: CheckResult) => void): Promise<CheckResult[]> {
  const results: CheckResult[] = [];
  for (const [name, check] of Object.entries(checks)) {
    const problems = await check().catch((error: Error) => [error.stack ?? error.message]);
    const result = { name, passed: problems.length === 0, output: problems.join("\n") };
    results.push(result);
    onResult(result);
  }
  return results;
}

export function printCheck({ name, passed, output }: CheckResult): void {
  process.stdout.write(`${passed ? "✔" : "✖"} check: ${name}\n${passed ? "" : `${output.replace(/^/gm, "    ")}\n`}`);
}

if (process.argv[1] === import.meta.filename) {
  if (!existsSync(join(repository, "node_modules"))) throw new Error("Run it as ./khmara check: that installs what it needs.");
  const results = await runChecks(printCheck);
  const failed = results.filter((result) => !result.passed).length;
  process.stdout.write(`${results.length - failed} passed, ${failed} failed\n`);
  process.exitCode = failed > 0 ? 1 : 0;
}
