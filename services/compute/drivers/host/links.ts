import { readdirSync, readFileSync, readlinkSync, statSync } from "node:fs";
import { basename } from "node:path";
import type { PlannedPort, RouterPlan } from "./plan.ts";

// What the kernel tells in files: no process is needed to ask.

const read = (file: string): string | undefined => {
  try {
    return readFileSync(file, "utf8").trim();
  } catch {
    return undefined;
  }
};

/** The kernel's number of an interface of this host; never given twice. */
export const linkIndex = (name: string): number | undefined => {
  const index = read(`/sys/class/net/${name}/ifindex`);
  return index === undefined ? undefined : Number(index);
};

export const linkMtu = (name: string): number | undefined => {
  const mtu = read(`/sys/class/net/${name}/mtu`);
  return mtu === undefined ? undefined : Number(mtu);
};

export const linkMaster = (name: string): string | undefined => {
  try {
    return basename(readlinkSync(`/sys/class/net/${name}/master`));
  } catch {
    return undefined;
  }
};

/** On its bridge: only ports that are not hear it. */
export const isIsolated = (name: string): boolean => read(`/sys/class/net/${name}/brport/isolated`) === "1";

export const namespaceInode = (name: string): number | undefined => {
  try {
    return statSync(`/run/netns/${name}`).ino;
  } catch {
    return undefined;
  }
};

export function namespaceNames(): string[] {
  try {
    return readdirSync("/run/netns");
  } catch {
    return [];
  }
}

/** Interfaces with this text at them (`ip link set … alias`). */
export const markedLinks = (mark: string): string[] =>
  readdirSync("/sys/class/net").filter((name) => read(`/sys/class/net/${name}/ifalias`) === mark);

/** Where the host's default routes go. */
export function defaultInterfaces(): string[] {
  const lines = (read("/proc/net/route") ?? "").split("\n").slice(1);
  return [
    ...new Set(
      lines.flatMap((line) => {
        const [name = "", destination, , , , , , mask] = line.split("\t");
        return destination === "00000000" && mask === "00000000" && name !== "*" ? [name] : [];
      }),
    ),
  ];
}

/** What no router's own way to the world may pass: the narrowest of the host's. */
export const outerMtu = (outer: readonly string[]): number =>
  Math.min(1500, ...outer.flatMap((name) => linkMtu(name) ?? []).filter((mtu) => mtu >= 576));

/** Cards that are there but not on their bridge: it was made anew while their instance ran. */
export const strayCards = (plan: RouterPlan): PlannedPort[] =>
  plan.ports.filter(({ hostDevice, network }) => {
    if (linkIndex(hostDevice) === undefined) return false;
    return linkMaster(hostDevice) !== network.bridge || !isIsolated(hostDevice);
  });
