import { type Client, finished, newCloud, uploadDebian } from "../e2e/cloud.ts";
import { measureListing } from "./listing.ts";
import { type Lxc, openLxc, type Size } from "./lxc.ts";
import { figure, median, seconds, table, tell } from "./report.ts";
import type { BenchOptions } from "./run.ts";

const mebibyte = 2 ** 20;
const size: Size = { vcpus: 1, memoryBytes: 192 * mebibyte, diskBytes: 2048 * mebibyte };
const volumeBytes = 1024 * mebibyte;
const many = 50;
/** What Khmara may take: so much of what the engine's own command line takes, and so many milliseconds. */
const aim = { ratio: 1.1, moreMs: 150 };

/** Virtual servers through the API, beside the engine's own command line on the same engine; and long lists of them. */
export async function run({ rounds = 7, seconds: time = 3 }: BenchOptions): Promise<string> {
  const parts = [await measureWithEngine(rounds), await measureListing(3, time)];
  return parts.join("\n\n");
}

export async function measureWithEngine(rounds: number): Promise<string> {
  const cloud = await newCloud({ engine: true });
  let khmara: Khmara | undefined;
  let lxc: Lxc | undefined;
  try {
    await cloud.start();
    khmara = await openKhmara(await cloud.signIn());
    lxc = await openLxc(cloud.lxd as NonNullable<typeof cloud.lxd>);
    await uploadDebian(cloud, khmara.token);
    // The network of both is there all the time: the first server of a project makes it, the last one takes it away.
    await khmara.create("neighbour");
    const lives = await measureLives(khmara, lxc, rounds);
    tell(`\n${lives}\n`);
    return `${lives}\n\n${await measureMany(khmara, lxc)}`;
  } finally {
    // What is left must not hide what went wrong before.
    await lxc?.remove().catch((error) => tell(`compute: something of lxc's is left in the engine: ${error}`));
    await khmara?.clear().catch((error) => tell(`compute: something is left in the engine: ${error}`));
    await cloud.remove();
  }
}

type Khmara = Awaited<ReturnType<typeof openKhmara>>;

/** The API, as a client uses it that waits for each operation. */
async function openKhmara({ client, projectId, organisationId, token }: { client: Client } & Record<string, unknown>) {
  const project = projectId as never;
  await client.sizeCreate({ name: "bench", ...size, pricePerHour: "0" });
  for (const place of [{}, { project }])
    await client.quotaUpdate({ organisation: organisationId as never, ...place, name: "compute.instances", limit: 1000 });
  const done = async (begun: Promise<{ id: string }>): Promise<string> =>
    (await finished(client, await begun, 3600)).resource?.id as string;
  const list = async () => (await client.instanceList({ project, limit: 1000 })).items;
  return {
    client,
    done,
    token: token as string,
    create: (name: string, start = true) =>
      done(client.instanceCreate({ project, name, size: "bench", image: "debian-12", start } as never)),
    createVolume: (name: string) => done(client.volumeCreate({ project, name, sizeBytes: volumeBytes } as never)),
    list,
    /** What a run that failed has left; and the image. */
    async clear() {
      for (const { id } of await list()) await done(client.instanceDelete({ instance: id, force: true }));
      for (const { id, name } of (await client.volumeList({ project })).items)
        await done(client.volumeDelete({ volume: id, confirm: name }));
      for (const { id } of (await client.imageList({ project })).items) await done(client.imageDelete({ image: id }));
    },
  };
}

interface Pair {
  name: string;
  own: () => Promise<unknown>;
  peer: () => Promise<unknown>;
}

/** Each thing once through Khmara and once by hand, one right after the other: the load of the machine is that of both. */
async function measureLives(khmara: Khmara, lxc: Lxc, rounds: number): Promise<string> {
  const times = new Map<string, { own: number[]; peer: number[] }>();
  // The round before the first one unpacks the image.
  for (let round = 0; round <= rounds; round++) {
    tell(`compute: a server's life, ${round === 0 ? "once before" : `round ${round}`}`);
    for (const { name, own, peer } of life(khmara, lxc, `n${round}`)) {
      const took = { own: 0, peer: 0 };
      const sides = round % 2 === 0 ? (["own", "peer"] as const) : (["peer", "own"] as const);
      for (const side of sides) took[side] = await timed(side === "own" ? own : peer);
      if (round === 0) continue;
      const known = times.get(name) ?? { own: [], peer: [] };
      known.own.push(took.own);
      known.peer.push(took.peer);
      times.set(name, known);
    }
  }
  const rows = [...times].map(([name, { own, peer }]) => {
    const [ours, theirs] = [median(own), median(peer)];
    return [
      name,
      `${figure(ours)} ms`,
      `${figure(theirs)} ms`,
      (ours / theirs).toFixed(2),
      `${Math.round(ours - theirs)} ms`,
      ours <= theirs * aim.ratio + aim.moreMs ? "yes" : "no",
      `${figure(Math.min(...own))} ms`,
      `${figure(Math.min(...peer))} ms`,
    ];
  });
  return table(["", "Khmara", "lxc", "÷ lxc", "more", "aim met", "Khmara, least", "lxc, least"], rows);
}

function life({ client, done, create, createVolume }: Khmara, lxc: Lxc, name: string): Pair[] {
  const ids = { running: "", stopped: "", snapshot: "", volume: "", volumeSnapshot: "" };
  const at = (id: string) => ({ instance: id as never });
  return [
    {
      name: "create, until it runs",
      own: async () => (ids.running = await create(name)),
      peer: () => lxc.launch(name, size),
    },
    {
      name: "stop",
      own: () => done(client.instanceStop({ ...at(ids.running), timeoutSeconds: 0 })),
      peer: () => lxc.run("stop", "--force", name),
    },
    { name: "start", own: () => done(client.instanceStart(at(ids.running))), peer: () => lxc.run("start", name) },
    {
      name: "snapshot, while it runs",
      own: async () => (ids.snapshot = await done(client.snapshotCreate({ ...at(ids.running), name: "one" }))),
      peer: () => lxc.run("snapshot", name, "one"),
    },
    {
      name: "delete the snapshot",
      own: () => done(client.snapshotDelete({ snapshot: ids.snapshot as never })),
      peer: () => lxc.run("delete", `${name}/one`),
    },
    {
      name: "delete, while it runs",
      own: () => done(client.instanceDelete(at(ids.running))),
      peer: () => lxc.run("delete", "--force", name),
    },
    {
      name: "create, not started",
      own: async () => (ids.stopped = await create(`${name}-off`, false)),
      peer: () => lxc.init(`${name}-off`, size),
    },
    { name: "delete", own: () => done(client.instanceDelete(at(ids.stopped))), peer: () => lxc.run("delete", `${name}-off`) },
    {
      name: "create a volume",
      own: async () => (ids.volume = await createVolume(name)),
      peer: () => lxc.createVolume(name, volumeBytes),
    },
    {
      name: "snapshot of it",
      own: async () => (ids.volumeSnapshot = await done(client.snapshotCreate({ volume: ids.volume as never, name: "one" }))),
      peer: () => lxc.volume("snapshot", name, "one"),
    },
    {
      name: "delete that snapshot",
      own: () => done(client.snapshotDelete({ snapshot: ids.volumeSnapshot as never })),
      peer: () => lxc.volume("delete", `${name}/one`),
    },
    {
      name: "delete the volume",
      own: () => done(client.volumeDelete({ volume: ids.volume as never, confirm: name })),
      peer: () => lxc.volume("delete", name),
    },
  ];
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await work();
  return performance.now() - began;
}

/** All asked for at once, until the last one runs; then all deleted at once. */
async function measureMany(khmara: Khmara, lxc: Lxc): Promise<string> {
  const names = Array.from({ length: many }, (_, i) => `many-${i}`);
  const together = async (what: string, names: string[], work: (name: string) => Promise<unknown>) => {
    tell(`compute: ${what}`);
    const failures: unknown[] = [];
    const each: number[] = [];
    const allMs = await timed(() =>
      Promise.all(
        names.map((name) =>
          timed(() => work(name)).then(
            (ms) => each.push(ms),
            (error) => failures.push(error),
          ),
        ),
      ),
    );
    tell(`compute: ${what}: all after ${seconds(allMs)}, ${failures.length} failed`);
    for (const error of failures.slice(0, 3)) tell(String(error));
    return { allMs, firstMs: Math.min(...each), failed: failures.length };
  };
  const own = await together(`${many} servers at once`, names, (name) => khmara.create(name));
  const all = await khmara.list();
  const ids = new Map(all.filter(({ name }) => names.includes(name)).map(({ id, name }) => [name as string, id]));
  const running = all.filter(({ name, state }) => ids.has(name) && state === "running").length;
  const ownDeleted = await together("and deleted", [...ids.keys()], (name) =>
    khmara.done(khmara.client.instanceDelete({ instance: ids.get(name) as never })),
  );
  const peer = await together(`${many} times lxc launch at once`, names, (name) => lxc.launch(name, size));
  const peerDeleted = await together("and deleted", names, (name) => lxc.run("delete", "--force", name));
  const row = (name: string, one: typeof own, other: typeof own) => [
    name,
    seconds(one.allMs),
    seconds(one.firstMs),
    String(one.failed),
    seconds(other.allMs),
    seconds(other.firstMs),
    String(other.failed),
    (one.allMs / other.allMs).toFixed(2),
  ];
  return [
    table(
      [`${many} at once`, "Khmara, all", "the first", "failed", "lxc, all", "the first", "failed", "÷ lxc"],
      [row("create, until they run", own, peer), row("delete, while they run", ownDeleted, peerDeleted)],
    ),
    "",
    `${running} of the ${many} were running through Khmara.`,
  ].join("\n");
}
