import type { CallOptions, ComputeDriver, InstanceMetrics } from "../../driver.ts";
import { at } from "./client.ts";
import { type EngineInstance, powerStateOf } from "./configuration.ts";
import type { Engine } from "./engine.ts";
import { type DiskUse, subvolumePath } from "./host.ts";
import { readContainer } from "./hostMetrics.ts";
import { diskOf } from "./room.ts";

interface EngineState {
  status: string;
  cpu?: { usage: number } | null;
  memory?: { usage: number; usage_peak: number } | null;
  disk?: Record<string, { usage: number }> | null;
  processes: number;
  network?: Record<
    string,
    {
      type: string;
      counters: { bytes_received: number; bytes_sent: number };
      addresses: { family: string; address: string; scope: string }[] | null;
    }
  > | null;
}

/** One question each for so few; above it, one for all of them costs the engine less. */
const fewNames = 4;

export function createMetrics(engine: Engine): Pick<ComputeDriver, "instanceMetrics"> {
  const { client } = engine;

  async function few(names: readonly string[], options?: CallOptions): Promise<[string, EngineState][]> {
    const found = await Promise.all(
      names.map(async (name): Promise<[string, EngineState] | undefined> => {
        const state = await client.find<EngineState>(at`/1.0/instances/${name}/state`, { signal: options?.signal });
        return state && [name, state];
      }),
    );
    return found.filter((each) => each !== undefined);
  }

  /** `/1.0/metrics` costs the engine as much (measured with 30 containers), has no disks and no peaks, and is up to 8 seconds old. */
  async function many(names: readonly string[], options?: CallOptions): Promise<[string, EngineState][]> {
    const wanted = new Set(names);
    const all = await client.list<EngineInstance & { state: EngineState | null }>("/1.0/instances", {
      recursion: 2,
      signal: options?.signal,
      timeoutMs: 120_000,
    });
    return all.flatMap(({ name, state }): [string, EngineState][] => (state && wanted.has(name) ? [[name, state]] : []));
  }

  return {
    async instanceMetrics(names, options) {
      if (names.length === 0) return new Map();
      const here = engine.host === undefined ? [] : names;
      const [local, disks] = await Promise.all([
        Promise.all(here.map((name) => readContainer(ownName(engine, name)))),
        engine.host?.diskUse(),
      ]);
      const all = new Map<string, InstanceMetrics>();
      const others: string[] = [];
      for (const [i, name] of names.entries()) {
        const read = local[i];
        const diskBytes = diskUseOf(engine, name, disks);
        if (read !== undefined && diskBytes !== undefined) all.set(name, { ...read, diskBytes });
        else others.push(name);
      }
      if (others.length === 0) return all;
      for (const [name, state] of await (others.length <= fewNames ? few(others, options) : many(others, options)))
        all.set(name, metricsOf(state, diskUseOf(engine, name, disks)));
      return all;
    },
  };
}

/** Among those of all projects of the engine. */
const ownName = ({ client: { project = "default" } }: Engine, name: string): string =>
  project === "default" ? name : `${project}_${name}`;

/** Where it can be read, what counts against the disk's limit; the engine itself leaves out what an image and its instances share. */
function diskUseOf(engine: Engine, name: string, disks: Map<string, DiskUse> | undefined): number | undefined {
  const project = engine.client.project ?? "default";
  const of = (type: EngineInstance["type"]) => disks?.get(subvolumePath(project, diskOf({ name, type })))?.usedBytes;
  return of("container") ?? of("virtual-machine");
}

function metricsOf(state: EngineState, diskBytes: number | undefined): InstanceMetrics {
  return {
    state: powerStateOf(state.status),
    // Nanoseconds; -1 where the engine does not know.
    cpuSeconds: Math.max(0, state.cpu?.usage ?? 0) / 1e9,
    memoryBytes: state.memory?.usage ?? 0,
    memoryPeakBytes: Math.max(state.memory?.usage_peak ?? 0, state.memory?.usage ?? 0),
    diskBytes: diskBytes ?? state.disk?.["root"]?.usage ?? 0,
    processes: Math.max(0, state.processes),
    interfaces: Object.entries(state.network ?? {})
      .filter(([, { type }]) => type !== "loopback")
      .map(([device, { counters, addresses }]) => ({
        device,
        receivedBytes: counters.bytes_received,
        sentBytes: counters.bytes_sent,
        addresses: (addresses ?? []).filter(({ scope }) => scope !== "link").map(({ address }) => address),
      }))
      .sort((one, other) => one.device.localeCompare(other.device)),
  };
}
