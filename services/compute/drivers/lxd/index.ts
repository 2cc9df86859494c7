import { access } from "node:fs/promises";
import { CloudError } from "../../../../kernel/errors.ts";
import type { Log } from "../../../../kernel/log.ts";
import type { ComputeDriver, EngineInfo } from "../../driver.ts";
import { at, type EngineAddress, type LxdClient, openLxdClient, type ServerInfo } from "./client.ts";
import { createCluster, type PoolResources } from "./cluster.ts";
import { createCopies } from "./copies.ts";
import { type Engine, refused } from "./engine.ts";
import { createExec } from "./exec.ts";
import { createFiles } from "./files.ts";
import { openHost } from "./host.ts";
import { architectureOf, createImages, sweepImages } from "./images.ts";
import { createInstances, guardCards } from "./instances.ts";
import { createMetrics } from "./metrics.ts";
import { createOverlays } from "./overlay.ts";
import { createPower, type Power } from "./power.ts";
import { thawLeftovers } from "./quiet.ts";
import { rebuild } from "./rebuild.ts";
import { createSnapshots } from "./snapshots.ts";
import { createConsoles } from "./terminal.ts";
import { createVolumes, sweepBackups } from "./volumes.ts";
import { createWatch } from "./watch.ts";

export interface LxdDriverOptions {
  /** The path of the engine's Unix socket, or `https://host:8443`. */
  endpoint: string;
  tls?: EngineAddress["tls"];
  /** The storage pool that all root disks and volumes are put on. */
  pool: string;
  /** The engine's project that all of ours is in; made when it is missing. Nothing outside of it is touched. */
  engineProject?: string;
  log: Log;
}

/** Over LXD (5.0 and later) or Incus. Throws unavailable when it cannot be reached, failed_precondition when the pool is missing. */
export async function openLxdDriver(options: LxdDriverOptions): Promise<ComputeDriver> {
  const { endpoint, tls, pool, engineProject = "khmara", log } = options;
  const client = openLxdClient({ endpoint, ...(tls === undefined ? {} : { tls }) }, engineProject);
  try {
    const server = await client.readServer();
    await ensureProject(client, engineProject);
    const storage = await client.find<{ driver: string }>(at`/1.0/storage-pools/${pool}`, { project: null });
    if (storage === undefined)
      throw refused(`The engine has no storage pool ${pool}. Create it, or name another one with --engine-pool.`, "pool_missing");
    const engine: Engine = {
      client,
      server,
      pool,
      log,
      host: openHost(client, { pool, member: server.environment.server_name ?? "", storageDriver: storage.driver, log }),
      can: { isolate: true, shiftVolumes: canShift(server), guardMembers: true },
    };
    return driverOf(engine, storage.driver);
  } catch (error) {
    client.close();
    throw error;
  }
}

function driverOf(engine: Engine, storageDriver: string): ComputeDriver {
  const { client } = engine;
  const power = createPower(engine);
  const stopCare = care(engine, power);
  return {
    info: (options) => readInfo(engine, storageDriver, options?.signal),
    ...createCluster(engine),
    ...createOverlays(engine),
    ...power,
    ...createInstances(engine, power),
    instanceRebuild: (name, image, options) => rebuild(engine, power, name, image, options),
    ...createMetrics(engine),
    ...createWatch(engine),
    ...createExec(engine),
    ...createConsoles(engine),
    ...createFiles(engine),
    ...createImages(engine),
    ...createVolumes(engine, power),
    ...createSnapshots(engine, power),
    ...createCopies(engine, power),
    async close() {
      await stopCare();
      client.close();
    },
  };
}

const careMs = 15_000;

/** What a crash may have left is taken away at the beginning; what the host may forget is looked after all the time. */
function care(engine: Engine, power: Power): () => Promise<void> {
  const { host, log } = engine;
  const note = (error: unknown) => log.warn({ error }, "the engine could not be tidied up");
  const began = Promise.allSettled([
    sweepBackups(engine).catch(note),
    sweepImages(engine).catch(note),
    thawLeftovers(engine, power).catch(note),
    guardCards(engine).catch(note),
    host?.keepLimits().catch(note),
    host?.allowMany().catch(note),
  ]);
  const timer = setInterval(() => {
    host?.keepLimits().catch(note);
    host?.allowMany().catch(note);
  }, careMs);
  timer.unref();
  return async () => {
    clearInterval(timer);
    await began;
  };
}

async function ensureProject(client: LxdClient, name: string): Promise<void> {
  if ((await client.find(at`/1.0/projects/${name}`, { project: null })) !== undefined) return;
  const config = {
    "features.images": "true",
    "features.profiles": "true",
    "features.storage.volumes": "true",
    // Bridges of the host are used, which are in no project; those of a cluster are in the project default.
    "features.networks": "false",
  };
  await client
    .post("/1.0/projects", { name, description: "Khmara's own: leave it to Khmara", config }, { project: null })
    .catch((error) => {
      if (!CloudError.is(error, "already_exists")) throw error;
    });
}

const canShift = ({ environment }: ServerInfo): boolean =>
  (environment["kernel_features"] as Record<string, string> | undefined)?.["idmapped_mounts"] === "true";

async function readInfo(engine: Engine, storageDriver: string, signal: AbortSignal | undefined): Promise<EngineInfo> {
  const { client, pool } = engine;
  const [server, { space }] = await Promise.all([
    client.readServer({ signal }),
    client.get<PoolResources>(at`/1.0/storage-pools/${pool}/resources`, { project: null, signal }),
  ]);
  const { environment, kind, version } = server;
  const drivers = String(environment["driver"] ?? "");
  const missing = drivers.includes("qemu") ? undefined : await whyNoVms(client);
  return {
    kind,
    version,
    architecture: architectureOf(environment.kernel_architecture ?? ""),
    clustered: environment.server_clustered === true,
    storageDriver,
    pool: { name: pool, totalBytes: space.total, usedBytes: space.used },
    kinds: {
      container: drivers.includes("lxc")
        ? { available: true }
        : { available: false, reason: "The engine runs no containers here: liblxc is missing." },
      vm: missing === undefined ? { available: true } : { available: false, reason: missing },
    },
  };
}

/** The engine says only that it cannot. */
async function whyNoVms(client: LxdClient): Promise<string> {
  const local = !client.address.endpoint.startsWith("https:");
  const has = (path: string) =>
    access(path).then(
      () => true,
      () => false,
    );
  if (local && !(await has("/dev/kvm")))
    return "Virtual machines need KVM, and this host has no /dev/kvm: turn on virtualisation in its firmware, or nested virtualisation where it is a virtual machine itself.";
  if (local && !(await has("/dev/vhost-vsock")))
    return "Virtual machines need vsock, and this host has no /dev/vhost-vsock. Load it with: modprobe vhost_vsock";
  return "The engine runs no virtual machines here: QEMU or its firmware is missing. On Debian and Ubuntu: apt-get install qemu-system ovmf, then restart the engine.";
}
