import { createHash, randomBytes, randomInt } from "node:crypto";
import { rmSync } from "node:fs";
import type { Socket } from "node:net";
import { join } from "node:path";
import { CloudError } from "../../../../kernel/errors.ts";
import { parseIpv4 } from "../../../../kernel/ipv4.ts";
import type { Log } from "../../../../kernel/log.ts";
import type {
  CallOptions,
  HostNetworkInfo,
  LoadBalancerMemberState,
  NetworkDriver,
  PublishedPool,
  RouterSpec,
  RouterTraffic,
} from "../../driver.ts";
import { balancerConfig, balancerMark, memberStates } from "./balancer.ts";
import { findProgram, ipBatch, needProgram, packages, quote, runScript } from "./commands.ts";
import { connectSeconds, openSocket } from "./connect.ts";
import { daemonPid, needReachable, signalDaemon, stopDaemon } from "./daemons.ts";
import { dnsFiles, dnsMark, hostResolvers, losesCards } from "./dns.ts";
import { attachedRanges, hostAddresses, listeningPorts } from "./hostInfo.ts";
import { hostElements } from "./hostRules.ts";
import { HostSide } from "./hostSide.ts";
import { linkIndex, linkMaster, markedLinks, namespaceInode, namespaceNames, strayCards } from "./links.ts";
import { isDisturbed, lookAround } from "./lookAround.ts";
import { Names } from "./names.ts";
import { planRouter, type RouterPlan } from "./plan.ts";
import {
  hostScript,
  hostSettings,
  innerScript,
  innerSettings,
  innerTables,
  listTables,
  type MissingLinks,
  settingChanges,
  startBalancer,
  startDns,
  tableHandles,
} from "./router.ts";
import { routerRules } from "./ruleset.ts";
import { differing, type RouterState, RouterStates, readText, writeFiles, writeReplacing } from "./state.ts";
import { parseTraffic, readTraffic, trafficChanges, trafficIds, trafficTable } from "./traffic.ts";
import { defaultTransit, reservedRanges, TransitRange } from "./transit.ts";

export interface HostNetworkOptions {
  /** For state and for the files of dnsmasq and HAProxy, which read them as users of their own: /run/khmara, say. */
  directory: string;
  /** Tells several clouds on one machine apart. */
  cloudId: string;
  /** Addresses between the host and its routers; a part of 100.64.0.0/10 (RFC 6598) unless said. */
  transitCidr?: string | undefined;
  /** Bridges of the host that lead to the world, besides those with a default route. */
  outerInterfaces?: readonly string[] | undefined;
  /** TCP ports of the host itself that instances may reach: none unless said. */
  openPorts?: readonly number[] | undefined;
  /** Whom the routers' DNS asks for other names, instead of the host's own resolvers. */
  resolvers?: readonly string[] | undefined;
  /** Turns forwarding on, where other software of the host stands against it. */
  allowForwarding(): Promise<void>;
  log: Log;
}

export type HostNetwork = NetworkDriver & {
  /** Nothing of this cloud is left on the host. */
  removeAll(): Promise<void>;
};

/** Networks of instances on this host: bridges, a router in a network namespace for each project, and rules around them. */
export function openHostNetwork(options: HostNetworkOptions): HostNetwork {
  return new Host(options);
}

/** For so long it is believed that nobody else has changed rules of ours. */
const lookAgainMs = 5000;

class Host implements HostNetwork {
  readonly #log: Log;
  readonly #resolvers: readonly string[] | undefined;
  readonly #names: Names;
  readonly #transit: TransitRange;
  readonly #states: RouterStates;
  readonly #side: HostSide;
  readonly #turns = new Map<string, Promise<unknown>>();
  /** Numbers of routers that are being made, and are not written down yet. */
  readonly #reserved = new Set<number>();
  readonly #lookedAt = new Map<string, { at: number; tables: string }>();

  constructor(options: HostNetworkOptions) {
    this.#log = options.log;
    this.#resolvers = options.resolvers;
    this.#names = new Names(options.cloudId);
    this.#states = new RouterStates(options.directory);
    const ours = (name: string) => name.startsWith(`khr${this.#names.cloud}`);
    this.#transit = new TransitRange(options.transitCidr ?? defaultTransit(options.cloudId, ours));
    this.#side = new HostSide({
      names: this.#names,
      transit: this.#transit,
      states: this.#states,
      outerInterfaces: options.outerInterfaces ?? [],
      openPorts: options.openPorts ?? [],
      allowForwarding: () => options.allowForwarding(),
      log: options.log,
    });
  }

  async check(): Promise<{ available: true } | { available: false; reason: string }> {
    const no = (reason: string) => ({ available: false as const, reason });
    if (process.getuid?.() !== 0) return no("Networks need the rights of root on this host: start Khmara as root.");
    const missing = ["ip", "nft", "nsenter", "dnsmasq"].filter((name) => !findProgram(name)).map((name) => packages[name]);
    if (missing.length > 0)
      return no(
        `Programs for networks are missing on this host. Install them (Debian, Ubuntu): apt-get install ${missing.join(" ")}`,
      );
    try {
      await runScript("unshare --net sh -c 'nft -f -' <<'E'\nadd table bridge t\nadd table ip t\nE\n");
      return { available: true };
    } catch (error) {
      return no(`This host lets us make no network namespaces or firewall rules: ${(error as Error).message}`);
    }
  }

  async host(): Promise<HostNetworkInfo> {
    const addresses = hostAddresses(this.#side.isOurs);
    return {
      interfaces: [...new Set(addresses.map(({ name }) => name))],
      addresses: addresses.map(({ address }) => address),
      listening: listeningPorts(),
      reserved: [...reservedRanges(this.#transit), ...attachedRanges(addresses)],
    };
  }

  apply(spec: RouterSpec, options: CallOptions = {}): Promise<void> {
    return this.#inTurn(spec.id, () => this.#apply(spec, options.signal));
  }

  async #apply(spec: RouterSpec, signal: AbortSignal | undefined): Promise<void> {
    signal?.throwIfAborted();
    for (const program of ["ip", "nft", "nsenter"]) needProgram(program);
    // Of a life that nothing is known of.
    if (!this.#states.read(spec.id) && this.#remains(spec.id)) await this.#remove(spec.id);
    const before = this.#states.read(spec.id);
    const index = before?.index ?? this.#freeIndex();
    try {
      await this.#applyAt(spec, index, before, signal);
    } finally {
      this.#reserved.delete(index);
    }
  }

  async #applyAt(
    spec: RouterSpec,
    index: number,
    before: RouterState | undefined,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const plan = planRouter(spec, this.#names, this.#transit.at(index), before?.overlays);
    const overlays = Object.fromEntries(plan.networks.flatMap(({ bridge, overlay }) => (overlay ? [[bridge, overlay]] : [])));
    const resolvers = this.#resolvers ?? hostResolvers(this.#log);
    const specification = createHash("sha256")
      .update(JSON.stringify([spec, overlays, resolvers, this.#transit.cidr]))
      .digest("base64url");
    const missing = lookAround(plan, before);
    const linked = !missing.namespace && !missing.uplink && missing.networks.length + missing.surplus.length === 0;
    const [intact] = await Promise.all([!missing.namespace && this.#tablesIntact(before, signal), this.#side.ensure()]);
    const asked = before?.clean && before.specification === specification;
    const tunnelled = missing.tunnels.length + missing.surplusTunnels.length === 0;
    if (asked && linked && tunnelled && intact && strayCards(plan).length === 0 && this.#daemonsRun(plan)) return;

    // Whatever is doubtful is made again: every line can be repeated.
    const fresh = missing.namespace || !intact;
    const again = fresh || !linked || !before?.clean;
    const [hostWanted, innerWanted] = [hostSettings(plan), innerSettings(plan)];
    const [traffic, elements, rules] = [trafficIds(plan), hostElements(plan), routerRules(plan)];
    const rulesHash = createHash("sha256").update(rules).digest("base64url");
    const bridges = plan.networks.map(({ bridge, peer, inner }) => ({ bridge, peer, inner }));
    const generation = this.#side.generation;
    const state: RouterState = {
      id: plan.id,
      index,
      epoch: fresh || !before ? randomBytes(8).toString("hex") : before.epoch,
      namespaceInode: before?.namespaceInode ?? 0,
      links: before?.links ?? {},
      bridges: [...(before?.bridges ?? []), ...bridges],
      overlays: { ...before?.overlays, ...overlays },
      elements,
      hostSettings: [...(before?.hostSettings ?? []), ...hostWanted],
      innerSettings: [...(before?.innerSettings ?? []), ...innerWanted],
      traffic,
      rules: "",
      tables: before?.tables ?? "",
      specification: "",
      clean: false,
    };
    this.#states.write(state);

    const daemons = await this.#prepareDaemons(plan, { missing, linked, resolvers, signal });
    const script = innerScript(plan, {
      fresh,
      newNetworks: fresh ? plan.networks : missing.networks,
      uplink: missing.uplink || fresh,
      rules: fresh || before?.rules !== rulesHash ? rules : undefined,
      traffic: await this.#trafficRules(plan, fresh ? undefined : before, traffic, signal),
      settings: settingChanges(before?.innerSettings ?? [], innerWanted, again),
    });
    const hostWork = this.#side.change({
      before: !before ? {} : before.clean ? before.elements : undefined,
      after: elements,
      generation,
      settings: settingChanges(before?.hostSettings ?? [], hostWanted, again),
      script: linked && tunnelled ? "" : hostScript(plan, missing, this.#side.mtu, this.#names.mark(plan.id)),
      members: membersOf(overlays) !== membersOf(before?.overlays),
      signal,
    });
    // The inside needs its links; where they are there already both halves go side by side.
    if (!linked || !tunnelled) await hostWork;
    const innerWork = runScript(script + daemons.start, { namespace: plan.namespace, signal });
    const [output] = await Promise.all([innerWork, hostWork]);
    daemons.reload();
    await this.#adopt(plan, signal);

    const tables = tableHandles(output, innerTables) ?? "";
    this.#lookedAt.set(plan.id, { at: performance.now(), tables });
    const links = [
      plan.uplink,
      ...plan.networks.flatMap(({ bridge, peer, overlay }) => [bridge, peer, ...(overlay ? [overlay.device] : [])]),
    ];
    this.#states.write({
      ...state,
      namespaceInode: namespaceInode(plan.namespace) ?? 0,
      links: Object.fromEntries(links.map((name) => [name, linkIndex(name) ?? 0])),
      bridges,
      overlays,
      hostSettings: hostWanted,
      innerSettings: innerWanted,
      rules: rulesHash,
      tables,
      specification,
      clean: true,
    });
  }

  /** Puts running instances' cards back on a bridge that was made anew. */
  async #adopt(plan: RouterPlan, signal: AbortSignal | undefined): Promise<void> {
    const stray = strayCards(plan);
    if (stray.length === 0) return;
    // Gone meanwhile, its instance was stopped.
    const lines = stray.map(({ hostDevice, network }) => {
      const plug = linkMaster(hostDevice) === network.bridge ? "" : `ip link set ${hostDevice} master ${network.bridge} && `;
      return `{ ${plug}echo 1 > /sys/class/net/${hostDevice}/brport/isolated; } || [ ! -e /sys/class/net/${hostDevice} ]\n`;
    });
    await runScript(lines.join(""), { signal });
  }

  /** Writes their files and ends those that must start anew. `start`: lines for the script inside; `reload`: to be called after it. */
  async #prepareDaemons(
    plan: RouterPlan,
    request: { missing: MissingLinks; linked: boolean; resolvers: readonly string[]; signal: AbortSignal | undefined },
  ): Promise<{ start: string; reload(): void }> {
    const folder = this.#states.folder(plan.id);
    const [dns, balancer] = [dnsMark(folder), balancerMark(folder)];
    const start: string[] = [];
    const reloads: (() => void)[] = [];
    const files: Record<string, string> = plan.networks.length > 0 ? dnsFiles(plan, folder, request.resolvers) : {};
    const forgetful = losesCards(readText(join(folder, "cards")), files["cards"] ?? "");
    const changed = writeFiles(folder, files);
    if (plan.networks.length === 0 || !request.linked || forgetful || changed.includes("dnsmasq.conf")) await stopDaemon(dns);
    if (plan.networks.length > 0) {
      needProgram("dnsmasq");
      needReachable(folder);
      if (daemonPid(dns) === undefined) {
        rmSync(join(folder, "leases"), { force: true });
        start.push(startDns(folder));
      } else if (changed.length > 0) reloads.push(() => signalDaemon(dns, "SIGHUP"));
    }
    const config = balancerConfig(plan, folder);
    if (config === undefined || request.missing.namespace) await stopDaemon(balancer);
    if (config === undefined) {
      rmSync(join(folder, "haproxy.cfg"), { force: true });
    } else {
      needProgram("haproxy");
      const [changedConfig] = differing(folder, { "haproxy.cfg": config });
      if (changedConfig !== undefined) {
        writeReplacing(join(folder, "candidate.cfg"), config);
        await runScript(`haproxy -c -q -f ${quote(join(folder, "candidate.cfg"))}\n`, { signal: request.signal });
        writeFiles(folder, { "haproxy.cfg": config });
      }
      if (daemonPid(balancer) === undefined) start.push(startBalancer(folder));
      else if (changedConfig !== undefined) reloads.push(() => signalDaemon(balancer, "SIGUSR2"));
    }
    return {
      start: start.join(""),
      reload() {
        for (const each of reloads) each();
      },
    };
  }

  remove(routerId: string, _options: CallOptions = {}): Promise<void> {
    return this.#inTurn(routerId, () => this.#remove(routerId));
  }

  async #remove(routerId: string): Promise<void> {
    const state = this.#states.read(routerId);
    const namespace = this.#names.namespace(routerId);
    const bridges = new Set([...(state?.bridges ?? []).map(({ bridge }) => bridge), ...markedLinks(this.#names.mark(routerId))]);
    if (!state && bridges.size === 0 && !this.#remains(routerId)) return this.#states.delete(routerId);
    const folder = this.#states.folder(routerId);
    // Killed in here, the next call must not believe that the rest is still there.
    if (state) this.#states.write({ ...state, clean: false });
    await Promise.all([stopDaemon(dnsMark(folder)), stopDaemon(balancerMark(folder))]);
    const links = [
      this.#names.uplink(routerId),
      ...Object.values(state?.overlays ?? {}).map(({ device }) => device),
      ...[...bridges].flatMap((bridge) => [this.#names.peer(bridge), bridge]),
    ];
    const script =
      ipBatch(
        links.filter((name) => linkIndex(name) !== undefined).map((name) => `link del ${name}`),
        { force: true },
      ) + (namespaceInode(namespace) === undefined ? "" : `ip netns del ${namespace}\n`);
    await this.#side.ensure();
    const { generation } = this.#side;
    this.#states.delete(routerId);
    await this.#side.change({
      before: state?.clean ? state.elements : undefined,
      after: {},
      generation,
      settings: { undo: [], make: [] },
      script,
      members: membersOf(state?.overlays) !== "",
      signal: undefined,
    });
  }

  async list(): Promise<string[]> {
    const named = namespaceNames().flatMap((name) => this.#names.routerOf(name) ?? []);
    return [...new Set([...this.#states.ids(), ...named])].sort();
  }

  async disturbed(): Promise<string[]> {
    return this.#states.all().flatMap((state) => (isDisturbed(state) ? [state.id] : []));
  }

  releaseBridges(routerId: string, bridges: readonly string[]): Promise<void> {
    return this.#inTurn(routerId, async () => {
      const own = (this.#states.read(routerId)?.bridges ?? []).filter(({ bridge }) => bridges.includes(bridge));
      const links = own.flatMap(({ bridge, peer }) => [peer, bridge]).filter((name) => linkIndex(name) !== undefined);
      await runScript(
        ipBatch(
          links.map((name) => `link del ${name}`),
          { force: true },
        ),
      );
    });
  }

  async traffic(routerId: string): Promise<RouterTraffic | undefined> {
    const state = this.#states.read(routerId);
    const namespace = this.#names.namespace(routerId);
    if (!state || namespaceInode(namespace) !== state.namespaceInode) return undefined;
    // In turn, so that the epoch is that of the counters.
    return this.#inTurn(routerId, async () => {
      const { epoch } = this.#states.read(routerId) ?? state;
      return { epoch, counters: parseTraffic(await runScript(readTraffic, { namespace })) };
    });
  }

  async loadBalancerState(routerId: string): Promise<LoadBalancerMemberState[]> {
    const folder = this.#states.folder(routerId);
    return daemonPid(balancerMark(folder)) === undefined ? [] : memberStates(folder);
  }

  publishPools(pools: readonly PublishedPool[]): Promise<void> {
    return this.#side.publish(pools);
  }

  async connect(routerId: string, ipv4: string, port: number, options: CallOptions = {}): Promise<Socket> {
    const state = this.#states.read(routerId);
    const namespace = this.#names.namespace(routerId);
    if (parseIpv4(ipv4) === undefined) throw new CloudError("invalid_argument", `${ipv4} is no address.`);
    if (!state || namespaceInode(namespace) === undefined)
      throw new CloudError("unavailable", "The network of this project is not there yet. Try again in a moment.");
    const relay = randomInt(1024, 65_536);
    await runScript(`nft add element ip khmara_connect connects { ${relay} timeout ${connectSeconds}s : ${ipv4} . ${port} }`, {
      namespace,
      signal: options.signal,
    });
    return openSocket(this.#transit.at(state.index).control, relay, `${ipv4}:${port}`, options.signal);
  }

  async close(): Promise<void> {
    await Promise.allSettled(this.#turns.values());
  }

  async removeAll(): Promise<void> {
    for (const router of await this.list()) await this.remove(router);
    await this.#side.clear();
  }

  /** Something of this name is on the host. */
  #remains(routerId: string): boolean {
    return namespaceInode(this.#names.namespace(routerId)) !== undefined || linkIndex(this.#names.uplink(routerId)) !== undefined;
  }

  #freeIndex(): number {
    const taken = new Set(this.#states.all().map(({ index }) => index));
    for (let index = 0; index < this.#transit.capacity; index++) {
      if (taken.has(index) || this.#reserved.has(index)) continue;
      this.#reserved.add(index);
      return index;
    }
    throw new CloudError("failed_precondition", `The range ${this.#transit.cidr} between the host and its routers is used up.`);
  }

  #daemonsRun(plan: RouterPlan): boolean {
    const folder = this.#states.folder(plan.id);
    return (
      (plan.networks.length === 0 || daemonPid(dnsMark(folder)) !== undefined) &&
      (plan.balancers.length === 0 || daemonPid(balancerMark(folder)) !== undefined)
    );
  }

  /** `before`: what is there; counters that stay keep what they have counted, also after a change that came to no end. */
  async #trafficRules(
    plan: RouterPlan,
    before: RouterState | undefined,
    entries: readonly string[],
    signal: AbortSignal | undefined,
  ): Promise<string> {
    if (!before) return trafficTable(entries, []);
    if (before.clean) return trafficChanges(before.traffic, entries);
    return trafficTable(entries, parseTraffic(await runScript(readTraffic, { namespace: plan.namespace, signal })));
  }

  /** One thing after another for a router; others go on meanwhile. */
  #inTurn<T>(routerId: string, work: () => Promise<T>): Promise<T> {
    const turn = (this.#turns.get(routerId) ?? Promise.resolve()).then(work);
    const settled = turn
      .catch(() => {})
      .then(() => {
        if (this.#turns.get(routerId) === settled) this.#turns.delete(routerId);
      });
    this.#turns.set(routerId, settled);
    return turn;
  }

  /** Whether the tables inside are the ones that we made; looked at again only after a while, as a process has to ask. */
  async #tablesIntact(state: RouterState | undefined, signal: AbortSignal | undefined): Promise<boolean> {
    if (!state || state.tables === "") return false;
    const known = this.#lookedAt.get(state.id);
    if (known?.tables === state.tables && performance.now() - known.at < lookAgainMs) return true;
    const listing = await runScript(listTables, { namespace: this.#names.namespace(state.id), signal });
    if (tableHandles(listing, innerTables) !== state.tables) return false;
    this.#lookedAt.set(state.id, { at: performance.now(), tables: state.tables });
    return true;
  }
}

const membersOf = (overlays: RouterState["overlays"]): string =>
  [...new Set(Object.values(overlays ?? {}).flatMap(({ members }) => members))].sort().join(" ");
