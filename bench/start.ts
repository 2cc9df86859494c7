import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { startPostgres } from "../server/postgres.ts";
import { Installation } from "./installation.ts";
import { median, seconds, table, tell } from "./report.ts";
import type { BenchOptions } from "./run.ts";

/** From `./khmara up` to its line that it is ready; beside it what nothing on this machine can go below. */
export async function run({ rounds = 7 }: BenchOptions): Promise<string> {
  const installation = new Installation();
  try {
    tell("start: everything for the first time");
    const whole = installation.newDataFolder();
    const wholeMs = await startOnce(installation, whole);

    // The same with npm's part done: what an update costs.
    const builds = join(installation.cache, "console");
    const rebuilt: number[] = [];
    const cached: number[] = [];
    for (let round = 0; round < Math.min(rounds, 3); round++) {
      tell(`start: new data, round ${round + 1}`);
      const aside = join(installation.folder, `console-${round}`);
      if (existsSync(builds)) renameSync(builds, aside);
      rebuilt.push(await startOnce(installation, installation.newDataFolder()));
      rmSync(aside, { recursive: true, force: true });
      cached.push(await startOnce(installation, installation.newDataFolder()));
    }

    const later: number[] = [];
    const killed: number[] = [];
    const postgres: number[] = [];
    const node: number[] = [];
    const cluster = await newCluster(installation);
    // Taken in turns, so that whatever else the machine does falls on all of them.
    for (let round = 0; round < rounds; round++) {
      tell(`start: later starts, round ${round + 1}`);
      later.push(await startOnce(installation, whole, "SIGKILL"));
      killed.push(await startOnce(installation, whole));
      postgres.push(await cluster());
      node.push(time(() => execFileSync(process.execPath, ["-e", "0"])));
    }
    const floor = median(postgres) + median(node);
    const row = (name: string, values: number[]) => [
      name,
      seconds(median(values)),
      seconds(Math.min(...values)),
      seconds(Math.max(...values)),
      String(values.length),
      (median(values) / floor).toFixed(1),
    ];
    return table(
      ["start", "median", "least", "most", "measured", "× floor"],
      [
        row("first: empty folder and cache, npm's own cache warm", [wholeMs]),
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

async function startOnce(installation: Installation, dataFolder: string, signal?: NodeJS.Signals): Promise<number> {
  const cloud = await installation.up(dataFolder);
  await cloud.end(signal);
  return cloud.readyMs;
}

function time(work: () => void): number {
  const began = performance.now();
  work();
  return performance.now() - began;
}

/** A cluster of its own; each call starts PostgreSQL on it, to the line that it takes connections. */
async function newCluster(installation: Installation): Promise<() => Promise<number>> {
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
    const ms = performance.now() - began;
    await server.stop();
    return ms;
  };
}
