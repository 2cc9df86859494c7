import { spawn, spawnSync } from "node:child_process";
import { randomBytes, randomInt } from "node:crypto";
import { chmodSync, existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { networkInterfaces, tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { silentLog } from "../../../kernel/log.ts";
import type { RouterNetwork, RouterPort, RouterSpec } from "../driver.ts";
import { Names } from "../drivers/host/names.ts";
import { type HostNetwork, type HostNetworkOptions, openHostNetwork } from "../drivers/host/network.ts";
import { RouterStates } from "../drivers/host/state.ts";
import { TransitRange } from "../drivers/host/transit.ts";

/** Why real packets cannot be tested here; undefined where they can. */
export function packetsMissing(): string | undefined {
  if (process.getuid?.() !== 0) return "needs root";
  const programs = ["ip", "nft", "dnsmasq", "haproxy", "busybox"];
  const paths = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"];
  const missing = programs.filter((name) => !paths.some((path) => existsSync(join(path, name))));
  return missing.length > 0 ? `needs ${missing.join(", ")}` : undefined;
}

const id = () => randomBytes(4).toString("hex");

export function run(...words: string[]): string {
  const [command = "", ...rest] = words;
  const { status, stdout, stderr } = spawnSync(command, rest, { encoding: "utf8" });
  if (status !== 0) throw new Error(`${words.join(" ")}: ${stderr || stdout}`);
  return stdout;
}

/** A machine in a network namespace, with one card. */
export interface Machine {
  namespace: string;
  device: string;
  /** Runs to its end; what it printed, or undefined when it failed. */
  try(script: string): Promise<string | undefined>;
  /** Like it, but throws. */
  run(script: string): Promise<string>;
  /** Answers everybody who connects with `word` and the address that they come from. */
  serve(port: number, word: string): Promise<void>;
  /** A DNS server that knows one address for all names of a domain. */
  answerNames(domain: string, address: string): Promise<void>;
  /** What a TCP port answers; undefined for none within two seconds. */
  ask(address: string, port: number): Promise<string | undefined>;
  ping(address: string): Promise<boolean>;
  /** Counts packets that come in and match, from now on. `bridge-free`: before the network layer, ARP too. */
  counts(match: string, where?: "bridge-free"): Promise<() => Promise<number>>;
  /** A connection that stays, to a server on another machine. */
  talk(address: string, server: Machine, port: number, before: () => Promise<void>, kind?: "held"): Promise<Talk>;
  /** Like `talk`, with this machine as the server behind a load balancer. */
  talkThrough(client: Machine, address: string, port: number, before: () => Promise<void>): Promise<Talk>;
  /** Nobody gets through to a TCP port any more, until `unblock`. */
  block(port: number): void;
  unblock(): void;
  /** What a DHCP server gives it, by names of udhcpc's; throws when none answers. */
  dhcp(): Promise<Record<string, string>>;
  /** The address of a name, as a DNS server says; undefined when it knows none. */
  resolve(name: string, server: string): Promise<string | undefined>;
}

export interface Talk {
  /** A question, and the same words back, within two seconds. */
  echo(words: string): Promise<boolean>;
  /** Words that the server sends unasked arrive within two seconds. */
  serverSpeaksFirst(words: string): Promise<boolean>;
  end(): void;
}

const script = (
  namespace: string,
  text: string,
  timeoutMs: number,
): Promise<{ code: number | null; stdout: string; stderr: string }> =>
  new Promise((resolve) => {
    const child = spawn("ip", ["netns", "exec", namespace, "sh", "-c", text]);
    let [stdout, stderr] = ["", ""];
    child.stdout.on("data", (chunk) => (stdout += chunk));
    child.stderr.on("data", (chunk) => (stderr += chunk));
    const timer = setTimeout(() => child.kill("SIGKILL"), timeoutMs);
    child.on("close", (code) => {
      clearTimeout(timer);
      resolve({ code, stdout, stderr });
    });
  });

/**
 * A cloud's network on this machine, with machines that stand for instances (a veth in place of the engine's card) and one that stands
 * for the world outside. All names are of this run alone; `stop` leaves nothing.
 */
export class PacketLab {
  readonly cloudId = `test-${id()}`;
  readonly directory = mkdtempSync(join(tmpdir(), "khmara-net-"));
  readonly transitCidr = `100.${randomInt(64, 127)}.${randomInt(0, 250)}.0/24`;
  /** TEST-NET-2 (RFC 5737), a piece that no other run on this machine has. */
  readonly #worldBase = freeBlock();
  readonly worldAddress = `198.51.100.${this.#worldBase + 2}`;
  readonly hostAddress = `198.51.100.${this.#worldBase + 1}`;
  readonly outer = `khw${id()}`;
  /** TEST-NET-3: floating addresses that are routed here. */
  readonly poolRange = `203.0.113.${randomInt(0, 32) * 8}/29`;
  readonly #namespaces: string[] = [];
  network: HostNetwork = this.open();
  world: Machine = undefined as never;

  /** Of its driver; they can be handed to another process. */
  get options() {
    return {
      directory: this.directory,
      cloudId: this.cloudId,
      transitCidr: this.transitCidr,
      outerInterfaces: [this.outer],
      resolvers: [this.worldAddress],
    };
  }

  static network(options: PacketLab["options"], more: Partial<HostNetworkOptions> = {}): HostNetwork {
    return openHostNetwork({
      ...options,
      log: silentLog,
      allowForwarding: async () => void run("sysctl", "-qw", "net.ipv4.ip_forward=1"),
      ...more,
    });
  }

  /** As another process would open it. */
  open(more: Partial<HostNetworkOptions> = {}): HostNetwork {
    this.network = PacketLab.network(this.options, more);
    return this.network;
  }

  /** In all names of this cloud on the host. */
  get cloudMark(): string {
    return new Names(this.cloudId).cloud;
  }

  namesOf(router: RouterSpec) {
    const names = new Names(this.cloudId);
    return {
      table: names.table,
      namespace: names.namespace(router.id),
      uplink: names.uplink(router.id),
      peers: router.networks?.map(({ bridge }) => names.peer(bridge)) ?? [],
    };
  }

  floating(index: number): string {
    const [a, b, c, d] = (this.poolRange.split("/")[0] as string).split(".").map(Number) as [number, number, number, number];
    return `${a}.${b}.${c}.${d + index}`;
  }

  start(): void {
    chmodSync(this.directory, 0o755);
    const namespace = this.#newNamespace();
    run("ip", "link", "add", this.outer, "type", "veth", "peer", "name", "eth0", "netns", namespace);
    run("ip", "addr", "add", `${this.hostAddress}/29`, "dev", this.outer);
    run("ip", "link", "set", this.outer, "up");
    run("ip", "-n", namespace, "link", "set", "lo", "up");
    run("ip", "-n", namespace, "addr", "add", `${this.worldAddress}/29`, "dev", "eth0");
    run("ip", "-n", namespace, "link", "set", "eth0", "up");
    run("ip", "-n", namespace, "route", "add", this.poolRange, "via", this.hostAddress);
    this.world = machine(namespace, "eth0");
  }

  /** A specification of a router with one network, to add to. */
  router(cidr = "10.64.0.0/24", network: Partial<RouterNetwork> = {}): RouterSpec {
    return {
      id: id(),
      networks: [this.newNetwork(cidr, network)],
      ports: [],
      securityGroups: [],
      floatingAddresses: [],
      portForwards: [],
      loadBalancers: [],
    };
  }

  newNetwork(cidr: string, network: Partial<RouterNetwork> = {}): RouterNetwork {
    return {
      id: `net_${id()}`,
      bridge: `khb${id()}0000`,
      cidr,
      dnsDomain: "default.internal",
      dnsServers: [],
      internet: true,
      routed: true,
      ...network,
    };
  }

  /** Adds a port; the machine for it is made once the specification is applied (`plug`). */
  addPort(router: RouterSpec, ipv4: string, port: Partial<RouterPort> = {}): RouterPort {
    const mac = randomBytes(5).toString("hex").match(/../g) as string[];
    const made: RouterPort = {
      id: `prt_${id()}`,
      networkId: (router.networks[0] as RouterNetwork).id,
      macAddress: `02:${mac.join(":")}`,
      ipv4,
      hostName: `m${id()}`,
      hostDevice: `khi${id()}`,
      securityGroupIds: [],
      ...port,
    };
    router.ports.push(made);
    return made;
  }

  /** An instance's card, as the engine makes it: a veth on the bridge, isolated. With its address, unless it is to ask for one. */
  plug(router: RouterSpec, port: RouterPort, options: { address?: boolean; isolated?: boolean } = {}): Machine {
    const network = router.networks.find(({ id }) => id === port.networkId) as RouterNetwork;
    const namespace = this.#newNamespace();
    run(
      "ip",
      "link",
      "add",
      port.hostDevice,
      "type",
      "veth",
      "peer",
      "name",
      "eth0",
      "address",
      port.macAddress,
      "netns",
      namespace,
    );
    run("ip", "link", "set", port.hostDevice, "master", network.bridge, "up");
    if (options.isolated !== false) run("bridge", "link", "set", "dev", port.hostDevice, "isolated", "on");
    run("ip", "-n", namespace, "link", "set", "lo", "up");
    run("ip", "-n", namespace, "link", "set", "eth0", "up");
    if (options.address !== false) {
      const prefix = network.cidr.split("/")[1];
      run("ip", "-n", namespace, "addr", "add", `${port.ipv4}/${prefix}`, "dev", "eth0");
      run("ip", "-n", namespace, "route", "add", "default", "via", gatewayOf(network));
    }
    return machine(namespace, "eth0");
  }

  unplug(port: RouterPort): void {
    spawnSync("ip", ["link", "del", port.hostDevice]);
  }

  /** Of all routers of this cloud: what they are known by on the host. */
  transitAddresses(): { address: string; control: string }[] {
    const range = new TransitRange(this.transitCidr);
    return new RouterStates(this.directory).all().map(({ index }) => range.at(index));
  }

  /** What the host is to its routers. */
  get transitHost(): string {
    return new TransitRange(this.transitCidr).host;
  }

  async eventually(check: () => Promise<boolean>, seconds = 5): Promise<void> {
    for (const until = Date.now() + seconds * 1000; Date.now() < until; await sleep(50)) if (await check()) return;
    throw new Error(`it was not so within ${seconds} seconds`);
  }

  async stop(): Promise<void> {
    for (const namespace of this.#namespaces) {
      for (const pid of spawnSync("ip", ["netns", "pids", namespace], { encoding: "utf8" }).stdout.split("\n"))
        if (pid !== "") spawnSync("kill", ["-9", pid]);
      spawnSync("ip", ["netns", "del", namespace]);
    }
    spawnSync("ip", ["link", "del", this.outer]);
    await this.network.removeAll();
    rmSync(this.directory, { recursive: true, force: true });
  }

  #newNamespace(): string {
    const namespace = `kht-${id()}`;
    run("ip", "netns", "add", namespace);
    this.#namespaces.push(namespace);
    return namespace;
  }
}

function freeBlock(): number {
  const taken = Object.values(networkInterfaces()).flatMap((addresses) => (addresses ?? []).map(({ address }) => address));
  const free = Array.from({ length: 32 }, (_, index) => index * 8).filter((base) => !taken.includes(`198.51.100.${base + 1}`));
  if (free.length === 0) throw new Error("every piece of 198.51.100.0/24 is taken; take away interfaces khw… that are left over");
  return free[randomInt(0, free.length)] as number;
}

export const gatewayOf = (network: RouterNetwork): string =>
  network.cidr.replace(/\d+\/\d+$/, (tail) => String(Number(tail.split("/")[0]) + 1));

async function listens(namespace: string, port: number): Promise<void> {
  for (let attempt = 0; attempt < 100; attempt++) {
    if ((await script(namespace, `ss -Hltn '( sport = :${port} )'`, 2000)).stdout.includes(`:${port}`)) return;
    await sleep(20);
  }
  throw new Error(`nothing listens on ${port}`);
}

function machine(namespace: string, device: string): Machine {
  return {
    namespace,
    device,
    async try(text) {
      const { code, stdout } = await script(namespace, text, 10_000);
      return code === 0 ? stdout : undefined;
    },
    async run(text) {
      const { code, stdout, stderr } = await script(namespace, text, 10_000);
      if (code !== 0) throw new Error(`${text}: ${stderr || stdout}`);
      return stdout;
    },
    async serve(port, word) {
      const socket = `ss -Htn state established state close-wait '( sport = :${port} )'`;
      const peer = `${socket} | awk '{ who = $NF; sub(/\\]?:[0-9]+$/, "", who); sub(/.*:/, "", who); print who; exit }'`;
      const answer = ["busybox", "nc", "-ll", "-p", String(port), "-e", "sh", "-c", `echo "${word} $(${peer})"`];
      spawn("ip", ["netns", "exec", namespace, ...answer], { stdio: "ignore" });
      await listens(namespace, port);
    },
    async answerNames(domain, address) {
      await this.run(`dnsmasq --conf-file=/dev/null --pid-file= --no-resolv --no-hosts --address=/${domain}/${address}`);
    },
    async ask(address, port) {
      const { code, stdout } = await script(namespace, `busybox nc -w 2 ${address} ${port}`, 4000);
      return code === 0 ? stdout.trim() : undefined;
    },
    async counts(match, where) {
      const table = `c${id()}`;
      const [family, hook] = where ? ["netdev", `ingress device eth0 priority 0`] : ["inet", "input priority 0"];
      await this.run(
        `nft 'table ${family} ${table} { counter seen { }; chain in { type filter hook ${hook}; policy accept; ${match} counter name seen; }; }'`,
      );
      return async () => {
        const text = await this.run(`nft list counter ${family} ${table} seen`);
        return Number(/packets (\d+)/.exec(text)?.[1]);
      };
    },
    async talk(address, server, port, begin, kind) {
      if (kind !== "held") await begin();
      // Checks of a load balancer connect as well: a server that stays for all of them, and echoes by itself.
      const words = kind === "held" ? ["-ll", "-p", String(port), "-e", "cat"] : ["-l", "-p", String(port)];
      const listener = spawn("ip", ["netns", "exec", server.namespace, "busybox", "nc", ...words]);
      await listens(server.namespace, port);
      if (kind === "held") await begin();
      const client = spawn("ip", ["netns", "exec", namespace, "busybox", "nc", address, String(port)]);
      const arrives = async (stream: NodeJS.ReadableStream, words: string): Promise<boolean> => {
        let heard = "";
        const listen = (chunk: Buffer) => {
          heard += chunk;
        };
        stream.on("data", listen);
        for (let waited = 0; waited < 2000 && !heard.includes(words); waited += 20) await sleep(20);
        stream.off("data", listen);
        return heard.includes(words);
      };
      return {
        async echo(words) {
          if (kind === "held") {
            const echoed = arrives(client.stdout, words);
            client.stdin.write(`${words}\n`);
            return echoed;
          }
          const asked = arrives(listener.stdout, words);
          client.stdin.write(`${words}\n`);
          if (!(await asked)) return false;
          const answered = arrives(client.stdout, words);
          listener.stdin.write(`${words}\n`);
          return answered;
        },
        serverSpeaksFirst(words) {
          const answered = arrives(client.stdout, words);
          listener.stdin.write(`${words}\n`);
          return answered;
        },
        end() {
          client.kill("SIGKILL");
          listener.kill("SIGKILL");
        },
      };
    },
    async talkThrough(client, address, port, begin) {
      return client.talk(address, this, port, begin, "held");
    },
    block(port) {
      const rules = `table ip blocked { chain in { type filter hook input priority 0; tcp dport ${port} drop; }; }`;
      run("ip", "netns", "exec", namespace, "nft", rules);
    },
    unblock() {
      run("ip", "netns", "exec", namespace, "nft", "delete table ip blocked");
    },
    async dhcp() {
      const file = join(tmpdir(), `khmara-dhcp-${id()}`);
      writeFileSync(file, '#!/bin/sh\n[ "$1" = bound ] && env\nexit 0\n', { mode: 0o755 });
      try {
        const text = await this.run(`busybox udhcpc -i eth0 -n -q -f -t 4 -T 1 -O search -O hostname -s ${file}`);
        return Object.fromEntries(
          text.split("\n").flatMap((line) => (/^\w+=/.test(line) ? [line.split(/=(.*)/s).slice(0, 2)] : [])),
        );
      } finally {
        rmSync(file, { force: true });
      }
    },
    async resolve(name, server) {
      const text = (await script(namespace, `busybox nslookup -type=a ${name} ${server}`, 6000)).stdout;
      return /Name:\s+\S+\s+Address(?: 1)?:\s+([\d.]+)/.exec(text)?.[1];
    },
    ping: async (address) => (await script(namespace, `busybox ping -c 1 -W 1 ${address}`, 4000)).code === 0,
  };
}
