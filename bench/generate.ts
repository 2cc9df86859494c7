import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { processTree } from "../testing/processes.ts";
import type { Job, Measured } from "./load.ts";
import { cpuSeconds } from "./report.ts";

export interface Result extends Measured {
  perSecond: number;
  /** Per second of processor time that the server used: what a busy machine changes least. */
  perCpuSecond: number;
}

/**
 * Runs a job in a process of its own, and looks what it costs the server: `pids` and all below them, those that end meanwhile too (connections of
 * PostgreSQL come and go).
 */
export async function generate(job: Job, pids: number[]): Promise<Result> {
  const spent = (): number => {
    const tree = new Set(pids.flatMap((pid) => processTree(pid).map((each) => each.pid)));
    return [...tree].reduce((sum, pid) => sum + cpuSeconds(pid, true), 0);
  };
  const before = spent();
  const child = spawn(process.execPath, [join(import.meta.dirname, "load.ts")], { stdio: ["pipe", "pipe", "inherit"] });
  child.stdin.end(JSON.stringify(job));
  const [output] = await Promise.all([text(child.stdout), once(child, "close")]);
  if (child.exitCode !== 0) throw new Error("The load generator has failed.");
  const cpu = spent() - before;
  const measured = JSON.parse(output) as Measured;
  return {
    ...measured,
    perSecond: measured.requests / measured.seconds,
    // Ticks are hundredths of a second: less than one counts as one.
    perCpuSecond: measured.requests / Math.max(cpu, 0.01),
  };
}
