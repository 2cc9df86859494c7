import { execFileSync } from "node:child_process";
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { startPostgres } from "../server/postgres.ts";
import { Installation } from "./installation.ts";
import { median, seconds, table, tell } from "./report.ts";
import type { BenchOptions } from "./run.ts";

interface Start {
  readyMs: number;
  cpuMs?: number;
}

/** From `./khmara up` to its line that it is ready; beside it what nothing on this machine can go below. */
export async function run({ rounds = 7 }: BenchOptions): Promise<string> {
  const installation = new Installation();
  try {
    tell("start: everything for the first time");
    const whole = installation.newDataFolder();
    const first = await startOnce(installation, whole);

    // The same with npm's part done: what an update costs.
    const builds = join(installation.cache, "console");
    const rebuilt: Start[] = [];
    const cached: Start[] = [];
    for (let round = 0; round < Math.min(rounds, 3); round++) {
      tell(`start: new data, round ${round + 1}`);
      rmSync(builds, { recursive: true, force: true });
      rebuilt.push(await startOnce(installation, installation.newDataFolder()));
      cached.push(await startOnce(installation, installation.newDataFolder()));
    }

    const later: Start[] = [];
    const killed: Start[] = [];
    const postgres: Start[] = [];
    const node: Start[] = [];
    const cluster = await newCluster(installation);
    // Taken in turns, so that whatever else the machine does falls on all of them.
    for (let round = 0; round < rounds; round++) {
      tell(`start: later starts, round ${round + 1}`);
      later.push(await startOnce(installation, whole, "SIGKILL"));
      killed.push(await startOnce(installation, whole));
      postgres.push(await cluster());
      const began = performance.now();
      execFileSync(process.execPath, ["-e", "0"]);
      node.push({ readyMs: performance.now() - began });
    }
    const floor = median(postgres.map(({ readyMs }) => readyMs)) + median(node.map(({ readyMs }) => readyMs));
    const row = (name: string, starts: Start[]) => {
      const values = starts.map(({ readyMs }) => readyMs);
      const cpu = starts.flatMap(({ cpuMs }) => cpuMs ?? []);
      return [
        name,
        seconds(median(values)),
        seconds(Math.min(...values)),
        seconds(Math.max(...values)),
        cpu.length === 0 ? "" : seconds(median(cpu)),
        (median(values) / floor).toFixed(1),
        String(values.length),
      ];
    };
    return table(
      ["start", "median", "least", "most", "processor time", "× both floors", "measured"],
      [
        row("first: empty folder and cache, npm's own cache warm", [first]),
        row("first: new data, console to be built", rebuilt),
        row("first: new data, console built before", cached),
        row("later", later),
        row("later, after kill -9", killed),
        row("floor: PostgreSQL alone, same binaries and settings", postgres),
        row("floor: node -e 0", node),
      ],
    );
  } finally {
    installation.remove();
  }
}

async function startOnce(installation: Installation, dataFolder: string, signal?: NodeJS.Signals): Promise<Start> {
  const { readyMs, cpuMs, end } = await installation.up(dataFolder);
  await end(signal);
  return { readyMs, cpuMs };
}

/** A cluster of its own; each call starts PostgreSQL on it, to the line that it takes connections. */
async function newCluster(installation: Installation): Promise<() => Promise<Start>> {
  const folder = join(installation.folder, "cluster");
  mkdirSync(folder, { mode: 0o711 });
  const start = () =>
    startPostgres({
      folder: join(folder, "postgresql"),
      passwordFile: join(folder, "password"),
      cacheFolder: installation.cache,
    });
  await (await start()).stop();
  return async () => {
    const began = performance.now();
    const server = await start();
    const readyMs = performance.now() - began;
    await server.stop();
    return { readyMs };
  };
}
