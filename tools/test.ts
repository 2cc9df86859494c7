/**
 * `./khmara test [check|unit|e2e] [PATTERN …]`: all tests, or those whose path contains a pattern. Ends with the line
 * `N passed, N failed` for the whole run. With CI=true a missing tool is a failure, never a skip.
 */
import { globSync } from "node:fs";
import { cpus } from "node:os";
import { join, relative, resolve } from "node:path";
import { Transform } from "node:stream";
import { run as runTests } from "node:test";
import { spec } from "node:test/reporters";
import { processTree } from "../testing/processes.ts";
import { printCheck, runChecks } from "./check.ts";
import { repository } from "./checks.ts";
import { longestFirst, runBeside } from "./test-lanes.ts";
import { installTestTools, lighterTools } from "./test-tools.ts";

const limitMinutes = 85;
const sums = /^(tests|suites|pass|fail|cancelled|skipped|todo|duration_ms) /;
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

/** Of what is no test file: checks and tools. */
const others: FileResult = { passed: 0, skipped: 0, failures: [] };
/** Of each test file; of its second run where it had one. */
const results = new Map<string, FileResult>();
/** Of each run of a file, seconds. */
const durations: { file: string; seconds: number }[] = [];
/** What failed beside other files and passed alone. */
const triedAgain: string[] = [];
const began = performance.now();
const processorBefore = processorTime();
// Whatever hangs, what was seen is told before a CI gives up (90 minutes).
setTimeout(() => {
  others.failures.push(`the run did not end within ${limitMinutes} minutes`);
  finish();
}, limitMinutes * 60_000).unref();

const files = (suffix: string) =>
  globSync(`{kernel,services,server,gateway,client,cli,console,testing,tools,e2e,bench}/**/*.${suffix}`, { cwd: repository })
    .filter(
      (file) => !file.includes("node_modules") && (patterns.length === 0 || patterns.some((pattern) => file.includes(pattern))),
    )
    .sort()
    .map((file) => join(repository, file));

const scenarios = wanted("e2e") ? files("e2e.ts") : [];
const units = wanted("unit") ? files("test.ts") : [];
const checked = wanted("check") && patterns.length === 0 ? check() : undefined;
// Once for all: each further run of apt would cost what it reads and sets up again.
if (scenarios.length > 0) {
  const missing = await installTestTools();
  others.failures.push(...missing.map((tool) => `tool: ${tool}`));
  await installTestTools(lighterTools);
}
await test([...scenarios, ...units].toSorted(longestFirst), checked);

finish();

function finish(): never {
  const all = [others, ...results.values()];
  const passed = all.reduce((sum, each) => sum + each.passed, 0);
  const skipped = all.reduce((sum, each) => sum + each.skipped, 0);
  const failures = all.flatMap((each) => each.failures);
  if (triedAgain.length > 0) process.stdout.write(`\nFailed beside others, passed alone:\n${lines(triedAgain)}`);
  if (failures.length > 0) process.stdout.write(`\nFailed:\n${lines(failures)}`);
  const slowest = durations.toSorted((one, other) => other.seconds - one.seconds).slice(0, 15);
  const told = slowest.map(
    ({ file, seconds }) => `  ${String(Math.round(seconds)).padStart(4)} s ${relative(repository, file)}\n`,
  );
  if (durations.length > 1) process.stdout.write(`\nThe longest:\n${told.join("")}`);
  const busy = processorTime().map((each, index) => each - (processorBefore[index] ?? 0)) as [number, number];
  const share = Math.round((100 * busy[0]) / (busy[0] + busy[1]));
  process.stdout.write(`\n${Math.round((performance.now() - began) / 1000)} seconds, processors busy for ${share} % of them\n`);
  process.stdout.write(`${passed} passed, ${failures.length} failed${skipped > 0 ? `, ${skipped} skipped` : ""}\n`);
  process.exit(failures.length > 0 || passed === 0 ? 1 : 0);
}

/** Of this whole machine: busy and idle, in milliseconds. */
function processorTime(): [busy: number, idle: number] {
  const all = cpus().map(({ times }) => times);
  const idle = all.reduce((sum, times) => sum + times.idle, 0);
  return [all.flatMap((times) => Object.values(times)).reduce((sum, each) => sum + each, 0) - idle, idle];
}

function lines(texts: string[]): string {
  return texts.map((text) => `  ✖ ${text}\n`).join("");
}

interface FileResult {
  passed: number;
  skipped: number;
  failures: string[];
}

async function check(): Promise<void> {
  for (const result of await runChecks(printCheck)) {
    if (result.passed) others.passed++;
    else others.failures.push(`check: ${result.name}`);
  }
}

/**
 * Real engines on two cores are sometimes late for each other: a file that fails is run once more, alone, and that counts. It is told
 * which ones needed it.
 */
async function test(files: readonly string[], check?: Promise<void>): Promise<void> {
  await runBeside(files, async (file) => void results.set(file, await runFile(file)), { check });
  for (const file of files) {
    const first = results.get(file)?.failures ?? [];
    if (first.length === 0) continue;
    process.stdout.write(`\nOnce more, alone: ${relative(repository, file)}\n`);
    const second = await runFile(file);
    results.set(file, second);
    if (second.failures.length === 0) triedAgain.push(...first);
  }
}

/** By itself: a test may be written in another file than the one that was asked for, and its events name that other one. */
async function runFile(file: string): Promise<FileResult> {
  const result: FileResult = { passed: 0, skipped: 0, failures: [] };
  const start = performance.now();
  const underWay = new Map<string, string>();
  const isScenario = file.endsWith(".e2e.ts");
  // What a test that failed left open must not keep its process, and with it the whole run, for ever. What hangs is told by its name, and is run
  // once more: it must leave time for that.
  const execArgv = ["--test-force-exit", ...(isScenario ? [] : ["--test-timeout=300000"])];
  const timeout = isScenario ? 1_200_000 : 480_000;
  const stream = runTests({ files: [file], timeout, cwd: repository, execArgv });
  // Node asks it to end, which a process that computes for ever never hears.
  const stuck = setTimeout(() => {
    const of = processTree(process.pid).filter(({ command }) => command.endsWith(file));
    for (const { pid } of of) process.kill(pid, "SIGKILL");
  }, timeout + 20_000);
  // Events of the moment; those below come in the order of the file.
  const idOf = ({ nesting, line, column, name }: { nesting: number; line?: number; column?: number; name: string }) =>
    JSON.stringify([nesting, line, column, name]);
  stream.on("test:dequeue", (event) => underWay.set(idOf(event), event.name));
  stream.on("test:complete", (event) => underWay.delete(idOf(event)));
  stream.on("test:pass", (event) => {
    if (event.details.type === "suite") return;
    if (event.skip !== undefined) result.skipped++;
    else result.passed++;
  });
  stream.on("test:fail", (event) => {
    // A suite fails with what is in it, or by a hook of its own.
    const { cause, failureType } = event.details.error as Error & { failureType?: string };
    if (event.details.type === "suite" && failureType === "subtestsFailed") return;
    const message = (cause instanceof Error ? cause.message : String(cause)).replace(/\s+/g, " ").slice(0, 500);
    // A file that was ended in the middle fails as a whole: what it was at is told.
    const names = [...underWay.values()].filter((name) => resolve(name) !== file);
    const late = performance.now() - start > timeout ? `it did not end within ${timeout / 1000} seconds: ` : "";
    const at = `${late}${names.length > 0 ? `in “${names.join("”, “")}”: ` : ""}`;
    result.failures.push(`${relative(repository, file)}: ${event.name}: ${resolve(event.name) === file ? at : ""}${message}`);
  });
  const texts: string[] = [`\n${relative(repository, file)}\n`];
  const report = stream.pipe(news()).compose(spec);
  for await (const text of report) texts.push(String(text));
  clearTimeout(stuck);
  durations.push({ file, seconds: (performance.now() - start) / 1000 });
  // At once, as another file may be at it too.
  process.stdout.write(texts.join(""));
  return result;
}

/** The sums of one file say little. */
function news(): Transform {
  return new Transform({
    objectMode: true,
    transform({ type, data }: { type: string; data: { nesting?: number; message?: string } }, _, done) {
      const isSum = type === "test:diagnostic" && data.nesting === 0 && sums.test(data.message ?? "");
      if (isSum) done();
      else done(null, { type, data });
    },
  });
}
