import { spawnSync } from "node:child_process";
import { statfsSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { askEngine, EngineAnswer, type EngineDoor } from "./ask.ts";

/** The pool that is ours: nothing else in an engine that was there before is touched. */
export const poolName = "khmara";

export interface PoolAnswer {
  name: string;
  /** For the operator: what was made, or what else there is to say. */
  notice?: string;
}

/** Says what to do; it is told to the operator and in the console, and never keeps the cloud from starting. */
export class PoolProblem extends Error {}

const gigabyte = 1024 ** 3;
const leastBytes = 5 * gigabyte;
const mostBytes = 2048 * gigabyte;

interface Pool {
  name: string;
  driver: string;
  config: Record<string, string>;
}

/**
 * The pool to use: an existing one that was named, else `khmara`, which is made when it is not there: on the disk that was named, or in a
 * file on the engine's own disk that takes only what is in it.
 */
export async function ensurePool(
  door: EngineDoor,
  wanted: string | undefined,
  options: { timeoutMs?: number } = {},
): Promise<PoolAnswer> {
  const disk = wanted?.startsWith("/") === true ? wanted : undefined;
  if (wanted !== undefined && disk === undefined) {
    if ((await findPool(door, wanted)) !== undefined) return { name: wanted };
    const names = (await askEngine<string[]>(door, "GET", "/1.0/storage-pools")).map((path) => path.split("/").at(-1));
    const known = names.length === 0 ? "It has none" : `It has: ${names.join(", ")}`;
    throw new PoolProblem(
      `The engine has no storage pool ${wanted}. ${known}. Name another one with --engine-pool, or leave it out.`,
    );
  }
  const existing = await findPool(door, poolName);
  if (existing !== undefined) {
    const source = existing.config["volatile.initial_source"] ?? existing.config["source"];
    if (disk === undefined || source === disk) return { name: poolName };
    return { name: poolName, notice: `the pool ${poolName} is on ${source} already; --engine-pool ${disk} is left out` };
  }
  const driver = await chooseDriver(door, disk);
  if (disk !== undefined) checkDisk(disk);
  const size = disk === undefined && driver !== "dir" ? loopBytes(door) : undefined;
  const config: Record<string, string> = {};
  if (disk !== undefined) config["source"] = disk;
  if (size !== undefined) config["size"] = `${Math.floor(size / gigabyte)}GiB`;
  try {
    await askEngine(door, "POST", "/1.0/storage-pools", {
      body: { name: poolName, driver, description: "Khmara", config },
      timeoutMs: options.timeoutMs ?? 120_000,
    });
  } catch (error) {
    if (!(error instanceof EngineAnswer)) throw error;
    // Another start made it at the same moment.
    if ((await findPool(door, poolName)) !== undefined) return { name: poolName };
    throw new PoolProblem(
      `The engine could not make the storage pool ${poolName} (${error.message}). Name a disk or a pool with --engine-pool.`,
    );
  }
  return {
    name: poolName,
    notice: `storage pool ${poolName} made: ${driver}, ${disk ?? (size === undefined ? "a folder" : `up to ${config["size"]} of this disk`)}`,
  };
}

async function findPool(door: EngineDoor, name: string): Promise<Pool | undefined> {
  try {
    return await askEngine<Pool>(door, "GET", `/1.0/storage-pools/${encodeURIComponent(name)}`);
  } catch (error) {
    if (error instanceof EngineAnswer && error.status === 404) return undefined;
    throw error;
  }
}

/** btrfs is in every kernel and needs no module from elsewhere; a plain folder knows neither sizes nor quick copies. */
async function chooseDriver(door: EngineDoor, disk: string | undefined): Promise<string> {
  const { environment } = await askEngine<{ environment: { storage_supported_drivers?: { Name: string }[] } }>(
    door,
    "GET",
    "/1.0",
  );
  const known = new Set(environment.storage_supported_drivers?.map((driver) => driver.Name));
  const found = ["btrfs", "zfs", "lvm"].find((name) => known.has(name));
  if (found !== undefined) return found;
  if (disk === undefined) return "dir";
  throw new PoolProblem(
    `The engine cannot use the disk ${disk}: neither btrfs nor zfs is installed there. Install btrfs-progs, then start again.`,
  );
}

/** A disk that holds something is never written over. */
function checkDisk(disk: string): void {
  const status = statSync(disk, { throwIfNoEntry: false });
  if (status === undefined)
    throw new PoolProblem(`There is no disk ${disk}. See lsblk for those that there are, and name one with --engine-pool.`);
  if (!status.isBlockDevice())
    throw new PoolProblem(`${disk} is not a disk. Name one like /dev/sdb with --engine-pool, or the name of an existing pool.`);
  const { stdout, status: code } = spawnSync("wipefs", ["--no-act", "--noheadings", "--output", "TYPE", disk], {
    encoding: "utf8",
  });
  const found = stdout?.trim().split("\n").filter(Boolean) ?? [];
  if (code !== 0 || found.length > 0)
    throw new PoolProblem(
      `The disk ${disk} is not empty (${found.join(", ") || "it cannot be read"}), and is left as it is. Empty it yourself (wipefs --all ${disk}), or name another one with --engine-pool.`,
    );
}

/** Half of what is free, so that a pool which fills up does not fill the disk of the rest. */
function loopBytes(door: EngineDoor): number {
  // The disk of an engine elsewhere is not seen from here.
  if (door.endpoint.startsWith("https:")) return 30 * gigabyte;
  const folder = dirname(door.endpoint);
  const { bavail, bsize } = statfsSync(folder);
  const half = (bavail * bsize) / 2;
  if (half < leastBytes)
    throw new PoolProblem(
      `A storage pool needs at least 10 GB of free space below ${folder}. Free some, or name another disk with --engine-pool.`,
    );
  return Math.min(half, mostBytes);
}
