/**
 * Several Dockers on this machine that are one cloud's nodes: each in a folder and a network namespace of its own, joined by the code that joins
 * machines. It lives as long as the test file; what a killed one left is taken away by the next. The shared Docker of testing/docker.ts has no
 * part in it.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, globSync, mkdirSync, readFileSync, rmdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { createAuthority, issueCertificate } from "../gateway/certificates/authority.ts";
import { silentLog } from "../kernel/log.ts";
import { masterKeyBytes, openSecrets } from "../kernel/secrets.ts";
import { askDocker, postDocker } from "../server/engines/ask.ts";
import { type DockerPlace, startDocker } from "../server/engines/dockerDaemon.ts";
import { lockFile } from "../server/file-lock.ts";
import { joinNode } from "../server/nodes/join.ts";
import { isAlive, processIds, signal, startTicks, waitForEnd } from "../server/processes.ts";
import type { AppEngine } from "../services/apps/driver.ts";
import { openFirewall } from "../services/apps/drivers/docker/firewall.ts";
import { openSwarmEngine } from "../services/apps/drivers/swarm/index.ts";
import { clientName, registryPort, serverNameOf } from "../services/apps/drivers/swarm/names.ts";
import { decodeInvitation, encodeInvitation } from "../services/apps/nodes/invitation.ts";
import type { AppNodes, NodeIdentity } from "../services/apps/nodesDriver.ts";
import { type NodeDoor, openNodeDoor } from "../services/apps/registry/nodeDoor.ts";
import { openNodeImages } from "../services/apps/registry/nodeImages.ts";
import { containerTools, installTestTools } from "../tools/test-tools.ts";

export interface SwarmMachine {
  name: string;
  address: string;
  socket: string;
  /** The file of its network namespace. */
  network: string;
  /** As when the machine loses its power: the daemon and all containers are gone at once. */
  kill(): Promise<void>;
  start(): Promise<void>;
  /** As `khmara node join` does it, with another invitation than its first one. */
  join(invitation: string): Promise<void>;
  /** Its cable is pulled, or put back: what runs there runs on. */
  cut(isCut: boolean): void;
}

export interface TestSwarm {
  /** The cloud's own machine first. */
  machines: SwarmMachine[];
  /** As a cloud of this id sees all of them; whoever opens it closes it. */
  open(cloudId: string): AppEngine & { nodes: AppNodes };
  /** Bytes that a machine has got over its cable. */
  received(machine: string): number;
  /** A word for joinNode. */
  invite(name: string): Promise<string>;
  stop(): Promise<void>;
}

const prefix = "khsw-";
/** Of benchmarks between networks (RFC 2544), which no machine has for something real; apart from those of testing/docker.ts. */
const ranges = { bridges: "198.19.64.0/18", overlays: "198.19.128.0/18", machines: "198.19.253" };
const card = "khsw0";
const lockPath = join(tmpdir(), "khmara-test-swarm.lock");

const ip = (...words: string[]): void => void execFileSync("ip", words, { stdio: ["ignore", "ignore", "pipe"] });

/** One at a time on this machine: its networks are reached from here. */
async function takeLock(): Promise<{ release(): void }> {
  for (const deadline = Date.now() + 10 * 60_000; ; await sleep(200)) {
    const lock = lockFile(lockPath);
    if (lock !== undefined) return lock;
    if (Date.now() > deadline) throw new Error("Another test has had its swarm for ten minutes.");
  }
}

export async function startDockerSwarm(names: readonly string[]): Promise<TestSwarm> {
  const missing = await installTestTools(containerTools);
  if (missing.length > 0) throw new Error(`Docker is missing for the tests: ${missing.join(", ")}.`);
  const lock = await takeLock();
  const id = randomBytes(3).toString("hex");
  const folder = join(tmpdir(), `${prefix}${id}`);
  const doors: NodeDoor[] = [];
  const close = async () => {
    for (const door of doors) await door.close();
    await remove(folder);
    lock.release();
  };
  try {
    await sweep();
    mkdirSync(folder, { mode: 0o711 });
    writeFileSync(join(folder, "owner"), `${process.pid}:${startTicks(process.pid)}`);
    const hub = namespaceOf(id, "hub");
    ip("netns", "add", hub);
    ip("-n", hub, "link", "add", "switch", "type", "bridge");
    ip("-n", hub, "link", "set", "switch", "up");
    const machines = names.map((name, index) => new Machine({ id, folder, hub, name, number: index + 1 }));
    const [home, ...others] = machines as [Machine, ...Machine[]];
    const identity = await newIdentity();
    const from = `${ranges.machines}.254`;
    const door = openNodeDoor({
      images: openNodeImages(folder),
      secrets: openSecrets(randomBytes(masterKeyBytes)),
      log: silentLog,
      certificate: async (host) => ({
        authority: identity.client.authority,
        ...(await issueCertificate(identity.authority, [host])),
      }),
      listenAt: from,
    });
    doors.push(door);
    const open = (cloudId: string) => {
      const { network } = home;
      const engine = openSwarmEngine({
        address: { endpoint: home.socket },
        cloudId,
        firewall: openFirewall({ network }),
        network,
        overlayRange: ranges.overlays,
      });
      engine.nodes.identifyBy(async () => identity.client);
      engine.nodes.pullFrom(door);
      // A cloud over it has an authority and a registry of its own, which the machines here do not know.
      return { ...engine, nodes: { ...engine.nodes, identifyBy() {}, pullFrom() {} } };
    };
    await Promise.all([home.start(), ...others.map((each) => each.prepare())]);
    leadThere(id, hub, home);
    const engine = open("test-swarm");
    const invite = async (name: string) => {
      const { manager, token } = await engine.nodes.invite({ address: home.address });
      const { certificate, key } = await issueCertificate(identity.authority, [serverNameOf(name)]);
      const members = (await engine.nodes.list()).map((node) => node.id);
      return encodeInvitation({ name, manager, token, members, authority: identity.client.authority, certificate, key });
    };
    for (const machine of others) await machine.join(await invite(machine.name));
    await loseSooner(home.socket);
    return {
      machines,
      open,
      received: (name) => machines.find((each) => each.name === name)?.received() ?? 0,
      invite,
      async stop() {
        engine.close();
        await close();
      },
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** A third of the time after which a node that says nothing is called down; five seconds by themselves. */
async function loseSooner(socket: string): Promise<void> {
  const door = { endpoint: socket };
  type Swarm = { Version: { Index: number }; Spec: { Dispatcher: object } };
  const { Version, Spec } = await askDocker<Swarm>(door, "/swarm");
  const spec = { ...Spec, Dispatcher: { ...Spec.Dispatcher, HeartbeatPeriod: 2.5e9 } };
  await postDocker(door, `/swarm/update?version=${Version.Index}`, spec, 30_000);
}

async function newIdentity(): Promise<{ authority: Awaited<ReturnType<typeof createAuthority>>; client: NodeIdentity }> {
  const authority = await createAuthority({ name: "Test nodes" });
  const { certificate, key } = await issueCertificate(authority, [clientName], { client: true });
  return { authority, client: { authority: authority.certificate, certificate, key } };
}

const namespaceOf = (id: string, what: string): string => `${prefix}${id}-${what}`;

interface MachineOptions {
  id: string;
  folder: string;
  hub: string;
  name: string;
  number: number;
}

class Machine implements SwarmMachine {
  readonly name: string;
  readonly address: string;
  readonly network: string;
  readonly socket: string;
  readonly namespace: string;
  readonly #options: MachineOptions;
  readonly #place: DockerPlace;
  readonly #logFolder: string;
  #invitation: string | undefined;

  constructor(options: MachineOptions) {
    const { id, folder, hub, name, number } = options;
    this.#options = options;
    this.name = name;
    this.namespace = namespaceOf(id, name);
    this.network = `/run/netns/${this.namespace}`;
    this.address = `${ranges.machines}.${number}`;
    // Short: the path of a socket holds 107 bytes.
    const own = join(folder, String(number));
    this.#place = { folder: own, network: this.network, addresses: ranges.bridges };
    this.socket = join(own, "docker.sock");
    this.#logFolder = join(folder, `log${number}`);
    ip("netns", "add", this.namespace);
    ip("-n", hub, "link", "add", `c${number}`, "type", "veth", "peer", "name", "eth0", "netns", this.namespace);
    ip("-n", this.namespace, "address", "add", `${this.address}/24`, "dev", "eth0");
    for (const link of ["lo", "eth0"]) ip("-n", this.namespace, "link", "set", link, "up");
    ip("-n", hub, "link", "set", `c${number}`, "master", "switch", "up");
  }

  /** The first start of a daemon takes seconds; that of the next, less. */
  async prepare(): Promise<void> {
    await startDocker({ place: this.#place, logFile: join(this.#logFolder, "docker.log"), timeoutMs: 120_000 });
  }

  async join(invitation: string): Promise<void> {
    this.#invitation = invitation;
    await joinNode({
      invitation: decodeInvitation(invitation),
      onStep: () => {},
      signal: AbortSignal.timeout(180_000),
      logFolder: this.#logFolder,
      place: this.#place,
      folder: join(this.#options.folder, `etc${this.#options.number}`),
    });
  }

  async start(): Promise<void> {
    if (this.#invitation === undefined) await this.prepare();
    else await this.join(this.#invitation);
  }

  async kill(): Promise<void> {
    await endAll(processesOf(this.#place.folder));
  }

  received(): number {
    const words = ["-n", this.#options.hub, "-s", "-j", "link", "show", `c${this.#options.number}`];
    const [link] = JSON.parse(execFileSync("ip", words, { encoding: "utf8" })) as [{ stats64: { tx: { bytes: number } } }];
    return link.stats64.tx.bytes;
  }

  cut(isCut: boolean): void {
    ip("-n", this.#options.hub, "link", "set", `c${this.#options.number}`, isCut ? "down" : "up");
  }
}

/** A cable of our own, as we are on the first machine; and through it to that one's networks. */
function leadThere(id: string, hub: string, home: Machine): void {
  const outer = `${card}-${id}`;
  ip("-n", hub, "link", "add", "c0", "type", "veth", "peer", "name", outer, "netns", String(process.pid));
  ip("-n", hub, "link", "set", "c0", "up", "master", "switch");
  ip("address", "add", `${ranges.machines}.254/24`, "dev", outer);
  ip("link", "set", outer, "up");
  for (const range of [ranges.bridges, ranges.overlays]) ip("route", "replace", range, "via", home.address);
  const from = `${ranges.machines}.254`;
  const registry = ["-p", "tcp", "--dport", String(registryPort)];
  const rules = [
    ["-s", from, "-j", "ACCEPT"],
    ["-d", from, "-m", "conntrack", "--ctstate", "RELATED,ESTABLISHED", "-j", "ACCEPT"],
    ["-d", from, ...registry, "-j", "ACCEPT"],
  ].map((rule) => ["DOCKER-USER", ...rule]);
  // The cloud is here and not there: what nodes ask there comes here, and seems to come from there.
  const led = [
    ["PREROUTING", "-t", "nat", "-i", "eth0", "-d", home.address, ...registry, "-j", "DNAT", "--to-destination", from],
    ["POSTROUTING", "-t", "nat", "-d", from, ...registry, "-j", "MASQUERADE"],
  ];
  for (const rule of [...rules, ...led])
    execFileSync("nsenter", [`--net=${home.network}`, "iptables", "-w", "10", "-I", ...rule], { stdio: "ignore" });
}

/** The daemon of a folder, what it started, and what runs in its containers. */
function processesOf(folder: string): number[] {
  const has = (pid: number): boolean => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(`${folder}/`);
    } catch {
      return false;
    }
  };
  const own = new Set(processIds().filter((pid) => pid !== process.pid && has(pid)));
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
  if (!(await waitForEnd(pids, 20_000))) throw new Error(`These do not end: ${pids.filter(isAlive).join(", ")}.`);
}

/** Daemons, containers, mounts, control groups, namespaces, files. */
async function remove(folder: string): Promise<void> {
  await endAll(processesOf(folder));
  const places = readFileSync("/proc/self/mounts", "utf8")
    .split("\n")
    .map((line) => line.split(" ")[1] ?? "")
    .filter((place) => place.startsWith(`${folder}/`));
  for (const place of places.reverse()) spawnSync("umount", ["-l", place], { stdio: "ignore" });
  for (const container of globSync(join(folder, "*", "data", "containers", "*")))
    for (const group of globSync(`/sys/fs/cgroup/{,*/}docker/${container.split("/").at(-1)}`)) {
      try {
        rmdirSync(group);
      } catch {
        // It went with its last process.
      }
    }
  const id = folder.slice(folder.lastIndexOf(prefix) + prefix.length);
  const outer = `${card}-${id}`;
  if (existsSync(`/sys/class/net/${outer}`)) ip("link", "delete", outer);
  for (const path of globSync(`/run/netns/${prefix}${id}-*`)) ip("netns", "delete", path.slice("/run/netns/".length));
  rmSync(folder, { recursive: true, force: true });
  // Docker looks for whom to trust in one place, whichever daemon of this machine it is; one swarm at a time.
  for (const path of globSync(`/etc/docker/certs.d/${ranges.machines}.*`)) rmSync(path, { recursive: true });
}

/** What tests left that were killed. */
async function sweep(): Promise<void> {
  for (const folder of globSync(join(tmpdir(), `${prefix}*`))) {
    const owner = join(folder, "owner");
    const [pid, began] = existsSync(owner) ? readFileSync(owner, "utf8").split(":") : [];
    if (pid === undefined || startTicks(Number(pid)) !== began) await remove(folder);
  }
}
