import { setTimeout as sleep } from "node:timers/promises";
import { CloudError } from "../../../../kernel/errors.ts";
import type { Log } from "../../../../kernel/log.ts";
import type { CallOptions } from "../../driver.ts";
import { at, type ChangeSettings, EngineError, type LxdClient, type ServerInfo } from "./client.ts";
import type { Configuration, Devices, EngineInstance, MachineOptions } from "./configuration.ts";
import type { Host } from "./host.ts";

/** What all files of this driver work with. */
export interface Engine {
  /** Speaks of our own project alone. */
  client: LxdClient;
  server: ServerInfo;
  pool: string;
  log: Log;
  /** What only root on the engine's own machine can do; undefined elsewhere. */
  host: Host | undefined;
  /** Learnt when the engine refused them; true until then. */
  can: { isolate: boolean; shiftVolumes: boolean; guardMembers: boolean };
}

/**
 * Frames with another card's address: on Khmara's own machine our bridge rules drop them (drivers/host), which is a third of a second quicker at each
 * stop than the engine's filter; on other members of a cluster the engine has to.
 */
export const filtersMac = ({ server }: Pick<Engine, "server">): boolean => server.environment.server_clustered === true;

/** How machines of this engine are configured beside what their own specification says. */
export const machineOptions = (engine: Pick<Engine, "server" | "pool" | "can">): MachineOptions => ({
  pool: engine.pool,
  isolated: engine.can.isolate,
  macFiltering: filtersMac(engine),
  guestApi: engine.server.kind === "lxd" ? "security.devlxd" : "security.guestapi",
});

/** How long the engine may take, in milliseconds. Copies of whole disks have the longest. */
export const deadlines = { change: 60_000, start: 120_000, create: 600_000, copy: 6 * 3_600_000 } as const;

export const settings = (options: CallOptions | undefined, operationTimeoutMs: number): ChangeSettings => ({
  operationTimeoutMs,
  ...(options?.signal === undefined ? {} : { signal: options.signal }),
  ...(options?.progress === undefined ? {} : { progress: options.progress }),
});

/** What the engine itself said, for deciding; it never leaves the log. */
export const wordsOf = (error: unknown): string =>
  error instanceof CloudError && error.cause instanceof EngineError ? error.cause.message : "";

/** The object of the question itself is not there, and not only something that it needs. */
export const isAbsent = (error: unknown): boolean =>
  CloudError.is(error, "not_found") && error.cause instanceof EngineError && error.cause.status === 404;

export const noInstance = (name: string, cause?: unknown): CloudError =>
  new CloudError("not_found", `The engine has no instance ${name}.`, { cause, details: { resource: "instance" } });
export const noVolume = (name: string, cause?: unknown): CloudError =>
  new CloudError("not_found", `The engine has no volume ${name}.`, { cause, details: { resource: "volume" } });

export const refused = (message: string, reason: string, cause?: unknown): CloudError =>
  new CloudError("failed_precondition", message, { cause, details: { reason } });

const busyMs = 60_000;

/** Again, while the engine is busy with the same instance or volume; its own work ends within its deadlines. */
export async function whenFree<T>(work: () => Promise<T>, options: CallOptions | undefined, withinMs = busyMs): Promise<T> {
  const deadline = Date.now() + withinMs;
  for (let pauseMs = 50; ; pauseMs = Math.min(pauseMs * 2, 1000)) {
    try {
      return await work();
    } catch (error) {
      const busy = CloudError.is(error, "conflict") && error.details.reason === "engine_busy";
      if (!busy || Date.now() + pauseMs > deadline) throw error;
      await sleep(pauseMs, undefined, { signal: options?.signal }).catch(() => {
        throw new CloudError("cancelled", "It was cancelled.", { cause: error });
      });
    }
  }
}

export const findInstance = (engine: Engine, name: string, options?: CallOptions): Promise<EngineInstance | undefined> =>
  engine.client.find<EngineInstance>(at`/1.0/instances/${name}`, { signal: options?.signal });

export async function getInstance(engine: Engine, name: string, options?: CallOptions): Promise<EngineInstance> {
  const instance = await findInstance(engine, name, options);
  if (instance === undefined) throw noInstance(name);
  return instance;
}

const mostAttempts = 8;

/** Reads, changes, writes; again when somebody else wrote in between. Nothing is written when nothing changes. */
export async function changeInstance(
  engine: Engine,
  name: string,
  change: (instance: EngineInstance) => { config?: Configuration; devices?: Devices } | undefined,
  options?: CallOptions,
): Promise<EngineInstance> {
  const address = at`/1.0/instances/${name}`;
  for (let attempt = 1; ; attempt++) {
    const { value: instance, etag } = await engine.client
      .getWithEtag<EngineInstance>(address, { signal: options?.signal })
      .catch((error) => {
        throw isAbsent(error) ? noInstance(name, error) : error;
      });
    const wanted = change(instance);
    if (wanted === undefined) return instance;
    const { architecture, description, ephemeral, profiles, stateful } = instance;
    const { config = instance.config, devices = instance.devices } = wanted;
    if (same(config, instance.config) && sameDevices(devices, instance.devices)) return instance;
    const body = { architecture, description, ephemeral, profiles, stateful, config, devices };
    try {
      await whenFree(() => engine.client.put(address, body, { ...settings(options, deadlines.change), etag }), options);
      return { ...instance, config, devices };
    } catch (error) {
      if (!CloudError.is(error, "precondition_failed") || attempt === mostAttempts) throw error;
    }
  }
}

/** Empty is as good as absent. */
const same = (one: Configuration, other: Configuration): boolean =>
  Object.keys({ ...one, ...other }).every((key) => (one[key] ?? "") === (other[key] ?? ""));
const sameDevices = (one: Devices, other: Devices): boolean => {
  const names = Object.keys(one);
  return (
    names.length === Object.keys(other).length &&
    names.every((name) => other[name] !== undefined && same(one[name] as Configuration, other[name]))
  );
};

interface ListedOperation {
  id: string;
  status_code: number;
  description: string;
  resources: Record<string, string[]> | null;
}

/** Waits for whatever the engine still does about an instance or a volume since an earlier call of ours was cut off. */
export async function settled(
  engine: Engine,
  kind: "instances" | "storage_volumes",
  name: string,
  options?: CallOptions,
): Promise<void> {
  const byState = await engine.client.get<Record<string, ListedOperation[]>>("/1.0/operations", {
    query: { recursion: 1 },
    signal: options?.signal,
  });
  for (const operation of Object.values(byState).flat()) {
    if (operation.status_code >= 200) continue;
    const addresses = Object.values(operation.resources ?? {}).flat();
    if (!addresses.some((address) => address.split("?")[0]?.endsWith(`/${encodeURIComponent(name)}`))) continue;
    if (/exec|console/i.test(operation.description)) continue;
    engine.log.debug({ name, kind, operation: operation.description }, "waiting for the engine's earlier work");
    // How it ends is seen by looking at what there is.
    await engine.client.wait(operation.id, settings(options, deadlines.create)).catch((error) => {
      if (CloudError.is(error, "cancelled") || CloudError.is(error, "deadline_exceeded")) throw error;
    });
  }
}
