import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { newCloud } from "../e2e/cloud.ts";
import { processTree } from "../testing/processes.ts";
import { generate, type Result } from "./generate.ts";
import { Held } from "./held.ts";
import type { Job } from "./load.ts";
import { startNginx } from "./nginx.ts";
import { figure, median, table, tell } from "./report.ts";
import type { BenchOptions } from "./run.ts";
import { s3rverKeys, startS3rver } from "./s3rver.ts";

const small = [4 * 1024, 64 * 1024, 2 ** 20];
const large = 64 * 2 ** 20;
const connectionsOf = [1, 16, 64];
/** Gets go over so many objects. */
const objectsOf = (size: number): number => (size > 2 ** 18 ? 64 : 500);
/** So many are deleted, at each number of connections. */
const deleted = 1000;
const keys = 1000;

/** What is held at most is told of each kind of work apart, as what one leaves behind is there in the next. */
const heldNames = (name: string): string[] => ["in all", name.replace(/ × \d+$/, "")];

/** A server that is measured, and what of a job it needs said otherwise. */
interface Server {
  name: string;
  pids: () => number[];
  job: (job: Job) => Job;
}

/** Durable puts, gets, lists and deletes through the S3 door, signed with their content; beside them nginx, s3rver and dd on the same disk. */
export async function run({ rounds = 3, seconds = 3 }: BenchOptions): Promise<string> {
  const cloud = await newCloud();
  const nginx = await startNginx();
  const s3rver = await startS3rver();
  if (nginx === undefined) tell("objects: nginx is not installed (apt-get install nginx-light), so there is no floor.");
  try {
    await cloud.start();
    const { client, projectId } = await cloud.signIn();
    const key = await client.accessKeyCreate({ project: projectId as never, name: "bench" });
    await client.bucketCreate({ project: projectId as never, name: "bench" });
    const doors = () =>
      processTree(cloud.pid)
        .filter(({ command }) => /server\/objects\.[jt]s/.test(command))
        .map(({ pid }) => pid);
    const signed = (port: number, sign: NonNullable<Job["sign"]>) => (job: Job) => ({
      ...job,
      port,
      path: `/bench${job.path}`,
      status: job.status === 201 ? 200 : job.status,
      sign,
    });
    const region = "us-east-1";
    const servers: Server[] = [
      {
        name: "Khmara",
        pids: doors,
        job: signed(cloud.s3Port, { accessKeyId: key.accessKeyId, secretAccessKey: key.secretAccessKey, region }),
      },
      ...(nginx === undefined
        ? []
        : [{ name: "nginx", pids: () => [nginx.pid], job: (job: Job) => ({ ...job, port: nginx.port }) }]),
      ...(s3rver === undefined
        ? []
        : [{ name: "s3rver", pids: () => [s3rver.pid], job: signed(s3rver.port, { ...s3rverKeys, region }) }]),
    ];
    const [own] = servers;
    const alone = servers.slice(0, 1);
    const held = new Held(doors);
    held.look("before the first request");
    let names = 0;

    const rows: string[][] = [];
    /** In turns; of each the round in the middle. */
    async function measure(
      name: string,
      work: (n: number) => Job,
      show: (result: Result) => string,
      of = servers,
    ): Promise<void> {
      const results = new Map<string, Result[]>();
      for (let round = 0; round < rounds; round++) {
        tell(`objects: ${name}, round ${round + 1}`);
        const job = work(names++);
        for (const server of of) {
          const run = () => generate(server.job(job), server.pids());
          const result = server === own ? await held.during(heldNames(name), run) : await run();
          results.set(server.name, [...(results.get(server.name) ?? []), result]);
        }
      }
      const middle = (server: string): Result | undefined =>
        results.get(server)?.toSorted((a, b) => a.perSecond - b.perSecond)[Math.floor((rounds - 1) / 2)];
      const ours = middle("Khmara") as Result;
      const ratio = (server: string, pick: (result: Result) => number): string => {
        const other = middle(server);
        return other === undefined ? "" : (pick(ours) / pick(other)).toFixed(2);
      };
      rows.push([
        name,
        show(ours),
        figure(ours.p50),
        figure(ours.p99),
        figure(1000 / ours.perCpuSecond),
        ...["nginx", "s3rver"].map((server) => {
          const other = middle(server);
          return other === undefined ? "" : show(other);
        }),
        ratio("nginx", (each) => each.perSecond),
        ratio("nginx", (each) => each.perCpuSecond),
        ratio("s3rver", (each) => each.perSecond),
      ]);
    }
    const perSecond = (result: Result) => `${figure(result.perSecond)}/s`;
    const throughput = (result: Result) => `${figure(result.bytes / 2 ** 20 / result.seconds)} MiB/s`;
    async function fill(size: number, path: string, requests: number): Promise<void> {
      const job: Job = { port: 0, connections: 16, seconds: 0, bodyBytes: size, method: "PUT", path, requests, status: 201 };
      for (const server of servers) await generate(server.job(job), server.pids());
    }

    for (const size of small) {
      const title = size < 2 ** 20 ? `${size / 1024} KiB` : `${size / 2 ** 20} MiB`;
      const base = { port: 0, seconds } as const;
      for (const connections of connectionsOf)
        await measure(
          `put ${title} × ${connections}`,
          (n) => ({ ...base, connections, bodyBytes: size, method: "PUT", path: `/put-${size}-${n}-{n}`, status: 201 }),
          perSecond,
        );
      await fill(size, `/read-${size}-{n}`, objectsOf(size));
      for (const connections of connectionsOf)
        await measure(
          `get ${title} × ${connections}`,
          () => ({ ...base, connections, method: "GET", path: `/read-${size}-{n}`, count: objectsOf(size), status: 200 }),
          perSecond,
        );
    }
    await fill(4096, "/list/{n}", keys);
    for (const connections of connectionsOf)
      await measure(
        `list ${keys} keys × ${connections}`,
        () => ({
          port: 0,
          seconds,
          connections,
          method: "GET",
          path: `?list-type=2&max-keys=${keys}&prefix=list%2F`,
          status: 200,
        }),
        perSecond,
        alone,
      );
    for (const connections of connectionsOf) {
      let next = names;
      for (let round = 0; round < rounds; round++) await fill(4096, `/delete-${next + round}-{n}`, deleted);
      await measure(
        `delete 4 KiB × ${connections}`,
        () => ({
          port: 0,
          seconds: 0,
          connections,
          requests: deleted,
          method: "DELETE",
          path: `/delete-${next++}-{n}`,
          status: 204,
        }),
        perSecond,
      );
    }
    for (const connections of connectionsOf) {
      const requests = Math.max(connections, 4);
      const base = { port: 0, connections, seconds: 0, requests } as const;
      const largeServers = connections > 16 ? alone : servers;
      await measure(
        `put 64 MiB × ${connections}`,
        // The same names in each round: all of them together would fill a small disk.
        () => ({ ...base, method: "PUT", path: "/put-large-{n}", bodyBytes: large, status: 201 }),
        throughput,
        largeServers,
      );
      await fill(large, `/large-${connections}-{n}`, 4);
      await measure(
        `get 64 MiB × ${connections}`,
        () => ({ ...base, method: "GET", path: `/large-${connections}-{n}`, count: 4, status: 200 }),
        throughput,
        largeServers,
      );
    }
    const head = [
      "",
      "Khmara",
      "p50 ms",
      "p99 ms",
      "CPU ms",
      "nginx",
      "s3rver",
      "÷ nginx",
      "÷ nginx, per CPU second",
      "÷ s3rver",
    ];
    return [table(head, rows), "", held.table(), "", table(["floor of this disk and processor", ""], floors(rounds))].join("\n");
  } finally {
    await cloud.remove();
    await nginx?.stop();
    await s3rver?.stop();
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
