/**
 * The port over several Dockers that are a swarm (docs/decisions/0011-swarm.md). The swarm tells which machines there are, which of them are up,
 * and joins their networks; each container is made on its node by that node's own engine, as on one machine. While there is one machine, all
 * of this is that machine's engine.
 */
import { CloudError } from "../../../../kernel/errors.ts";
import type { AppEngine, CallOptions, ContainerReport, ContainerSpec, ContainerSummary } from "../../driver.ts";
import type { AppNodes } from "../../nodesDriver.ts";
import { DockerClient } from "../docker/client.ts";
import { type DockerEngineOptions, openDockerEngine } from "../docker/index.ts";
import { type Engine, Ownership } from "../docker/ownership.ts";
import { createDelivery } from "./delivery.ts";
import { askMember, isDown, type Member, Members, unreachable } from "./members.ts";
import { isGate, isOverlay } from "./names.ts";
import { createSwarmNetworks, type NetworkOptions } from "./networks.ts";
import { createNodes } from "./nodes.ts";
import { createPlacing, type Standing } from "./placing.ts";
import { createTurns } from "./turns.ts";
import { createSwarmVolumes } from "./volumes.ts";
import { watchMembers } from "./watching.ts";

export type SwarmEngineOptions = DockerEngineOptions & NetworkOptions;

/** Nothing is asked yet. `nodes` is there for good: any machine may become several. */
export function openSwarmEngine({ network, overlayRange, ...options }: SwarmEngineOptions): AppEngine & { nodes: AppNodes } {
  const docker: Engine = { client: new DockerClient(options.address), ownership: new Ownership(options.cloudId) };
  const engine = openDockerEngine(options);
  const home = { engine, docker };
  const members = new Members(home);
  const networks = createSwarmNetworks(home, members, { network, overlayRange });
  const delivery = createDelivery(home, async () => (await members.info()).NodeAddr ?? "");
  const placing = createPlacing(standings);
  const volumes = createSwarmVolumes(home, members, (options) => placing.choose(undefined, { labels: {} }, options));
  const inTurn = createTurns();
  /** Where a container was found last. */
  const places = new Map<string, string>();
  /** What was on a node when it answered last; by the node's id. */
  const lastSeen = new Map<string, ContainerSummary[]>();

  const markOf = (member: Member) => ({ node: member.name, leaving: member.draining && !member.home });

  async function listOf(member: Member, options?: CallOptions): Promise<ContainerSummary[]> {
    const listed = await askMember(member, (some) => member.engine.containerList(some), options);
    const marked = listed
      .filter(({ name }) => !isGate(name))
      .map((each) => ({ ...each, ...markOf(member), addresses: networks.reachable(each.addresses, member) }));
    lastSeen.set(member.id, marked);
    return marked;
  }

  async function standings(options?: CallOptions): Promise<Standing[]> {
    const all = await members.all(options);
    return Promise.all(
      all.map(async (member) => ({
        member,
        containers: member.up
          ? await listOf(member, options).catch((error) => {
              if (CloudError.is(error, "unavailable") && !member.home) return undefined;
              throw error;
            })
          : undefined,
      })),
    );
  }

  /** The node that a container is on; undefined: on none that is up. unavailable, when one that does not answer may have it. */
  async function locate(name: string, all: readonly Member[], options?: CallOptions) {
    const look = async (member: Member) => {
      const report = await askMember(member, (some) => member.engine.containerGet(name, some), options);
      return report === undefined ? undefined : { member, report };
    };
    const last = all.find(({ id, up }) => up && id === places.get(name));
    const there = last === undefined ? undefined : await look(last);
    if (there !== undefined) return there;
    const others = await Promise.allSettled(all.filter((member) => member.up && member !== last).map(look));
    const found = others
      .flatMap((each) => (each.status === "fulfilled" && each.value !== undefined ? [each.value] : []))
      .sort((one, other) => other.report.createdAt.getTime() - one.report.createdAt.getTime())[0];
    if (found !== undefined) {
      places.set(name, found.member.id);
      return found;
    }
    places.delete(name);
    const silent = others.find((each) => each.status === "rejected");
    if (silent !== undefined) throw silent.reason;
    return undefined;
  }

  /** The engine that has it; where none has, this machine's, which says so. */
  async function engineOf(name: string, options?: CallOptions): Promise<AppEngine> {
    const all = await members.all(options);
    return all.length === 0 ? engine : ((await locate(name, all, options))?.member.engine ?? engine);
  }

  const reportOf = (report: ContainerReport, member: Member): ContainerReport => ({
    ...report,
    ...markOf(member),
    addresses: networks.reachable(report.addresses, member),
  });

  async function placeOf(spec: ContainerSpec, all: readonly Member[], options?: CallOptions): Promise<Member> {
    const here = all.find(({ home: isHome }) => isHome) as Member;
    const [mount] = spec.mounts;
    if (mount !== undefined) {
      const member = (await volumes.memberOf(mount.volume, all, options)) ?? here;
      if (!member.up) throw isDown(member, `A volume of ${spec.name}`);
      return member;
    }
    if (spec.spread === undefined || (spec.ports ?? []).length > 0) return here;
    return (await placing.choose(spec.name, { spread: spec.spread, labels: spec.labels }, options)) ?? here;
  }

  /** By id or by name. */
  async function deliver(member: Member, image: string, options?: CallOptions): Promise<void> {
    const found = await engine.imageGet(image, options);
    if (found !== undefined) await delivery.deliver(member, found.id, options);
  }

  /** Everything that it needs is on its node then. */
  async function prepare(spec: ContainerSpec, member: Member, options?: CallOptions): Promise<void> {
    await delivery.deliver(member, spec.image, options);
    for (const { name } of spec.networks) await networks.extend(member, name, options);
  }

  /** A node is not chosen again for what it did not make. */
  async function make(spec: ContainerSpec, all: readonly Member[], options?: CallOptions): Promise<ContainerReport> {
    try {
      return await makeOn(spec, all, options);
    } finally {
      placing.settled(spec.name);
    }
  }

  async function makeOn(spec: ContainerSpec, all: readonly Member[], options?: CallOptions): Promise<ContainerReport> {
    const { spread: _, ...plain } = spec;
    const there = await locate(spec.name, all, options);
    const member = there?.member ?? (await placeOf(spec, all, options));
    await prepare(spec, member, options);
    await member.engine.containerCreate(plain, options);
    places.set(spec.name, member.id);
    const id = docker.ownership.engineName(spec.name);
    for (const { name, aliases } of spec.networks) await networks.join(member, id, name, aliases, options);
    const made = await member.engine.containerGet(spec.name, options);
    if (made === undefined) throw unreachable(member);
    return reportOf(made, member);
  }

  return {
    ...engine,
    nodes: { ...createNodes(home, members, volumes, standings), pullFrom: delivery.pullFrom },

    async imageRemove(image, options) {
      await engine.imageRemove(image, options);
      for (const member of await members.all(options)) if (member.up && !member.home) void delivery.sweep(member).catch(() => {});
    },

    networkCreate: networks.create,
    networkRemove: networks.remove,

    async networkGet(name, options) {
      const report = await engine.networkGet(name, options);
      const all = report === undefined ? [] : await members.all(options);
      if (report === undefined || all.length === 0) return report;
      const listed = (await standings(options)).flatMap(({ containers }) => containers ?? []);
      const inIt = listed.flatMap(({ name: member, addresses }) => {
        const ipv4 = addresses[name];
        return ipv4 === undefined ? [] : [{ name: member, ipv4 }];
      });
      return { ...report, members: inIt.sort((one, other) => one.name.localeCompare(other.name)) };
    },

    async networkList(options) {
      return (await engine.networkList(options)).filter(({ name }) => !isOverlay(name));
    },

    async networkConnect(name, container, options = {}) {
      const all = await members.all(options);
      const there = all.length === 0 ? undefined : await locate(container, all, options);
      if (there === undefined) return engine.networkConnect(name, container, options);
      const { member } = there;
      await networks.extend(member, name, options);
      await member.engine.networkConnect(name, container, options);
      await networks.join(member, docker.ownership.engineName(container), name, options.aliases ?? [], options);
    },

    async networkDisconnect(name, container, options) {
      const all = await members.all(options);
      const there = all.length === 0 ? undefined : await locate(container, all, options);
      if (there === undefined) return engine.networkDisconnect(name, container, options);
      await networks.leave(there.member, docker.ownership.engineName(container), name, options);
      await there.member.engine.networkDisconnect(name, container, options);
    },

    volumeCreate: volumes.create,
    volumeGet: volumes.get,
    volumeList: volumes.list,
    volumeRemove: volumes.remove,

    async volumeRead(name, image, options) {
      const member = await volumes.memberOf(name, await members.all(options), options);
      if (member === undefined) return engine.volumeRead(name, image, options);
      if (!member.up) throw isDown(member, `The volume ${name}`);
      await deliver(member, image, options);
      return member.engine.volumeRead(name, image, options);
    },

    async volumeWrite(name, image, content, options) {
      const member = await volumes.memberOf(name, await members.all(options), options);
      if (member === undefined) return engine.volumeWrite(name, image, content, options);
      if (!member.up) throw isDown(member, `The volume ${name}`);
      await deliver(member, image, options);
      return member.engine.volumeWrite(name, image, content, options);
    },

    async containerCreate(spec, options) {
      const all = await members.all(options);
      // Whoever makes the same one at the same time would make it on another node: whoever comes later finds it.
      if (all.length > 0) return inTurn(spec.name, () => make(spec, all, options));
      const { spread: _, ...plain } = spec;
      return engine.containerCreate(plain, options);
    },

    containerStart: async (name, options) => (await engineOf(name, options)).containerStart(name, options),
    containerStop: async (name, options) => (await engineOf(name, options)).containerStop(name, options),
    containerKill: async (name, options) => (await engineOf(name, options)).containerKill(name, options),
    containerWait: async (name, options) => (await engineOf(name, options)).containerWait(name, options),
    containerMetrics: async (name, options) => (await engineOf(name, options)).containerMetrics(name, options),
    containerWritten: async (name, options) => (await engineOf(name, options)).containerWritten(name, options),
    containerExec: async (name, options) => (await engineOf(name, options)).containerExec(name, options),
    containerOpen: async (name, options) => (await engineOf(name, options)).containerOpen(name, options),

    async *containerLogs(name, options) {
      yield* (await engineOf(name, options)).containerLogs(name, options);
    },

    async containerRemove(name, options) {
      const all = (await members.all(options)).filter(({ up }) => up);
      places.delete(name);
      if (all.length === 0) return engine.containerRemove(name, options);
      // One that came back may have another one of this name still.
      for (const member of all) {
        if (!member.home) await askMember(member, (some) => member.engine.containerGet(name, some), options);
        await member.engine.containerRemove(name, options);
      }
    },

    async containerGet(name, options) {
      const all = await members.all(options);
      if (all.length === 0) return engine.containerGet(name, options);
      const there = await locate(name, all, options);
      return there === undefined ? undefined : reportOf(there.report, there.member);
    },

    async containerList(options) {
      const all = await members.all(options);
      if (all.length === 0) return (await engine.containerList(options)).filter(({ name }) => !isGate(name));
      const found = new Map<string, ContainerSummary>();
      for (const { member, containers } of await standings(options)) {
        // Of one that is up and silent, what it said last: it is called down soon, or answers again.
        const known = containers ?? (member.up ? lastSeen.get(member.id) : []);
        if (known === undefined) throw unreachable(member);
        for (const each of known) {
          const rival = found.get(each.name);
          const newer = rival === undefined || rival.createdAt < each.createdAt;
          if (newer) found.set(each.name, each);
          // Its node was away, and it was made anew on another one.
          if (rival !== undefined) removeOld(newer ? rival : each, all);
        }
      }
      return [...found.values()];
    },

    async containerRun(spec, options) {
      const all = await members.all(options);
      const { spread: _, ...plain } = spec;
      if (all.length === 0) return engine.containerRun(plain, options);
      try {
        const member = await placeOf(spec, all, options);
        await prepare(spec, member, options);
        return await member.engine.containerRun(plain, options);
      } finally {
        placing.settled(spec.name);
      }
    },

    watch: (watcher, signal) => watchMembers(home, members, watcher, signal),

    close() {
      members.close();
      docker.client.close();
      engine.close();
    },
  };

  function removeOld({ name, node }: ContainerSummary, all: readonly Member[]): void {
    const member = all.find((each) => each.name === node);
    if (places.get(name) === member?.id) places.delete(name);
    member?.engine.containerRemove(name).catch(() => {});
  }
}
