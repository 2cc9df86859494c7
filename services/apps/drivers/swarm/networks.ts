/**
 * A network over several machines: a bridge of its own on each, which has the way out and is guarded as that of one machine is, and an overlay
 * that has no way out and joins them. A container is in both, under the same names.
 */
import { randomInt } from "node:crypto";
import { networkInterfaces } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { CloudError } from "../../../../kernel/errors.ts";
import { formatIpv4, networkOf, overlaps, parseNetwork } from "../../../../kernel/ipv4.ts";
import type { AppEngine, CallOptions, NetworkSpec } from "../../driver.ts";
import { at } from "../docker/client.ts";
import { wordsOf } from "../docker/engineError.ts";
import { findContainer } from "../docker/lookup.ts";
import { absent, type Engine, type EngineLabels, foreign, labelKeys, nameIn } from "../docker/ownership.ts";
import { openGate } from "./gate.ts";
import { askMember, type Member, type Members } from "./members.ts";
import { gateOf, isOverlay, overlayOf } from "./names.ts";
import { pauseImage } from "./pauseImage.ts";
import { createTurns } from "./turns.ts";

export interface NetworkOptions {
  /** The file of the network namespace that this machine's engine is in; absent: this one. */
  network?: string | undefined;
  /** Where overlays get their ranges from, 256 addresses each; bridges have theirs elsewhere. */
  overlayRange?: string | undefined;
}

interface Overlay {
  Id: string;
  Name: string;
  Labels: EngineLabels;
  Driver: string;
  IPAM: { Config?: { Subnet?: string }[] | null };
}

/** Beside 10.64.0.0/10, where bridges are when an engine's own ranges are used up. */
const defaultRange = "10.32.0.0/11";
const mebibyte = 1024 ** 2;

export type SwarmNetworks = ReturnType<typeof createSwarmNetworks>;

export function createSwarmNetworks(
  home: { engine: AppEngine; docker: Engine },
  members: Members,
  { network, overlayRange = defaultRange }: NetworkOptions,
) {
  const { client, ownership } = home.docker;
  const range = parseNetwork(overlayRange);
  const inTurn = createTurns();

  async function findOverlay(name: string, options?: CallOptions): Promise<Overlay | undefined> {
    return client.find<Overlay>(at`/networks/${ownership.engineName(overlayOf(name))}`, { signal: options?.signal });
  }

  async function ensureOverlay(spec: NetworkSpec, options?: CallOptions): Promise<Overlay> {
    for (let round = 0; ; round++) {
      const there = await findOverlay(spec.name, options);
      if (there !== undefined) {
        if (!ownership.isOurs(there.Labels)) throw foreign("network", there.Name);
        // The swarm gives it its range a moment after it is there.
        if (there.IPAM.Config?.[0]?.Subnet !== undefined || round >= 100) return there;
        await sleep(100, undefined, { signal: options?.signal });
        continue;
      }
      const subnet = freeRange();
      try {
        await client.post(
          "/networks/create",
          {
            Name: ownership.engineName(overlayOf(spec.name)),
            CheckDuplicate: true,
            Driver: "overlay",
            // Containers join it by themselves; there are no services of the swarm.
            Attachable: true,
            Internal: true,
            Labels: ownership.labelsFor(overlayOf(spec.name), spec.labels),
            IPAM: { Driver: "default", Config: [{ Subnet: subnet }] },
          },
          { signal: options?.signal },
        );
      } catch (error) {
        // Somebody was quicker, or has the range.
        if (round >= 20 || !CloudError.is(error)) throw error;
        if (error.code !== "already_exists" && error.code !== "failed_precondition" && error.code !== "invalid_argument")
          throw error;
      }
    }
  }

  function freeRange(): string {
    if (range === undefined) throw new CloudError("internal", `${overlayRange} is no range of addresses.`);
    for (;;) {
      const first = range.first + 256 * randomInt(2 ** (24 - range.prefix));
      const subnet = `${formatIpv4(first)}/24`;
      const own = parseNetwork(subnet);
      const taken = Object.values(networkInterfaces()).some((cards) =>
        cards?.some(({ cidr, family }) => {
          const other = family === "IPv4" && cidr !== null ? networkOf(cidr) : undefined;
          return other !== undefined && own !== undefined && overlaps(own, other);
        }),
      );
      if (!taken) return subnet;
    }
  }

  /** So that this machine (the gateway, the checks of health) reaches what is on other nodes. */
  async function ensureGate(name: string, overlay: Overlay, options?: CallOptions): Promise<void> {
    if (client.address.endpoint.startsWith("https:")) return;
    const subnet = overlay.IPAM.Config?.[0]?.Subnet;
    const gate = gateOf(name);
    const running = async () => {
      const found = await findContainer(home.docker, ownership.engineName(gate), options);
      return found?.State.Status === "running" && found.State.Pid > 0 ? found.State.Pid : undefined;
    };
    let pid = await running();
    if (pid === undefined) {
      const image = await pauseImage(home.engine, options);
      if (image === undefined) return;
      await home.engine.containerCreate(
        {
          name: gate,
          image,
          labels: { kind: "gate" },
          networks: [{ name: overlayOf(name), aliases: [] }],
          mounts: [],
          temporaryFolders: [],
          readOnlyRoot: true,
          // It needs next to nothing; what starts it needs more.
          limits: { memoryBytes: 64 * mebibyte, cpus: 1, processes: 16 },
          capabilities: [],
          restart: { policy: "always" },
          stop: { signal: "SIGKILL", timeoutSeconds: 1 },
          log: { fileBytes: mebibyte, files: 1 },
          init: false,
        },
        options,
      );
      await home.engine.containerStart(gate, options);
      pid = await running();
    }
    if (pid === undefined || subnet === undefined)
      throw new CloudError("unavailable", `The network ${name} of the nodes is not ready. Try again in a moment.`, {
        details: { reason: "node_network", retryAfterSeconds: 5 },
      });
    await openGate({ networkId: overlay.Id, subnet, pid }, network, options);
  }

  /** In the overlay, under the names that it has in the bridge; running or not. */
  async function join(member: Member, container: string, name: string, aliases: readonly string[], options?: CallOptions) {
    try {
      await member.docker.client.post(
        at`/networks/${ownership.engineName(overlayOf(name))}/connect`,
        { Container: container, EndpointConfig: { Aliases: aliases } },
        { signal: options?.signal, timeoutMs: 60_000 },
      );
    } catch (error) {
      // It is in it.
      if (!CloudError.is(error, "already_exists")) throw error;
    }
  }

  /** Containers from before there were several machines. */
  async function joinOlder(member: Member, name: string, options?: CallOptions): Promise<void> {
    const bridge = ownership.engineName(name);
    const overlay = ownership.engineName(overlayOf(name));
    const query = { filters: ownership.filter({ network: [bridge] }) };
    type Listed = { Id: string; Labels: EngineLabels; NetworkSettings: { Networks: Record<string, object> } };
    const listed = await member.docker.client.get<Listed[]>("/containers/json", { query, signal: options?.signal });
    for (const { Id, NetworkSettings } of listed) {
      if (overlay in NetworkSettings.Networks) continue;
      type Whole = { NetworkSettings: { Networks: Record<string, { Aliases?: string[] | null }> } };
      const whole = await member.docker.client.find<Whole>(at`/containers/${Id}/json`, { signal: options?.signal });
      const aliases = (whole?.NetworkSettings.Networks[bridge]?.Aliases ?? []).filter((alias) => !Id.startsWith(alias));
      if (whole !== undefined) await join(member, Id, name, aliases, options);
    }
  }

  async function create(spec: NetworkSpec, all: readonly Member[], options?: CallOptions): Promise<void> {
    const here = all.find(({ home: isHome }) => isHome);
    if (here === undefined) return;
    const overlay = await ensureOverlay(spec, options);
    await ensureGate(spec.name, overlay, options);
    await joinOlder(here, spec.name, options);
  }

  return {
    join,

    async leave(member: Member, container: string, name: string, options?: CallOptions): Promise<void> {
      const path = at`/networks/${ownership.engineName(overlayOf(name))}/disconnect`;
      await member.docker.client
        .post(path, { Container: container, Force: false }, { signal: options?.signal })
        .catch((error) => {
          // It was not in it, or the node knows no such network any more.
          if (!CloudError.is(error, "not_found") && !/is not connected/.test(wordsOf(error))) throw error;
        });
    },

    async create(spec: NetworkSpec, options?: CallOptions): Promise<void> {
      await home.engine.networkCreate(spec, options);
      const all = await members.all(options);
      if (all.length === 0) return;
      // A gate is made in several steps.
      await inTurn(spec.name, () => create(spec, all, options));
    },

    /** The bridge of a network on another node, where it is not yet. */
    async extend(member: Member, name: string, options?: CallOptions): Promise<void> {
      if (member.home) return;
      const there = await client.find<{ Internal: boolean; Labels: EngineLabels }>(
        at`/networks/${ownership.engineName(name)}`,
        options,
      );
      if (there === undefined || !ownership.isOurs(there.Labels)) throw absent("network", name);
      const labels = JSON.parse(there.Labels?.[labelKeys.labels] ?? "{}") as Record<string, string>;
      await member.engine.networkCreate({ name: nameIn(there.Labels), labels, internal: there.Internal }, options);
    },

    async remove(name: string, options?: CallOptions): Promise<void> {
      const all = await members.all(options);
      for (const member of all)
        if (!member.home && member.up) await askMember(member, (some) => member.engine.networkRemove(name, some), options);
      await home.engine.networkRemove(name, options);
      const overlay = all.length === 0 ? undefined : await findOverlay(name, options);
      if (overlay === undefined || !ownership.isOurs(overlay.Labels)) return;
      await home.engine.containerRemove(gateOf(name), options);
      // The swarm learns of what has left it a moment later.
      for (let round = 0; ; round++) {
        try {
          await client.delete(at`/networks/${overlay.Id}`, { signal: options?.signal });
          return;
        } catch (error) {
          if (!CloudError.is(error, "failed_precondition") && !CloudError.is(error, "conflict")) throw error;
          // That of a node that is down: nothing of ours is in it, and nobody else's may be.
          if (round === 50) return;
          await sleep(200, undefined, { signal: options?.signal });
        }
      }
    },

    /** As one machine tells it: under the names of the networks, with addresses that this machine reaches. */
    reachable(addresses: Readonly<Record<string, string>>, member: Member): Record<string, string> {
      const found: Record<string, string> = {};
      for (const name of Object.keys(addresses)) {
        const address = isOverlay(name) ? undefined : addresses[member.home ? name : overlayOf(name)];
        if (address !== undefined) found[name] = address;
      }
      return found;
    },
  };
}
