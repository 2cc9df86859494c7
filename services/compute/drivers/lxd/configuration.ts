/** What the port calls things, in the words of LXD and Incus, and back. Nothing here asks the engine. */
import type {
  Capacity,
  InstanceKind,
  InstanceReport,
  InstanceSpec,
  InterfaceSpec,
  PowerState,
  VolumeReport,
} from "../../driver.ts";

export type Configuration = Record<string, string>;
export type Devices = Record<string, Configuration>;

/** As `GET /1.0/instances/<name>` answers it; of a list with recursion too. */
export interface EngineInstance {
  name: string;
  type: "container" | "virtual-machine";
  status: string;
  status_code: number;
  location: string;
  created_at: string;
  /** When it was last started; before 1971 for one that never was. */
  last_used_at?: string;
  architecture: string;
  description: string;
  config: Configuration;
  devices: Devices;
  ephemeral: boolean;
  profiles: string[];
  stateful: boolean;
}

export interface EngineVolume {
  name: string;
  type: string;
  content_type: string;
  description: string;
  config: Configuration;
  used_by: string[] | null;
  location: string;
}

/** Labels of ours, readable for whoever looks at the engine itself. */
const labelPrefix = "user.khmara.";
/** What this driver keeps for itself; no label begins so, as none has an empty first word. */
export const ownPrefix = "user.khmara-driver.";

/** A fork bomb ends here, before the process ids of the host do. */
const mostProcesses = "8192";

const kinds = { container: "container", vm: "virtual-machine" } as const;

export const engineKind = (kind: InstanceKind): EngineInstance["type"] => kinds[kind];
export const kindOf = (type: string): InstanceKind => (type === "virtual-machine" ? "vm" : "container");

export function powerStateOf(status: string): PowerState {
  switch (status.toLowerCase()) {
    case "running":
    case "ready":
      return "running";
    case "frozen":
      return "frozen";
    case "stopped":
      return "stopped";
    default:
      return "error";
  }
}

export const labelConfiguration = (labels: Record<string, string>): Configuration =>
  Object.fromEntries(
    Object.entries(labels)
      // The engine knows no empty values.
      .filter(([, value]) => value !== "")
      .map(([key, value]) => [`${labelPrefix}${key}`, value]),
  );

export const labelsOf = (config: Configuration): Record<string, string> =>
  Object.fromEntries(
    Object.entries(config)
      .filter(([key]) => key.startsWith(labelPrefix))
      .map(([key, value]) => [key.slice(labelPrefix.length), value]),
  );

export function sameLabels(one: Record<string, string>, other: Record<string, string>): boolean {
  const keys = Object.keys({ ...one, ...other });
  return keys.every((key) => (one[key] ?? "") === (other[key] ?? ""));
}

/** The later ones do not begin with what they replace: `rest` is without anything that `isReplaced` names. */
export const without = (config: Configuration, isReplaced: (key: string) => boolean): Configuration =>
  Object.fromEntries(Object.entries(config).filter(([key]) => !isReplaced(key)));

export const isLabel = (key: string): boolean => key.startsWith(labelPrefix);
/** What the engine writes down by itself: of the instance's life, and of the image it came from. */
export const isEngines = (key: string): boolean => key.startsWith("volatile.") || key.startsWith("image.");

const metaDataKey = "user.meta-data";
/** Our images write it to /etc/hostname before the first boot: cloud-init comes seconds later. */
const hostNameKey = "user.host-name";
const cloudInitKeys = { userData: "cloud-init.user-data", vendorData: "cloud-init.vendor-data" } as const;

/** What cloud-init's metadata has of ours. */
export interface MetaData {
  hostName: string | undefined;
  sshKeys: readonly string[];
}

/**
 * cloud-init reads the last `local-hostname` of its metadata (the engine's own is the instance's name, which is ours), and gives
 * `public-keys` to its default user; NoCloud, https://cloudinit.readthedocs.io/en/latest/reference/datasources/nocloud.html.
 */
export function metaDataConfiguration({ hostName, sshKeys }: MetaData): Configuration {
  const lines = hostName === undefined ? [] : [`local-hostname: ${hostName}`];
  // A string of JSON is one of YAML too.
  if (sshKeys.length > 0) lines.push("public-keys:", ...sshKeys.map((key) => `- ${JSON.stringify(key.trim())}`));
  return {
    ...(lines.length === 0 ? {} : { [metaDataKey]: `${lines.join("\n")}\n` }),
    ...(hostName === undefined ? {} : { [hostNameKey]: hostName }),
  };
}

/** What metaDataConfiguration wrote. */
export function metaDataOf(config: Configuration): MetaData {
  const text = config[metaDataKey] ?? "";
  return {
    hostName: /^local-hostname: (.+)$/m.exec(text)?.[1],
    sshKeys: [...text.matchAll(/^- (".*")$/gm)].map(([, key]) => JSON.parse(key as string) as string),
  };
}
export const isMetaData = (key: string): boolean => key === metaDataKey || key === hostNameKey;

export function seedConfiguration(cloudInit: InstanceSpec["cloudInit"]): Configuration {
  const config: Configuration = {};
  for (const [name, key] of Object.entries(cloudInitKeys)) {
    const value = cloudInit[name as keyof typeof cloudInitKeys];
    if (value !== undefined && value !== "") config[key] = value;
  }
  return config;
}
export const isSeed = (key: string): boolean => Object.values(cloudInitKeys).some((name) => name === key);

/** Empty: started with the host if it ran when that went down. `true` would start what people stopped, too. */
export const restartConfiguration = (autoRestart: boolean): Configuration => ({
  "boot.autostart": autoRestart ? "" : "false",
});

export const limitConfiguration = (size: Capacity): Configuration => ({
  "limits.cpu": String(size.vcpus),
  "limits.memory": `${size.memoryBytes}B`,
});

export interface MachineOptions {
  pool: string;
  /** Each container has a range of user ids of its own, so that none shares limits or files with another, even outside of itself. */
  isolated: boolean;
  /** Frames with the address of another card are dropped on the host. */
  macFiltering: boolean;
  /** The setting for the engine's API in guests (/dev/lxd/sock). */
  guestApi: "security.devlxd" | "security.guestapi";
}

export const rootDevice = (pool: string, diskBytes: number): Configuration => ({
  type: "disk",
  path: "/",
  pool,
  size: `${diskBytes}B`,
});

/** On a bridge that the engine does not know: isolated from its neighbours there, so that all traffic goes through the router. */
export const cardDevice = (card: InterfaceSpec, macFiltering: boolean): Configuration => ({
  type: "nic",
  nictype: "bridged",
  parent: card.bridge,
  name: card.device,
  hwaddr: card.macAddress,
  host_name: card.hostDevice,
  "security.port_isolation": "true",
  ...(macFiltering ? { "security.mac_filtering": "true" } : {}),
});

export const cardDevices = (cards: readonly InterfaceSpec[], macFiltering: boolean): Devices =>
  Object.fromEntries(cards.map((card) => [card.device, cardDevice(card, macFiltering)]));

export const isCard = (device: Configuration): boolean => device["type"] === "nic";
/** A volume of ours that is attached. */
export const isVolume = (device: Configuration): boolean => device["type"] === "disk" && device["path"] !== "/";

/** Everything of an instance but where its root disk comes from. */
export function instanceConfiguration(
  spec: Omit<InstanceSpec, "image">,
  options: MachineOptions,
): { config: Configuration; devices: Devices } {
  return {
    config: {
      ...labelConfiguration(spec.labels),
      ...metaDataConfiguration({ hostName: spec.hostName, sshKeys: spec.cloudInit.sshKeys ?? [] }),
      ...seedConfiguration(spec.cloudInit),
      ...restartConfiguration(spec.autoRestart),
      ...limitConfiguration(spec.size),
      ...(spec.kind === "container"
        ? {
            "limits.processes": mostProcesses,
            "security.privileged": "false",
            "security.nesting": "false",
            "security.idmap.isolated": String(options.isolated),
            // LXD's server for it reads a map that another request changes, which now and then ends the whole daemon (5.0.2,
            // lxd/devlxd.go, hoistReq). Images get all of cloud-init from their seeds.
            [options.guestApi]: "false",
          }
        : {}),
    },
    devices: { root: rootDevice(options.pool, spec.size.diskBytes), ...cardDevices(spec.interfaces, options.macFiltering) },
  };
}

export function reportOf(instance: EngineInstance): InstanceReport {
  const startedAt = new Date(instance.last_used_at ?? 0);
  return {
    name: instance.name,
    kind: kindOf(instance.type),
    state: powerStateOf(instance.status),
    member: instance.location,
    labels: labelsOf(instance.config),
    createdAt: new Date(instance.created_at),
    ...(startedAt.getUTCFullYear() > 1970 ? { startedAt } : {}),
    size: sizeOf(instance),
  };
}

export function sizeOf(instance: Pick<EngineInstance, "config" | "devices">): Partial<Capacity> {
  const vcpus = Number(instance.config["limits.cpu"]);
  const memoryBytes = bytesOf(instance.config["limits.memory"]);
  const diskBytes = bytesOf(instance.devices["root"]?.["size"]);
  return {
    ...(Number.isInteger(vcpus) ? { vcpus } : {}),
    ...(memoryBytes === undefined ? {} : { memoryBytes }),
    ...(diskBytes === undefined ? {} : { diskBytes }),
  };
}

const units: Record<string, number> = { "": 1, B: 1 };
for (const [power, letter] of ["k", "M", "G", "T", "P", "E"].entries()) {
  units[`${letter}B`] = 1000 ** (power + 1);
  units[`${letter.toUpperCase()}iB`] = 1024 ** (power + 1);
}

/** `2GiB`, `500MB`, `1073741824`: as the engine writes sizes; undefined for what is none, such as a share of the host's memory. */
export function bytesOf(text: string | undefined): number | undefined {
  const [, number, unit] = /^(\d+)\s*([A-Za-z]*)$/.exec(text ?? "") ?? [];
  const factor = unit === undefined ? undefined : units[unit];
  return number === undefined || factor === undefined ? undefined : Number(number) * factor;
}

export const volumeConfiguration = (sizeBytes: number, labels: Record<string, string>): Configuration => ({
  size: `${sizeBytes}B`,
  ...labelConfiguration(labels),
});

/** `/1.0/instances/<name>?project=…` → the name; nothing for a use that is no instance. */
function userOf(address: string): string | undefined {
  const name = /^\/1\.0\/(?:instances|containers|virtual-machines)\/([^/?]+)(?:\?|$)/.exec(address)?.[1];
  return name === undefined ? undefined : decodeURIComponent(name);
}

/** The instances that have it. */
export const usersOf = (volume: EngineVolume): string[] => [
  ...new Set((volume.used_by ?? []).map(userOf).filter((name) => name !== undefined)),
];

export const volumeReportOf = (volume: EngineVolume, snapshots: string[], usedBytes: number | undefined): VolumeReport => ({
  name: volume.name,
  sizeBytes: bytesOf(volume.config["size"]) ?? 0,
  ...(usedBytes === undefined ? {} : { usedBytes }),
  // A single host calls itself "none".
  ...(volume.location && volume.location !== "none" ? { member: volume.location } : {}),
  labels: labelsOf(volume.config),
  attachedTo: usersOf(volume),
  snapshots,
});
