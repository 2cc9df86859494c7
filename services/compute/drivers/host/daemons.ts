import { readFileSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { CloudError } from "../../../../kernel/errors.ts";
import { quote } from "./commands.ts";

/** A program that we started, maybe in an earlier life: its pid file, and what its command line has that no other one's has. */
export interface DaemonMark {
  pidFile: string;
  /** A whole word of the command line. */
  word: string;
}

/** Its process, when the file names one that is really it: numbers of processes are used again. */
export function daemonPid({ pidFile, word }: DaemonMark): number | undefined {
  try {
    const pid = Number(readFileSync(pidFile, "utf8").trim());
    if (!Number.isInteger(pid) || pid < 2) return undefined;
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0").includes(word) ? pid : undefined;
  } catch {
    return undefined;
  }
}

export function signalDaemon(mark: DaemonMark, signal: NodeJS.Signals): boolean {
  const pid = daemonPid(mark);
  if (pid === undefined) return false;
  try {
    return process.kill(pid, signal);
  } catch {
    return false;
  }
}

/** Ended when it resolves, by force if it must be. */
export async function stopDaemon(mark: DaemonMark): Promise<void> {
  const pid = daemonPid(mark);
  if (pid === undefined) return;
  signalDaemon(mark, "SIGTERM");
  const start = performance.now();
  let killed = false;
  while (daemonPid(mark) === pid) {
    if (!killed && performance.now() - start > 2000) {
      signalDaemon(mark, "SIGKILL");
      killed = true;
    }
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

/** The user that a daemon gives its rights up for: its package's own where there is one. */
export function daemonUser(own: string): { user: string; group: string } {
  const users = readFileSync("/etc/passwd", "utf8").split("\n");
  const groups = readFileSync("/etc/group", "utf8").split("\n");
  const user = users.some((line) => line.startsWith(`${own}:`)) ? own : "nobody";
  const entry = users.find((line) => line.startsWith(`${user}:`))?.split(":");
  const group = groups.find((line) => line.split(":")[2] === entry?.[3])?.split(":")[0];
  return { user, group: group ?? "nogroup" };
}

const reachable = new Set<string>();

/** failed_precondition where a daemon, as a user of its own, could not come to its files. */
export function needReachable(folder: string): void {
  if (reachable.has(folder)) return;
  for (let path = folder; path !== "/"; path = dirname(path)) {
    if ((statSync(path).mode & 0o001) !== 0) continue;
    throw new CloudError(
      "failed_precondition",
      `The folder ${path} is closed to all other users, and dnsmasq has to read files below it. Open it (chmod o+x ${path}), or give another folder.`,
      { details: { reason: "folder_closed" } },
    );
  }
  reachable.add(folder);
}

export const command = (...words: string[]): string =>
  words.map((word) => (/^[\w./=@:-]+$/.test(word) ? word : quote(word))).join(" ");
