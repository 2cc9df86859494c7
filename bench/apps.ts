/**
 * Applications on the Docker of the tests: from `git push` to traffic, back to an earlier release, and twenty deployments in a row under load. What the
 * cloud itself holds with many apps is `bench apps-memory`, the gateway beside other proxies `bench gateway`.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { EngineOf } from "../e2e/app-engine.ts";
import { type Client, exec, finished, newCloud, type TestCloud } from "../e2e/cloud.ts";
import { visit } from "../e2e/visitors.ts";
import { installTestTools } from "../tools/test-tools.ts";
import { figure, median, seconds, table, tell } from "./report.ts";
import type { BenchOptions } from "./run.ts";

const deploysInARow = 20;
const longRequestSeconds = 10;
const pollMs = 20;

export async function run({ rounds = 5 }: Partial<BenchOptions>): Promise<string> {
  if ((await installTestTools({ "/usr/bin/wrk": "wrk", "/usr/bin/git": "git" })).length > 0)
    return "Not measured: its tools are missing.";
  const cloud = await newCloud({ apps: true });
  let engine: EngineOf | undefined;
  try {
    await cloud.start();
    const { client, token, organisationId, projectId } = await cloud.signIn();
    for (const name of ["apps.apps", "apps.memory", "apps.images"])
      for (const place of [{}, { project: projectId as never }])
        await client
          .quotaUpdate({ organisation: organisationId as never, ...place, name, limit: 2 ** 45 })
          .catch((error: Error) => tell(`apps: the quota ${name} stays: ${error.message}`));
    engine = await EngineOf.open(cloud);
    await engine.giveBase("node", "24");
    const parts: string[] = [];
    // At once, too: the whole takes a quarter of an hour.
    const add = (part: string) => {
      parts.push(part);
      tell(`\n${part}\n`);
    };
    const shop = new Pushed(cloud, token, "shop");
    const app = await client.appCreate({ project: projectId as never, name: "shop" });
    tell("apps: the first push");
    const first = await shop.push();
    const warm: Pushes[] = [];
    for (let round = 0; round < (rounds ?? 5); round++) {
      warm.push(await shop.push());
      tell(`apps: push ${round + 1}: ${seconds(warm.at(-1)?.trafficMs ?? 0)}`);
    }
    const back: Pushes[] = [];
    for (let round = 0; round < (rounds ?? 5); round++) {
      back.push(await rollback(cloud, client, app.id, shop));
      tell(`apps: rollback ${round + 1}: ${seconds(back.at(-1)?.trafficMs ?? 0)}`);
    }
    const row = (name: string, all: Pushes[], aim: string) => {
      const of = (pick: (one: Pushes) => number) => all.map(pick);
      return [
        name,
        seconds(median(of(({ trafficMs }) => trafficMs))),
        seconds(Math.max(...of(({ trafficMs }) => trafficMs))),
        seconds(median(of(({ doneMs }) => doneMs))),
        aim,
        String(all.length),
      ];
    };
    add(
      table(
        ["a small app of Node.js", "to traffic", "most", "until all is done", "aim", "measured"],
        [row("git push, the first", [first], ""), row("git push, a later one", warm, "10 s"), row("rollback", back, "5 s")],
      ),
    );
    add(await underLoad(cloud, shop));
    return parts.join("\n\n");
  } finally {
    await cloud.remove();
    await engine?.remove();
  }
}

interface Pushes {
  /** Until the gateway answered with the new version. */
  trafficMs: number;
  /** Until the old containers were gone, and the client was told so. */
  doneMs: number;
}

const source = (version: string) => `
const server = require("node:http").createServer((request, response) => {
  if (request.url === "/long") return void setTimeout(() => response.end("version ${version}"), ${longRequestSeconds * 1000});
  response.end("version ${version}");
});
server.listen(process.env.PORT);
process.on("SIGTERM", () => server.close(() => process.exit(0)));
`;

/** A repository of git's, with an app behind it. */
class Pushed {
  readonly host: string;
  readonly #folder: string;
  readonly #port: number;
  readonly #remote: string;
  #version = 0;

  constructor(cloud: TestCloud, token: string, app: string) {
    this.host = `${app}.default.localhost`;
    this.#port = Number(cloud.apps?.httpPort);
    this.#folder = mkdtempSync(join(cloud.folder, "repository-"));
    this.#remote = `http://git:${token}@127.0.0.1:${cloud.port}/git/default/${app}.git`;
  }

  get version(): string {
    return String(this.#version);
  }

  async #git(...words: string[]): Promise<void> {
    const identity = ["-c", "user.name=Olena", "-c", "user.email=olena@example.org"];
    await exec("git", ["-C", this.#folder, ...identity, ...words], { env: { HOME: this.#folder, GIT_CONFIG_NOSYSTEM: "1" } });
  }

  async push(): Promise<Pushes> {
    if (this.#version === 0) await this.#git("init", "--quiet", "--initial-branch=main");
    this.#version++;
    const files = {
      "package.json": JSON.stringify({ name: "shop", private: true, scripts: { start: "node server.js" } }),
      "server.js": source(this.version),
    };
    for (const [name, content] of Object.entries(files)) writeFileSync(join(this.#folder, name), content);
    await this.#git("add", "--all");
    await this.#git("commit", "--quiet", "--message", `Version ${this.version}`);
    return this.measure(() => this.#git("push", "--quiet", this.#remote, "main"));
  }

  /** From now until the version that is named is what answers, and until the work is done. */
  async measure(work: () => Promise<unknown>, version = this.version): Promise<Pushes> {
    const began = performance.now();
    const since = () => performance.now() - began;
    let failed = false;
    const done = work().then(since, (error: unknown) => {
      failed = true;
      throw error;
    });
    const answered = (async () => {
      for (;;) {
        if (failed) return Number.NaN;
        const { text } = await visit(this.#port, this.host).catch(() => ({ text: "" }));
        if (text === `version ${version}`) return since();
        await sleep(pollMs);
      }
    })();
    const [doneMs, trafficMs] = await Promise.all([done, answered]);
    return { doneMs, trafficMs };
  }
}

/** To and fro between the last two versions. */
async function rollback(cloud: TestCloud, client: Client, app: string, shop: Pushed): Promise<Pushes> {
  const port = Number(cloud.apps?.httpPort);
  const now = (await visit(port, shop.host)).text;
  const { items } = await client.releaseList({ app: app as never });
  // What is live is the newest, and the one before it what was live until then.
  const numbers = items.map(({ number }) => number).sort((one, other) => other - one);
  const release = Number(numbers[1]);
  const before = Number(now.split(" ")[1]);
  const wanted = String(before === Number(shop.version) ? before - 1 : Number(shop.version));
  return shop.measure(async () => {
    const { id } = await client.appRollback({ app: app as never, release });
    await finished(client, { id });
  }, wanted);
}

/** Deployments one after the other, while wrk never stops asking and some requests last longer than a deployment's draining may. */
async function underLoad(cloud: TestCloud, shop: Pushed): Promise<string> {
  const port = Number(cloud.apps?.httpPort);
  const url = `http://127.0.0.1:${port}/`;
  const words = ["-t", "1", "-c", "4", "-d", "3600s", "--timeout", "60s", "--latency", "-H", `Host: ${shop.host}:${port}`, url];
  const wrk = spawn("wrk", words, { stdio: ["ignore", "pipe", "inherit"] });
  let told = "";
  wrk.stdout.on("data", (piece) => (told += piece));
  const ended = once(wrk, "close");
  let deploying = true;
  const long = { answered: 0, failed: [] as string[] };
  const asking = Array.from({ length: 4 }, async (_, index) => {
    await sleep((index * longRequestSeconds * 1000) / 4);
    while (deploying) {
      const outcome = await visit(port, shop.host, { path: "/long" }).then(
        ({ status, text }) => (status === 200 && text.startsWith("version ") ? undefined : `${status} ${text}`),
        String,
      );
      if (outcome === undefined) long.answered++;
      else long.failed.push(outcome);
    }
  });
  const times: Pushes[] = [];
  try {
    for (let round = 0; round < deploysInARow; round++) {
      times.push(await shop.push());
      tell(`apps: under load, deployment ${round + 1}: ${seconds(times.at(-1)?.doneMs ?? 0)}`);
    }
  } finally {
    deploying = false;
    await Promise.all(asking);
    wrk.kill("SIGINT");
    await ended;
  }
  const number = (pattern: RegExp) => Number(pattern.exec(told)?.[1] ?? 0);
  const sockets = /Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)/.exec(told)?.slice(1).map(Number) ?? [];
  const failures = number(/Non-2xx or 3xx responses: (\d+)/) + sockets.reduce((sum, each) => sum + each, 0);
  for (const words of long.failed) tell(`apps: a long request failed: ${words}`);
  return table(
    [`${deploysInARow} deployments in a row`, "requests", "per second", "failed"],
    [
      ["wrk, 4 connections", figure(number(/(\d+) requests in/)), figure(number(/Requests\/sec:\s+([\d.]+)/)), String(failures)],
      [
        `lasting ${longRequestSeconds} s, 4 at a time`,
        String(long.answered + long.failed.length),
        "",
        String(long.failed.length),
      ],
      ["a deployment, in the median", seconds(median(times.map(({ doneMs }) => doneMs))), "", ""],
    ],
  );
}
