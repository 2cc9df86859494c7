import { existsSync, globSync, readFileSync } from "node:fs";

/** A file, and the package of Debian and Ubuntu that brings it. */
export type Tools = Readonly<Record<string, string>>;

/** What networks, images and the engine's pool need besides the engine itself. */
export const hostTools: Tools = {
  "/usr/bin/lxcfs": "lxcfs",
  "/usr/sbin/dnsmasq": "dnsmasq-base",
  "/usr/sbin/nft": "nftables",
  "/usr/sbin/iptables": "iptables",
  "/{usr/,}{s,}bin/ip": "iproute2",
  "/{usr/,}{s,}bin/mkfs.btrfs": "btrfs-progs",
  "/usr/bin/mmdebstrap": "mmdebstrap",
  "/usr/share/keyrings/debian-archive-keyring.gpg": "debian-archive-keyring",
  "/usr/sbin/haproxy": "haproxy",
};

export const missingTools = (tools: Tools = hostTools): string[] =>
  Object.entries(tools)
    .filter(([file]) => globSync(file).length === 0)
    .map(([, name]) => name);

export interface HostSystem {
  id: string;
  versionId: string;
  /** Packages come by apt-get. */
  debian: boolean;
}

export function hostSystem(root = "/"): HostSystem {
  const file = `${root}etc/os-release`;
  const text = existsSync(file) ? readFileSync(file, "utf8") : "";
  const field = (name: string) => new RegExp(`^${name}="?([^"\n]*)"?$`, "m").exec(text)?.[1] ?? "";
  const likes = [field("ID"), ...field("ID_LIKE").split(" ")];
  return {
    id: field("ID"),
    versionId: field("VERSION_ID"),
    debian: existsSync(`${root}usr/bin/apt-get`) && likes.some((name) => name === "debian" || name === "ubuntu"),
  };
}

/** With hardware for it, virtual machines too. */
const virtualMachines = (): boolean => existsSync("/dev/kvm") && existsSync("/dev/vhost-vsock");

/**
 * Packages of an engine, the better one first; the first whose leading package the distribution has is taken. Ubuntu's own `lxd` is only a
 * door to the snap store.
 */
export function engineCandidates(system: HostSystem, machines = virtualMachines()): readonly (readonly string[])[] {
  const incus = machines ? [["incus"]] : [["incus-base"], ["incus"]];
  const qemu = process.arch === "arm64" ? ["qemu-system-arm", "qemu-efi-aarch64"] : ["qemu-system-x86", "ovmf"];
  const lxd = ["lxd", ...(machines ? ["lxd-agent", ...qemu, "qemu-utils", "gdisk"] : [])];
  return system.id === "ubuntu" ? incus : [...incus, lxd];
}
