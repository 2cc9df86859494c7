/** The machines themselves, for administrators (Engine API, "Swarm" and "Nodes"). */
import { CloudError, notFound } from "../../../../kernel/errors.ts";
import type { AppEngine, CallOptions } from "../../driver.ts";
import type { AppNodes, NodeReport } from "../../nodesDriver.ts";
import { at } from "../docker/client.ts";
import { wordsOf } from "../docker/engineError.ts";
import type { Engine } from "../docker/ownership.ts";
import { architectureOf } from "./delivery.ts";
import type { Member, Members, SwarmNode } from "./members.ts";
import { managerPort } from "./names.ts";
import type { Standing } from "./placing.ts";
import type { SwarmVolumes } from "./volumes.ts";

interface Swarm {
  Version: { Index: number };
  Spec: object;
  JoinTokens: { Worker: string };
}

export function createNodes(
  { docker }: { engine: AppEngine; docker: Engine },
  members: Members,
  volumes: SwarmVolumes,
  standings: (options?: CallOptions) => Promise<Standing[]>,
): Omit<AppNodes, "pullFrom"> {
  const { client } = docker;

  async function begin(address: string | undefined, options?: CallOptions): Promise<void> {
    try {
      await client.post(
        "/swarm/init",
        { ListenAddr: `0.0.0.0:${managerPort}`, ...(address === undefined ? {} : { AdvertiseAddr: address }) },
        { signal: options?.signal, timeoutMs: 120_000 },
      );
    } catch (error) {
      if (!/could not (choose|find) an IP address|must specify|advertise/i.test(wordsOf(error))) throw error;
      throw new CloudError(
        "failed_precondition",
        address === undefined
          ? "This machine has several addresses: say at which of them the other nodes reach it."
          : `${address} is no address of this machine. Say one at which the other nodes reach it.`,
        { cause: error, details: { reason: "address_needed" } },
      );
    }
    members.forget();
  }

  async function need(name: string, options?: CallOptions): Promise<Member> {
    const found = (await members.all(options)).find((each) => each.name === name || each.id === name);
    return found ?? Promise.reject(notFound("node"));
  }

  async function setAvailability(name: string, availability: SwarmNode["Spec"]["Availability"], options?: CallOptions) {
    for (let round = 0; ; round++) {
      const { id, home } = await need(name, options);
      if (home && availability === "drain")
        throw new CloudError(
          "failed_precondition",
          "This machine runs the cloud itself, and is not drained: what is only here stays.",
          {
            details: { reason: "node_home" },
          },
        );
      const { Spec, Version } = await client.get<SwarmNode>(at`/nodes/${id}`, { signal: options?.signal });
      try {
        if (Spec.Availability !== availability)
          await client.post(
            at`/nodes/${id}/update`,
            { ...Spec, Availability: availability },
            { query: { version: Version.Index }, signal: options?.signal },
          );
        members.forget();
        return;
      } catch (error) {
        // Somebody has changed it meanwhile.
        if (!/out of sequence/.test(wordsOf(error)) || round === 10) throw error;
      }
    }
  }

  return {
    identifyBy: (identity) => members.identifyBy(identity),

    async list(options) {
      const found = await standings(options);
      const places = found.length === 0 ? [] : await volumes.records(options);
      return found.map(({ member, containers }): NodeReport => {
        const { Description, Status } = member.node;
        return {
          id: member.id,
          name: member.name,
          address: member.home ? (member.node.ManagerStatus?.Addr.replace(/:\d+$/, "") ?? Status.Addr) : Status.Addr,
          home: member.home,
          state: !member.up ? "down" : containers === undefined ? "unreachable" : "ready",
          draining: member.draining,
          engineVersion: Description.Engine.EngineVersion,
          architecture: architectureOf(Description.Platform.Architecture),
          cpus: Math.round(Description.Resources.NanoCPUs / 1e9),
          memoryBytes: Description.Resources.MemoryBytes,
          containers: containers?.filter(({ state }) => state === "running").length,
          volumes: places.filter(({ nodeId }) => nodeId === member.id).map(({ name, labels }) => ({ name, labels })),
        };
      });
    },

    async invite({ address, ...options } = {}) {
      const before = await members.info();
      if (before.LocalNodeState === "active" && !before.ControlAvailable)
        throw new CloudError(
          "failed_precondition",
          "This machine's Docker is a worker of another swarm. Take it out of that one (docker swarm leave), or let Khmara run on its manager.",
          { details: { reason: "swarm_foreign" } },
        );
      if (before.LocalNodeState !== "active") await begin(address, options);
      const { NodeAddr } = await members.info();
      const old = await client.get<Swarm>("/swarm", { signal: options.signal });
      await client.post("/swarm/update", old.Spec, {
        query: { version: old.Version.Index, rotateWorkerToken: true },
        signal: options.signal,
      });
      const { JoinTokens } = await client.get<Swarm>("/swarm", { signal: options.signal });
      const host = NodeAddr ?? "";
      return { manager: `${host.includes(":") ? `[${host}]` : host}:${managerPort}`, token: JoinTokens.Worker };
    },

    drain: (node, options) => setAvailability(node, "drain", options),
    activate: (node, options) => setAvailability(node, "active", options),

    async remove(name, { abandonVolumes = false, ...options } = {}) {
      const member = await need(name, options);
      const inUse = (why: string, reason = "node_in_use") =>
        new CloudError("failed_precondition", why, { details: { reason, node: member.name } });
      if (member.home) throw inUse("This machine runs the cloud itself, and cannot be removed.", "node_home");
      const places = (await volumes.records(options)).filter(({ nodeId }) => nodeId === member.id);
      if (places.length > 0 && !(abandonVolumes && !member.up))
        throw inUse(
          member.up
            ? `${places.length} disks of apps are on the node ${member.name}. Delete them first, or move those apps.`
            : `${places.length} disks of apps are on the node ${member.name}, which is down. Start it again, or remove it together with them.`,
          "node_has_volumes",
        );
      if (member.up) {
        if (!member.draining) throw inUse(`Drain the node ${member.name} first.`);
        const here = (await standings(options)).find((each) => each.member.id === member.id)?.containers;
        if (here === undefined || here.length > 0)
          throw inUse(`There are containers on the node ${member.name} still. Wait until they have moved.`);
      }
      // By force: one that is up has not left by itself.
      await client.delete(at`/nodes/${member.id}`, { query: { force: true }, signal: options.signal });
      for (const place of places) await volumes.forget(place, options);
      members.forget();
    },
  };
}
