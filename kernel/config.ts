/**
 * The settings that the supervisor hands to its children (control plane, object data plane), in one environment
 * variable as JSON. Only `node:` free code here: the supervisor imports this file and must stay small.
 */
export interface ServerConfig {
  version: string;
  /** Absolute. Every service keeps its files in a folder of its own below it. */
  dataDirectory: string;
  /** A libpq URL; a Unix socket folder stands percent-encoded in the place of the host. See `databaseHost`. */
  databaseUrl: string;
  /** The address to listen on: loopback unless the operator said otherwise. */
  listen: string;
  /** Console and API. */
  port: number;
  s3Port: number;
  /** git over SSH; absent: it is turned off. */
  sshPort?: number;
  /** Phone calls; absent: they are turned off. */
  voice?: VoiceConfig;
  /** How people reach the console and API, without a slash at the end. */
  publicUrl: string;
  /** How S3 clients reach the object door, without a slash at the end. */
  s3Url: string;
  region: string;
  /** 32 random bytes. */
  masterKeyFile: string;
  /** The built console; absent while there is none. */
  consoleDirectory?: string;
  /** For an unattended first start; ignored once an owner exists. */
  owner?: OwnerConfig;
  /** Absent: all objects lie on this machine. */
  objectCluster?: ObjectClusterConfig;
  computeEngine: ComputeEngineConfig;
  appEngine: AppEngineConfig;
  gateway: GatewayConfig;
  /** The operator agreed to what the engine needs: the first image is built without another word. */
  buildFirstImage?: boolean;
}

/** A bucket of an S3-compatible cluster, for the bytes of objects. */
export interface ObjectClusterConfig {
  endpoint: string;
  bucket: string;
  region: string;
  /** ACCESS-KEY-ID:SECRET-KEY */
  keysFile: string;
  /** Where the bytes of new buckets go. */
  engine: "local" | "cluster";
}

/** Where phones come in, and what they say. */
export interface VoiceConfig {
  /** UDP and TCP; 0 when it was taken: browsers still have phones then. */
  sipPort: number;
  /** With the file of its certificate and key (PEM); absent: no TLS. */
  tlsPort?: number;
  certificateFile?: string;
  /** On loopback, for what the control plane hands on. */
  webSocketPort: number;
  rtpPorts: { from: number; to: number };
  /** The IP address that phones are told. */
  address: string;
  /** The one that phones of the other family (IPv6 beside IPv4) are told. */
  otherAddress?: string;
  /** coturn, and its port: UDP and TCP. */
  turn?: { port: number; program: string };
  /** Where rtpengine's ng protocol listens; absent: the media workers speak with phones themselves. */
  rtpengines?: { host: string; port: number }[];
  /** Where browsers reach this process without the control plane between, with the certificate of `certificateFile`. */
  wss?: { port: number; url: string };
  /** The name that phones are given, whose SRV records lead to all voice processes; absent: the address of this one. */
  sipName?: string;
}

/** What runs virtual servers, or why there is nothing; the hint is for people and says what to do. */
export type ComputeEngineConfig =
  | {
      kind: "lxd" | "incus";
      /** The path of a Unix socket, or `https://host:8443`. */
      endpoint: string;
      /** Of storage. */
      pool: string;
      /** For HTTPS: files, PEM. */
      tls?: { certificateFile: string; keyFile: string; serverCertificateFile?: string };
    }
  | { missing: MissingEngine; hint: string };

/** What runs the containers of apps and databases, or why there is nothing. */
export type AppEngineConfig =
  | {
      kind: "docker";
      /** The path of a Unix socket, or `https://host:2376`. */
      endpoint: string;
      /** For HTTPS: files, PEM. */
      tls?: { certificateFile: string; keyFile: string; authorityFile?: string };
    }
  | { missing: MissingEngine; hint: string };

/** Where requests for apps come in, or why nowhere. */
export type GatewayConfig =
  | {
      /** All that its proxy has; short, as the paths of its sockets hold 107 bytes. */
      folder: string;
      httpPort: number;
      /** Absent: no HTTPS. */
      httpsPort?: number;
    }
  | { missing: MissingEngine; hint: string };

export type MissingEngine =
  | "disabled"
  | "not_installed"
  | "not_running"
  | "not_permitted"
  | "not_trusted"
  | "unreachable"
  | "unsupported"
  | "install_failed"
  | "start_failed"
  | "pool_failed";

export interface OwnerConfig {
  email?: string;
  password?: string;
}

/** What a child tells the supervisor over its IPC channel. */
export type ChildMessage =
  | { type: "progress"; step: string; message: string }
  | { type: "ready"; notice?: string[] }
  /** Its event loop turns. */
  | { type: "alive" }
  /** There is a phone system: the voice process is needed. */
  | { type: "phones" }
  /** One process does not suffice for the objects. */
  | { type: "busy" }
  /** What it has measured, as server/metrics.ts has it; for the control plane. */
  | { type: "metrics"; snapshot: unknown }
  | { type: "fatal"; message: string };

/** What the supervisor tells a child. */
export interface SupervisorMessage {
  type: "metrics";
  pid: number;
  snapshot: unknown;
}

export const configVariable = "KHMARA_CONFIG";

/** The folder of the packed program (see server/packed-program.ts), for the supervisor, which starts the others from there; `none` where the sources are run. */
export const packedVariable = "KHMARA_PACKED";

/** Set when a process is only to load its program, which fills Node's compile cache (see server/packed-program.ts). */
export const warmUpVariable = "KHMARA_WARM_UP";

/** The settings of this child process. Call it first: in a warm-up it ends the process, everything being loaded by then. */
export function readServerConfig(environment: NodeJS.ProcessEnv = process.env): ServerConfig {
  if (environment[warmUpVariable] !== undefined) process.exit(0);
  const text = environment[configVariable];
  if (text === undefined) throw new Error(`${configVariable} is not set: this program is started by ./khmara up.`);
  return JSON.parse(text) as ServerConfig;
}

/** Tells the supervisor; does nothing in a process that has none (a test, a developer's own start). */
export function tellSupervisor(message: ChildMessage): void {
  if (process.connected) process.send?.(message);
}

/** How often a process that serves says that its event loop turns, in milliseconds. */
export const aliveEveryMs = 5000;

/** Tells the supervisor that this process serves, and from then on that it lives: one that is silent for long is ended and started again. */
export function tellReady(notice?: string[]): void {
  tellSupervisor({ type: "ready", ...(notice === undefined ? {} : { notice }) });
  setInterval(() => tellSupervisor({ type: "alive" }), aliveEveryMs).unref();
}

/** Calls `heard` with what the supervisor tells. */
export function onSupervisor(heard: (message: SupervisorMessage) => void): void {
  process.on("message", (message) => heard(message as SupervisorMessage));
}

/**
 * Calls `stop` once when this process is asked to stop, or when its supervisor is gone (killed with -9):
 * a child never outlives it for longer than its own draining.
 */
export function onStop(stop: (reason: string) => void): void {
  let told = false;
  const once = (reason: string) => {
    if (told) return;
    told = true;
    stop(reason);
  };
  process.on("SIGTERM", () => once("SIGTERM"));
  process.on("SIGINT", () => once("SIGINT"));
  if (process.send !== undefined) process.on("disconnect", () => once("the supervisor is gone"));
}

/**
 * postgres.js does not decode a socket folder in a URL (`postgres://user:secret@%2Frun%2Fkhmara:5432/khmara`), as libpq
 * does: `postgres(url, { ...databaseHost(url), max: 10 })` reaches both kinds of address.
 */
export function databaseHost(url: string): { host?: string } {
  const { hostname } = new URL(url);
  return /^%2f/i.test(hostname) ? { host: decodeURIComponent(hostname) } : {};
}

/** The libpq URL of a database behind a Unix socket. */
export const socketUrl = (address: { folder: string; port: number; user: string; password: string; database: string }): string =>
  `postgres://${encodeURIComponent(address.user)}:${encodeURIComponent(address.password)}@${encodeURIComponent(address.folder)}:${address.port}/${address.database}`;
