/**
 * The two ports of this service: the engine that runs instances, images and volumes (LXD, Incus), and the network of the host
 * around them. Neither knows tenants, records or prices; whatever they make is named after our ids, so that the reconciler can
 * compare. Every call is idempotent: repeated after a crash it comes out the same. Errors are CloudErrors: not_found,
 * already_exists, failed_precondition, storage_full, unavailable (engine cannot be reached), deadline_exceeded, internal.
 */
import type { Readable, Writable } from "node:stream";

export type InstanceKind = "container" | "vm";
/** What the engine says, nothing more. */
export type PowerState = "running" | "stopped" | "frozen" | "error";

export interface EngineInfo {
  kind: "lxd" | "incus";
  version: string;
  /** The host's own architecture, as distributions call it: amd64, arm64. */
  architecture: string;
  clustered: boolean;
  storageDriver: string;
  pool: { name: string; totalBytes: number; usedBytes: number };
  /** Which kinds can be started here; the reason why not is for people. */
  kinds: Record<InstanceKind, { available: true } | { available: false; reason: string }>;
}

export interface EngineMember {
  name: string;
  address: string;
  state: "online" | "offline" | "evacuated";
  message: string;
  cpus: number;
  memoryBytes: number;
  memoryUsedBytes: number;
  pool: { totalBytes: number; usedBytes: number };
  architecture: string;
  instances: number;
}

/** `name` is ours and never changes: `kh-` and the last hex digits of the id. */
export interface InstanceSpec {
  name: string;
  kind: InstanceKind;
  image: ImageReference;
  size: Capacity;
  /** What the guest calls itself. */
  hostName: string;
  /**
   * cloud-init's NoCloud seeds; vendor data is ours, user data the person's. The keys go into the metadata (`public-keys`), where user
   * data that has keys or users of its own adds to them instead of replacing them.
   */
  cloudInit: { userData?: string | undefined; vendorData?: string | undefined; sshKeys?: readonly string[] | undefined };
  interfaces: InterfaceSpec[];
  autoRestart: boolean;
  /** Kept at the instance for people who look at the engine itself: ids of record, project, organisation. */
  labels: Record<string, string>;
  /** The member to run on; absent: the engine's choice. */
  member?: string | undefined;
}

export interface Capacity {
  vcpus: number;
  memoryBytes: number;
  diskBytes: number;
}

/** One network card. The bridge is there before the instance starts (NetworkDriver). */
export interface InterfaceSpec {
  /** eth0, eth1, … inside the guest. */
  device: string;
  bridge: string;
  macAddress: string;
  /** The name of the host's end, at most 15 characters. */
  hostDevice: string;
}

/**
 * Of a cluster: how the bridges of one name on all members are one network, with its router here. Each other member sends all to here
 * through a tunnel (VXLAN, RFC 7348) and nothing to the others.
 */
export interface Overlay {
  bridge: string;
  /** The tunnels' end on the bridge here. */
  device: string;
  vni: number;
  port: number;
  /** What fits into the tunnels. */
  mtu: number;
  /** Of this member, and of all others, online or not: nobody else sends through the tunnels. */
  address: string;
  members: string[];
}

/** `why` is for people. `bridge_exists`: somebody has made a bridge of this name here, and the engine takes none but its own. */
export interface OverlayWaiting {
  bridge: string;
  reason: "bridge_exists" | "member_offline" | "unsupported";
  why: string;
}

/** The image's name in the engine (alias), as imageImport was given it. */
export interface ImageReference {
  name: string;
}

export interface InstanceReport {
  name: string;
  kind: InstanceKind;
  state: PowerState;
  member: string;
  labels: Record<string, string>;
  createdAt: Date;
  /** When it was last started, where the engine knows. */
  startedAt?: Date | undefined;
  size: Partial<Capacity>;
}

/**
 * What the engine tells of a change. `stopped` was asked for from outside, `shutdown` by the guest itself, `crashed` by nobody; an
 * engine that cannot tell the last two apart says `shutdown`.
 */
export interface InstanceChange {
  kind: "created" | "started" | "stopped" | "shutdown" | "crashed" | "restarted" | "frozen" | "unfrozen" | "deleted" | "other";
  /** By the engine's clock. */
  at: Date;
}

/** Counters grow from the instance's start; bytes, and seconds of one processor. */
export interface InstanceMetrics {
  state: PowerState;
  cpuSeconds: number;
  memoryBytes: number;
  memoryPeakBytes: number;
  diskBytes: number;
  processes: number;
  interfaces: { device: string; receivedBytes: number; sentBytes: number; addresses: string[] }[];
}

export interface ExecOptions {
  command: string[];
  environment?: Record<string, string>;
  user?: number;
  group?: number;
  workingDirectory?: string;
  /** Kills the command and rejects with `cancelled`. */
  signal?: AbortSignal;
}

/** A terminal inside the guest: bytes both ways. */
export interface TerminalSession {
  /** Ends when the command ends; its bytes are what a terminal shows. */
  output: Readable;
  input: Writable;
  resize(columns: number, rows: number): Promise<void>;
  /** Resolves with the exit code. */
  exited: Promise<number>;
  /** Hangs up: the command gets SIGHUP, then SIGKILL. */
  close(): void;
}

export interface VolumeSpec {
  name: string;
  sizeBytes: number;
  labels: Record<string, string>;
  member?: string | undefined;
}

export interface VolumeReport {
  name: string;
  sizeBytes: number;
  /** What it really takes; absent where the pool does not know. */
  usedBytes?: number | undefined;
  /** Of a cluster: on whose disk it is; absent where all members reach it. An instance elsewhere cannot have it. */
  member?: string | undefined;
  labels: Record<string, string>;
  /** Names of instances that have it. */
  attachedTo: string[];
  snapshots: string[];
}

export interface ImageReport {
  /** The alias: ours. */
  name: string;
  fingerprint: string;
  kind: InstanceKind;
  architecture: string;
  sizeBytes: number;
  labels: Record<string, string>;
}

/** What the bare content of a root disk does not tell by itself. */
export interface BareImage {
  kind: InstanceKind;
  /** amd64, arm64. */
  architecture: string;
  description: string;
}

export type Progress = (fraction: number, message?: string) => void;
export interface CallOptions {
  signal?: AbortSignal;
  progress?: Progress;
}

export interface ComputeDriver {
  info(options?: CallOptions): Promise<EngineInfo>;
  members(options?: CallOptions): Promise<EngineMember[]>;

  /** Made stopped, from a local image. One that is there already with the same labels is taken as made. */
  instanceCreate(spec: InstanceSpec, options?: CallOptions): Promise<void>;
  /** Starting what runs is no error; the same with the others. */
  instanceStart(name: string, options?: CallOptions): Promise<void>;
  /** Asks the guest to shut down; after `timeoutSeconds` (0: at once) the power is cut. */
  instanceStop(name: string, options: CallOptions & { timeoutSeconds: number }): Promise<void>;
  instanceRestart(name: string, options: CallOptions & { timeoutSeconds: number }): Promise<void>;
  instanceFreeze(name: string, options?: CallOptions): Promise<void>;
  instanceUnfreeze(name: string, options?: CallOptions): Promise<void>;
  /** Live where the engine can; a disk only grows. `restartNeeded` where the guest sees it only after a restart. */
  instanceResize(name: string, size: Capacity, options?: CallOptions): Promise<{ restartNeeded: boolean }>;
  /** Whatever may change in place: host name, labels, restart policy, cards, cloud-init. */
  instanceConfigure(
    name: string,
    change: Partial<Pick<InstanceSpec, "hostName" | "labels" | "autoRestart" | "interfaces" | "cloudInit">>,
    options?: CallOptions,
  ): Promise<void>;
  /** A fresh root disk from an image; cards, volumes and size stay. The instance is stopped before and after. */
  instanceRebuild(name: string, image: ImageReference, options?: CallOptions): Promise<void>;
  /** Whatever state it is in, snapshots too; volumes stay. One that is not there is deleted already. */
  instanceDelete(name: string, options?: CallOptions): Promise<void>;
  instanceGet(name: string, options?: CallOptions): Promise<InstanceReport | undefined>;
  /** All of ours. */
  instanceList(options?: CallOptions): Promise<InstanceReport[]>;
  /** Of all that run, by name, in one call where the engine can. */
  instanceMetrics(names: readonly string[], options?: CallOptions): Promise<Map<string, InstanceMetrics>>;
  /** Cold, or live where the engine can. */
  instanceMove(name: string, member: string, options?: CallOptions): Promise<void>;
  /** Told at once when an instance changes state by itself (a shutdown inside, a crash). Ends with the signal; reconnects by itself. */
  watch(onChange: (name: string, change?: InstanceChange) => void, signal: AbortSignal): void;

  /** Runs a command to its end; output is bounded by `maxOutputBytes`, then cut (`truncated`). */
  instanceExec(
    name: string,
    options: ExecOptions & { input?: Uint8Array; maxOutputBytes: number },
  ): Promise<{ exitCode: number; stdout: Uint8Array; stderr: Uint8Array; truncated: boolean }>;
  /** Like it, with streams instead of buffers: for jobs and copies. */
  instanceExecStream(name: string, options: ExecOptions): Promise<ExecStream>;
  instanceTerminal(name: string, options: ExecOptions & { columns: number; rows: number }): Promise<TerminalSession>;
  /** The serial console itself, interactive. */
  instanceConsole(name: string, options: { columns: number; rows: number }): Promise<TerminalSession>;
  /** The tail of what the guest wrote to its serial console. */
  instanceConsoleLog(name: string, maxBytes: number, options?: CallOptions): Promise<Uint8Array>;
  /** The VGA console of a virtual machine: SPICE or VNC bytes; not_implemented for containers. */
  instanceDisplay(name: string): Promise<{ protocol: "spice" | "vnc"; input: Writable; output: Readable; close(): void }>;
  fileRead(
    name: string,
    path: string,
    options?: CallOptions,
  ): Promise<
    | { kind: "file"; mode: number; uid: number; gid: number; sizeBytes?: number; content: Readable }
    | { kind: "directory"; entries: string[] }
  >;
  fileWrite(
    name: string,
    path: string,
    content: Readable | Uint8Array,
    options?: CallOptions & { mode?: number; uid?: number; gid?: number; makeParents?: boolean },
  ): Promise<void>;

  /**
   * A tarball as the engine exports it (unified, of a container or a virtual machine); the name becomes the image's alias. With `bare` it is
   * only the content of a root disk, to which the driver adds what the engine wants to know of an image: of a container the tarball of a
   * root file system, of a virtual machine a qcow2. invalid_argument for what is neither.
   */
  imageImport(
    name: string,
    content: Readable,
    options?: CallOptions & { labels?: Record<string, string>; bare?: BareImage | undefined },
  ): Promise<ImageReport>;
  /**
   * From a server that speaks simplestreams: `debian/12`; absent, the public one of the engine. unavailable without internet, not_found
   * for an alias that it does not have.
   */
  imageFetch(
    name: string,
    source: { server?: string | undefined; alias: string; kind: InstanceKind },
    options?: CallOptions & { labels?: Record<string, string> },
  ): Promise<ImageReport>;
  /** From a stopped instance, or from a snapshot of any. */
  imageFromInstance(
    name: string,
    from: { instance: string; snapshot?: string | undefined },
    options?: CallOptions & { labels?: Record<string, string> },
  ): Promise<ImageReport>;
  imageExport(name: string, options?: CallOptions): Promise<{ sizeBytes?: number; content: Readable }>;
  imageDelete(name: string, options?: CallOptions): Promise<void>;
  imageList(options?: CallOptions): Promise<ImageReport[]>;

  volumeCreate(spec: VolumeSpec, options?: CallOptions): Promise<void>;
  /** Growing works while attached where the pool can; shrinking is failed_precondition. */
  volumeResize(name: string, sizeBytes: number, options?: CallOptions): Promise<void>;
  /** Appears in the guest at `path`, at once, running or not. */
  volumeAttach(name: string, instance: string, path: string, options?: CallOptions): Promise<void>;
  volumeDetach(name: string, instance: string, options?: CallOptions): Promise<void>;
  volumeClone(
    name: string,
    from: { volume: string; snapshot?: string | undefined },
    labels: Record<string, string>,
    options?: CallOptions,
  ): Promise<void>;
  volumeSnapshot(name: string, snapshot: string, options?: CallOptions): Promise<void>;
  /** The volume takes the content of the snapshot; refused (failed_precondition) while a running instance has it. */
  volumeRestore(name: string, snapshot: string, options?: CallOptions): Promise<void>;
  volumeSnapshotDelete(name: string, snapshot: string, options?: CallOptions): Promise<void>;
  /** `sizeBytes` is what each takes by itself and would be free without it; absent where the engine does not know. */
  volumeSnapshotList(name: string, options?: CallOptions): Promise<{ name: string; sizeBytes?: number | undefined }[]>;
  /** One tarball with everything that volumeImport needs. */
  volumeExport(name: string, options?: CallOptions): Promise<{ sizeBytes?: number; content: Readable }>;
  volumeImport(spec: VolumeSpec, content: Readable, options?: CallOptions): Promise<void>;
  volumeDelete(name: string, options?: CallOptions): Promise<void>;
  volumeList(options?: CallOptions): Promise<VolumeReport[]>;

  instanceSnapshot(name: string, snapshot: string, options?: CallOptions): Promise<void>;
  /** The root disk takes the content of the snapshot, the instance being stopped; cards, size, labels and volumes stay what they are now. */
  instanceRestore(name: string, snapshot: string, options?: CallOptions): Promise<void>;
  instanceSnapshotDelete(name: string, snapshot: string, options?: CallOptions): Promise<void>;
  /** `sizeBytes` as of volumeSnapshotList. */
  instanceSnapshotList(
    name: string,
    options?: CallOptions,
  ): Promise<{ name: string; createdAt: Date; sizeBytes?: number | undefined }[]>;
  /** A new, stopped instance with the root disk of another one (or of its snapshot). */
  instanceClone(
    spec: Omit<InstanceSpec, "image">,
    from: { instance: string; snapshot?: string | undefined },
    options?: CallOptions,
  ): Promise<void>;
  /** One tarball with everything that instanceImport needs. */
  instanceExport(name: string, options?: CallOptions): Promise<{ sizeBytes?: number; content: Readable }>;
  /** Stopped, under another name if asked, with the cards of `spec`. */
  instanceImport(spec: Omit<InstanceSpec, "image">, content: Readable, options?: CallOptions): Promise<void>;

  /**
   * Of a cluster: these bridges on every member, made or put right; others of the owner stay. Those that cannot be now are waiting: their
   * instances run here only. Of one machine: nothing.
   */
  overlayEnsure(
    owner: string,
    bridges: readonly string[],
    options?: CallOptions,
  ): Promise<{ ready: Overlay[]; waiting: OverlayWaiting[] }>;
  /** Not those that instances still have cards on, and not while a member is offline: it is called again. */
  overlayRemove(owner: string, except: readonly string[], options?: CallOptions): Promise<void>;
  overlayOwners(options?: CallOptions): Promise<string[]>;

  memberEvacuate(name: string, options?: CallOptions): Promise<void>;
  memberRestore(name: string, options?: CallOptions): Promise<void>;

  close(): Promise<void>;
}

/** One system that can be built from its distribution's own mirror. */
export interface ImageRecipe {
  /** debian-12 */
  name: string;
  /** Debian 12 (bookworm) */
  title: string;
  distribution: string;
  release: string;
  kind: InstanceKind;
  /** The user that cloud-init makes inside. */
  defaultUser: string;
  minimumDiskBytes: number;
  /** The address of the mirror. */
  mirror: string;
}

/** Builds images on this host: with sshd and cloud-init inside. */
export interface ImageBuilder {
  recipes(): readonly ImageRecipe[];
  /** Whether it can be built here, now: the mirror answers, the tools are there; the reason why not is for people. */
  check(recipe: string, options?: CallOptions): Promise<{ available: true } | { available: false; reason: string }>;
  /**
   * A tarball as imageImport takes it, inside `directory`, which is empty, belongs to this one call, and is deleted by the caller
   * whatever comes. unavailable when the mirror does not answer.
   */
  build(recipe: string, options: CallOptions & { directory: string }): Promise<{ file: string }>;
}

export interface ExecStream {
  stdin: Writable;
  stdout: Readable;
  stderr: Readable;
  exited: Promise<number>;
  close(): void;
}

/** What one project's router is to be: the whole of it. Applying it again, or a newer one, changes only what differs. */
export interface RouterSpec {
  /** Ours, short, and part of names of interfaces: 8 hex digits. */
  id: string;
  /** No two overlap. */
  networks: RouterNetwork[];
  ports: RouterPort[];
  securityGroups: { id: string; rules: SecurityRule[] }[];
  /** Addresses of the cloud's pools that lead to one port each, both ways; in no other router. */
  floatingAddresses: { address: string; portId: string }[];
  /** From a port of the host; `0.0.0.0` is every address of it. */
  portForwards: { protocol: "tcp" | "udp"; listenAddress: string; listenPort: number; portId: string; targetPort: number }[];
  loadBalancers: LoadBalancerSpec[];
}

export interface RouterNetwork {
  id: string;
  /** The bridge on the host that instances are put on, at most 13 characters: with a tunnel's device it has two more. */
  bridge: string;
  /** IPv4, RFC 4632: `10.10.0.0/24`; its first address is the gateway, DHCP and DNS server. */
  cidr: string;
  dnsDomain: string;
  /** Resolvers to hand out instead of the gateway. */
  dnsServers: string[];
  /** Whether its instances may reach the world (masqueraded, or by their floating address). */
  internet: boolean;
  /** Whether the project's other networks with the same flag can be reached through the router. */
  routed: boolean;
  /** Instances on other members of a cluster are in it too. `as_before`: nobody can be asked now. */
  overlay?: Overlay | "as_before" | undefined;
}

export interface RouterPort {
  id: string;
  networkId: string;
  macAddress: string;
  ipv4: string;
  hostName: string;
  /** The host's end of the card: counters and isolation. */
  hostDevice: string;
  /** None: everything in and out is allowed (but no other project, ever). */
  securityGroupIds: string[];
}

/** Stateful; what no rule allows is dropped. */
export interface SecurityRule {
  direction: "in" | "out";
  protocol: "any" | "tcp" | "udp" | "icmp";
  /** Inclusive; of the destination. Absent: all. */
  ports?: { from: number; to: number } | undefined;
  /** The other side: an IPv4 range, or the members of a security group. Absent: everybody. */
  remote?: { cidr: string } | { securityGroupId: string } | undefined;
}

export interface LoadBalancerSpec {
  id: string;
  /** An address in one of the networks; `0.0.0.0` for a port of the host; else one of the cloud's pools, which leads to no port then. */
  listenAddress: string;
  listenPort: number;
  algorithm: "round_robin" | "least_connections" | "source";
  members: { portId: string; targetPort: number; weight: number }[];
  /** A TCP connection each; a member is down after `failures` in a row. */
  check: { intervalSeconds: number; failures: number };
}

/**
 * Bytes that crossed the edge of the cloud (not between networks of the project) since the router was made: of a port, or of a load
 * balancer that listens outside. They only grow while `epoch` stays the same; a router made anew begins at zero with another one.
 */
export interface RouterTraffic {
  epoch: string;
  counters: { id: string; receivedBytes: number; sentBytes: number }[];
}

/** Addresses that lead to this host. `interface`: where it answers ARP for them; else they are routed to it, or known to it alone (`local`). */
export interface PublishedPool {
  /** `203.0.113.0/28`, or first and last address: `203.0.113.10-203.0.113.20`. */
  range: string;
  interface?: string | undefined;
  /** Nobody outside answers to these: what leaves the host under one is masqueraded. */
  local: boolean;
}

/** What the host itself has, for those who choose what to listen on. */
export interface HostNetworkInfo {
  interfaces: string[];
  addresses: string[];
  /** Ports that processes of the host listen on; `0.0.0.0` is every address. */
  listening: { protocol: "tcp" | "udp"; address: string; port: number }[];
  /** Ranges that no network and no pool may overlap, and why. */
  reserved: { cidr: string; reason: string }[];
}

export interface LoadBalancerMemberState {
  loadBalancerId: string;
  portId: string;
  targetPort: number;
  health: "up" | "down" | "unknown";
  connections: number;
  totalConnections: number;
  bytesIn: number;
  bytesOut: number;
}

export interface NetworkDriver {
  /** Whether networks work on this host; the reason why not is for people. */
  check(): Promise<{ available: true } | { available: false; reason: string }>;
  host(): Promise<HostNetworkInfo>;
  /** Bridges, namespace, DHCP, DNS, firewall, addresses: all as in the specification when it resolves. */
  apply(router: RouterSpec, options?: CallOptions): Promise<void>;
  /** Nothing of it is left. One that is not there is removed already. */
  remove(routerId: string, options?: CallOptions): Promise<void>;
  /** Which routers are there, whoever made them of us. */
  list(): Promise<string[]>;
  /** Those whose overlays somebody else has touched since they were applied (the engine does when it starts): cheap to ask. */
  disturbed(): Promise<string[]>;
  /** Takes bridges of a router away, so that the engine can make them; the next apply puts running instances' cards on them again. */
  releaseBridges(routerId: string, bridges: readonly string[]): Promise<void>;
  /** Undefined where there is no such router. Counters of what the next apply takes away go with it: read them before. */
  traffic(routerId: string): Promise<RouterTraffic | undefined>;
  /** State of each member of each load balancer of a router, as its checks say. */
  loadBalancerState(routerId: string): Promise<LoadBalancerMemberState[]>;
  /** Makes exactly these pools reach this host. failed_precondition for a range that would cut the host itself off. */
  publishPools(pools: readonly PublishedPool[]): Promise<void>;
  /** A connection from the control plane into a network of a router (the terminal of `khmara ssh`, checks); no security group is asked. */
  connect(routerId: string, ipv4: string, port: number, options?: CallOptions): Promise<import("node:net").Socket>;
  close(): Promise<void>;
}
