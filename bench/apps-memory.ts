/** What the cloud's own processes hold (PSS) with fifty apps that run: right after they were made, and when it has started again. */
import { mkdirSync, mkdtempSync, openAsBlob, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { EngineOf } from "../e2e/app-engine.ts";
import { type Client, exec, finished, newCloud, type TestCloud } from "../e2e/cloud.ts";
import { gatewayProcesses } from "../server/gateway-process.ts";
import { processTree, pssBytes } from "../testing/processes.ts";
import { mebibytes, table, tell } from "./report.ts";
import type { BenchOptions } from "./run.ts";

const apps = 50;

export async function run({ idleSeconds = 60 }: Partial<BenchOptions>): Promise<string> {
  const cloud = await newCloud({ apps: true });
  let engine: EngineOf | undefined;
  try {
    await cloud.start();
    const { client, organisationId, projectId } = await cloud.signIn();
    for (const name of ["apps.apps", "apps.memory", "apps.images"])
      for (const place of [{}, { project: projectId as never }])
        await client
          .quotaUpdate({ organisation: organisationId as never, ...place, name, limit: 2 ** 45 })
          .catch((error: Error) => tell(`apps-memory: the quota ${name} stays: ${error.message}`));
    engine = await EngineOf.open(cloud);
    await engine.giveBase("static", "12");
    await makeApps(cloud, client, projectId);
    tell(`apps-memory: idle for ${idleSeconds} s, twice`);
    await sleep(idleSeconds * 1000);
    const made = ownProcesses(cloud);
    // What a process took while it worked it keeps for a while; a new one shows what the apps themselves need.
    await cloud.stop();
    await cloud.start();
    await sleep(idleSeconds * 1000);
    const all = [made, ownProcesses(cloud)];
    const sum = (of: Map<string, number>) => [...of.values()].reduce((total, bytes) => total + bytes, 0);
    return table(
      [`memory (PSS), idle for ${idleSeconds} s`, `${apps} apps, just made`, `${apps} apps, started again`],
      [
        ...[...made.keys()].map((name) => [name, ...all.map((each) => mebibytes(each.get(name) ?? 0))]),
        ["**all**", ...all.map((each) => `**${mebibytes(sum(each))}**`)],
      ],
    );
  } finally {
    await cloud.remove();
    await engine?.remove();
  }
}

/** Small sites, three at a time. */
async function makeApps(cloud: TestCloud, client: Client, projectId: string): Promise<void> {
  const folder = mkdtempSync(join(cloud.folder, "site-"));
  mkdirSync(join(folder, "site"));
  writeFileSync(join(folder, "site", "index.html"), "<h1>One of many</h1>");
  const archive = join(folder, "site.tar");
  await exec("tar", ["-cf", archive, "-C", join(folder, "site"), "."]);
  let made = 0;
  const names = Array.from({ length: apps }, (_, index) => `site-${index + 1}`);
  await Promise.all(
    Array.from({ length: 3 }, async () => {
      for (let name = names.shift(); name !== undefined; name = names.shift()) {
        const app = await client.appCreate({ project: projectId as never, name });
        const { id } = await client.appDeploy({ app: app.id }, { rawBody: await openAsBlob(archive) });
        await finished(client, { id }, 600);
        if (++made % 10 === 0) tell(`apps-memory: ${made} of ${apps}`);
      }
    }),
  );
}

/** Not those of Docker and of the apps. */
function ownProcesses(cloud: TestCloud): Map<string, number> {
  const sums = new Map<string, number>();
  const add = (name: string, pid: number) => sums.set(name, (sums.get(name) ?? 0) + pssBytes(pid));
  // Children of whoever started them, if that is still there.
  const gateway = gatewayProcesses(join(cloud.dataDirectory, "gateway"));
  for (const { pid, command } of processTree(cloud.pid).filter((each) => !gateway.includes(each.pid)))
    add(/server\/(\w+)\.[jt]s/.exec(command)?.[1] ?? (command.includes("postgres") ? "PostgreSQL" : "others"), pid);
  for (const pid of gateway) add("HAProxy", pid);
  return sums;
}
