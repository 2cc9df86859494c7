import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { newCloud } from "../e2e/cloud.ts";
import { processTree, rssBytes } from "../e2e/processes.ts";
import { generate, type Result } from "./generate.ts";
import type { Job } from "./load.ts";
import { startNginx } from "./nginx.ts";
import { figure, mebibytes, median, table, tell } from "./report.ts";
import type { BenchOptions } from "./run.ts";

const small = [4 * 1024, 64 * 1024];
const large = 64 * 2 ** 20;
/** Gets go over so many objects. */
const objects = 500;

/** Durable puts and gets through the S3 door, signed with their content; beside them nginx and dd on the same disk. */
export async function run({ rounds = 3, seconds = 3 }: BenchOptions): Promise<string> {
  const cloud = await newCloud();
  const nginx = await startNginx();
  if (nginx === undefined) tell("objects: nginx is not installed (apt-get install nginx-light), so there is no floor.");
  try {
    await cloud.start();
    const { client, projectId } = await cloud.signIn();
    const key = await client.accessKeyCreate({ project: projectId as never, name: "bench" });
    await client.bucketCreate({ project: projectId as never, name: "bench" });
    const door = processTree(cloud.pid).find(({ command }) => /server\/objects\.ts/.test(command))?.pid as number;
    const ours = (job: Job): Promise<Result> =>
      generate(
        {
          ...job,
          port: cloud.s3Port,
          path: `/bench${job.path}`,
          status: 200,
          sign: { accessKeyId: key.accessKeyId, secretAccessKey: key.secretAccessKey, region: "us-east-1" },
        },
        [door],
      );
    // A PUT that replaces a file answers 204: its names are new each time.
    const theirs = async (job: Job): Promise<Result | undefined> => nginx && generate({ ...job, port: nginx.port }, [nginx.pid]);
    let names = 0;
    let residentBytes = 0;

    const rows: string[][] = [];
    const measure = async (name: string, work: () => Job, times: number, show: (result: Result) => string): Promise<void> => {
      const pairs: { own: Result; floor: Result | undefined }[] = [];
      for (let round = 0; round < times; round++) {
        tell(`objects: ${name}, round ${round + 1}`);
        const job = work();
        pairs.push({ own: await ours(job), floor: await theirs(job) });
        residentBytes = Math.max(residentBytes, rssBytes(door));
      }
      const of = (pick: (result: Result) => number, some: (Result | undefined)[]) =>
        median(some.filter((each) => each !== undefined).map(pick));
      const ratio = (pick: (result: Result) => number) =>
        nginx === undefined ? "" : median(pairs.map(({ own, floor }) => pick(own) / pick(floor as Result))).toFixed(2);
      const middle = (some: (Result | undefined)[]): Result | undefined =>
        some.toSorted((a, b) => (a?.perSecond ?? 0) - (b?.perSecond ?? 0))[Math.floor(some.length / 2)];
      const own = pairs.map((pair) => pair.own);
      const floor = pairs.map((pair) => pair.floor);
      rows.push([
        name,
        show(middle(own) as Result),
        figure(of((each) => each.p50, own)),
        figure(of((each) => each.p99, own)),
        figure(of((each) => 1000 / each.perCpuSecond, own)),
        nginx ? show(middle(floor) as Result) : "",
        ratio((each) => each.perSecond),
        ratio((each) => each.perCpuSecond),
      ]);
    };
    const perSecond = (result: Result) => `${figure(result.perSecond)}/s`;
    const throughput = (result: Result) => `${figure(result.bytes / 2 ** 20 / result.seconds)} MiB/s`;

    for (const size of small) {
      const base = { port: 0, connections: 16, seconds: 0, bodyBytes: size } as const;
      const fill: Job = { ...base, method: "PUT", path: `/read-${size}-{n}`, requests: objects, status: 201 };
      await ours(fill);
      await theirs(fill);
      for (const connections of [1, 16, 64]) {
        const put = (): Job => ({
          ...base,
          connections,
          seconds,
          method: "PUT",
          path: `/put-${size}-${names++}-{n}`,
          status: 201,
        });
        await measure(`put ${size / 1024} KiB × ${connections}`, put, rounds, perSecond);
      }
      for (const connections of [1, 16, 64]) {
        const { bodyBytes: _, ...withoutBody } = base;
        const get = (): Job => ({
          ...withoutBody,
          connections,
          seconds,
          method: "GET",
          path: `/read-${size}-{n}`,
          count: objects,
          status: 200,
        });
        await measure(`get ${size / 1024} KiB × ${connections}`, get, rounds, perSecond);
      }
    }
    for (const connections of [1, 16]) {
      const requests = Math.max(connections, 4);
      const put = (): Job => ({
        port: 0,
        connections,
        seconds: 0,
        requests,
        method: "PUT",
        path: `/large-${connections}-${names++}-{n}`,
        bodyBytes: large,
        status: 201,
      });
      await measure(`put 64 MiB × ${connections}`, put, rounds, throughput);
      const get = (): Job => ({
        port: 0,
        connections,
        seconds: 0,
        requests,
        method: "GET",
        path: `/large-${connections}-${names - 1}-{n}`,
        status: 200,
      });
      await measure(`get 64 MiB × ${connections}`, get, rounds, throughput);
    }
    const head = ["", "Khmara", "p50 ms", "p99 ms", "CPU ms", "nginx", "÷ nginx", "÷ nginx, per CPU second"];
    return [
      table(head, rows),
      "",
      `The object door held ${mebibytes(residentBytes)} at most (RSS).`,
      "",
      table(["floor of this disk and processor", ""], floors(rounds)),
    ].join("\n");
  } finally {
    await cloud.remove();
    await nginx?.stop();
  }
}

/** What nothing that is durable goes below here: dd with fsync, and the hash of a signed body. */
function floors(rounds: number): string[][] {
  const folder = mkdtempSync(join(tmpdir(), "khmara-bench-dd-"));
  const file = join(folder, "file");
  const dd = (...words: string[]): number => {
    const began = performance.now();
    execFileSync("dd", ["if=/dev/zero", `of=${file}`, ...words], { stdio: "ignore" });
    return (performance.now() - began) / 1000;
  };
  try {
    const times = Array.from({ length: rounds });
    const largeSeconds = median(times.map(() => dd("bs=1M", "count=64", "conv=fsync")));
    const smallSeconds = median(times.map(() => dd("bs=4k", "count=500", "oflag=dsync")));
    const body = Buffer.alloc(large, 1);
    const hash = (name: string): number =>
      median(
        times.map(() => {
          const began = performance.now();
          createHash(name).update(body).digest();
          return (performance.now() - began) / 1000;
        }),
      );
    const sha256 = hash("sha256");
    const md5 = hash("md5");
    const rate = (time: number) => `${figure(64 / time)} MiB/s`;
    return [
      ["dd, 64 MiB, one fsync", rate(largeSeconds)],
      ["dd, 4 KiB, each synced, one after the other", `${figure(500 / smallSeconds)}/s`],
      ["SHA-256, which a signed body needs", rate(sha256)],
      ["MD5, which an ETag needs", rate(md5)],
      ["dd and both, one after the other", rate(largeSeconds + sha256 + md5)],
    ];
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
