import { CloudError } from "../../../kernel/errors.ts";
import type { ComputeParts, NetworksPart } from "../parts.ts";
import type { Applying } from "./applying.ts";
import { insertCard, removeCard, resolveGroups, resolveNetworks, touch } from "./cards.ts";
import { portStore } from "./store/ports.ts";
import { routerStore } from "./store/routers.ts";
import { counterStore } from "./store/traffic.ts";
import { announce, portSubject } from "./subjects.ts";
import { partPort } from "./views.ts";

export function networksPart(parts: ComputeParts, applying: Applying): NetworksPart {
  const viewsOf = async (tx: Parameters<NetworksPart["ports"]>[0], instanceIds: readonly string[]) => {
    const views = new Map(instanceIds.map((id) => [id, [] as ReturnType<typeof partPort>[]]));
    for (const row of await portStore.of(tx, instanceIds)) views.get(row.instanceId)?.push(partPort(row));
    return views;
  };
  return {
    async createPorts(tx, { place, instanceId, hostName, networkIds, securityGroupIds, usageOf }) {
      await touch(tx, place);
      const networks = await resolveNetworks(tx, parts, place, networkIds);
      const groups = await resolveGroups(tx, place, securityGroupIds);
      for (const [position, network] of networks.entries())
        await insertCard(tx, network, position, {
          place,
          instanceId,
          hostName,
          networkId: network.id,
          securityGroupIds: groups,
          usageOf,
        });
      return (await viewsOf(tx, [instanceId])).get(instanceId) ?? [];
    },

    ports: viewsOf,

    async deletePorts(tx, instanceId) {
      const place = await portStore.place(tx, instanceId);
      if (!place) return;
      await touch(tx, place);
      for (const port of await portStore.lockAll(tx, instanceId)) await removeCard(tx, port);
    },

    async rename(tx, instanceId, hostName) {
      const place = await portStore.place(tx, instanceId);
      if (!place) return;
      await touch(tx, place);
      for (const port of await portStore.rename(tx, instanceId, hostName)) await announce(tx, portSubject(port));
      await counterStore.rename(tx, instanceId, hostName);
    },

    apply: applying.apply,

    async connect(instanceId, port, signal) {
      const found = await parts.database.transaction("system", async (tx) => {
        const [card] = await portStore.of(tx, [instanceId]);
        const router = card && (await routerStore.find(tx, card.projectId));
        return card && router && { ipv4: card.ipv4, routerId: router.routerId };
      });
      if (!found)
        throw new CloudError("failed_precondition", "This instance is in no network.", { details: { reason: "no_port" } });
      return parts.network().connect(found.routerId, found.ipv4, port, signal ? { signal } : {});
    },
  };
}
