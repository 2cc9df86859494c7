/**
 * Networks of ours in a cluster: bridges that the engine makes on all members, each with a VXLAN tunnel to the one that Khmara runs on, as
 * the engine's own API is all that we have there. They have no addresses and know nobody; the router here does all that a network does.
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { isIPv4 } from "node:net";
import { networkInterfaces } from "node:os";
import { CloudError } from "../../../../kernel/errors.ts";
import type { CallOptions, ComputeDriver, Overlay, OverlayWaiting } from "../../driver.ts";
import { at } from "./client.ts";
import { type Configuration, type EngineInstance, isCard } from "./configuration.ts";
import { deadlines, type Engine, refused, settings, wordsOf } from "./engine.ts";

export type Overlays = Pick<ComputeDriver, "overlayEnsure" | "overlayRemove" | "overlayOwners">;

interface EngineNetwork {
  name: string;
  type: string;
  managed: boolean;
  status: string;
  config: Configuration;
  used_by: string[] | null;
}

interface Member {
  server_name: string;
  url: string;
  status: string;
}

/** Not IANA's 4789, which other software of the members may listen on with tunnels of its own. */
const tunnelPort = 14789;
const tunnel = "h";
const ownerKey = "user.khmara.router";
const cloudKey = "user.khmara.project";
/** What the engine gives to bridges with tunnels, and some of its versions allow at the most. */
const engineMtu = 1400;
/** Outer Ethernet, IPv4, UDP and VXLAN headers (RFC 7348). */
const overheadBytes = 50;

const isClustered = (engine: Engine): boolean => engine.server.environment.server_clustered === true;

export function createOverlays(engine: Engine): Overlays {
  const { client, log } = engine;
  const cloud = client.project ?? "khmara";
  /** Each is made by one call at a time, as they choose their numbers by what is there. */
  let turn: Promise<unknown> = Promise.resolve();

  const readMembers = (options?: CallOptions) =>
    client.list<Member>("/1.0/cluster/members", { project: null, signal: options?.signal });
  const readNetworks = (options?: CallOptions) =>
    client.list<EngineNetwork>("/1.0/networks", { project: null, signal: options?.signal });
  const owned = async (options?: CallOptions) =>
    (await readNetworks(options)).filter(({ managed, config }) => managed && config[cloudKey] === cloud);

  async function ensure(
    owner: string,
    bridges: readonly string[],
    options?: CallOptions,
  ): Promise<Awaited<ReturnType<Overlays["overlayEnsure"]>>> {
    const members = await readMembers(options);
    const here = members.find(({ server_name: name }) => name === engine.server.environment.server_name);
    const address = addressOf(here);
    const others = members.filter((member) => member !== here);
    const [ready, waiting]: [Overlay[], OverlayWaiting[]] = [[], []];
    const underlay = address === undefined ? undefined : underlayMtu(address);
    const foreign = others.find((member) => addressOf(member) === undefined);
    if (address === undefined || underlay === undefined || foreign !== undefined) {
      const why =
        foreign !== undefined
          ? `the engine's address of the member ${foreign.server_name} (${foreign.url}) is no IPv4 address`
          : `the engine's own address here (${here?.url}) is no IPv4 address of this host`;
      return { ready, waiting: bridges.map((bridge) => ({ bridge, reason: "unsupported", why })) };
    }
    const mtu = Math.min(engineMtu, underlay - overheadBytes);
    const addresses = others.map((member) => addressOf(member) as string).sort();
    await ensureGuard([address, ...addresses], options);
    const fixed: Configuration = {
      "ipv4.address": "none",
      "ipv6.address": "none",
      "dns.mode": "none",
      ...(mtu === engineMtu ? {} : { "bridge.mtu": String(mtu) }),
      [`tunnel.${tunnel}.protocol`]: "vxlan",
      // Whatever address of its own each member has towards it; the engine wants one.
      [`tunnel.${tunnel}.local`]: "0.0.0.0",
      [`tunnel.${tunnel}.remote`]: address,
      [`tunnel.${tunnel}.port`]: String(tunnelPort),
      [`tunnel.${tunnel}.ttl`]: "64",
      ...(engine.can.guardMembers ? guarded(cloud) : {}),
      [ownerKey]: owner,
      [cloudKey]: cloud,
    };

    for (const bridge of bridges) {
      const wait = (reason: OverlayWaiting["reason"], why: string) => void waiting.push({ bridge, reason, why });
      let found = await client.find<EngineNetwork>(at`/1.0/networks/${bridge}`, { project: null, signal: options?.signal });
      if (found?.managed && found.config[cloudKey] !== cloud) {
        wait("unsupported", `the engine has a network ${bridge} of somebody else's`);
        continue;
      }
      const offline = members.find(({ status }) => /offline/i.test(status));
      if (found?.managed !== true || found.status !== "Created") {
        if (offline !== undefined) {
          wait(
            "member_offline",
            `the engine makes networks only while all its members are online, and ${offline.server_name} is not`,
          );
          continue;
        }
        // Half made: begun by a process that was killed, or refused by a member.
        if (found?.managed) {
          await remove(bridge, options);
          found = undefined;
        }
        if (found !== undefined) {
          wait("bridge_exists", `this host has a bridge ${bridge} already`);
          continue;
        }
        const vni = await freeVni(bridge, options);
        try {
          await create(bridge, { ...fixed, [`tunnel.${tunnel}.id`]: String(vni) }, members, options);
        } catch (error) {
          await remove(bridge, options).catch((failure) => log.warn({ error: failure, bridge }, "a network was left half made"));
          if (engine.can.guardMembers && /acl/i.test(wordsOf(error))) {
            engine.can.guardMembers = false;
            log.warn({ error }, "the engine has no access lists here: members are not closed to what their instances send them");
          }
          wait("unsupported", `a member could not make it: ${wordsOf(error) || (error as Error).message}`);
          continue;
        }
        ready.push(overlayOf(bridge, vni, mtu, address, addresses));
        continue;
      }
      const vni = Number(found.config[`tunnel.${tunnel}.id`]);
      const config = { ...found.config, ...fixed };
      if (Object.entries(config).some(([key, value]) => found.config[key] !== value)) {
        // Khmara runs on another member now, say.
        log.info({ bridge, owner }, "a network of the cluster is changed");
        await client.put(
          at`/1.0/networks/${bridge}`,
          { config, description: "" },
          { ...settings(options, deadlines.change), project: null },
        );
      }
      ready.push(overlayOf(bridge, vni, mtu, address, addresses));
    }
    return { ready, waiting };
  }

  /** In two steps: it is told of each member, and then made on all of them. */
  async function create(bridge: string, config: Configuration, members: readonly Member[], options?: CallOptions): Promise<void> {
    const how = { ...settings(options, deadlines.change), project: null };
    for (const { server_name: target } of members)
      await client.post("/1.0/networks", { name: bridge, type: "bridge" }, { ...how, query: { target } });
    await client.post("/1.0/networks", { name: bridge, type: "bridge", config }, how);
  }

  const remove = async (bridge: string, options?: CallOptions): Promise<void> =>
    void (await client.delete(at`/1.0/networks/${bridge}`, { ...settings(options, deadlines.change), project: null }));

  /** By the name, so that one that is made again has the same where it can; no two of an engine are the same. */
  async function freeVni(bridge: string, options?: CallOptions): Promise<number> {
    const taken = new Set(
      (await readNetworks(options)).flatMap(({ config }) =>
        Object.entries(config ?? {}).flatMap(([key, value]) => (/^tunnel\.[^.]+\.id$/.test(key) ? [Number(value)] : [])),
      ),
    );
    const count = 2 ** 24 - 1;
    let vni = (createHash("sha256").update(`${cloud} ${bridge}`).digest().readUInt32BE() % count) + 1;
    while (taken.has(vni)) vni = (vni % count) + 1;
    return vni;
  }

  /**
   * An access list of the engine around its members: without it an instance could send to its member itself by the MAC address of the
   * bridge, and so into the tunnels of others. Only to their addresses: where frames of bridges pass the rules for packets (br_netfilter,
   * as with Docker), all that instances send comes by.
   */
  async function ensureGuard(addresses: readonly string[], options?: CallOptions): Promise<void> {
    if (!engine.can.guardMembers) return;
    const rule = { action: "drop", state: "enabled", destination: [...addresses].sort().join(",") };
    const how = { ...settings(options, deadlines.change), project: null };
    const found = await client.find<{ egress: { destination?: string }[]; config: Configuration }>(
      at`/1.0/network-acls/${cloud}`,
      { project: null, signal: options?.signal },
    );
    const description = "Khmara's: instances do not reach the members of the cluster themselves";
    try {
      if (found === undefined)
        await client.post("/1.0/network-acls", { name: cloud, description, egress: [rule], ingress: [], config: {} }, how);
      else if (found.egress.length !== 1 || found.egress[0]?.destination !== rule.destination)
        await client.put(at`/1.0/network-acls/${cloud}`, { description, egress: [rule], ingress: [], config: found.config }, how);
    } catch (error) {
      if (CloudError.is(error, "already_exists")) return;
      // One that is there stays as it is; it is tried again with the next change.
      log.warn({ error }, "the access list around the members of the cluster could not be made");
      if (found === undefined) throw error;
    }
  }

  return {
    async overlayEnsure(owner, bridges, options) {
      if (!isClustered(engine) || bridges.length === 0) return { ready: [], waiting: [] };
      const work = turn.then(() => ensure(owner, bridges, options));
      turn = work.catch(() => {});
      return work;
    },

    async overlayRemove(owner, except, options) {
      if (!isClustered(engine)) return;
      const all = await owned(options);
      const surplus = all.filter(
        ({ name, config, used_by: users }) => config[ownerKey] === owner && !except.includes(name) && (users ?? []).length === 0,
      );
      if (surplus.length === 0) return;
      // Begun while one is away, it would be gone here and stay there.
      if ((await readMembers(options)).some(({ status }) => /offline/i.test(status))) return;
      for (const { name } of surplus) await remove(name, options);
      if (all.length > surplus.length) return;
      await client
        .delete(at`/1.0/network-acls/${cloud}`, { ...settings(options, deadlines.change), project: null })
        .catch((error) => log.debug({ error }, "the access list is still in use"));
    },

    async overlayOwners(options) {
      if (!isClustered(engine)) return [];
      return [...new Set((await owned(options)).map(({ config }) => config[ownerKey] as string))];
    },
  };
}

const overlayOf = (bridge: string, vni: number, mtu: number, address: string, members: string[]): Overlay => ({
  bridge,
  device: `${bridge}-${tunnel}`,
  vni,
  port: tunnelPort,
  mtu,
  address,
  members,
});

const guarded = (acl: string): Configuration => ({
  "security.acls": acl,
  "security.acls.default.ingress.action": "allow",
  "security.acls.default.egress.action": "allow",
});

function addressOf(member: Member | undefined): string | undefined {
  if (member === undefined || !URL.canParse(member.url)) return undefined;
  const { hostname } = new URL(member.url);
  return isIPv4(hostname) ? hostname : undefined;
}

/** Of the interface with this address; undefined when this host does not have it. */
function underlayMtu(address: string): number | undefined {
  for (const [name, addresses] of Object.entries(networkInterfaces())) {
    if (!addresses?.some((each) => each.address === address)) continue;
    try {
      return Number(readFileSync(`/sys/class/net/${name}/mtu`, "utf8"));
    } catch {
      return undefined;
    }
  }
  return undefined;
}

/** Of these bridges, those that are only on the member that Khmara runs on. */
export async function notJoined(engine: Engine, bridges: readonly string[], options?: CallOptions): Promise<string[]> {
  const found = await Promise.all(
    [...new Set(bridges)].map(async (bridge) => {
      const network = await engine.client.find<EngineNetwork>(at`/1.0/networks/${bridge}`, {
        project: null,
        signal: options?.signal,
      });
      const joined =
        network?.managed === true && network.status === "Created" && network.config[cloudKey] === engine.client.project;
      return joined ? [] : [bridge];
    }),
  );
  return found.flat();
}

export const notJoinedYet = (what: string): CloudError =>
  refused(
    `${what}: a network of it is not on all members of the cluster yet. Networks are made there while all members are online: bring them back, or leave it on the member that Khmara runs on.`,
    "network_not_joined",
  );

/**
 * Where a new one goes. With cards, anywhere that its networks are: on all members as soon as they are joined, until then here. Undefined
 * for the engine's own choice.
 */
export async function placeOf(
  engine: Engine,
  spec: { hostName: string; member?: string | undefined; interfaces: readonly { bridge: string }[] },
  options?: CallOptions,
): Promise<string | undefined> {
  const { server_name: here } = engine.server.environment;
  if (!isClustered(engine) || spec.interfaces.length === 0 || spec.member === here) return spec.member;
  const bridges = spec.interfaces.map(({ bridge }) => bridge);
  if ((await notJoined(engine, bridges, options)).length === 0) return spec.member;
  if (spec.member === undefined) return here;
  throw notJoinedYet(`The instance ${spec.hostName} cannot run on the member ${spec.member}`);
}

/** Refused for an instance whose cards would find nothing on another member, or could send there as others. */
export async function needJoined(engine: Engine, instance: EngineInstance, options?: CallOptions): Promise<void> {
  const cards = Object.values(instance.devices).filter(isCard);
  const bridges = cards.flatMap(({ parent }) => parent ?? []);
  if (cards.some((card) => card["security.mac_filtering"] !== "true"))
    throw refused(
      `The instance ${instance.name} cannot move to another member: its cards are not filtered by their MAC address, as the engine could not do so when they were made.`,
      "filter_missing",
    );
  if ((await notJoined(engine, bridges, options)).length > 0)
    throw notJoinedYet(`The instance ${instance.name} cannot move to another member`);
}
