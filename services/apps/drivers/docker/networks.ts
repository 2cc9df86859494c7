import { randomBytes, randomInt } from "node:crypto";
import { networkInterfaces } from "node:os";
import { CloudError, invalid } from "../../../../kernel/errors.ts";
import { formatIpv4, networkOf, overlaps, parseNetwork } from "../../../../kernel/ipv4.ts";
import type { AppEngine, AppFirewall, CallOptions, NetworkReport, NetworkSpec } from "../../driver.ts";
import { at } from "./client.ts";
import { bridgePrefix } from "./firewall.ts";
import { findContainer, needContainer } from "./lookup.ts";
import {
  absent,
  different,
  type Engine,
  type EngineLabels,
  fingerprint,
  foreign,
  labelKeys,
  labelsIn,
  nameIn,
} from "./ownership.ts";

export type Networks = Pick<
  AppEngine,
  "hostDoor" | "networkCreate" | "networkGet" | "networkList" | "networkConnect" | "networkDisconnect" | "networkRemove"
>;

interface EngineNetwork {
  Id: string;
  Name: string;
  Created: string;
  Internal: boolean;
  Labels: EngineLabels;
  Options?: Record<string, string> | null;
  IPAM: { Config?: { Subnet?: string; Gateway?: string }[] | null };
  Containers?: Record<string, { Name: string; IPv4Address: string }> | null;
}

const bridgeOption = "com.docker.network.bridge.name";

export function createNetworks(engine: Engine, firewall?: AppFirewall): Networks {
  const { client, ownership } = engine;

  /** The engine lets two networks have one name when both are made at once; the first one counts. */
  async function named(name: string, options?: CallOptions): Promise<EngineNetwork[]> {
    const engineName = ownership.engineName(name);
    const query = { filters: JSON.stringify({ name: [engineName] }) };
    const found = await client.get<EngineNetwork[]>("/networks", { query, signal: options?.signal });
    return found
      .filter(({ Name }) => Name === engineName)
      .sort((one, other) => one.Created.localeCompare(other.Created) || one.Id.localeCompare(other.Id));
  }

  async function find(name: string, options?: CallOptions): Promise<EngineNetwork | undefined> {
    return (await named(name, options)).find(({ Labels }) => ownership.isOurs(Labels));
  }

  async function need(name: string, options?: CallOptions): Promise<EngineNetwork> {
    return (await find(name, options)) ?? Promise.reject(absent("network", name));
  }

  /** `subnet`: our choice, where the spec has none and the engine neither. */
  async function create(spec: NetworkSpec, options?: CallOptions, subnet = spec.subnet): Promise<void> {
    const specification = fingerprint(spec);
    const [there] = await named(spec.name, options);
    if (there !== undefined) return check(there, spec.name, specification);
    const { Id } = await client.post<{ Id: string }>(
      "/networks/create",
      {
        Name: ownership.engineName(spec.name),
        CheckDuplicate: true,
        Driver: "bridge",
        Internal: spec.internal,
        // Never the same twice, as two of one name may be made at once; its beginning is what the firewall goes by.
        Options: { [bridgeOption]: `${bridgePrefix}${randomBytes(5).toString("hex")}` },
        Labels: ownership.labelsFor(spec.name, spec.labels, spec),
        ...(subnet === undefined
          ? {}
          : { IPAM: { Driver: "default", Config: [{ Subnet: subnet, Gateway: firstAddress(subnet) }] } }),
      },
      { signal: options?.signal },
    );
    const [first] = await named(spec.name, options);
    if (first === undefined || first.Id === Id) return;
    await client.delete(at`/networks/${Id}`);
    check(first, spec.name, specification);
  }

  async function createOnce(spec: NetworkSpec, options?: CallOptions): Promise<void> {
    try {
      await create(spec, options);
    } catch (error) {
      // Somebody was quicker, and has the name or the addresses: perhaps with the very same.
      const reason = CloudError.is(error) ? error.details.reason : undefined;
      if (reason !== "engine_already_exists" && reason !== "engine_addresses_taken") throw error;
      if ((await named(spec.name, options)).length > 0) return create(spec, options);
      if (reason !== "engine_addresses_taken" || spec.subnet !== undefined) throw error;
      await createElsewhere(spec, error, options);
    }
  }

  /** An engine has some thirty ranges of its own, unless somebody gave it more. */
  async function createElsewhere(spec: NetworkSpec, refusal: unknown, options?: CallOptions): Promise<void> {
    for (let round = 0; round < 50; round++) {
      const subnet = `10.${randomInt(64, 128)}.${randomInt(256)}.0/24`;
      if (isOfHost(subnet)) continue;
      try {
        return await create(spec, options, subnet);
      } catch (error) {
        if (!CloudError.is(error) || error.details.reason !== "engine_addresses_taken") throw error;
      }
    }
    throw refusal;
  }

  async function guard(name: string, options?: CallOptions): Promise<void> {
    if (firewall === undefined) return;
    const bridge = (await find(name, options))?.Options?.[bridgeOption];
    if (bridge !== undefined && firewall.guards(bridge)) await firewall.apply(options);
  }

  /** One at a time for a name: one that is just being made has its addresses already, and cannot be found yet. */
  const creating = new Map<string, Promise<void>>();

  function check(there: EngineNetwork, name: string, specification: string): void {
    if (!ownership.isOurs(there.Labels)) throw foreign("network", there.Name);
    if (there.Labels?.[labelKeys.specification] !== specification) throw different("network", name);
  }

  async function report(network: EngineNetwork, options?: CallOptions): Promise<NetworkReport | undefined> {
    // Lists leave their members out.
    const whole = await client.find<EngineNetwork>(at`/networks/${network.Id}`, { signal: options?.signal });
    if (whole === undefined) return undefined;
    const members = await Promise.all(
      Object.entries(whole.Containers ?? {}).map(async ([id, { IPv4Address }]) => {
        const member = await findContainer(engine, id, options);
        return member === undefined ? [] : [{ name: nameIn(member.Config.Labels), ipv4: IPv4Address.split("/")[0] as string }];
      }),
    );
    const [range] = whole.IPAM.Config ?? [];
    return {
      name: nameIn(whole.Labels),
      id: whole.Id,
      labels: labelsIn(whole.Labels),
      internal: whole.Internal,
      subnet: range?.Subnet ?? "",
      gateway: range?.Gateway?.split("/")[0] ?? "",
      createdAt: new Date(whole.Created),
      members: members.flat().sort((one, other) => one.name.localeCompare(other.name)),
    };
  }

  return {
    async hostDoor({ address, port, networks }, options) {
      if (firewall === undefined) return undefined;
      const bridges: string[] = [];
      for (const name of networks) {
        const bridge = (await find(name, options))?.Options?.[bridgeOption];
        if (bridge !== undefined && firewall.guards(bridge)) bridges.push(bridge);
      }
      // The rules that it is an opening of come first.
      if (bridges.length > 0) await firewall.apply(options);
      return firewall.openDoor(ownership.cloudId, bridges, { address, port }, options);
    },

    async networkCreate(spec, options) {
      const before = creating.get(spec.name);
      const work = (before ?? Promise.resolve()).then(() => createOnce(spec, options));
      const settled = work.catch(() => {});
      creating.set(spec.name, settled);
      try {
        await work;
        await guard(spec.name, options);
      } finally {
        if (creating.get(spec.name) === settled) creating.delete(spec.name);
      }
    },

    async networkGet(name, options) {
      const network = await find(name, options);
      return network === undefined ? undefined : report(network, options);
    },

    async networkList(options) {
      const query = { filters: ownership.filter() };
      const networks = await client.get<EngineNetwork[]>("/networks", { query, signal: options?.signal });
      return (await Promise.all(networks.map((network) => report(network, options)))).filter((each) => each !== undefined);
    },

    async networkConnect(name, container, options = {}) {
      const { aliases, ipv4, signal } = options;
      const [{ Id: network }, { Id: id, NetworkSettings }] = await Promise.all([
        need(name, options),
        needContainer(engine, container, options),
      ]);
      if (Object.values(NetworkSettings.Networks).some(({ NetworkID }) => NetworkID === network)) return;
      // One that was made without any network has to leave that one first.
      if ("none" in NetworkSettings.Networks) await client.post("/networks/none/disconnect", { Container: id }, { signal });
      try {
        await client.post(
          at`/networks/${network}/connect`,
          { Container: id, EndpointConfig: endpointOf({ aliases: aliases ?? [], ipv4 }) },
          { signal },
        );
      } catch (error) {
        // Somebody was quicker.
        if (!CloudError.is(error, "already_exists")) throw error;
      }
    },

    async networkDisconnect(name, container, options) {
      const [network, found] = await Promise.all([find(name, options), findOurContainer(container)]);
      if (network === undefined || found === undefined) return;
      if (!Object.keys(found.NetworkSettings.Networks).includes(network.Name)) return;
      await client.post(
        at`/networks/${network.Id}/disconnect`,
        { Container: found.Id, Force: false },
        { signal: options?.signal },
      );

      function findOurContainer(containerName: string) {
        return findContainer(engine, ownership.engineName(containerName), options);
      }
    },

    async networkRemove(name, options) {
      const network = await find(name, options);
      if (network === undefined) return;
      try {
        await client.delete(at`/networks/${network.Id}`, { signal: options?.signal });
      } catch (error) {
        if (!CloudError.is(error, "failed_precondition")) throw error;
        throw new CloudError("failed_precondition", `Containers are in the network ${name}. Take them out of it first.`, {
          cause: error,
          details: { reason: "engine_in_use" },
        });
      }
    },
  };
}

/** The engine looks at its own networks alone. */
function isOfHost(subnet: string): boolean {
  const range = parseNetwork(subnet);
  return Object.values(networkInterfaces()).some((cards) =>
    cards?.some(({ cidr, family }) => {
      const own = family === "IPv4" && cidr !== null ? networkOf(cidr) : undefined;
      return own !== undefined && range !== undefined && overlaps(own, range);
    }),
  );
}

/** Of a range that is named the engine takes the first address too, and does not say so. */
function firstAddress(subnet: string): string {
  const network = parseNetwork(subnet);
  if (network === undefined || network.prefix > 30)
    throw invalid("subnet", `${subnet} is no range of IPv4 addresses, such as 10.90.4.0/24.`);
  return formatIpv4(network.first + 1);
}

export const endpointOf = ({ aliases, ipv4 }: { aliases: readonly string[]; ipv4?: string | undefined }) => ({
  Aliases: aliases,
  ...(ipv4 === undefined ? {} : { IPAMConfig: { IPv4Address: ipv4 } }),
});
