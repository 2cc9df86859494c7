/** `npm run bench -- [start|memory|objects|object-listing|api|compute|gateway|apps|apps-memory|voice|voice-media]`: without a name all of them, one after the other. The figures are for reading: nothing fails by them. */
import { parseArgs } from "node:util";
import { machine } from "./report.ts";

const benchmarks = [
  "start",
  "memory",
  "objects",
  "object-listing",
  "api",
  "compute",
  "gateway",
  "apps",
  "apps-memory",
  "voice",
  "voice-media",
] as const;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: "string" },
    seconds: { type: "string" },
    idle: { type: "string" },
    help: { type: "boolean", short: "h" },
  },
});
const unknown = positionals.filter((name) => !benchmarks.some((each) => each === name));
if (values.help || unknown.length > 0) {
  for (const name of unknown) process.stderr.write(`There is no benchmark ${name}.\n`);
  process.stdout.write(`npm run bench -- [${benchmarks.join("|")}] [--rounds N] [--seconds N] [--idle SECONDS]

  --rounds   how often each thing is measured; the table has medians (start and compute: 7, apps: 5, others: 3)
  --seconds  how long one measurement of a throughput takes (3)
  --idle     how long the cloud idles before its memory is read (60)
`);
  process.exit(unknown.length > 0 ? 2 : 0);
}

const number = (value: string | undefined): number | undefined => (value === undefined ? undefined : Number(value));
const options = { rounds: number(values.rounds), seconds: number(values.seconds), idleSeconds: number(values.idle) };

process.stdout.write(`${machine()}\n`);
for (const name of benchmarks) {
  if (positionals.length > 0 && !positionals.includes(name)) continue;
  const { run } = (await import(`./${name}.ts`)) as { run: (options: BenchOptions) => Promise<string> };
  process.stdout.write(`\n## ${name}\n\n${await run(options)}\n`);
}
process.stdout.write(`\n${machine()}\n`);

export interface BenchOptions {
  rounds: number | undefined;
  seconds: number | undefined;
  idleSeconds: number | undefined;
}
