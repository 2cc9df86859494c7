/**
 * What the engine's API cannot do, and root on its machine can: a few repairs after failures of the engine itself.
 * Nothing but what belongs to our own instances and volumes is touched.
 */
import { execFile } from "node:child_process";
import { access, open, readFile, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { promisify } from "node:util";
import type { Log } from "../../../../kernel/log.ts";
import type { LxdClient } from "./client.ts";
import { raiseKernelLimits } from "./kernelLimits.ts";

const run = promisify(execFile);
const toolMs = 20_000;

/** BTRFS_MAX_LEVEL: no tree is higher. */
const highestTree = "8";

export type Subvolume = { kind: "instance" | "vm" | "volume"; name: string };

export interface DiskUse {
  /** What counts against the limit: also what it shares with its image, or with its snapshots. */
  usedBytes: number;
  /** What it shares with nothing, and would be free without it. */
  ownBytes: number;
  limitBytes: number | undefined;
}

export interface Host {
  /** The name of the machine as a member of the engine. */
  member: string;
  /** A failed start can leave its network card behind, and then no start succeeds any more. */
  removeLink(device: string): Promise<void>;
  /** Of a btrfs pool, by `subvolumePath`; undefined for other pools. */
  diskUse(): Promise<Map<string, DiskUse> | undefined>;
  /**
   * For a disk that is full to the last byte: the engine can then neither start it nor make it larger, as it keeps notes of its own
   * on it. Allows `roomBytes` more than now, up to `mostBytes`; false where that cannot be done.
   */
  makeRoom(disk: Subvolume, roomBytes: number, mostBytes: number): Promise<boolean>;
  /**
   * Kernels of late stop counting what large deleted disks had, and with it stop enforcing any limit of the pool. Tells them not to,
   * and has them count anew where that has happened.
   */
  keepLimits(): Promise<void>;
  /** The kernel's own limits for all containers together are high enough for many. */
  allowMany(): Promise<void>;
  /** The tail of the file that the engine keeps of a container's console; undefined when it is elsewhere. */
  consoleLog(name: string, maxBytes: number): Promise<Buffer | undefined>;
  /**
   * What is left of snapshots that failed, being all but the `known` ones: a next one of the same name would fail for it, and so
   * would the deletion of the disk. False where nothing was.
   */
  removeSnapshotRemains(disk: Subvolume, known: readonly string[]): Promise<boolean>;
}

const folders = { instance: "containers", vm: "virtual-machines", volume: "custom" } as const;

export function subvolumePath(project: string, { kind, name }: Subvolume, snapshot?: string): string {
  return snapshot === undefined
    ? `${folders[kind]}/${ownName(project, kind, name)}`
    : `${snapshotsPath(project, { kind, name })}/${snapshot}`;
}

const snapshotsPath = (project: string, { kind, name }: Subvolume): string =>
  `${folders[kind]}-snapshots/${ownName(project, kind, name)}`;

const ownName = (project: string, kind: Subvolume["kind"], name: string): string =>
  project === "default" && kind !== "volume" ? name : `${project}_${name}`;

/** Undefined where the engine is not on this machine, or we are not root. */
export function openHost(
  client: LxdClient,
  options: { pool: string; member: string; storageDriver: string; log: Log },
): Host | undefined {
  const { endpoint } = client.address;
  if (endpoint.startsWith("https:") || process.getuid?.() !== 0) return undefined;
  const { pool, member, storageDriver, log } = options;
  const project = client.project ?? "default";

  const poolPath = async (): Promise<string | undefined> => {
    if (storageDriver !== "btrfs") return undefined;
    const path = join(dirname(endpoint), "storage-pools", pool);
    if (await exists(join(path, "containers"))) return path;
    // A packaged engine may have mounted it where only itself sees it.
    const { environment } = await client.readServer();
    const hidden = `/proc/${String(environment["server_pid"])}/root${path}`;
    return (await exists(join(hidden, "containers"))) ? hidden : undefined;
  };
  const btrfs = async (...args: string[]): Promise<string> =>
    (await run("btrfs", args, { timeout: toolMs, maxBuffer: 64 << 20 })).stdout;

  async function read(path: string): Promise<Map<string, DiskUse & { group: string }>> {
    const [groups, list] = await Promise.all([btrfs("qgroup", "show", "--raw", "-r", path), btrfs("subvolume", "list", path)]);
    const byGroup = new Map<string, DiskUse>();
    for (const line of groups.split("\n")) {
      const [group = "", referenced = "", exclusive = "", limit = ""] = line.trim().split(/\s+/);
      if (!/^0\/\d+$/.test(group)) continue;
      const limitBytes = /^\d+$/.test(limit) ? Number(limit) : undefined;
      byGroup.set(group, { usedBytes: Number(referenced), ownBytes: Number(exclusive), limitBytes });
    }
    const found = new Map<string, DiskUse & { group: string }>();
    for (const line of list.split("\n")) {
      const [, id, subvolume] = /^ID (\d+) gen \d+ top level \d+ path (.*)$/.exec(line) ?? [];
      const group = `0/${id}`;
      const use = byGroup.get(group);
      if (subvolume !== undefined && use !== undefined) found.set(subvolume, { ...use, group });
    }
    return found;
  }

  return {
    member,
    async removeLink(device) {
      await run("ip", ["link", "delete", "dev", device], { timeout: toolMs }).catch((error) =>
        log.debug({ error, device }, "no link"),
      );
    },
    async diskUse() {
      const path = await poolPath();
      return path === undefined ? undefined : await read(path).catch((error) => void log.debug({ error }, "no quota groups"));
    },
    async makeRoom(disk, roomBytes, mostBytes) {
      const path = await poolPath();
      if (path === undefined) return false;
      try {
        const use = (await read(path)).get(subvolumePath(project, disk));
        if (use?.limitBytes === undefined) return false;
        const limitBytes = Math.max(use.usedBytes, use.limitBytes) + roomBytes;
        if (limitBytes > mostBytes) return false;
        // On the pool: asked for on the full disk itself, even this is refused.
        await btrfs("qgroup", "limit", String(limitBytes), use.group, path);
        log.info({ disk, limitBytes }, "a disk that was full got a little more room, for the engine's own notes");
        return true;
      } catch (error) {
        log.warn({ error, disk }, "no more room could be made on a full disk");
        return false;
      }
    },
    async keepLimits() {
      const path = await poolPath();
      if (path === undefined) return;
      const uuid = /uuid: ([0-9a-f-]+)/.exec(await btrfs("filesystem", "show", path))?.[1];
      const folder = `/sys/fs/btrfs/${uuid}/qgroups`;
      // Older kernels have no such file, and always count.
      await writeFile(`${folder}/drop_subtree_threshold`, highestTree).catch(() => {});
      if ((await readFile(`${folder}/inconsistent`, "utf8").catch(() => "0")).trim() !== "1") return;
      log.warn(
        { pool },
        "the kernel lost count of what the disks of the pool hold; it counts anew, and their limits hold again then",
      );
      await btrfs("quota", "rescan", path).catch((error) => log.debug({ error }, "it counts already"));
    },
    async allowMany() {
      const raised = await raiseKernelLimits();
      if (Object.keys(raised).length > 0) log.info({ raised }, "limits of the kernel were too low for many containers");
    },
    async consoleLog(name, maxBytes) {
      const own = project === "default" ? name : `${project}_${name}`;
      for (const folder of [join(dirname(endpoint), "logs"), `/var/log/${basename(dirname(endpoint))}`]) {
        const file = await open(join(folder, own, "console.log")).catch(() => undefined);
        if (file === undefined) continue;
        try {
          const { size } = await file.stat();
          const length = Math.min(size, maxBytes);
          const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, size - length);
          return buffer.subarray(0, bytesRead);
        } finally {
          await file.close();
        }
      }
      return undefined;
    },
    async removeSnapshotRemains(disk, known) {
      const path = await poolPath();
      if (path === undefined) return false;
      const folder = `${snapshotsPath(project, disk)}/`;
      const remains = [...(await read(path)).keys()].filter((subvolume) => {
        const snapshot = subvolume.startsWith(folder) ? subvolume.slice(folder.length).split("/")[0] : undefined;
        return snapshot !== undefined && !known.includes(snapshot);
      });
      // What is nested goes first.
      for (const subvolume of remains.sort().reverse()) {
        log.info({ subvolume }, "what is left of a failed snapshot is deleted");
        await btrfs("subvolume", "delete", join(path, subvolume));
      }
      return remains.length > 0;
    },
  };
}

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );
