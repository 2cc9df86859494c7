import { createHash } from "node:crypto";
import { PassThrough, Readable } from "node:stream";
import { CloudError } from "../../../kernel/errors.ts";
import type {
  ComputeDriver,
  EngineMember,
  ExecOptions,
  ImageReport,
  InstanceChange,
  InstanceKind,
  InstanceMetrics,
  InstanceReport,
  InstanceSpec,
  PowerState,
  TerminalSession,
  VolumeReport,
  VolumeSpec,
} from "../driver.ts";
import { type Faults, withFaults } from "./faults.ts";

/** What a fake instance is; `disk` stands for the content of its root disk. */
export interface FakeInstance {
  spec: Omit<InstanceSpec, "image">;
  image: string | undefined;
  state: PowerState;
  member: string;
  createdAt: Date;
  startedAt: Date | undefined;
  disk: string;
  snapshots: Map<string, { disk: string; createdAt: Date }>;
  files: Map<string, { content: Buffer; mode: number; uid: number; gid: number }>;
}
export interface FakeVolume {
  spec: VolumeSpec;
  content: string;
  attached: Map<string, string>;
  snapshots: Map<string, string>;
}
export interface FakeImage extends ImageReport {
  disk: string;
}
export interface ExecAnswer {
  exitCode?: number;
  stdout?: string;
  stderr?: string;
}

/** The engine in memory, and what a test does to it from outside. */
export interface FakeEngine extends ComputeDriver {
  faults: Faults;
  instances: Map<string, FakeInstance>;
  volumes: Map<string, FakeVolume>;
  images: Map<string, FakeImage>;
  memberList: EngineMember[];
  metrics: Map<string, Partial<InstanceMetrics>>;
  /** What a command inside an instance answers; absent: exit code 0 and no output. */
  onExec: ((name: string, options: ExecOptions & { input?: Uint8Array }) => ExecAnswer | Promise<ExecAnswer>) | undefined;
  addImage(name: string, kind?: InstanceKind): void;
  /** Tells whoever watches of a change, without making it. */
  tells(name: string, change: InstanceChange): void;
  /** Changes that nobody asked for through the port, told to whoever watches (not `quietly`). */
  happens(name: string, what: "shutdown" | "crashed" | "started" | "frozen" | "deleted", at?: Date, quietly?: "quietly"): void;
}

export interface FakeEngineOptions {
  members?: string[];
  /** Why virtual machines cannot run; absent: they can. */
  noVms?: string;
}

const missing = (what: string, name: string) => new CloudError("not_found", `The engine has no ${what} ${name}.`);
const exists = (what: string, name: string) => new CloudError("already_exists", `The engine has a ${what} ${name} already.`);
const gib = 1024 ** 3;

/** A ComputeDriver in memory that keeps to what driver.ts says of each call. */
export function createFakeEngine(options: FakeEngineOptions = {}): FakeEngine {
  const instances = new Map<string, FakeInstance>();
  const volumes = new Map<string, FakeVolume>();
  const images = new Map<string, FakeImage>();
  const metrics = new Map<string, Partial<InstanceMetrics>>();
  const watchers = new Set<(name: string, change: InstanceChange) => void>();
  const memberList: EngineMember[] = (options.members ?? ["host"]).map((name, index) => ({
    name,
    address: `192.0.2.${index + 1}:8443`,
    state: "online",
    message: "",
    cpus: 8,
    memoryBytes: 32 * gib,
    memoryUsedBytes: 4 * gib,
    pool: { totalBytes: 500 * gib, usedBytes: 10 * gib },
    architecture: "amd64",
    instances: 0,
  }));
  const tell = (name: string, kind: InstanceChange["kind"], at = new Date()) => {
    for (const watcher of watchers) watcher(name, { kind, at });
  };
  const instance = (name: string): FakeInstance => {
    const found = instances.get(name);
    if (!found) throw missing("instance", name);
    return found;
  };
  const volume = (name: string): FakeVolume => {
    const found = volumes.get(name);
    if (!found) throw missing("volume", name);
    return found;
  };
  const image = (name: string): FakeImage => {
    const found = images.get(name);
    if (!found) throw missing("image", name);
    return found;
  };
  const runs = (name: string): FakeInstance => {
    const found = instance(name);
    if (found.state !== "running") throw new CloudError("failed_precondition", `The instance ${name} is not running.`);
    return found;
  };
  const snapshotOf = (name: string, snapshot: string) => {
    const found = instance(name).snapshots.get(snapshot);
    if (!found) throw missing("snapshot", `${name}/${snapshot}`);
    return found;
  };
  const volumeSnapshotOf = (name: string, snapshot: string): string => {
    const found = volume(name).snapshots.get(snapshot);
    if (found === undefined) throw missing("snapshot", `${name}/${snapshot}`);
    return found;
  };
  const start = (name: string) => {
    const it = instance(name);
    if (it.state === "running") return;
    if (it.state === "stopped") it.startedAt = new Date();
    const kind = it.state === "frozen" ? "unfrozen" : "started";
    it.state = "running";
    tell(name, kind);
  };
  const stop = (name: string, kind: InstanceChange["kind"] = "stopped", at?: Date) => {
    const it = instance(name);
    if (it.state === "stopped") return;
    it.state = "stopped";
    tell(name, kind, at);
  };
  const make = (spec: Omit<InstanceSpec, "image">, from: { image?: string; disk: string }) => {
    const there = instances.get(spec.name);
    if (there) {
      if (JSON.stringify(there.spec.labels) === JSON.stringify(spec.labels)) return;
      throw exists("instance", spec.name);
    }
    if (spec.member && !memberList.some(({ name, state }) => name === spec.member && state === "online"))
      throw new CloudError("failed_precondition", `The member ${spec.member} is not online.`);
    const emptiest = memberList
      .filter(({ state }) => state === "online")
      .toSorted((a, b) => countOn(a.name) - countOn(b.name))
      .at(0);
    instances.set(spec.name, {
      spec: structuredClone(spec),
      image: from.image,
      state: "stopped",
      member: spec.member ?? emptiest?.name ?? "host",
      createdAt: new Date(),
      startedAt: undefined,
      disk: from.disk,
      snapshots: new Map(),
      files: new Map(),
    });
    tell(spec.name, "created");
  };
  const countOn = (member: string) => [...instances.values()].filter((each) => each.member === member).length;
  const drop = (name: string) => {
    if (!instances.delete(name)) return;
    for (const each of volumes.values()) each.attached.delete(name);
    tell(name, "deleted");
  };
  const reportOf = (it: FakeInstance): InstanceReport => ({
    name: it.spec.name,
    kind: it.spec.kind,
    state: it.state,
    member: it.member,
    labels: it.spec.labels,
    createdAt: it.createdAt,
    startedAt: it.startedAt,
    size: it.spec.size,
  });
  /** Disks of members are not shared. */
  const memberOf = (it: FakeVolume): string | undefined =>
    memberList.length > 1 ? (it.spec.member ?? memberList[0]?.name) : undefined;
  const volumeReport = (it: FakeVolume): VolumeReport => ({
    name: it.spec.name,
    sizeBytes: it.spec.sizeBytes,
    usedBytes: it.content.length,
    ...(memberOf(it) === undefined ? {} : { member: memberOf(it) }),
    labels: it.spec.labels,
    attachedTo: [...it.attached.keys()],
    snapshots: [...it.snapshots.keys()],
  });
  const addImage = (name: string, kind: InstanceKind, disk: string, labels: Record<string, string> = {}): ImageReport => {
    const made: FakeImage = {
      name,
      kind,
      disk,
      labels,
      fingerprint: createHash("sha256").update(name).digest("hex"),
      architecture: "amd64",
      sizeBytes: 100 * 1024 ** 2,
    };
    images.set(name, made);
    return made;
  };
  const text = async (content: Readable | Uint8Array): Promise<Buffer> =>
    Buffer.isBuffer(content) || content instanceof Uint8Array
      ? Buffer.from(content)
      : Buffer.concat((await content.toArray()).map((chunk) => Buffer.from(chunk as Uint8Array)));
  const terminal = (greeting: string): TerminalSession => {
    const output = new PassThrough();
    const input = new PassThrough();
    const ended = Promise.withResolvers<number>();
    output.write(greeting);
    input.on("data", (chunk: Buffer) => output.write(chunk));
    input.on("end", () => {
      output.end();
      ended.resolve(0);
    });
    return {
      output,
      input,
      resize: async (columns, rows) => void output.write(`[${columns}x${rows}]`),
      exited: ended.promise,
      close() {
        input.end();
        output.end();
        ended.resolve(129);
      },
    };
  };
  const execute = async (name: string, exec: ExecOptions & { input?: Uint8Array }): Promise<Required<ExecAnswer>> => {
    runs(name);
    exec.signal?.throwIfAborted();
    const { exitCode = 0, stdout = "", stderr = "" } = (await fake.onExec?.(name, exec)) ?? {};
    if (exec.signal?.aborted) throw new CloudError("cancelled", "The command was ended.");
    return { exitCode, stdout, stderr };
  };

  const driver: ComputeDriver = {
    info: async () => ({
      kind: "lxd",
      version: "fake",
      architecture: "amd64",
      clustered: memberList.length > 1,
      storageDriver: "btrfs",
      pool: { name: "khmara", totalBytes: 500 * gib, usedBytes: 10 * gib },
      kinds: {
        container: { available: true },
        vm: options.noVms === undefined ? { available: true } : { available: false, reason: options.noVms },
      },
    }),
    members: async () => memberList.map((member) => ({ ...member, instances: countOn(member.name) })),

    async instanceCreate(spec) {
      const from = image(spec.image.name);
      if (from.kind !== spec.kind)
        throw new CloudError("failed_precondition", `The image ${from.name} is for the kind ${from.kind}.`);
      make(spec, { image: from.name, disk: from.disk });
    },
    instanceStart: async (name) => start(name),
    instanceStop: async (name) => stop(name),
    async instanceRestart(name) {
      const it = instance(name);
      it.state = "running";
      it.startedAt = new Date();
      tell(name, "restarted");
    },
    async instanceFreeze(name) {
      const it = instance(name);
      if (it.state === "frozen") return;
      runs(name).state = "frozen";
      tell(name, "frozen");
    },
    async instanceUnfreeze(name) {
      const it = instance(name);
      if (it.state === "running") return;
      if (it.state !== "frozen") throw new CloudError("failed_precondition", `The instance ${name} is not frozen.`);
      it.state = "running";
      tell(name, "unfrozen");
    },
    async instanceResize(name, size) {
      const it = instance(name);
      if (size.diskBytes < it.spec.size.diskBytes) throw new CloudError("failed_precondition", "A disk only grows.");
      it.spec.size = { ...size };
      return { restartNeeded: it.spec.kind === "vm" && it.state !== "stopped" };
    },
    instanceConfigure: async (name, change) => void Object.assign(instance(name).spec, structuredClone(change)),
    async instanceRebuild(name, to) {
      const it = instance(name);
      const { disk } = image(to.name);
      if (it.state !== "stopped") throw new CloudError("failed_precondition", `The instance ${name} is running.`);
      it.disk = disk;
      it.image = to.name;
      it.files.clear();
    },
    instanceDelete: async (name) => drop(name),
    async instanceGet(name) {
      const it = instances.get(name);
      return it && reportOf(it);
    },
    instanceList: async () => [...instances.values()].map(reportOf),
    async instanceMetrics(names) {
      const found = new Map<string, InstanceMetrics>();
      for (const name of names) {
        const it = instances.get(name);
        if (it?.state !== "running") continue;
        const zero = { cpuSeconds: 0, memoryBytes: 0, memoryPeakBytes: 0, diskBytes: 0, processes: 1, interfaces: [] };
        found.set(name, { state: it.state, ...zero, ...metrics.get(name) });
      }
      return found;
    },
    async instanceMove(name, member) {
      instance(name).member = member;
    },
    watch(onChange, signal) {
      watchers.add(onChange);
      signal.addEventListener("abort", () => watchers.delete(onChange));
    },

    async instanceExec(name, exec) {
      const { exitCode, stdout, stderr } = await execute(name, exec);
      const cut = (bytes: string) => Buffer.from(bytes).subarray(0, exec.maxOutputBytes);
      return {
        exitCode,
        stdout: cut(stdout),
        stderr: cut(stderr),
        truncated: Math.max(Buffer.byteLength(stdout), Buffer.byteLength(stderr)) > exec.maxOutputBytes,
      };
    },
    async instanceExecStream(name, exec) {
      runs(name);
      const [stdin, stdout, stderr] = [new PassThrough(), new PassThrough(), new PassThrough()];
      const exited = execute(name, exec).then((answer) => {
        stdout.end(answer.stdout);
        stderr.end(answer.stderr);
        return answer.exitCode;
      });
      exited.catch((error) => {
        stdout.destroy(error);
        stderr.destroy(error);
      });
      return { stdin, stdout, stderr, exited, close: () => void [stdin, stdout, stderr].map((stream) => stream.end()) };
    },
    async instanceTerminal(name, exec) {
      runs(name);
      return terminal(`${name}:${exec.command.join(" ")}$ `);
    },
    async instanceConsole(name) {
      runs(name);
      return terminal(`${name} login: `);
    },
    instanceConsoleLog: async (name, maxBytes) => Buffer.from(`[boot] ${instance(name).spec.hostName}\n`).subarray(-maxBytes),
    async instanceDisplay(name) {
      if (instance(name).spec.kind === "container") throw new CloudError("not_implemented", "A container has no VGA console.");
      const { input, output, close } = terminal("RFB");
      return { protocol: "vnc", input, output, close };
    },
    async fileRead(name, path) {
      const { files } = instance(name);
      const file = files.get(path);
      if (file)
        return {
          kind: "file",
          mode: file.mode,
          uid: file.uid,
          gid: file.gid,
          sizeBytes: file.content.length,
          content: Readable.from([file.content]),
        };
      const folder = path.endsWith("/") ? path : `${path}/`;
      const below = [...files.keys()].filter((each) => each.startsWith(folder)).map((each) => each.slice(folder.length));
      if (below.length === 0) throw new CloudError("not_found", `There is no file ${path}.`);
      return { kind: "directory", entries: [...new Set(below.map((each) => each.split("/")[0] as string))] };
    },
    async fileWrite(name, path, content, file = {}) {
      const { mode = 0o644, uid = 0, gid = 0 } = file;
      instance(name).files.set(path, { content: await text(content), mode, uid, gid });
    },

    async imageImport(name, content, { labels } = {}) {
      return addImage(name, "container", (await text(content)).toString(), labels);
    },
    imageFetch: async (name, source) => addImage(name, source.kind, source.alias),
    async imageFromInstance(name, { instance: source, snapshot }) {
      const it = instance(source);
      if (snapshot === undefined && it.state !== "stopped")
        throw new CloudError("failed_precondition", `The instance ${source} is running.`);
      return addImage(name, it.spec.kind, snapshot === undefined ? it.disk : snapshotOf(source, snapshot).disk);
    },
    async imageExport(name) {
      const { disk } = image(name);
      return { sizeBytes: Buffer.byteLength(disk), content: Readable.from([Buffer.from(disk)]) };
    },
    imageDelete: async (name) => void images.delete(name),
    imageList: async () => [...images.values()],

    async volumeCreate(spec) {
      const there = volumes.get(spec.name);
      if (!there) {
        volumes.set(spec.name, { spec: structuredClone(spec), content: "", attached: new Map(), snapshots: new Map() });
        return;
      }
      if (JSON.stringify(there.spec.labels) !== JSON.stringify(spec.labels)) throw exists("volume", spec.name);
    },
    async volumeResize(name, sizeBytes) {
      const it = volume(name);
      if (sizeBytes < it.spec.sizeBytes) throw new CloudError("failed_precondition", "A volume only grows.");
      it.spec.sizeBytes = sizeBytes;
    },
    async volumeAttach(name, to, path) {
      const member = memberOf(volume(name));
      if (member !== undefined && instance(to).member !== member)
        throw new CloudError("failed_precondition", `The volume ${name} is on the member ${member}.`);
      instance(to);
      volume(name).attached.set(to, path);
    },
    volumeDetach: async (name, from) => void volume(name).attached.delete(from),
    async volumeClone(name, from, labels) {
      if (volumes.has(name)) return;
      const source = volume(from.volume);
      const content = from.snapshot === undefined ? source.content : volumeSnapshotOf(from.volume, from.snapshot);
      volumes.set(name, { spec: { ...source.spec, name, labels }, content, attached: new Map(), snapshots: new Map() });
    },
    async volumeSnapshot(name, snapshot) {
      const it = volume(name);
      if (!it.snapshots.has(snapshot)) it.snapshots.set(snapshot, it.content);
    },
    async volumeRestore(name, snapshot) {
      const it = volume(name);
      if ([...it.attached.keys()].some((each) => instances.get(each)?.state === "running"))
        throw new CloudError("failed_precondition", `The volume ${name} is in use by a running instance.`);
      it.content = volumeSnapshotOf(name, snapshot);
    },
    volumeSnapshotDelete: async (name, snapshot) => void volumes.get(name)?.snapshots.delete(snapshot),
    volumeSnapshotList: async (name) =>
      [...volume(name).snapshots].map(([snapshot, content]) => ({ name: snapshot, sizeBytes: content.length })),
    async volumeExport(name) {
      const { content } = volume(name);
      return { sizeBytes: Buffer.byteLength(content), content: Readable.from([Buffer.from(content)]) };
    },
    async volumeImport(spec, content) {
      const bytes = (await text(content)).toString();
      volumes.set(spec.name, { spec: structuredClone(spec), content: bytes, attached: new Map(), snapshots: new Map() });
    },
    async volumeDelete(name) {
      if (volumes.get(name)?.attached.size) throw new CloudError("failed_precondition", `The volume ${name} is attached.`);
      volumes.delete(name);
    },
    volumeList: async () => [...volumes.values()].map(volumeReport),

    async instanceSnapshot(name, snapshot) {
      const it = instance(name);
      if (!it.snapshots.has(snapshot)) it.snapshots.set(snapshot, { disk: it.disk, createdAt: new Date() });
    },
    async instanceRestore(name, snapshot) {
      instance(name).disk = snapshotOf(name, snapshot).disk;
    },
    instanceSnapshotDelete: async (name, snapshot) => void instances.get(name)?.snapshots.delete(snapshot),
    instanceSnapshotList: async (name) =>
      [...instance(name).snapshots].map(([snapshot, { createdAt, disk }]) => ({
        name: snapshot,
        createdAt,
        sizeBytes: disk.length,
      })),
    async instanceClone(spec, from) {
      const source = instance(from.instance);
      make(spec, { disk: from.snapshot === undefined ? source.disk : snapshotOf(from.instance, from.snapshot).disk });
    },
    async instanceExport(name) {
      const { disk } = instance(name);
      return { sizeBytes: Buffer.byteLength(disk), content: Readable.from([Buffer.from(disk)]) };
    },
    instanceImport: async (spec, content) => make(spec, { disk: (await text(content)).toString() }),

    // Whatever its members are: networks are on this machine.
    overlayEnsure: async () => ({ ready: [], waiting: [] }),
    overlayRemove: async () => {},
    overlayOwners: async () => [],
    async memberEvacuate(name) {
      const member = memberList.find((each) => each.name === name);
      if (!member) throw missing("member", name);
      member.state = "evacuated";
      const target = memberList.find(({ state }) => state === "online");
      for (const each of instances.values()) if (each.member === name && target) each.member = target.name;
    },
    async memberRestore(name) {
      const member = memberList.find((each) => each.name === name);
      if (!member) throw missing("member", name);
      member.state = "online";
    },
    close: async () => watchers.clear(),
  };

  const wrapped = withFaults(driver, ["watch", "close"]);
  const fake: FakeEngine = Object.assign(wrapped.driver, {
    faults: wrapped.faults,
    instances,
    volumes,
    images,
    memberList,
    metrics,
    onExec: undefined,
    addImage: (name: string, kind: InstanceKind = "container") => void addImage(name, kind, `disk of ${name}`),
    tells: (name: string, change: InstanceChange) => tell(name, change.kind, change.at),
    happens(
      name: string,
      what: "shutdown" | "crashed" | "started" | "frozen" | "deleted",
      at: Date = new Date(),
      quietly?: "quietly",
    ) {
      const heard = [...watchers];
      if (quietly) watchers.clear();
      if (what === "shutdown" || what === "crashed") stop(name, what, at);
      else if (what === "started") start(name);
      else if (what === "frozen") {
        instance(name).state = "frozen";
        tell(name, "frozen", at);
      } else drop(name);
      for (const watcher of heard) watchers.add(watcher);
    },
  });
  return fake;
}
