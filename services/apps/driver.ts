/**
 * The port of the engine that builds images and runs containers (Docker Engine, of one machine or of several). It knows no tenants, records or
 * prices. One engine may serve several clouds and people besides: whatever is made here carries the id of our cloud, and what does not
 * is neither listed nor changed nor removed; to us it is not there.
 *
 * Names are the service's own (`web-12`); the driver makes them unique on the engine. Every call is idempotent: repeated after a crash it
 * comes out the same. Errors are CloudErrors: invalid_argument, not_found, already_exists (one of this name with another content),
 * conflict, failed_precondition, storage_full, unavailable (the engine cannot be reached), deadline_exceeded, cancelled, internal.
 */
import type { Readable, Writable } from "node:stream";
import type { AppNodes } from "./nodesDriver.ts";

export interface CallOptions {
  signal?: AbortSignal | undefined;
}

export interface EngineInfo {
  kind: "docker";
  /** Of the engine, such as `20.10.24`. */
  version: string;
  /** Of its API, as agreed between it and us: `1.41`. */
  apiVersion: string;
  /** amd64, arm64. */
  architecture: string;
  kernel: string;
  operatingSystem: string;
  cpus: number;
  memoryBytes: number;
  /** How it makes control groups, and which: 1 or 2. */
  cgroupDriver: "cgroupfs" | "systemd" | "none";
  cgroupVersion: 1 | 2;
  /** Root in a container is nobody on the host: `remap` of the whole engine, or an engine that runs without root. */
  userNamespaces: "none" | "remap" | "rootless";
  seccomp: boolean;
  storageDriver: string;
  /** Where it keeps everything, on its own machine. */
  dataFolder: string;
  /** `node` and `manager` are members of a swarm. */
  swarm: "none" | "node" | "manager";
  /** What it does without although it was asked for, in its own words: no swap limit, no kernel memory. */
  warnings: string[];
}

/** Kept at the object for people and the reconciler: ids of record, project, organisation. Keys are `[a-z0-9_-]+`. */
export type Labels = Readonly<Record<string, string>>;

/** What a container of an image does unless its own spec says otherwise. */
export interface ImageDefaults {
  entrypoint?: readonly string[] | undefined;
  command?: readonly string[] | undefined;
  environment?: Readonly<Record<string, string>> | undefined;
  workingDirectory?: string | undefined;
  user?: string | undefined;
}

/** `name` is lower-case, `repository` or `repository:tag`; it may move from one image to another, the id never does. */
export interface ImageSpec {
  name: string;
  labels: Labels;
}

export interface ImageReport {
  /** `sha256:…`: the digest of the image's configuration, and with it of its whole content. */
  id: string;
  /** All that are ours; an image may have lost its last one. */
  names: string[];
  /** How a Dockerfile's FROM calls it; absent without a name. */
  reference?: string | undefined;
  /** As registries know it, once it was pushed or pulled: `repository@sha256:…`. */
  digests: string[];
  labels: Labels;
  createdAt: Date;
  /** With the layers that it shares with others. */
  sizeBytes: number;
  architecture: string;
  defaults: ImageDefaults;
  /** Ports that the image says it listens on: `8080/tcp`. */
  exposedPorts: string[];
  volumes: string[];
  /** What it does when another one is built from it. */
  onBuild: string[];
}

/** All of them are hard: who passes one ends, alone. */
export interface BuildLimits {
  /** Of all processes of the build together; no swap. */
  memoryBytes: number;
  /** Processors, such as 1.5. */
  cpus: number;
  processes: number;
  /** Of the whole build. */
  seconds: number;
  /** What the build adds to its base image, and also what its context may hold. Watched, so it may be passed for an instant. */
  diskBytes: number;
}

export interface BuildSpec extends ImageSpec {
  /** The path of the Dockerfile in the context. */
  dockerfile: string;
  /** ARGs. They stay readable in the history of the image: no secrets. */
  arguments: Readonly<Record<string, string>>;
  target?: string | undefined;
  /** The name of a network of ours that RUN may use; absent: none at all. */
  network?: string | undefined;
  /** Steps that were built before are taken from there. */
  cache: boolean;
  limits: BuildLimits;
}

export interface BuildResult {
  image: ImageReport;
  usage: BuildUsage;
}

/** Undefined where the engine is on another machine, and cannot tell. */
export interface BuildUsage {
  seconds: number;
  memoryPeakBytes?: number | undefined;
  cpuSeconds?: number | undefined;
}

export interface NetworkSpec {
  name: string;
  labels: Labels;
  /** No way out of it, to the world or the host. */
  internal: boolean;
  /** IPv4, such as `10.90.4.0/24`; absent: the engine's choice. */
  subnet?: string | undefined;
}

export interface NetworkReport {
  name: string;
  /** The engine's own. */
  id: string;
  labels: Labels;
  internal: boolean;
  subnet: string;
  gateway: string;
  createdAt: Date;
  /** Containers of ours that run in it. */
  members: { name: string; ipv4: string }[];
}

/** Where this host listens: an address of it, loopback too, or `0.0.0.0` for all. */
export interface HostDoor {
  address: string;
  port: number;
  networks: readonly string[];
}

export interface VolumeSpec {
  name: string;
  labels: Labels;
  /** It may be on any node: where these volumes are already, else where there is most room. Absent: on the engine's own machine. */
  near?: readonly string[] | undefined;
}

export interface VolumeReport {
  name: string;
  labels: Labels;
  createdAt: Date;
  /** On the engine's machine. */
  folder: string;
}

export interface ContainerLimits {
  /** No swap besides. */
  memoryBytes: number;
  cpus: number;
  processes: number;
  /** Of each process; absent: as many as the engine itself may have. More than those are failed_precondition at the start. */
  openFiles?: number | undefined;
  /** /dev/shm; absent: 64 MiB. */
  sharedMemoryBytes?: number | undefined;
}

export interface ContainerSpec extends ImageDefaults {
  name: string;
  /** By id: a name might be another image by then. */
  image: string;
  labels: Labels;
  hostName?: string | undefined;
  /** The first one has the way out. None: the container has its loopback alone. Aliases are names that DNS in the network knows. */
  networks: readonly { name: string; aliases: readonly string[]; ipv4?: string | undefined }[];
  /**
   * Of the host (an address of it, `0.0.0.0` for all; TCP), to a port of the container; it needs a network for that. One that is taken is
   * failed_precondition at the start (`engine_port_taken`).
   */
  ports?: readonly { address: string; port: number; containerPort: number }[] | undefined;
  mounts: readonly { volume: string; path: string; readOnly: boolean }[];
  /** Small ones (a certificate), readable by all, which are there from its making on; their paths are whole. */
  files?: readonly { path: string; content: string }[] | undefined;
  /** In memory, gone with the container's stop; nothing in it is executed unless that is asked for. */
  temporaryFolders: readonly { path: string; sizeBytes: number; executable?: boolean | undefined }[];
  readOnlyRoot: boolean;
  limits: ContainerLimits;
  /** Added back after all were dropped: `NET_BIND_SERVICE`. */
  capabilities: readonly string[];
  /** By the engine itself, whether Khmara runs or not, with its own back-off (100 ms, doubled to a minute). */
  restart: { policy: "never" | "always" } | { policy: "on_failure"; attempts?: number | undefined };
  /** After `timeoutSeconds` it is killed. */
  stop: { signal: string; timeoutSeconds: number };
  /** What is kept of its output; the oldest goes first. */
  log: { fileBytes: number; files: number };
  /** A process 1 that passes signals on and buries orphans. */
  init: boolean;
  /**
   * Keys of its labels: it may run on any node, and those that agree in all of these are kept apart where there are several. Absent: on the
   * engine's own machine. What has volumes is where they are.
   */
  spread?: readonly string[] | undefined;
}

export type ContainerState = "created" | "running" | "paused" | "restarting" | "exited" | "dead" | "removing";

export interface ContainerReport {
  name: string;
  /** The engine's own; a container made anew has another one. */
  id: string;
  image: string;
  state: ContainerState;
  labels: Labels;
  createdAt: Date;
  startedAt?: Date | undefined;
  finishedAt?: Date | undefined;
  /** Of the last run that ended. */
  exitCode?: number | undefined;
  outOfMemory: boolean;
  /** Why it could not be started, in the engine's words. */
  problem?: string | undefined;
  restarts: number;
  /** What the image's own HEALTHCHECK says, where it has one. */
  health?: "starting" | "healthy" | "unhealthy" | undefined;
  /** By the networks' names; empty while it does not run. The engine's machine reaches them, whatever node they are on. */
  addresses: Readonly<Record<string, string>>;
  /** The name of its node; absent while there is one machine. */
  node?: string | undefined;
  /** Its node is to be empty, and what may run elsewhere should. */
  leaving?: boolean | undefined;
}

/** One of a list: what the engine tells of all of them at once. */
export type ContainerSummary = Pick<
  ContainerReport,
  "name" | "id" | "image" | "state" | "labels" | "createdAt" | "addresses" | "node" | "leaving"
>;

export interface ExitReport {
  exitCode: number;
  outOfMemory: boolean;
}

export interface LogOptions extends CallOptions {
  /** A time as LogRecord has it, or a Date: what was written then or later. */
  since?: string | Date | undefined;
  until?: Date | undefined;
  /** Only the last so many records. */
  tail?: number | undefined;
  /** Ends with the container, instead of with what is there. */
  follow?: boolean | undefined;
}

export interface LogRecord {
  stream: "stdout" | "stderr";
  /** RFC 3339 with nanoseconds: `2026-11-22T04:05:06.123456789Z`. Two records may have the same. */
  at: string;
  /** Without the end of the line; at most 64 KiB. */
  text: string;
  /** A long line comes in several records: all but the last are partial. */
  partial: boolean;
}

/** Counters grow from the container's start. */
export interface ContainerMetrics {
  cpuSeconds: number;
  /** Without what the kernel only keeps of files. */
  memoryBytes: number;
  memoryLimitBytes: number;
  processes: number;
  receivedBytes: number;
  sentBytes: number;
  diskReadBytes: number;
  diskWrittenBytes: number;
}

export interface ExecOptions {
  command: readonly string[];
  environment?: Readonly<Record<string, string>> | undefined;
  user?: string | undefined;
  workingDirectory?: string | undefined;
  /** Lets go of the command, and kills it where the engine is on this machine. */
  signal?: AbortSignal | undefined;
}

export interface TerminalSize {
  columns: number;
  rows: number;
}

/** Streams of a command or of a container; whoever gets them reads them to their end, or closes. */
export interface Session {
  stdin: Writable;
  stdout: Readable;
  /** Ends at once with a terminal: there both are one. */
  stderr: Readable;
  exited: Promise<number>;
  /** Nothing without a terminal. */
  resize(size: TerminalSize): Promise<void>;
  /** Lets go. A command that was started for this session is killed where the engine can; a container that was there before runs on. */
  close(): void;
}

/** What happened to one of ours, by whoever. */
export interface EngineChange {
  object: "container" | "network" | "volume";
  name: string;
  kind: "created" | "started" | "stopped" | "exited" | "out_of_memory" | "healthy" | "unhealthy" | "removed" | "other";
  /** Of `exited`. */
  exitCode?: number | undefined;
  /** By the engine's clock. */
  at: Date;
}

export interface Watcher {
  onChange(change: EngineChange): void;
  /** After each connecting: what happened while nobody listened may be lost, so look around now. */
  onConnect?(): void;
  onLost?(error: unknown): void;
}

/** What keeps containers away from the host that they run on, and from what else is on it. */
export interface AppFirewall {
  /** Whether the bridge is where its rules are: an engine on another machine, or without root, has its own. */
  guards(bridge: string): boolean;
  /** Puts the rules in place where they are not; cheap when they are. failed_precondition: this host cannot. */
  apply(options?: CallOptions): Promise<void>;
  /** Of one cloud: containers behind these bridges, and no others, reach a TCP port of this host; none: nobody does. Answers where. */
  openDoor(
    cloudId: string,
    bridges: readonly string[],
    to: { address: string; port: number },
    options?: CallOptions,
  ): Promise<{ address: string; port: number } | undefined>;
}

export interface AppEngine {
  /** Undefined of an engine that is one machine for good. */
  nodes?: AppNodes | undefined;
  info(options?: CallOptions): Promise<EngineInfo>;

  /** A root file system as a tarball (plain, gzip, bzip2, xz). One of this name with the same labels is taken as made. */
  imageImport(spec: ImageSpec & { defaults?: ImageDefaults }, content: Readable, options?: CallOptions): Promise<ImageReport>;
  /**
   * A tarball as `docker save` and imageSave make it, of exactly one image. Names in it count for nothing, and so do its labels: it may
   * come from anybody.
   */
  imageLoad(spec: ImageSpec, content: Readable, options?: CallOptions): Promise<ImageReport>;
  imageSave(image: string, options?: CallOptions): Promise<Readable>;
  /**
   * From a public registry, by its whole name (`docker.io/library/nginx:1`, or with `@sha256:…`): the name of the specification then is of
   * what the registry has now, which stays the same image while the registry's does. failed_precondition with the reason `registry_unreachable` or
   * `registry_busy`; invalid_argument `image_not_found` when the registry has none of this name, or not for everybody.
   */
  imagePull(
    spec: ImageSpec,
    reference: string,
    options?: CallOptions & { onLine?: ((line: string) => void) | undefined },
  ): Promise<ImageReport>;
  /**
   * From a tarball with a Dockerfile. Its words come line by line. Errors: failed_precondition with the reason `build_failed` (a step
   * failed; details.exitCode), `build_out_of_memory`, `build_disk_full`, `build_context_too_large`; deadline_exceeded `build_too_long`;
   * invalid_argument `dockerfile_invalid`.
   */
  imageBuild(spec: BuildSpec, context: Readable, options: CallOptions & { onLine: (line: string) => void }): Promise<BuildResult>;
  /** By id, by one of our names, or by digest (`sha256:…` or `repository@sha256:…`). */
  imageGet(image: string, options?: CallOptions): Promise<ImageReport | undefined>;
  /** The name leaves the image that has it now. */
  imageTag(image: string, name: string, options?: CallOptions): Promise<void>;
  imageList(options?: CallOptions): Promise<ImageReport[]>;
  /**
   * By name: only the name, and the image with its last one. By id: with all its names. failed_precondition while a container has it; one that
   * others are built from stays without a name until they go.
   */
  imageRemove(image: string, options?: CallOptions): Promise<void>;

  /** When it comes back, the network is there and guarded by the firewall; of one that was there before too. */
  networkCreate(spec: NetworkSpec, options?: CallOptions): Promise<void>;
  networkGet(name: string, options?: CallOptions): Promise<NetworkReport | undefined>;
  networkList(options?: CallOptions): Promise<NetworkReport[]>;
  /**
   * Which TCP port of this host containers of these networks reach, and no others: all that there is of it, so none closes it. Answers where they
   * find it. Undefined: their engine is elsewhere, and they come as anybody does. Cheap when nothing has changed.
   */
  hostDoor?(door: HostDoor, options?: CallOptions): Promise<{ address: string; port: number } | undefined>;
  /** Running or not; being in it already is no error. */
  networkConnect(
    name: string,
    container: string,
    options?: CallOptions & { aliases?: readonly string[] | undefined; ipv4?: string | undefined },
  ): Promise<void>;
  networkDisconnect(name: string, container: string, options?: CallOptions): Promise<void>;
  /** failed_precondition while a container is in it. */
  networkRemove(name: string, options?: CallOptions): Promise<void>;

  volumeCreate(spec: VolumeSpec, options?: CallOptions): Promise<void>;
  volumeGet(name: string, options?: CallOptions): Promise<VolumeReport | undefined>;
  volumeList(options?: CallOptions): Promise<VolumeReport[]>;
  /** With everything in it: only on a person's word. failed_precondition while a container has it. */
  volumeRemove(name: string, options?: CallOptions): Promise<void>;
  /**
   * What is in it, as a tarball of a folder `volume`, with owners and modes. The image, any of ours, is only what the engine needs to look inside: nothing
   * of it runs. Whoever gets the stream reads it to its end, or destroys it. What is written meanwhile may be torn: stop what writes.
   */
  volumeRead(name: string, image: string, options?: CallOptions): Promise<Readable>;
  /** A tarball as volumeRead makes it, over what is there: an empty one is what it was then. */
  volumeWrite(name: string, image: string, content: Readable, options?: CallOptions): Promise<void>;

  /** Made, not started. Networks and volumes are there before. */
  containerCreate(spec: ContainerSpec, options?: CallOptions): Promise<ContainerReport>;
  containerStart(name: string, options?: CallOptions): Promise<void>;
  /** With the signal and the patience of its spec, unless told otherwise. */
  containerStop(name: string, options?: CallOptions & { timeoutSeconds?: number | undefined }): Promise<void>;
  /** `SIGKILL` unless told otherwise. Of one that does not run: nothing. */
  containerKill(name: string, options?: CallOptions & { signalName?: string | undefined }): Promise<void>;
  /** Running or not. Its volumes stay, but for those without a name that its image asked for. */
  containerRemove(name: string, options?: CallOptions): Promise<void>;
  containerGet(name: string, options?: CallOptions): Promise<ContainerReport | undefined>;
  containerList(options?: CallOptions): Promise<ContainerSummary[]>;
  /**
   * When it does not run, and will not be started again by the engine's own policy. One that was never started is waited for too. Ends only with
   * the container or the signal: an engine that restarts in between is asked again.
   */
  containerWait(name: string, options?: CallOptions): Promise<ExitReport>;
  /** Undefined of one that does not run. */
  containerMetrics(name: string, options?: CallOptions): Promise<ContainerMetrics | undefined>;
  /** Bytes that it has in files beside those of its image and its volumes, as long as the files say they are; undefined when there is none. */
  containerWritten(name: string, options?: CallOptions): Promise<number | undefined>;
  containerLogs(name: string, options?: LogOptions): AsyncIterable<LogRecord>;

  /** Runs a command to its end; each stream of its output is kept up to `maxOutputBytes`, then cut (`truncated`). 127: no such command. */
  containerExec(
    name: string,
    options: ExecOptions & { input?: Uint8Array | undefined; maxOutputBytes: number },
  ): Promise<{ exitCode: number; stdout: Uint8Array; stderr: Uint8Array; truncated: boolean }>;
  containerOpen(name: string, options: ExecOptions & { terminal?: TerminalSize | undefined }): Promise<Session>;
  /**
   * Made, started and removed at its end, with its streams here. When Khmara ends in the middle its input ends; it goes on until it heeds
   * that, and is then removed by the engine itself. `spec.restart` is `never`.
   */
  containerRun(spec: ContainerSpec, options?: CallOptions & { terminal?: TerminalSize | undefined }): Promise<Session>;

  /** Changes to ours until the signal; connects again by itself and then tells what it missed as far as the engine remembers. */
  watch(watcher: Watcher, signal: AbortSignal): void;
  close(): void;
}
