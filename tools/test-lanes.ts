import { readFileSync } from "node:fs";
import { cpus } from "node:os";
import { basename } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

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

/** What a file takes of the machine while it runs. */
export interface Demand {
  /** Out of `room`. */
  weight: number;
  /** Which engines it works with: all share those of the tests. */
  engines: readonly string[];
  /** It waits for what is said on the phone most of the time. */
  speaks: boolean;
}

/** Two processors are full with three files of units, or with two scenarios, which compute nearly all the time, and what speaks beside them. */
export const room = 3;
const weights = { scenario: 1.25, unit: 1, speech: 0.5 };
/** Their sounds are measured: they must not be late for each other. */
const mostSpeaking = 2;
/** Files that wait (for a phone, for an engine) leave processors idle: with so much of them unused between two looks, one more begins. */
const unusedShare = 0.35;
/** Whatever the processors say: memory, and what begins to compute later. */
const mostRoom = 2 * room;
/** Of the checks: types and lint. */
const checks: Demand = { weight: 1, engines: [], speaks: false };

export function demandOf(file: string): Demand {
  const text = readFileSync(file, "utf8");
  const isScenario = file.endsWith(".e2e.ts");
  const speaks = !isScenario && file.includes("/services/voice/");
  const signs = Object.entries(isScenario ? engineWords : engineImports);
  return {
    weight: weights[isScenario ? "scenario" : speaks ? "speech" : "unit"],
    engines: signs.filter(([, sign]) => sign.test(text)).map(([engine]) => engine),
    speaks,
  };
}

/**
 * Runs all, as many beside each other as there is room for, and one more whenever processors are idle, in their order as far as it goes. `check` computes
 * beside them until it resolves.
 */
export async function runBeside(
  files: readonly string[],
  run: (file: string) => Promise<unknown>,
  {
    check,
    demand = demandOf,
    unused = unusedProcessors(),
    lookMs = 4000,
  }: { check?: Promise<unknown> | undefined; demand?: typeof demandOf; unused?: () => number; lookMs?: number } = {},
): Promise<void> {
  const waiting = files.map((file) => ({ file, demand: demand(file) }));
  const running = new Map<Promise<void>, Demand>();
  const add = (work: Promise<unknown>, demand: Demand) => {
    const over: Promise<void> = work.then(() => void running.delete(over));
    running.set(over, demand);
  };
  if (check) add(check, checks);
  let now = room;
  while (waiting.length > 0 || running.size > 0) {
    const next = choose(
      waiting.map((each) => each.demand),
      [...running.values()],
      now,
    );
    now = room;
    const [begun] = next === -1 ? [] : waiting.splice(next, 1);
    if (begun) {
      add(run(begun.file), begun.demand);
      unused();
      continue;
    }
    const ended = Promise.race(running.keys()).then(() => true);
    while (!(await Promise.race([ended, sleep(lookMs, false, { ref: false })])))
      if (unused() > unusedShare) {
        now = mostRoom;
        break;
      }
  }
}

/** The share of this machine's processors, 0 to 1, that nobody used since it was asked the last time. */
function unusedProcessors(): () => number {
  let before = { idle: 0, all: 0 };
  return () => {
    const times = cpus().map((each) => each.times);
    const idle = times.reduce((sum, each) => sum + each.idle, 0);
    const all = times.flatMap((each) => Object.values(each)).reduce((sum, each) => sum + each, 0);
    const share = all === before.all ? 0 : (idle - before.idle) / (all - before.all);
    before = { idle, all };
    return share;
  };
}

/**
 * Which one begins now, or -1: those with an engine first, as only one at a time has it, then what speaks, which would leave the processors idle if it
 * were left to itself at the end; two of one engine only when nothing else is left.
 */
export function choose(waiting: readonly Demand[], running: readonly Demand[], most = room): number {
  const free = most - running.reduce((sum, { weight }) => sum + weight, 0);
  const busy = running.flatMap(({ engines }) => engines);
  const maySpeak = running.filter(({ speaks }) => speaks).length < mostSpeaking;
  const clashes = ({ engines }: Demand) => engines.some((each) => busy.includes(each));
  const fits: ((demand: Demand) => boolean)[] = [
    (demand) => demand.engines.length > 0 && !clashes(demand),
    ({ speaks }) => speaks && maySpeak,
    ({ engines, speaks }) => engines.length === 0 && !speaks,
    () => waiting.every(clashes),
  ];
  for (const fit of fits) {
    const index = waiting.findIndex((demand) => demand.weight <= free && fit(demand));
    if (index !== -1) return index;
  }
  return -1;
}
