import { existsSync } from "node:fs";
import { join } from "node:path";

export type EngineKind = "lxd" | "incus";

/** Where the packages of Debian and Ubuntu put an engine, and how it is started. */
export interface EngineKindFacts {
  title: string;
  /** The daemon; the first that is there. */
  programs: readonly string[];
  /** Names the folder of all it has; its socket lies in it. */
  folderVariable: string;
  folder: string;
  /** Whose members may use it. */
  group: string;
  /** Of systemd; connecting to the socket starts the daemon. */
  socketUnit: string;
  serviceUnit: string;
  /** What its unit file runs before it. */
  prepare: string;
}

export const engineKinds: Readonly<Record<EngineKind, EngineKindFacts>> = {
  lxd: {
    title: "LXD",
    programs: ["/usr/bin/lxd", "/usr/sbin/lxd"],
    folderVariable: "LXD_DIR",
    folder: "/var/lib/lxd",
    group: "lxd",
    socketUnit: "lxd.socket",
    serviceUnit: "lxd.service",
    prepare: "/usr/libexec/lxd/lxd-apparmor-load",
  },
  incus: {
    title: "Incus",
    programs: ["/usr/libexec/incus/incusd", "/opt/incus/bin/incusd", "/usr/bin/incusd"],
    folderVariable: "INCUS_DIR",
    folder: "/var/lib/incus",
    group: "incus-admin",
    socketUnit: "incus.socket",
    serviceUnit: "incus.service",
    prepare: "/usr/libexec/incus/incus-apparmor-load",
  },
};

export const socketIn = (folder: string): string => join(folder, "unix.socket");

export const programOf = (kind: EngineKind): string | undefined => engineKinds[kind].programs.find((file) => existsSync(file));

/** Where its data lies: its own variable moves it, as it does for its own programs. */
export const folderOf = (kind: EngineKind): string => process.env[engineKinds[kind].folderVariable] || engineKinds[kind].folder;

/** Sockets of engines that somebody else may have installed, in the order in which they are tried. */
export const knownSockets = (): readonly string[] => [
  socketIn(folderOf("lxd")),
  "/var/snap/lxd/common/lxd/unix.socket",
  socketIn(folderOf("incus")),
];

export const systemdRuns = (): boolean => existsSync("/run/systemd/system");
