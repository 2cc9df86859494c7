import { readFileSync } from "node:fs";
import { basename } from "node:path";

/** What takes long, the longest first: begun at the end, such a file would have the machine for itself. */
const long = [
  ...["compute-crash", "s3-clients", "console-look", "overlay", "apps", "crash", "softphone-cloud", "console-apps", "apps-crash"],
  ...["volumes.lxd", "swarm", "start", "lxd", "codes", "queues", "compute", "console-phone", "databases.docker", "cluster"],
  ...["memory", "moving", "watching", "console-buckets", "mailbox", "object-cluster", "databases", "catalogue.docker", "outside"],
  ...["jobs.lxd", "console", "console-databases", "docker", "rtpengine", "elements", "softphone", "bucket-backup", "backup"],
  ...["new-service", "bigRoom", "network", "features", "external-database", "growth", "s3-hardship", "builds", "gateway"],
  ...["softphone-moves", "instances.lxd", "supervisor", "processes", "firewall", "flows"],
];

export function longestFirst(one: string, other: string): number {
  return orderOf(one) - orderOf(other);
}

function orderOf(file: string): number {
  const index = long.indexOf(basename(file).replace(/\.(e2e|test)\.ts$/, ""));
  return index === -1 ? long.length : index;
}

const engineImports: Record<string, RegExp> = {
  docker: /"(\.\.\/)+testing\/(docker|apps)\w*\.ts"/,
  lxd: /"(\.\.\/)+testing\/lxd\w*\.ts"/,
};
/** As scenarios ask for them (e2e/cloud.ts). */
const engineWords: Record<string, RegExp> = {
  docker: /newCloud\(\{[^}]*\bapps: true/,
  lxd: /newCloud\(\{[^}]*\bengine: true/,
};

/** Which engines a file works with: all share those of the tests. */
export function enginesOf(file: string): string[] {
  const text = readFileSync(file, "utf8");
  const signs = Object.entries(file.endsWith(".e2e.ts") ? engineWords : engineImports);
  return signs.filter(([, sign]) => sign.test(text)).map(([engine]) => engine);
}

/** Runs all, `lanes` at a time, in their order as far as it goes. `check` computes beside them until it resolves, and has a lane. */
export async function runBeside(
  files: readonly string[],
  lanes: number,
  run: (file: string) => Promise<unknown>,
  { check, engines = enginesOf }: { check?: Promise<unknown> | undefined; engines?: typeof enginesOf } = {},
): Promise<void> {
  const waiting = files.map((file) => ({ file, engines: engines(file) }));
  const running = new Map<Promise<void>, string[]>();
  const add = (work: Promise<unknown>, engines: string[]) => {
    const over: Promise<void> = work.then(() => void running.delete(over));
    running.set(over, engines);
  };
  if (check) add(check, []);
  while (waiting.length > 0 || running.size > 0) {
    const isFull = running.size >= lanes;
    const next = isFull
      ? -1
      : choose(
          waiting.map((each) => each.engines),
          [...running.values()],
        );
    const [begun] = next === -1 ? [] : waiting.splice(next, 1);
    if (begun) add(run(begun.file), begun.engines);
    else await Promise.race(running.keys());
  }
}

/**
 * Which one begins now, or -1: those with an engine first, as only one at a time has it; two of one engine only when nothing else is left.
 */
export function choose(waiting: readonly string[][], running: readonly string[][]): number {
  const busy = running.flat();
  const clashes = (engines: string[]) => engines.some((each) => busy.includes(each));
  const fits: ((engines: string[]) => boolean)[] = [
    (engines) => engines.length > 0 && !clashes(engines),
    (engines) => engines.length === 0,
    () => true,
  ];
  for (const fit of fits) {
    const index = waiting.findIndex(fit);
    if (index !== -1) return index;
  }
  return -1;
}
