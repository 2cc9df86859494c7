import { newCloud } from "../e2e/cloud.ts";
import { processTree } from "../testing/processes.ts";
import { type BareServer, startBare } from "./bareServer.ts";
import { generate, type Result } from "./generate.ts";
import type { Job } from "./load.ts";
import { figure, median, table, tell } from "./report.ts";
import type { BenchOptions } from "./run.ts";

const connections = 16;
/** As many as a page of a list may have. */
const listed = 20;

/** The API at 16 connections, with a token; beside it a bare Fastify that sends the same bytes. */
export async function run({ rounds = 3, seconds = 3 }: BenchOptions): Promise<string> {
  const cloud = await newCloud();
  let bare: BareServer | undefined;
  try {
    await cloud.start();
    const { client, projectId, organisationId, token } = await cloud.signIn();
    // Of the organisation, then of the project within it.
    for (const place of [{}, { project: projectId as never }])
      await client.quotaUpdate({ organisation: organisationId as never, ...place, name: "objects.buckets", limit: 1_000_000 });
    let bucket: unknown;
    for (let i = 0; i < listed; i++) bucket = await client.bucketCreate({ project: projectId as never, name: `listed-${i}` });
    const list = await client.bucketList({ project: projectId as never });
    bare = await startBare({ get: list, post: bucket });
    const pids = processTree(cloud.pid)
      .filter(({ command }) => /server\/control\.[jt]s|postgres/.test(command))
      .map(({ pid }) => pid);

    const headers = { authorization: `Bearer ${token}` };
    const write = { ...{ connections, seconds }, method: "POST", path: "/api/v1/buckets", status: 201 } as const;
    const json = { ...headers, "content-type": "application/json" };
    let names = 0;
    const body = () => JSON.stringify({ project: projectId, name: `b${names++}-{n}` });
    const jobs: [string, () => Omit<Job, "port">][] = [
      [
        `GET /api/v1/buckets (${listed})`,
        () => ({ method: "GET", path: `/api/v1/buckets?project=${projectId}`, connections, seconds, status: 200, headers }),
      ],
      ["POST /api/v1/buckets", () => ({ ...write, headers: json, body: body() })],
      ["POST /api/v1/buckets, Idempotency-Key", () => ({ ...write, headers: json, body: body(), idempotencyKey: "new" })],
    ];
    const rows: string[][] = [];
    for (const [name, work] of jobs) {
      const pairs: { own: Result; floor: Result }[] = [];
      for (let round = 0; round < rounds; round++) {
        tell(`api: ${name}, round ${round + 1}`);
        const job = work();
        const own = await generate({ ...job, port: cloud.port }, pids);
        pairs.push({ own, floor: await generate({ ...job, port: bare.port }, [bare.pid]) });
      }
      const of = (pick: (pair: { own: Result; floor: Result }) => number) => median(pairs.map(pick));
      rows.push([
        name,
        `${figure(of(({ own }) => own.perSecond))}/s`,
        figure(of(({ own }) => own.p50)),
        figure(of(({ own }) => own.p99)),
        figure(of(({ own }) => 1000 / own.perCpuSecond)),
        `${figure(of(({ floor }) => floor.perSecond))}/s`,
        figure(of(({ floor }) => 1000 / floor.perCpuSecond)),
        of(({ own, floor }) => own.perSecond / floor.perSecond).toFixed(3),
      ]);
    }
    return table(
      [`${connections} connections`, "Khmara", "p50 ms", "p99 ms", "CPU ms", "bare Fastify", "CPU ms", "÷ bare"],
      rows,
    );
  } finally {
    await bare?.stop();
    await cloud.remove();
  }
}
