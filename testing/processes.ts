import { readdirSync, readFileSync } from "node:fs";

export interface Process {
  pid: number;
  parent: number;
  command: string;
}

/** All processes below one, itself included, from /proc. */
export function processTree(root: number): Process[] {
  const all = readdirSync("/proc")
    .filter((entry) => /^\d+$/.test(entry))
    .flatMap((entry): Process[] => {
      try {
        const parent = Number(readFileSync(`/proc/${entry}/stat`, "utf8").split(") ").pop()?.split(" ")[1]);
        return [
          { pid: Number(entry), parent, command: readFileSync(`/proc/${entry}/cmdline`, "utf8").replaceAll("\0", " ").trim() },
        ];
      } catch {
        return []; // It has ended in between.
      }
    });
  const tree = all.filter((each) => each.pid === root);
  for (let i = 0; i < tree.length; i++) tree.push(...all.filter((each) => each.parent === tree[i]?.pid));
  return tree;
}

/** Proportional set size: shared pages divided by those who share them, so that a sum over processes is true. Bytes. */
export function pssBytes(pid: number): number {
  try {
    return Number(/^Pss:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, "utf8"))?.[1] ?? 0) * 1024;
  } catch {
    return 0;
  }
}

/** Resident set size, bytes. */
export function rssBytes(pid: number): number {
  try {
    return Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0) * 1024;
  } catch {
    return 0;
  }
}

/** Of it what no file is behind: heaps, stacks, buffers. Bytes. */
export function anonymousBytes(pid: number): number {
  try {
    return Number(/^RssAnon:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0) * 1024;
  } catch {
    return 0;
  }
}
