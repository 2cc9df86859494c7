import type { RouteInput } from "../../../../kernel/contract.ts";
import type { Tx } from "../../../../kernel/db/database.ts";
import { CloudError, checkRevision, invalid, nameTaken, notFound } from "../../../../kernel/errors.ts";
import { decodeCursor, toPage } from "../../../../kernel/http/cursor.ts";
import { newId } from "../../../../kernel/ids.ts";
import { reserveQuota } from "../../../../kernel/quota.ts";
import type { RequestContext } from "../../../../kernel/service.ts";
import type { LoadBalancerMemberState } from "../../driver.ts";
import { type Area, type ComputeParts, openProject, type ProjectPlace, placeOf } from "../../parts.ts";
import { touch } from "../cards.ts";
import { beginApply, type NetworkOperations } from "../operations.ts";
import { addressStore } from "../store/addresses.ts";
import { type BalancerRow, balancerStore, hostPortStore, type ListedBalancer, type MemberRow } from "../store/edge.ts";
import { networkStore } from "../store/networks.ts";
import { routerStore } from "../store/routers.ts";
import { counterStore } from "../store/traffic.ts";
import { announce, auditOf, balancerSubject, refused } from "../subjects.ts";
import { viewBalancer } from "../views.ts";
import type { edgeRoutes } from "./contract.ts";
import { takeHostPort } from "./hostPorts.ts";
import { targetPort } from "./targets.ts";

type Routes = Pick<
  typeof edgeRoutes,
  "loadBalancerList" | "loadBalancerCreate" | "loadBalancerGet" | "loadBalancerUpdate" | "loadBalancerDelete"
>;
type Body = RouteInput<(typeof edgeRoutes)["loadBalancerCreate"]>["body"];

export const balancerHandlers = (parts: ComputeParts, operations: NetworkOperations): Area<Routes>["handlers"] => {
  /** How its members are; nothing where the host cannot be asked: then their health is unknown. */
  async function statesOf(tx: Tx, projectId: string): Promise<LoadBalancerMemberState[]> {
    const router = await routerStore.find(tx, projectId);
    if (!router) return [];
    try {
      return await parts.network().loadBalancerState(router.routerId);
    } catch (error) {
      if (!CloudError.is(error, "failed_precondition"))
        parts.log.warn({ err: error, projectId }, "the health of load balancers is not known");
      return [];
    }
  }

  async function lock(context: RequestContext, id: string): Promise<ListedBalancer> {
    const seen = await balancerStore.find(context.tx, id);
    if (!seen) throw notFound("load balancer");
    context.authorize(placeOf(seen), "load balancer");
    parts.network();
    await touch(context.tx, seen);
    const balancer = await balancerStore.find(context.tx, id);
    if (!balancer) throw notFound("load balancer");
    checkRevision(context.ifMatch, balancer, "load balancer");
    return balancer;
  }

  /** Where it listens; what others have is refused. */
  async function listener(
    tx: Tx,
    place: ProjectPlace,
    id: string,
    body: Body,
  ): Promise<Pick<BalancerRow, "addressId" | "networkId" | "listenAddress" | "listenPort">> {
    if (body.address !== undefined && body.network !== undefined)
      throw invalid("body.network", "Give a floating address or a network, not both.");
    if (body.address === undefined && body.network === undefined) {
      const host = await parts.network().host();
      const listenPort = await takeHostPort(tx, host, {
        protocol: "tcp",
        address: "0.0.0.0",
        port: body.listenPort,
        holderId: id,
      });
      return { addressId: null, networkId: null, listenAddress: "0.0.0.0", listenPort };
    }
    if (body.listenPort === undefined) throw invalid("body.listenPort", "Give the port that it listens on.");
    if (body.address !== undefined) {
      const address = await addressStore.find(tx, body.address);
      if (address?.projectId !== place.projectId)
        throw invalid("body.address", "There is no such floating address in this project.");
      if (address.portId)
        throw refused(
          "load_balancer",
          "address_in_use",
          `${address.address} leads to the instance ${address.instanceName}. Detach it first, or use another address.`,
        );
      const others = await balancerStore.listening(tx, { addressId: address.id });
      const same = others.find(({ listenPort }) => listenPort === body.listenPort);
      if (same)
        throw refused(
          "load_balancer",
          "port_taken",
          `The load balancer ${same.name} listens on ${address.address}:${body.listenPort}.`,
        );
      return { addressId: address.id, networkId: null, listenAddress: address.address, listenPort: body.listenPort };
    }
    const network = (await networkStore.of(tx, place.projectId)).find((each) => each.id === body.network);
    if (!network) throw invalid("body.network", "There is no such network in this project.");
    const listenAddress = await networkStore.freeAddress(tx, network);
    if (listenAddress === undefined)
      throw refused("load_balancer", "network_full", `All addresses of the network ${network.name} are taken.`);
    return { addressId: null, networkId: network.id, listenAddress, listenPort: body.listenPort };
  }

  async function membersOf(tx: Tx, place: ProjectPlace, wanted: Body["members"]): Promise<MemberRow[]> {
    const members: MemberRow[] = [];
    for (const [index, member] of wanted.entries()) {
      const port = await targetPort(tx, place, member, `body.members[${index}]`);
      if (members.some((other) => other.portId === port.id && other.targetPort === member.targetPort))
        throw invalid(`body.members[${index}]`, `${port.hostName}:${member.targetPort} is given twice.`);
      members.push({ portId: port.id, targetPort: member.targetPort, weight: member.weight });
    }
    return members;
  }

  const termsOf = (row: BalancerRow, members: readonly MemberRow[]) => ({
    name: row.name,
    description: row.description,
    listen: `${row.listenAddress}:${row.listenPort}`,
    algorithm: row.algorithm,
    check: { intervalSeconds: row.checkIntervalSeconds, failures: row.checkFailures },
    members: members.map(({ portId, targetPort: port, weight }) => ({ portId, targetPort: port, weight })),
  });

  return {
    async loadBalancerList(context, { query }) {
      await openProject(parts, context, query.project);
      const [after] = decodeCursor(query.cursor, 1) ?? [];
      const rows = await balancerStore.page(context.tx, {
        projectId: query.project,
        search: query.search,
        after: after === undefined ? undefined : String(after),
        limit: query.limit + 1,
      });
      const states = rows.length > 0 ? await statesOf(context.tx, query.project) : [];
      return toPage(
        rows,
        query.limit,
        (row) => viewBalancer(row, states),
        (row) => [row.name],
      );
    },

    async loadBalancerCreate(context, { body }) {
      const { tx } = context;
      const place = await openProject(parts, context, body.project);
      parts.network();
      await touch(tx, place);
      const id = newId("loadBalancer");
      await reserveQuota(tx, place, "compute.load_balancers", 1);
      const row: BalancerRow = {
        id,
        organisationId: place.organisationId as BalancerRow["organisationId"],
        projectId: body.project,
        name: body.name,
        description: body.description,
        ...(await listener(tx, place, id, body)),
        algorithm: body.algorithm,
        checkIntervalSeconds: body.check.intervalSeconds,
        checkFailures: body.check.failures,
        createdAt: new Date(),
        revision: 1,
      };
      const members = await membersOf(tx, place, body.members);
      if (!(await balancerStore.insert(tx, row))) throw nameTaken("load balancer", "This project", row.name);
      await balancerStore.setMembers(tx, row, members);
      await counterStore.insert(tx, {
        id,
        organisationId: row.organisationId,
        projectId: row.projectId,
        resourceKind: "load_balancer",
        resourceId: id,
        resourceName: row.name,
      });
      await announce(tx, balancerSubject(row));
      context.audit({ ...auditOf(balancerSubject(row)), after: termsOf(row, members) });
      return beginApply(context, operations, "compute.load_balancer.create", balancerSubject(row), {
        loadBalancerId: row.id,
        listenAddress: row.listenAddress,
        listenPort: row.listenPort,
      });
    },

    async loadBalancerGet(context, { params }) {
      const balancer = await balancerStore.find(context.tx, params.loadBalancer);
      if (!balancer) throw notFound("load balancer");
      context.authorize(placeOf(balancer), "load balancer");
      return viewBalancer(balancer, await statesOf(context.tx, balancer.projectId));
    },

    async loadBalancerUpdate(context, { params, body }) {
      const { tx } = context;
      const before = await lock(context, params.loadBalancer);
      const after: BalancerRow = {
        ...before,
        name: body.name ?? before.name,
        description: body.description ?? before.description,
        algorithm: body.algorithm ?? before.algorithm,
        checkIntervalSeconds: body.check?.intervalSeconds ?? before.checkIntervalSeconds,
        checkFailures: body.check?.failures ?? before.checkFailures,
      };
      if (after.name !== before.name && (await balancerStore.named(tx, before.projectId, after.name)))
        throw nameTaken("load balancer", "This project", after.name);
      const members = body.members ? await membersOf(tx, before, body.members) : before.members;
      await balancerStore.update(tx, after);
      if (body.members) await balancerStore.setMembers(tx, after, members);
      if (after.name !== before.name) await counterStore.rename(tx, after.id, after.name);
      await announce(tx, balancerSubject(after));
      context.audit({
        ...auditOf(balancerSubject(after)),
        before: termsOf(before, before.members),
        after: termsOf(after, members),
      });
      return beginApply(context, operations, "compute.load_balancer.update", balancerSubject(after), {
        loadBalancerId: after.id,
      });
    },

    async loadBalancerDelete(context, { params }) {
      const { tx } = context;
      const balancer = await lock(context, params.loadBalancer);
      await balancerStore.delete(tx, balancer.id);
      await hostPortStore.release(tx, balancer.id);
      await counterStore.markGone(tx, balancer.id);
      await reserveQuota(tx, balancer, "compute.load_balancers", -1);
      await announce(tx, balancerSubject(balancer), "deleted");
      context.audit({ ...auditOf(balancerSubject(balancer)), before: termsOf(balancer, balancer.members) });
      return beginApply(context, operations, "compute.load_balancer.delete", balancerSubject(balancer));
    },
  };
};
