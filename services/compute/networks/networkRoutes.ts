import { checkRevision, nameTaken, notFound } from "../../../kernel/errors.ts";
import { decodeCursor, toPage } from "../../../kernel/http/cursor.ts";
import { newId } from "../../../kernel/ids.ts";
import { reserveQuota } from "../../../kernel/quota.ts";
import { type Area, type ComputeParts, openProject, placeOf } from "../parts.ts";
import { touch } from "./cards.ts";
import type { networkRoutes as contractRoutes } from "./contract.ts";
import { reservedOf } from "./defaults.ts";
import { beginApply, type NetworkOperations } from "./operations.ts";
import { checkCidr, pickCidr } from "./ranges.ts";
import { poolStore } from "./store/addresses.ts";
import { balancerStore } from "./store/edge.ts";
import { type NetworkRow, networkStore } from "./store/networks.ts";
import { announce, auditOf, networkSubject, refused } from "./subjects.ts";
import { termsOfNetwork, viewNetwork } from "./views.ts";

type Routes = Pick<typeof contractRoutes, "networkList" | "networkCreate" | "networkGet" | "networkUpdate" | "networkDelete">;

export const networkHandlers = (parts: ComputeParts, operations: NetworkOperations): Area<Routes>["handlers"] => ({
  async networkList(context, { query }) {
    await openProject(parts, context, query.project);
    const [after] = decodeCursor(query.cursor, 1) ?? [];
    const rows = await networkStore.page(context.tx, {
      projectId: query.project,
      search: query.search,
      after: after === undefined ? undefined : String(after),
      limit: query.limit + 1,
    });
    return toPage(rows, query.limit, viewNetwork, (row) => [row.name]);
  },

  async networkCreate(context, { body }) {
    const { tx } = context;
    const place = await openProject(parts, context, body.project);
    await touch(tx, place);
    const neighbours = {
      networks: await networkStore.of(tx, place.projectId),
      pools: await poolStore.all(tx),
      reserved: await reservedOf(parts),
    };
    if (body.cidr !== undefined) checkCidr(body.cidr, neighbours);
    const row: NetworkRow = {
      id: newId("network"),
      organisationId: place.organisationId as NetworkRow["organisationId"],
      projectId: body.project,
      name: body.name,
      description: body.description ?? "",
      cidr: body.cidr ?? pickCidr(neighbours),
      dnsDomain: body.dnsDomain ?? `${body.name}.internal`,
      dnsServers: body.dnsServers ?? [],
      internet: body.internet ?? true,
      routed: body.routed ?? true,
      isDefault: false,
      createdAt: new Date(),
      revision: 1,
    };
    await reserveQuota(tx, place, "compute.networks", 1);
    if (!(await networkStore.insert(tx, row))) throw nameTaken("network", "This project", row.name);
    await announce(tx, networkSubject(row));
    context.audit({ ...auditOf(networkSubject(row)), after: termsOfNetwork(row) });
    return viewNetwork({ ...row, ports: 0, pending: false, error: null });
  },

  async networkGet(context, { params }) {
    const network = await networkStore.find(context.tx, params.network);
    if (!network) throw notFound("network");
    context.authorize(placeOf(network), "network");
    return viewNetwork(network);
  },

  async networkUpdate(context, { params, body }) {
    const { tx } = context;
    const seen = await networkStore.find(tx, params.network);
    if (!seen) throw notFound("network");
    context.authorize(placeOf(seen), "network");
    parts.network();
    await touch(tx, seen);
    const before = await networkStore.find(tx, params.network);
    if (!before) throw notFound("network");
    checkRevision(context.ifMatch, before, "network");
    const after: NetworkRow = { ...before, ...defined(body) };
    const others = await networkStore.of(tx, before.projectId);
    if (others.some((other) => other.id !== before.id && other.name === after.name))
      throw nameTaken("network", "This project", after.name);
    await networkStore.update(tx, after);
    await announce(tx, networkSubject(after));
    context.audit({ ...auditOf(networkSubject(after)), before: termsOfNetwork(before), after: termsOfNetwork(after) });
    return beginApply(context, operations, "compute.network.update", networkSubject(after), { networkId: after.id });
  },

  async networkDelete(context, { params }) {
    const { tx } = context;
    const seen = await networkStore.find(tx, params.network);
    if (!seen) throw notFound("network");
    context.authorize(placeOf(seen), "network");
    await touch(tx, seen);
    const network = await networkStore.find(tx, params.network);
    if (!network) throw notFound("network");
    checkRevision(context.ifMatch, network, "network");
    if (network.ports > 0)
      throw refused(
        "network",
        "network_in_use",
        `${network.ports} ${network.ports === 1 ? "instance is" : "instances are"} in the network ${network.name}. Delete them or take them out of it first.`,
      );
    const balancers = await balancerStore.listening(tx, { networkId: network.id });
    if (balancers.length > 0)
      throw refused(
        "network",
        "network_in_use",
        `The load balancer ${balancers.map(({ name }) => name).join(", ")} listens in the network ${network.name}. Delete it first.`,
      );
    await networkStore.delete(tx, network.id);
    if (!network.isDefault) await reserveQuota(tx, network, "compute.networks", -1);
    await announce(tx, networkSubject(network), "deleted");
    context.audit({ ...auditOf(networkSubject(network)), before: termsOfNetwork(network) });
    return undefined;
  },
});

/** Without the fields that were not given. */
export const defined = <T extends object>(fields: T): { [K in keyof T]?: Exclude<T[K], undefined> } =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as never;
