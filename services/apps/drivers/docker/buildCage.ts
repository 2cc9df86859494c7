/**
 * A control group of our own around all that a build runs: Docker's classic builder knows limits of memory and processor time for each step, and
 * none of processes; and whatever it starts, it starts below the group that it is told. So what runs in it cannot pass its limits, whichever
 * way it was started, and ends with it.
 */
import { execFile } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { CloudError } from "../../../../kernel/errors.ts";
import type { BuildLimits, EngineInfo } from "../../driver.ts";

export interface BuildCage {
  /** As the engine wants it told (`cgroupparent`). */
  parent: string;
  usage(): CageUsage;
  /** Ends everything in it; returns when nothing is left, or after ten seconds. */
  kill(): Promise<void>;
  /** Nothing of it is left, if nothing is in it. */
  remove(): Promise<void>;
}

export interface CageUsage {
  memoryPeakBytes: number | undefined;
  cpuSeconds: number | undefined;
  /** Something was killed for it; undefined where the kernel does not count that of all below. */
  memoryKills: boolean | undefined;
  /** Its limit was met, be it by what the kernel only keeps of files. */
  memoryFull: boolean;
  processesFull: boolean;
}

const run = promisify(execFile);
const prefix = "khmarabuild_";
const periodMicroseconds = 100_000;
const emptyMs = 10_000;
const pageBytes = 4096;

export interface CageOptions {
  info: Pick<EngineInfo, "cgroupDriver" | "cgroupVersion" | "userNamespaces">;
  /** Whether the engine's processes are this machine's. */
  local: boolean;
  /** Small letters and digits. */
  id: string;
  limits: BuildLimits;
}

/** failed_precondition where there can be none: a build without limits is not run. */
export async function makeCage({ info, local, id, limits }: CageOptions): Promise<BuildCage> {
  const why = !local
    ? "the container engine is on another machine"
    : process.getuid?.() !== 0
      ? "Khmara does not run as root"
      : info.userNamespaces === "rootless" || info.cgroupDriver === "none"
        ? "the container engine runs without root"
        : undefined;
  if (why !== undefined)
    throw new CloudError("failed_precondition", `Builds cannot be limited here, as ${why}. Deploy a ready image instead.`, {
      details: { reason: "build_limits_unavailable" },
    });
  const systemd = info.cgroupDriver === "systemd";
  // A process of its own is named in it: what a killed one left is known by that.
  const name = `${prefix}${process.pid}_${ticksOf(process.pid)}_${id}${systemd ? ".slice" : ""}`;
  const { folders, write } = info.cgroupVersion === 2 ? unified(name) : hierarchies(name);
  await sweep(
    leftIn(folders, name).map((folder) => join(folder, "..")),
    systemd,
  );
  if (systemd) await startSlice(name, limits);
  else {
    for (const folder of folders) mkdirSync(folder, { recursive: true });
    write(limits);
  }
  return {
    parent: systemd ? name : `/${name}`,
    usage: () => usageOf(folders, limits),
    kill: () => killAll(folders),
    remove: async () => {
      if (systemd) await stopSlice(name);
      else await removeFolders(leftIn(folders, name));
    },
  };
}

/** The engine makes the group in every hierarchy there is, whether we limit something there or not. */
const leftIn = (folders: string[], name: string): string[] => [
  ...new Set([
    ...folders,
    ...mounts()
      .filter(({ type }) => type === "cgroup" || type === "cgroup2")
      .map(({ folder }) => join(folder, name)),
  ]),
];

interface Groups {
  /** One for each controller that matters; of version 2 one for all. */
  folders: string[];
  write(limits: BuildLimits): void;
}

const mounts = (): { folder: string; type: string; options: string[] }[] =>
  readFileSync("/proc/self/mounts", "utf8")
    .split("\n")
    .map((line) => line.split(" "))
    .map(([, folder = "", type = "", options = ""]) => ({ folder, type, options: options.split(",") }));

/** Version 2 (kernel: admin-guide/cgroup-v2.rst). */
function unified(name: string): Groups {
  const root =
    mounts().find(({ type, folder }) => type === "cgroup2" && !folder.endsWith("/unified"))?.folder ?? "/sys/fs/cgroup";
  const folder = join(root, name);
  return {
    folders: [folder],
    write({ memoryBytes, cpus, processes }) {
      const enabled = "+memory +pids +cpu";
      writeFileSync(join(root, "cgroup.subtree_control"), enabled);
      put(folder, "memory.max", memoryBytes);
      put(folder, "memory.swap.max", 0, { optional: true });
      put(folder, "pids.max", processes);
      put(folder, "cpu.max", `${Math.round(cpus * periodMicroseconds)} ${periodMicroseconds}`);
      writeFileSync(join(folder, "cgroup.subtree_control"), enabled);
    },
  };
}

/** Version 1 (kernel: admin-guide/cgroup-v1): a hierarchy for each controller. */
function hierarchies(name: string): Groups {
  const all = mounts().filter(({ type }) => type === "cgroup");
  const of = (controller: string): string => {
    const root = all.find(({ options }) => options.includes(controller))?.folder;
    if (root === undefined)
      throw new CloudError(
        "failed_precondition",
        `Builds cannot be limited here: the kernel has no control group ${controller}.`,
        {
          details: { reason: "build_limits_unavailable" },
        },
      );
    return join(root, name);
  };
  const [memory, pids, cpu] = [of("memory"), of("pids"), of("cpu")];
  const accounting = all.some(({ options }) => options.includes("cpuacct")) ? of("cpuacct") : cpu;
  return {
    folders: [...new Set([memory, pids, cpu, accounting])],
    write({ memoryBytes, cpus, processes }) {
      // Those below count too; newer kernels know no other way.
      put(memory, "memory.use_hierarchy", 1, { optional: true });
      put(memory, "memory.limit_in_bytes", memoryBytes);
      // With swap, a page more: of the two, newer kernels count only how often the first was met.
      put(memory, "memory.memsw.limit_in_bytes", memoryBytes + pageBytes, { optional: true });
      put(pids, "pids.max", processes);
      put(cpu, "cpu.cfs_period_us", periodMicroseconds);
      put(cpu, "cpu.cfs_quota_us", Math.round(cpus * periodMicroseconds));
    },
  };
}

function put(folder: string, file: string, value: string | number, { optional = false } = {}): void {
  const path = join(folder, file);
  if (optional && !existsSync(path)) return;
  try {
    writeFileSync(path, String(value));
  } catch (error) {
    if (!optional) throw error;
  }
}

/** systemd owns the tree, and takes away what it did not make: it is asked for a slice instead. */
async function startSlice(name: string, { memoryBytes, cpus, processes }: BuildLimits): Promise<void> {
  const properties = [
    `MemoryMax=${memoryBytes}`,
    "MemorySwapMax=0",
    `TasksMax=${processes}`,
    `CPUQuota=${Math.max(1, Math.round(cpus * 100))}%`,
  ];
  try {
    await run("systemctl", ["start", name], { timeout: 30_000 });
    await run("systemctl", ["set-property", "--runtime", name, ...properties], { timeout: 30_000 });
  } catch (error) {
    throw new CloudError("failed_precondition", "Builds cannot be limited here: systemd made no slice for this one.", {
      cause: error,
      details: { reason: "build_limits_unavailable" },
    });
  }
}

async function stopSlice(name: string): Promise<void> {
  await run("systemctl", ["stop", name], { timeout: 30_000 }).catch(() => {});
  await run("systemctl", ["revert", name], { timeout: 30_000 }).catch(() => {});
}

function numberIn(folders: string[], file: string): number | undefined {
  for (const folder of folders) {
    try {
      const value = Number(readFileSync(join(folder, file), "utf8").trim());
      if (Number.isFinite(value)) return value;
    } catch {
      // Another controller, another version, another kernel.
    }
  }
  return undefined;
}

function fieldIn(folders: string[], file: string, field: string): number | undefined {
  for (const folder of folders) {
    try {
      const value = new RegExp(`^${field} (\\d+)$`, "m").exec(readFileSync(join(folder, file), "utf8"))?.[1];
      if (value !== undefined) return Number(value);
    } catch {
      // As above.
    }
  }
  return undefined;
}

function usageOf(folders: string[], { processes }: BuildLimits): CageUsage {
  const nanoseconds = numberIn(folders, "cpuacct.usage");
  const microseconds = fieldIn(folders, "cpu.stat", "usage_usec");
  const kills = fieldIn(folders, "memory.events", "oom_kill");
  return {
    memoryPeakBytes: numberIn(folders, "memory.peak") ?? numberIn(folders, "memory.max_usage_in_bytes"),
    cpuSeconds: microseconds !== undefined ? microseconds / 1e6 : nanoseconds !== undefined ? nanoseconds / 1e9 : undefined,
    memoryKills: kills === undefined ? undefined : kills > 0,
    memoryFull: (fieldIn(folders, "memory.events", "max") ?? 0) > 0 || (numberIn(folders, "memory.failcnt") ?? 0) > 0,
    processesFull: (fieldIn(folders, "pids.events", "max") ?? 0) > 0 || (numberIn(folders, "pids.peak") ?? 0) >= processes,
  };
}

/** All below it, the containers' own groups too. */
function processesIn(folder: string): number[] {
  try {
    const own = readFileSync(join(folder, "cgroup.procs"), "utf8").split("\n").filter(Boolean).map(Number);
    return [...own, ...foldersIn(folder).flatMap(processesIn)];
  } catch {
    return [];
  }
}

const foldersIn = (folder: string): string[] =>
  readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => join(folder, name));

async function killAll(folders: string[]): Promise<void> {
  const deadline = Date.now() + emptyMs;
  for (let pauseMs = 5; Date.now() < deadline; pauseMs = Math.min(pauseMs * 2, 200)) {
    const left = [...new Set(folders.flatMap(processesIn))].filter((pid) => pid > 1);
    if (left.length === 0) return;
    for (const pid of left) {
      try {
        process.kill(pid, "SIGKILL");
      } catch {
        // It ended by itself.
      }
    }
    await sleep(pauseMs);
  }
}

async function removeFolders(folders: string[]): Promise<void> {
  const deadline = Date.now() + emptyMs;
  for (let pauseMs = 5; ; pauseMs = Math.min(pauseMs * 2, 200)) {
    for (const folder of folders) removeEmpty(folder);
    if (!folders.some((folder) => existsSync(folder)) || Date.now() > deadline) return;
    await sleep(pauseMs);
  }
}

function removeEmpty(folder: string): void {
  try {
    for (const inner of foldersIn(folder)) removeEmpty(inner);
    rmdirSync(folder);
  } catch {
    // Not there, or something is in it.
  }
}

/** What processes left that were killed in the middle of a build; the engine ends such a build by itself. */
async function sweep(roots: string[], systemd: boolean): Promise<void> {
  for (const root of roots) {
    for (const folder of existsSync(root) ? foldersIn(root) : []) {
      const name = folder.slice(root.length).replace(/^\//, "");
      const [pid, ticks] = name.startsWith(prefix) ? name.slice(prefix.length).split("_") : [];
      if (pid === undefined || ticksOf(Number(pid)) === ticks) continue;
      if (systemd) await stopSlice(name);
      else removeEmpty(folder);
    }
  }
}

/** When a process began: with its number it names one process of this boot for good (proc(5), starttime). */
function ticksOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
  } catch {
    return undefined;
  }
}
