import { createHash } from "node:crypto";
import { CloudError, checkRevision, invalid, notFound } from "../../../../kernel/errors.ts";
import { decodeCursor, toPage } from "../../../../kernel/http/cursor.ts";
import { newId } from "../../../../kernel/ids.ts";
import { closeUsageSpans, openUsageSpan } from "../../../../kernel/metering/journal.ts";
import { reserveQuota } from "../../../../kernel/quota.ts";
import type { RequestContext } from "../../../../kernel/service.ts";
import { type Area, type ComputeParts, openProject, placeOf } from "../../parts.ts";
import { touch } from "../cards.ts";
import { beginApply, type NetworkOperations } from "../operations.ts";
import { type AddressRow, addressStore, type ListedAddress, poolStore } from "../store/addresses.ts";
import { addressSubject, announce, auditOf, refused } from "../subjects.ts";
import { viewAddress } from "../views.ts";
import type { edgeRoutes } from "./contract.ts";
import { targetPort } from "./targets.ts";

type Routes = Pick<
  typeof edgeRoutes,
  "addressList" | "addressCreate" | "addressGet" | "addressUpdate" | "addressAttach" | "addressDetach" | "addressDelete"
>;

export const addressHandlers = (parts: ComputeParts, operations: NetworkOperations): Area<Routes>["handlers"] => {
  async function open(context: RequestContext, id: string): Promise<ListedAddress> {
    const address = await addressStore.find(context.tx, id);
    if (!address) throw notFound("address");
    context.authorize(placeOf(address), "address");
    return address;
  }
  /** The address as it is while nobody else changes the project's network. */
  async function lock(context: RequestContext, id: string): Promise<ListedAddress> {
    const seen = await open(context, id);
    parts.network();
    await touch(context.tx, seen);
    const address = await addressStore.find(context.tx, id);
    if (!address) throw notFound("address");
    checkRevision(context.ifMatch, address, "address");
    return address;
  }
  const listening = (address: ListedAddress): CloudError =>
    refused(
      "address",
      "address_in_use",
      `A load balancer listens on ${address.address}. Delete the load balancer first, or use another address.`,
    );

  return {
    async addressList(context, { query }) {
      await openProject(parts, context, query.project);
      const [after] = decodeCursor(query.cursor, 1) ?? [];
      const rows = await addressStore.page(context.tx, {
        projectId: query.project,
        after: after === undefined ? undefined : String(after),
        limit: query.limit + 1,
      });
      return toPage(rows, query.limit, viewAddress, (row) => [row.id]);
    },

    async addressCreate(context, { body }) {
      const { tx } = context;
      const place = await openProject(parts, context, body.project);
      await touch(tx, place);
      await reserveQuota(tx, place, "compute.addresses", 1);
      const taken = await poolStore.take(tx, { poolId: body.pool, address: body.address });
      if (!taken) throw await whyNone(context, body);
      const row: AddressRow = {
        id: newId("address"),
        organisationId: place.organisationId as AddressRow["organisationId"],
        projectId: body.project,
        poolId: taken.poolId,
        address: taken.address,
        description: body.description,
        portId: null,
        createdAt: new Date(),
        revision: 1,
      };
      await addressStore.insert(tx, row);
      await openUsageSpan(tx, {
        id: `use_${createHash("sha256").update(`${row.id} compute.addresses`).digest("hex").slice(0, 32)}`,
        organisationId: row.organisationId,
        projectId: row.projectId,
        service: "compute",
        meter: "compute.addresses",
        unit: "address",
        resource: { kind: "address", id: row.id, name: row.address },
        from: row.createdAt,
        rate: 1,
      });
      await announce(tx, addressSubject(row));
      context.audit({ ...auditOf(addressSubject(row)), after: { address: row.address, description: row.description } });
      const listed = await addressStore.find(tx, row.id);
      if (!listed) throw notFound("address");
      return viewAddress(listed);
    },

    addressGet: async (context, { params }) => viewAddress(await open(context, params.address)),

    async addressUpdate(context, { params, body }) {
      const before = await open(context, params.address);
      checkRevision(context.ifMatch, before, "address");
      await addressStore.update(context.tx, before.id, { description: body.description });
      await announce(context.tx, addressSubject(before));
      context.audit({
        ...auditOf(addressSubject(before)),
        before: { description: before.description },
        after: { description: body.description },
      });
      return viewAddress({ ...before, description: body.description, revision: before.revision + 1 });
    },

    async addressAttach(context, { params, body }) {
      const { tx } = context;
      const address = await lock(context, params.address);
      if (address.loadBalancerIds.length > 0) throw listening(address);
      const port = await targetPort(tx, address, body);
      await addressStore.update(tx, address.id, { portId: port.id });
      await announce(tx, addressSubject(address));
      context.audit({
        ...auditOf(addressSubject(address)),
        before: { instance: address.instanceName },
        after: { instance: port.hostName },
      });
      return beginApply(context, operations, "compute.address.attach", addressSubject(address), {
        addressId: address.id,
      });
    },

    async addressDetach(context, { params }) {
      const { tx } = context;
      const address = await lock(context, params.address);
      if (!address.portId)
        throw refused("address", "not_attached", `${address.address} leads to no instance: there is nothing to detach.`);
      await addressStore.update(tx, address.id, { portId: null });
      await announce(tx, addressSubject(address));
      context.audit({ ...auditOf(addressSubject(address)), before: { instance: address.instanceName } });
      return beginApply(context, operations, "compute.address.detach", addressSubject(address), {
        addressId: address.id,
      });
    },

    async addressDelete(context, { params }) {
      const { tx } = context;
      const address = await lock(context, params.address);
      if (address.loadBalancerIds.length > 0) throw listening(address);
      await addressStore.delete(tx, address.id);
      await poolStore.release(tx, address.address);
      await closeUsageSpans(tx, address.id, new Date(), "compute.addresses");
      await reserveQuota(tx, address, "compute.addresses", -1);
      await announce(tx, addressSubject(address), "deleted");
      context.audit({
        ...auditOf(addressSubject(address)),
        before: { address: address.address, instance: address.instanceName, description: address.description },
      });
      return beginApply(context, operations, "compute.address.delete", addressSubject(address));
    },
  };
};

/** Why no address could be taken, for people. */
async function whyNone(
  { tx }: RequestContext,
  body: { pool?: string | undefined; address?: string | undefined },
): Promise<CloudError> {
  const pool = body.pool === undefined ? undefined : await poolStore.find(tx, body.pool);
  if (body.pool !== undefined && !pool) return notFound("address pool");
  if (body.address !== undefined) {
    const state = await poolStore.addressState(tx, body.address);
    if (!state || (pool && state.poolId !== pool.id))
      return invalid("body.address", `${body.address} is in no pool of this cloud${pool ? ` named ${pool.name}` : ""}.`);
    return new CloudError("already_exists", `${body.address} is taken. Choose another address.`, {
      details: {
        resource: "address",
        reason: "address_taken",
        fields: [{ path: "body.address", message: "This address is taken." }],
      },
    });
  }
  return refused(
    "address",
    "pool_empty",
    pool
      ? `All ${pool.total} addresses of the pool ${pool.name} are in use. Release one, or ask an administrator of the cloud for a larger pool.`
      : "No pool of this cloud has a free address. Release one, or ask an administrator of the cloud to add a pool.",
  );
}
