import { randomBytes } from "node:crypto";
import { readFileSync, readlinkSync } from "node:fs";

/**
 * Who owns a temporary folder: boot, process namespace, process id, its start time (clock ticks since boot, proc(5)), and a
 * random tail for several stores in one process. Process ids are used again; together with the start time they are not.
 */
const read = (get: () => string, otherwise: string): string => {
  try {
    return get();
  } catch {
    return otherwise;
  }
};

const boot = read(() => readFileSync("/proc/sys/kernel/random/boot_id", "utf8").replaceAll("-", "").slice(0, 12), "0");
const namespace = read(() => readlinkSync("/proc/self/ns/pid").replace(/\D/g, ""), "0");

/** Undefined when there is no such process. The name in parentheses may hold spaces: fields are counted after it. */
function startTime(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    // A zombie is dead: it only waits for its parent.
    return fields[0] === "Z" || fields[0] === "X" ? undefined : fields[19];
  } catch {
    return undefined;
  }
}

export const newOwner = (): string =>
  [boot, namespace, process.pid, startTime(process.pid) ?? "0", randomBytes(4).toString("hex")].join(".");

/** False only when it is certain: a process of another namespace cannot be seen from here and counts as alive. */
export function isAlive(owner: string): boolean {
  const [ownerBoot, ownerNamespace, pid, start] = owner.split(".");
  if (ownerBoot !== boot) return false;
  if (ownerNamespace !== namespace) return true;
  return startTime(Number(pid)) === start;
}
