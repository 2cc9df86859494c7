import { homedir } from "node:os";
import { join } from "node:path";
import { newCloud, type TestCloud } from "../e2e/cloud.ts";
import { databaseHost } from "../kernel/config.ts";
import { postgres } from "../kernel/db/postgres-client.ts";
import { newId } from "../kernel/ids.ts";
import { dataPaths } from "../server/data-folder.ts";
import { startPostgres } from "../server/postgres.ts";
import { processTree } from "../testing/processes.ts";
import { type BareServer, startBare } from "./bareServer.ts";
import { generate, type Result } from "./generate.ts";
import { figure, median, table, tell } from "./report.ts";

const instances = 10_000;
const aimMs = 50;

/** Pages of very many servers: only records, of which no engine knows. Beside them a bare Fastify that sends the same bytes. */
export async function measureListing(rounds: number, seconds: number): Promise<string> {
  const cloud = await newCloud();
  let bare: BareServer | undefined;
  try {
    await cloud.start();
    const { client, projectId, organisationId, token } = await cloud.signIn();
    await cloud.stop();
    await insertInstances(cloud, organisationId, projectId);
    await cloud.start();
    const pids = processTree(cloud.pid)
      .filter(({ command }) => /server\/control\.[jt]s|postgres/.test(command))
      .map(({ pid }) => pid);
    const list = (limit: number, cursor: string | undefined) =>
      client.instanceList({ project: projectId as never, limit, ...(cursor === undefined ? {} : { cursor }) });
    const middle = (await list(1000, (await list(1000, undefined)).nextCursor)).nextCursor as string;

    const rows: string[][] = [];
    for (const limit of [50, 1000]) {
      for (const cursor of [undefined, middle]) {
        const page = await list(limit, cursor);
        if (page.items.length !== limit || page.items[0]?.ports.length !== 1) throw new Error("The page is not whole.");
        await bare?.stop();
        bare = await startBare({ get: page });
        const name = `${limit} of ${figure(instances)}, ${cursor === undefined ? "the first page" : "after the 2,000th"}`;
        const job = {
          method: "GET" as const,
          path: `/api/v1/instances?project=${projectId}&limit=${limit}${cursor === undefined ? "" : `&cursor=${cursor}`}`,
          headers: { authorization: `Bearer ${token}` },
          connections: 1,
          seconds,
          status: 200,
        };
        const pairs: { own: Result; floor: Result }[] = [];
        for (let round = 0; round < rounds; round++) {
          tell(`compute: ${name}, round ${round + 1}`);
          const own = await generate({ ...job, port: cloud.port }, pids);
          pairs.push({ own, floor: await generate({ ...job, port: bare.port }, [bare.pid]) });
        }
        const of = (pick: (pair: { own: Result; floor: Result }) => number) => median(pairs.map(pick));
        const ownMs = of(({ own }) => own.p50);
        rows.push([
          name,
          figure(ownMs),
          figure(of(({ own }) => own.p99)),
          figure(of(({ own }) => 1000 / own.perCpuSecond)),
          figure(of(({ floor }) => floor.p50)),
          of(({ own, floor }) => own.p50 / floor.p50).toFixed(1),
          ownMs < aimMs ? "yes" : "no",
        ]);
      }
    }
    return table(["one after the other", "p50 ms", "p99 ms", "CPU ms", "bare Fastify, p50 ms", "÷ bare", "aim met"], rows);
  } finally {
    await bare?.stop();
    await cloud.remove();
  }
}

/** Each with a port on one network, as the API makes them. */
async function insertInstances({ dataDirectory }: TestCloud, organisation: string, project: string): Promise<void> {
  const { postgresql, databasePassword } = dataPaths(dataDirectory);
  const cacheFolder = process.env["KHMARA_CACHE"] ?? join(homedir(), ".cache", "khmara");
  const server = await startPostgres({ folder: postgresql, passwordFile: databasePassword, cacheFolder });
  const sql = postgres(server.url(), { ...databaseHost(server.url()), max: 1 });
  const network = newId("network");
  const ids = Array.from({ length: instances }, () => newId("instance"));
  const portIds = ids.map(() => newId("port"));
  await sql`insert into compute.routers (project_id, organisation_id, router_id) values (${project}, ${organisation}, 'benchmark')
    on conflict do nothing`;
  await sql`insert into compute.networks (id, organisation_id, project_id, name, range, dns_domain, created_at)
    values (${network}, ${organisation}, ${project}, 'large', '10.9.0.0/16', 'large.internal', now())`;
  await sql`
    insert into compute.instances (id, organisation_id, project_id, name, engine_name, kind, state, size_name, vcpus, memory_bytes, disk_bytes,
      image_name, labels, created_at, started_at)
    select id, ${organisation}, ${project}, 'server-' || lpad(n::text, 5, '0'), 'kh-' || right(id, 12), 'container', 'running', 'small', 1,
      1073741824, 10737418240, 'debian-12', '{"app": "shop"}', now(), now()
    from unnest(${ids}::text[]) with ordinality as made (id, n)`;
  await sql`
    insert into compute.ports (id, organisation_id, project_id, network_id, instance_id, host_name, ipv4, mac_address, position, created_at)
    select id, ${organisation}, ${project}, ${network}, instance, 'server-' || lpad(n::text, 5, '0'), '10.9.0.10'::inet + n,
      '0a:00:00:00:' || lpad(to_hex(n / 256), 2, '0') || ':' || lpad(to_hex(n % 256), 2, '0'), 0, now()
    from unnest(${portIds}::text[], ${ids}::text[]) with ordinality as made (id, instance, n)`;
  await sql`analyze compute.instances, compute.ports`;
  await sql.end();
  await server.stop();
}
