import { setTimeout as sleep } from "node:timers/promises";
import { processTree, pssBytes, rssBytes } from "../testing/processes.ts";
import { Installation } from "./installation.ts";
import { mebibytes, table, tell } from "./report.ts";
import type { BenchOptions } from "./run.ts";

/**
 * What the whole process tree holds when nobody uses it. PSS counts a page that several processes share once, so that its sum is what the
 * machine really gives; the sum of RSS counts it once for each. The installation is a copy, whose files no other process maps.
 */
export async function run({ idleSeconds = 60 }: BenchOptions): Promise<string> {
  const installation = new Installation();
  try {
    const dataFolder = installation.newDataFolder();
    tell("memory: installing");
    // A first start compiles and builds; what is measured is every later one.
    await (await installation.up(dataFolder)).end();
    const cloud = await installation.up(dataFolder);
    tell(`memory: idle for ${idleSeconds} s`);
    await sleep(idleSeconds * 1000);
    const processes = processTree(cloud.pid).map(({ pid, command }) => ({
      name: nameOf(command),
      pss: pssBytes(pid),
      rss: rssBytes(pid),
    }));
    await cloud.end();
    const groups = Map.groupBy(processes, ({ name }) => name);
    const sum = (of: "pss" | "rss", some = processes) => some.reduce((total, each) => total + each[of], 0);
    return table(
      [`idle for ${idleSeconds} s`, "processes", "PSS", "RSS"],
      [
        ...[...groups].map(([name, some]) => [
          name,
          String(some.length),
          mebibytes(sum("pss", some)),
          mebibytes(sum("rss", some)),
        ]),
        ["**all**", String(processes.length), `**${mebibytes(sum("pss"))}**`, mebibytes(sum("rss"))],
      ],
    );
  } finally {
    installation.remove();
  }
}

const nameOf = (command: string): string =>
  /server\/(\w+)\.[jt]s/.exec(command)?.[1] ??
  (/ idle/.test(command) ? "PostgreSQL, connections" : /postgres/.test(command) ? "PostgreSQL" : command.slice(0, 40));
