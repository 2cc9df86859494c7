/**
 * A cluster of LXD (or Incus) daemons on this machine: each in a folder and a network namespace of its own, joined by tokens, as machines
 * in a rack are. It lives as long as the test file; what a killed one left is taken away by the next.
 */
import { execFile, execFileSync, spawn } from "node:child_process";
import { randomBytes, randomInt } from "node:crypto";
import { closeSync, existsSync, globSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { askEngine } from "../server/engines/ask.ts";
import { type EngineKind, engineKinds, programOf, socketIn } from "../server/engines/kinds.ts";
import { isAlive, processIds, signal, startTicks, waitForEnd } from "../server/processes.ts";
import { at, openLxdClient } from "../services/compute/drivers/lxd/client.ts";
import { engineTools, installTestTools } from "../tools/test-tools.ts";

const run = promisify(execFile);

export interface ClusterMember {
  name: string;
  socket: string;
  /** Of its own network; undefined for one that is in the network of the tests. */
  namespace: string | undefined;
  /** As when the machine loses its power: the daemon and all instances on it are gone at once. */
  kill(): Promise<void>;
  start(): Promise<void>;
}

export interface LxdCluster {
  kind: EngineKind;
  poolName: string;
  members: ClusterMember[];
  stop(): Promise<void>;
}

const poolName = "khmara";
/** In a file that takes only what is in it. */
const poolSize = "5GiB";
const prefix = "khmara-lxd-cluster-";
const startMs = 60_000;

/**
 * `firstIsHere`: the first member is in the network of the tests themselves, as one on the machine of Khmara is, and so are the cards of
 * its instances.
 */
export async function startLxdCluster(
  names: readonly string[],
  { firstIsHere = false }: { firstIsHere?: boolean } = {},
): Promise<LxdCluster> {
  const missing = await installTestTools(engineTools);
  const kind = (["lxd", "incus"] as const).find((each) => programOf(each) !== undefined);
  if (kind === undefined || missing.length > 0) throw new Error(`LXD is missing for the tests: ${missing.join(", ")}.`);
  await sweep();
  const id = randomBytes(3).toString("hex");
  const folder = join(tmpdir(), `${prefix}${id}`);
  mkdirSync(folder, { mode: 0o711 });
  writeFileSync(join(folder, "owner"), `${process.pid}:${startTicks(process.pid)}`);
  try {
    const hub = namespaceOf(id, "hub");
    makeHub(hub);
    // Seen from here, two runs at once must not have the same.
    const range = firstIsHere ? `10.77.${randomInt(1, 255)}` : "10.77.0";
    const members = names.map((name, index) => {
      const isHere = firstIsHere && index === 0;
      return new Daemon({ kind, name, id, folder, hub, address: `${range}.${index + 1}`, isHere });
    });
    for (const member of members) await member.start();
    const [first, ...others] = members as [Daemon, ...Daemon[]];
    await first.initialise(firstSettings(first));
    for (const member of others) {
      const token = await joinToken(first.socket, member.name);
      await member.initialise(joinSettings(member, token));
    }
    // A member is called offline as soon as the engine allows.
    const client = openLxdClient({ endpoint: first.socket });
    await client.patch("/1.0", { config: { "cluster.offline_threshold": "11" } });
    client.close();
    return { kind, poolName, members, stop: () => remove(folder) };
  } catch (error) {
    await remove(folder);
    throw error;
  }
}

const namespaceOf = (id: string, what: string): string => `khlxd-${id}-${what}`;

/** A switch in a namespace of its own, so that the host sees nothing of it. */
function makeHub(hub: string): void {
  ip("netns", "add", hub);
  ip("-n", hub, "link", "add", "switch", "type", "bridge");
  ip("-n", hub, "link", "set", "switch", "up");
}

const cardHere = (id: string): string => `khlxd${id}`;

/** What a daemon sees of interfaces in /sys is of its own network; the control groups stay those that are mounted here. */
const ownSysfs = [
  "unshare",
  "--mount",
  "--propagation=unchanged",
  "sh",
  "-ec",
  'mount --make-rprivate /sys; cd /sys/fs/cgroup; mount -t sysfs sysfs /sys; mount -c --rbind . /sys/fs/cgroup; cd /; exec "$@"',
  "lxd",
];

const ip = (...words: string[]): void => void execFileSync("ip", words, { stdio: ["ignore", "ignore", "pipe"] });

interface DaemonOptions {
  kind: EngineKind;
  name: string;
  id: string;
  folder: string;
  hub: string;
  address: string;
  isHere: boolean;
}

class Daemon implements ClusterMember {
  readonly name: string;
  readonly folder: string;
  readonly socket: string;
  readonly address: string;
  readonly #options: DaemonOptions;
  readonly namespace: string | undefined;

  constructor(options: DaemonOptions) {
    this.#options = options;
    this.name = options.name;
    this.folder = join(options.folder, options.name);
    this.socket = socketIn(this.folder);
    this.address = `${options.address}:8443`;
    mkdirSync(this.folder, { mode: 0o711 });
    const cable = `c${options.address.split(".").at(-1)}`;
    if (options.isHere) {
      const card = cardHere(options.id);
      ip("-n", options.hub, "link", "add", cable, "type", "veth", "peer", "name", card, "netns", String(process.pid));
      ip("address", "add", `${options.address}/24`, "dev", card);
      ip("link", "set", card, "up");
    } else {
      this.namespace = namespaceOf(options.id, options.name);
      ip("netns", "add", this.namespace);
      ip("-n", options.hub, "link", "add", cable, "type", "veth", "peer", "name", "eth0", "netns", this.namespace);
      ip("-n", this.namespace, "address", "add", `${options.address}/24`, "dev", "eth0");
      for (const link of ["lo", "eth0"]) ip("-n", this.namespace, "link", "set", link, "up");
    }
    ip("-n", options.hub, "link", "set", cable, "master", "switch", "up");
  }

  get #environment(): NodeJS.ProcessEnv {
    return { ...process.env, [engineKinds[this.#options.kind].folderVariable]: this.folder };
  }

  get #enter(): string[] {
    return this.namespace ? ["nsenter", `--net=/run/netns/${this.namespace}`, "--"] : [];
  }

  async start(): Promise<void> {
    const { kind } = this.#options;
    const log = openSync(`${this.folder}.log`, "a");
    const [command = "", ...words] = [...this.#enter, ...(this.namespace ? ownSysfs : []), programOf(kind) as string];
    const child = spawn(command, words, {
      cwd: "/",
      detached: true,
      stdio: ["ignore", log, log],
      env: this.#environment,
    });
    closeSync(log);
    child.unref();
    for (const deadline = Date.now() + startMs; ; await sleep(100)) {
      const isReady = await askEngine({ endpoint: this.socket }, "GET", "/internal/ready", { timeoutMs: 5000 }).then(
        () => true,
        () => false,
      );
      if (isReady) return;
      if (Date.now() > deadline || child.exitCode !== null)
        throw new Error(`${this.name} does not start: ${readFileSync(`${this.folder}.log`, "utf8").slice(-2000)}`);
    }
  }

  async kill(): Promise<void> {
    await endAll(processesOf(this.folder));
  }

  /** What `lxd init` reads; it speaks with the others, so it runs in the daemon's network. */
  async initialise(settings: Record<string, unknown>): Promise<void> {
    const { kind } = this.#options;
    const words = kind === "lxd" ? ["lxd", "init", "--preseed"] : ["incus", "admin", "init", "--preseed"];
    const [command = "", ...rest] = [...this.#enter, ...words];
    const child = run(command, rest, {
      env: this.#environment,
      timeout: startMs,
    });
    child.child.stdin?.end(JSON.stringify(settings));
    await child;
  }
}

const firstSettings = ({ name, address }: Daemon) => ({
  config: { "core.https_address": address },
  storage_pools: [{ name: poolName, driver: "btrfs", config: { size: poolSize } }],
  cluster: { enabled: true, server_name: name },
});

const joinSettings = ({ name, address }: Daemon, token: string) => ({
  cluster: {
    enabled: true,
    server_name: name,
    server_address: address,
    cluster_token: token,
    member_config: [{ entity: "storage-pool", name: poolName, key: "size", value: poolSize }],
  },
});

interface TokenOperation {
  metadata: { serverName: string; fingerprint: string; addresses: string[]; secret: string; expiresAt?: string };
}

/** The words that `lxc cluster add` prints. */
async function joinToken(socket: string, name: string): Promise<string> {
  const { metadata } = await askEngine<TokenOperation>({ endpoint: socket }, "POST", "/1.0/cluster/members", {
    body: { server_name: name },
  });
  const { secret, fingerprint, addresses, expiresAt } = metadata;
  const token = { server_name: name, fingerprint, addresses, secret, expires_at: expiresAt ?? "0001-01-01T00:00:00Z" };
  return Buffer.from(JSON.stringify(token)).toString("base64");
}

/** The daemon of a folder, and whoever it started: they carry its folder in their environment, or lie below it. */
function processesOf(folder: string): number[] {
  const marks = [`LXD_DIR=${folder}`, `INCUS_DIR=${folder}`];
  const has = (pid: number): boolean => {
    try {
      const environment = readFileSync(`/proc/${pid}/environ`, "utf8").split("\0");
      if (environment.some((each) => marks.some((mark) => each === mark || each.startsWith(`${mark}/`)))) return true;
      return readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(`${folder}/`);
    } catch {
      return false;
    }
  };
  const own = new Set(processIds().filter((pid) => pid !== process.pid && has(pid)));
  // Guests are children of the engine's monitor, which is one of them.
  for (let before = -1; before !== own.size; ) {
    before = own.size;
    for (const pid of processIds()) if (own.has(parentOf(pid))) own.add(pid);
  }
  return [...own];
}

function parentOf(pid: number): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
  } catch {
    return 0;
  }
}

async function endAll(pids: number[]): Promise<void> {
  for (const pid of pids) signal(pid, "SIGKILL");
  if (!(await waitForEnd(pids, 10_000))) throw new Error(`These do not end: ${pids.filter(isAlive).join(", ")}.`);
}

/** Daemons, guests, mounts, namespaces, files. */
async function remove(folder: string): Promise<void> {
  await forceDelete(folder);
  await endAll(processesOf(folder));
  const places = readFileSync("/proc/self/mounts", "utf8")
    .split("\n")
    .map((line) => line.split(" ")[1] ?? "")
    .filter((place) => place.startsWith(`${folder}/`));
  for (const place of places.reverse()) execFileSync("umount", ["-l", place]);
  const id = folder.slice(folder.lastIndexOf(prefix) + prefix.length);
  // Before the namespaces: with its other end this one would go too, now or a moment later.
  if (existsSync(`/sys/class/net/${cardHere(id)}`)) ip("link", "delete", cardHere(id));
  for (const path of globSync(`/run/netns/khlxd-${id}-*`)) ip("netns", "delete", path.slice("/run/netns/".length));
  rmSync(folder, { recursive: true, force: true });
}

/** In good order where a daemon still answers: what is only killed leaves control groups behind. */
async function forceDelete(folder: string): Promise<void> {
  for (const socket of globSync(join(folder, "*", "unix.socket"))) {
    const client = openLxdClient({ endpoint: socket });
    try {
      const instances = await client.list<{ name: string; project: string }>("/1.0/instances", {
        query: { "all-projects": "true" },
      });
      for (const { name, project } of instances) {
        const inside = client.inProject(project);
        await inside.put(at`/1.0/instances/${name}/state`, { action: "stop", force: true }).catch(() => {});
        await inside.delete(at`/1.0/instances/${name}`).catch(() => {});
      }
      return;
    } catch {
      // The next one may answer.
    } finally {
      client.close();
    }
  }
}

/** What tests left that were killed. */
async function sweep(): Promise<void> {
  for (const folder of globSync(join(tmpdir(), `${prefix}*`))) {
    const [pid, began] = (() => {
      try {
        return readFileSync(join(folder, "owner"), "utf8").split(":");
      } catch {
        return [];
      }
    })();
    if (pid !== undefined && startTicks(Number(pid)) === began) continue;
    await remove(folder);
  }
}
