import { CloudError, checkRevision, notFound } from "../../../kernel/errors.ts";
import { decodeCursor, toPage } from "../../../kernel/http/cursor.ts";
import type { RequestContext } from "../../../kernel/service.ts";
import { type Area, type ComputeParts, type InstanceView, openInstance, openProject, placeOf } from "../parts.ts";
import { checkGroups, insertCard, resolveGroups, touch } from "./cards.ts";
import type { networkRoutes as contractRoutes } from "./contract.ts";
import { beginApply, beginCard, busy, type NetworkOperations } from "./operations.ts";
import { networkStore } from "./store/networks.ts";
import { type ListedPort, portStore } from "./store/ports.ts";
import { announce, auditOf, portSubject, refused } from "./subjects.ts";
import { viewPort } from "./views.ts";

type Routes = Pick<typeof contractRoutes, "portList" | "portCreate" | "portGet" | "portUpdate" | "portDelete">;

const mostCards = 8;

export const portHandlers = (parts: ComputeParts, operations: NetworkOperations): Area<Routes>["handlers"] => {
  /** The port as it is while nobody else changes the project's network. */
  async function lockPort(
    context: RequestContext,
    id: string,
    before?: (port: ListedPort) => Promise<void>,
  ): Promise<ListedPort> {
    const seen = await portStore.find(context.tx, id);
    if (!seen) throw notFound("port");
    context.authorize(placeOf(seen), "port");
    parts.network();
    await before?.(seen);
    await touch(context.tx, seen);
    const port = await portStore.find(context.tx, id, { lock: true });
    if (!port) throw notFound("port");
    checkRevision(context.ifMatch, port, "port");
    return port;
  }

  return {
    async portList(context, { query }) {
      await openProject(parts, context, query.project);
      const [after] = decodeCursor(query.cursor, 1) ?? [];
      const rows = await portStore.page(context.tx, {
        projectId: query.project,
        search: query.search,
        networkId: query.network,
        instanceId: query.instance,
        groupId: query.securityGroup,
        after: after === undefined ? undefined : String(after),
        limit: query.limit + 1,
      });
      return toPage(rows, query.limit, viewPort, (row) => [row.id]);
    },

    async portCreate(context, { body }) {
      const { tx } = context;
      const instance = await openInstance(parts, context, tx, body.instance, { lock: true });
      parts.network();
      parts.engine();
      parts.instances.checkAction(instance, "attachVolume");
      await touch(tx, instance);
      const network = (await networkStore.of(tx, instance.projectId)).find(({ id }) => id === body.network);
      if (!network) throw notFound("network");
      const cards = await portStore.lockAll(tx, instance.id);
      if (cards.some(({ leaving }) => leaving)) throw leavingNow();
      if (cards.some(({ networkId }) => networkId === network.id))
        throw new CloudError("already_exists", `${instance.name} is in the network ${network.name} already.`, {
          details: { resource: "port", reason: "already_in_network" },
        });
      if (cards.length >= mostCards)
        throw refused("port", "too_many_ports", `An instance can be in ${mostCards} networks at the most.`);
      const groups = await resolveGroups(tx, instance, body.securityGroups);
      const taken = new Set(cards.map(({ position }) => position));
      let position = 0;
      while (taken.has(position)) position++;
      const port = await insertCard(tx, network, position, {
        place: instance,
        instanceId: instance.id,
        hostName: instance.name,
        networkId: network.id,
        securityGroupIds: groups,
        ipv4: body.ipv4,
      });
      context.audit({ ...auditOf(portSubject(port)), after: { network: network.name, ipv4: port.ipv4, securityGroups: groups } });
      return beginCard(context, operations.portCreate, port, instance.engineName);
    },

    async portGet(context, { params }) {
      const port = await portStore.find(context.tx, params.port);
      if (!port) throw notFound("port");
      context.authorize(placeOf(port), "port");
      return viewPort(port);
    },

    async portUpdate(context, { params, body }) {
      const port = await lockPort(context, params.port);
      await checkGroups(context.tx, port, body.securityGroups);
      const groups = [...new Set(body.securityGroups)];
      await portStore.setGroups(context.tx, port.id, groups);
      await announce(context.tx, portSubject(port));
      context.audit({
        ...auditOf(portSubject(port)),
        before: { securityGroups: port.securityGroupIds },
        after: { securityGroups: groups },
      });
      return beginApply(context, operations, "compute.port.update", portSubject(port), { portId: port.id });
    },

    async portDelete(context, { params }) {
      const { tx } = context;
      let instance: InstanceView | undefined;
      // Instances are locked before the network everywhere: one order, no deadlock.
      const port = await lockPort(context, params.port, async ({ instanceId }) => {
        parts.engine();
        instance = await parts.instances.find(tx, instanceId, { lock: true });
      });
      if (!instance) throw notFound("instance");
      parts.instances.checkAction(instance, "attachVolume");
      const cards = await portStore.lockAll(tx, instance.id);
      if (cards.some(({ leaving }) => leaving)) throw leavingNow();
      if (cards.length === 1)
        throw refused("port", "last_port", `${instance.name} is in no other network: an instance keeps at least one card.`);
      await portStore.setLeaving(tx, port.id, true);
      context.audit({ ...auditOf(portSubject(port)), before: { network: port.networkName, ipv4: port.ipv4 } });
      return beginCard(context, operations.portDelete, port, instance.engineName);
    },
  };
};

const leavingNow = () => busy("port", "A card of this instance is being taken out. Wait until that is finished.");
