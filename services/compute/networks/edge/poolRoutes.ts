import type { Tx } from "../../../../kernel/db/database.ts";
import { CloudError, checkRevision, nameTaken, notFound } from "../../../../kernel/errors.ts";
import { decodeCursor, toPage } from "../../../../kernel/http/cursor.ts";
import { newId } from "../../../../kernel/ids.ts";
import { contains, parseIpv4, parseRange } from "../../../../kernel/ipv4.ts";
import { beginOperation } from "../../../../kernel/operations/store.ts";
import type { RequestContext } from "../../../../kernel/service.ts";
import { type Area, actorIn, type ComputeParts } from "../../parts.ts";
import { hasNetworks } from "../defaults.ts";
import type { NetworkOperations } from "../operations.ts";
import { checkPoolRange } from "../ranges.ts";
import { type PoolRow, poolStore } from "../store/addresses.ts";
import { announce, auditOf, poolSubject, refused } from "../subjects.ts";
import { viewPool } from "../views.ts";
import type { edgeRoutes } from "./contract.ts";

type Routes = Pick<typeof edgeRoutes, "addressPoolList" | "addressPoolCreate" | "addressPoolUpdate" | "addressPoolDelete">;

const termsOf = ({ name, description, range, interface: on }: PoolRow) => ({ name, description, range, interface: on });

export const poolHandlers = (parts: ComputeParts, operations: NetworkOperations): Area<Routes>["handlers"] => {
  /** What would cut the host itself off, or lead nowhere. */
  async function checkOnHost(pool: { range: string; interface: string | null }): Promise<void> {
    const { addresses, interfaces } = await parts.network().host();
    const range = parseRange(pool.range);
    const own = addresses.find((address) => {
      const value = parseIpv4(address);
      return value !== undefined && range && contains(range, { first: value, last: value });
    });
    if (own !== undefined)
      throw refused("address_pool", "pool_range", `${own} is this host's own address: a pool must not have it.`);
    if (pool.interface !== null && !interfaces.includes(pool.interface))
      throw refused(
        "address_pool",
        "no_interface",
        `This host has no interface ${pool.interface} with an address. It has: ${interfaces.join(", ")}.`,
      );
  }
  /** Of a network that is there already nobody could reach the addresses, and it none of them. */
  async function checkNetworks(tx: Tx, range: string): Promise<void> {
    const parsed = parseRange(range);
    if (parsed && (await poolStore.overlapsNetwork(tx, parsed)))
      throw refused(
        "address_pool",
        "range_overlaps",
        `${range} overlaps the range of a project's network. Choose another range.`,
      );
  }
  /** Where there are no networks on the host yet, all pools are published once there are. */
  const publish = async (context: RequestContext, pool: PoolRow) => {
    if (!hasNetworks(parts)) return;
    await beginOperation(context.tx, operations.poolPublish, {
      input: {},
      actor: actorIn(context),
      resource: auditOf(poolSubject(pool)).resource,
    });
  };

  return {
    async addressPoolList({ tx }, { query }) {
      const [after] = decodeCursor(query.cursor, 1) ?? [];
      const rows = await poolStore.page(tx, { after: after === undefined ? undefined : String(after), limit: query.limit + 1 });
      return toPage(rows, query.limit, viewPool, (row) => [row.name]);
    },

    async addressPoolCreate(context, { body }) {
      const { tx } = context;
      context.authorize({}, "address pool");
      const row: PoolRow = {
        id: newId("addressPool"),
        name: body.name,
        description: body.description,
        range: body.range,
        interface: body.interface ?? null,
        local: false,
        createdAt: new Date(),
        revision: 1,
      };
      const addresses = checkPoolRange(row.range, await poolStore.lock(tx));
      await checkOnHost(row);
      await checkNetworks(tx, row.range);
      if (!(await poolStore.insert(tx, row))) throw nameTaken("pool", "This cloud", row.name);
      await poolStore.setAddresses(tx, row.id, addresses);
      await announce(tx, poolSubject(row));
      context.audit({ ...auditOf(poolSubject(row)), after: termsOf(row) });
      await publish(context, row);
      return viewPool({ ...row, total: addresses.last - addresses.first + 1, used: 0 });
    },

    async addressPoolUpdate(context, { params, body }) {
      const { tx } = context;
      context.authorize({}, "address pool");
      const all = await poolStore.lock(tx);
      const before = all.find(({ id }) => id === params.addressPool);
      if (!before) throw notFound("address pool");
      checkRevision(context.ifMatch, before, "address pool");
      const after: PoolRow = {
        ...before,
        name: body.name ?? before.name,
        description: body.description ?? before.description,
        range: body.range ?? before.range,
        interface: body.interface === undefined ? before.interface : body.interface,
      };
      const others = all.filter(({ id }) => id !== before.id);
      if (others.some(({ name }) => name === after.name)) throw nameTaken("pool", "This cloud", after.name);
      if (after.range !== before.range) {
        const addresses = checkPoolRange(after.range, others);
        const taken = await poolStore.takenOutside(tx, before.id, addresses);
        if (taken.length > 0)
          throw refused("address_pool", "pool_in_use", `${taken.join(", ")} of this pool are in use and not in ${after.range}.`);
        await checkNetworks(tx, after.range);
        await poolStore.setAddresses(tx, before.id, addresses);
      }
      if (after.range !== before.range || after.interface !== before.interface) await checkOnHost(after);
      await poolStore.update(tx, after);
      await announce(tx, poolSubject(after));
      context.audit({ ...auditOf(poolSubject(after)), before: termsOf(before), after: termsOf(after) });
      if (after.range !== before.range || after.interface !== before.interface) await publish(context, after);
      const listed = await poolStore.find(tx, before.id);
      if (!listed) throw notFound("address pool");
      return viewPool(listed);
    },

    async addressPoolDelete(context, { params }) {
      const { tx } = context;
      context.authorize({}, "address pool");
      await poolStore.lock(tx);
      const pool = await poolStore.find(tx, params.addressPool);
      if (!pool) throw notFound("address pool");
      checkRevision(context.ifMatch, pool, "address pool");
      if (pool.used > 0)
        throw new CloudError(
          "failed_precondition",
          `${pool.used} ${pool.used === 1 ? "address of this pool is" : "addresses of this pool are"} in use. Release them first.`,
          { details: { resource: "address_pool", reason: "pool_in_use" } },
        );
      await poolStore.delete(tx, pool.id);
      await announce(tx, poolSubject(pool), "deleted");
      context.audit({ ...auditOf(poolSubject(pool)), before: termsOf(pool) });
      await publish(context, pool);
      return undefined;
    },
  };
};
