/**
 * What containers on this very machine use, read from the kernel: the engine starts programs for each one that it is asked about,
 * which costs 20 ms of processor time per container and sample; this costs a few small files.
 */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { InstanceMetrics } from "../../driver.ts";

const root = "/sys/fs/cgroup";

/** Where each number stands: all in one place (version 2 of control groups), or each in the folder of its controller (version 1). */
interface Groups {
  version: 1 | 2;
  folder(controller: "memory" | "cpuacct" | "pids" | "freezer"): string;
}

let found: Promise<Groups> | undefined;

function groups(): Promise<Groups> {
  found ??= readdir(root).then((names) =>
    names.includes("memory")
      ? { version: 1, folder: (controller) => join(root, controller) }
      : { version: 2, folder: () => root },
  );
  return found;
}

const read = (path: string): Promise<string> => readFile(path, "utf8");
const readNumber = async (path: string): Promise<number> => Number(await read(path));
const field = (text: string, name: string): number => Number(new RegExp(`^${name} (\\d+)`, "m").exec(text)?.[1] ?? 0);

/** Undefined for one that does not run here as a container. `own`: what the engine calls it among those of all its projects. */
export async function readContainer(own: string): Promise<Omit<InstanceMetrics, "diskBytes"> | undefined> {
  const { version, folder } = await groups();
  const group = (controller: Parameters<typeof folder>[0]): string => join(folder(controller), `lxc.payload.${own}`);
  try {
    const [memory, peak, stat, cpu, processes, frozen, interfaces] = await Promise.all(
      version === 1
        ? [
            readNumber(join(group("memory"), "memory.usage_in_bytes")),
            readNumber(join(group("memory"), "memory.max_usage_in_bytes")),
            read(join(group("memory"), "memory.stat")),
            readNumber(join(group("cpuacct"), "cpuacct.usage")).then((nanoseconds) => nanoseconds / 1e9),
            readNumber(join(group("pids"), "pids.current")),
            read(join(group("freezer"), "freezer.state")).then((state) => state.trim() !== "THAWED"),
            readCards(group("pids")),
          ]
        : [
            readNumber(join(group("memory"), "memory.current")),
            // Since Linux 5.19.
            readNumber(join(group("memory"), "memory.peak")).catch(() => 0),
            read(join(group("memory"), "memory.stat")),
            read(join(group("cpuacct"), "cpu.stat")).then((text) => field(text, "usage_usec") / 1e6),
            readNumber(join(group("pids"), "pids.current")),
            read(join(group("freezer"), "cgroup.freeze")).then((state) => state.trim() === "1"),
            readCards(group("pids")),
          ],
    );
    // What the kernel takes back as soon as somebody needs it is not in use.
    const idle = field(stat, version === 1 ? "total_inactive_file" : "inactive_file");
    return {
      state: frozen ? "frozen" : "running",
      cpuSeconds: cpu,
      memoryBytes: Math.max(0, memory - idle),
      memoryPeakBytes: Math.max(peak, memory),
      processes,
      interfaces,
    };
  } catch {
    // It has just ended, or never ran here.
    return undefined;
  }
}

async function readCards(group: string): Promise<InstanceMetrics["interfaces"]> {
  const pid = await firstProcess(group);
  const [counters, routes, addresses, addresses6] = await Promise.all(
    ["dev", "route", "fib_trie", "if_inet6"].map((file) => read(`/proc/${pid}/net/${file}`).catch(() => "")),
  );
  const cards: InstanceMetrics["interfaces"] = [];
  for (const line of (counters as string).split("\n").slice(2)) {
    const [, device = "", numbers = ""] = /^\s*([^:]+):\s*(.*)$/.exec(line) ?? [];
    if (device === "" || device === "lo") continue;
    const values = numbers.split(/\s+/).map(Number);
    cards.push({
      device,
      receivedBytes: values[0] ?? 0,
      sentBytes: values[8] ?? 0,
      addresses: [...ipv4Of(device, routes as string, addresses as string), ...ipv6Of(device, addresses6 as string)],
    });
  }
  return cards.sort((one, other) => one.device.localeCompare(other.device));
}

/** PID 1 of the guest, whose network is the guest's; its other processes may have networks of their own. */
async function firstProcess(group: string): Promise<number> {
  for (const folder of [join(group, "init.scope"), group]) {
    const pids = (await read(join(folder, "cgroup.procs")).catch(() => "")).split("\n").filter(Boolean);
    for (const pid of pids.slice(0, 64)) {
      const status = await read(`/proc/${pid}/status`).catch(() => "");
      if (/^NSpid:.*\s1$/m.test(status)) return Number(pid);
    }
  }
  throw new Error("no first process");
}

/** The addresses of this machine (`32 host LOCAL` in the trie) that lie in a network which goes out by this card. */
function ipv4Of(device: string, routes: string, trie: string): string[] {
  const networks = routes
    .split("\n")
    .map((line) => line.split("\t"))
    .filter(([card, , , , , , , mask]) => card === device && mask !== undefined && mask !== "00000000")
    .map(([, network, , , , , , mask]) => ({ network: littleEndian(network as string), mask: littleEndian(mask as string) }));
  const local = new Set([...trie.matchAll(/\|-- ([\d.]+)\n\s+\/32 host LOCAL/g)].map(([, address]) => address as string));
  return [...local].filter((address) => networks.some(({ network, mask }) => (numberOf(address) & mask) >>> 0 === network));
}

const littleEndian = (hex: string): number => Buffer.from(hex, "hex").readUInt32LE();
const numberOf = (address: string): number => address.split(".").reduce((sum, part) => sum * 256 + Number(part), 0) >>> 0;

/** Not those of scope link (20). */
function ipv6Of(device: string, text: string): string[] {
  return text
    .split("\n")
    .map((line) => line.trim().split(/\s+/))
    .filter(([, , , scope, , card]) => card === device && scope !== "20")
    .map(([address = ""]) => new URL(`http://[${address.match(/.{4}/g)?.join(":")}]`).hostname.slice(1, -1));
}
