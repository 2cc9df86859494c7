import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

export const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EPERM") return false;
  }
  // A zombie has ended: only its parent has not looked yet.
  return !/^State:\s+Z/m.test(readOf(pid, "status"));
};

/** When the process began, in the kernel's ticks: together with the pid it names one process of this boot for good. */
export const startTicks = (pid: number): string | undefined => {
  const stat = readOf(pid, "stat");
  // The second field is the name in brackets, and may hold spaces and brackets itself.
  return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
};

export const commandName = (pid: number): string => readOf(pid, "comm").trim();

export const commandLine = (pid: number): string[] => readOf(pid, "cmdline").split("\0").filter(Boolean);

/** All live processes, by pid. */
export const processIds = (): number[] =>
  readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number);

/** Processes that stand in this folder: PostgreSQL and all its parts do, in their data folder, for as long as they live. */
export const processesIn = (folder: string): number[] =>
  processIds().filter((pid) => {
    try {
      return readlinkSync(`/proc/${pid}/cwd`) === folder;
    } catch {
      return false;
    }
  });

export function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // It has ended in the meantime, which is what was wanted.
  }
}

/** Waits until all are gone; false when some still live after the time. */
export async function waitForEnd(pids: number[], timeoutMs: number): Promise<boolean> {
  const deadline = Date.now() + timeoutMs;
  for (let pause = 5; pids.some(isAlive); pause = Math.min(pause * 2, 100)) {
    if (Date.now() >= deadline) return false;
    await sleep(pause);
  }
  return true;
}

const readOf = (pid: number, file: string): string => {
  try {
    return readFileSync(`/proc/${pid}/${file}`, "utf8");
  } catch {
    return "";
  }
};
