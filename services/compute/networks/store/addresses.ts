import type { Tx } from "../../../../kernel/db/database.ts";
import type { Id } from "../../../../kernel/ids.ts";
import { formatIpv4, type Ipv4Range } from "../../../../kernel/ipv4.ts";

export interface PoolRow {
  id: Id<"addressPool">;
  name: string;
  description: string;
  range: string;
  interface: string | null;
  local: boolean;
  createdAt: Date;
  revision: number;
}
export interface ListedPool extends PoolRow {
  total: number;
  used: number;
}

export interface AddressRow {
  id: Id<"address">;
  organisationId: Id<"organisation">;
  projectId: Id<"project">;
  poolId: Id<"addressPool">;
  address: string;
  description: string;
  portId: Id<"port"> | null;
  createdAt: Date;
  revision: number;
}
export interface ListedAddress extends AddressRow {
  poolName: string;
  local: boolean;
  instanceId: Id<"instance"> | null;
  instanceName: string | null;
  loadBalancerIds: Id<"loadBalancer">[];
}

const poolColumns = `p.id, p.name, p.description, p.range, p.interface, p.local, p.created_at as "createdAt", p.revision`;
const listedPool = `${poolColumns}, t.total, t.used`;
const poolJoined = `compute.address_pools p join lateral (select count(*)::int as total, (count(*) filter (where taken))::int as used
  from compute.pool_addresses a where a.pool_id = p.id) t on true`;

export const poolStore = {
  async find(tx: Tx, id: string): Promise<ListedPool | undefined> {
    const [row] = await tx.sql<
      ListedPool[]
    >`select ${tx.sql.unsafe(listedPool)} from ${tx.sql.unsafe(poolJoined)} where p.id = ${id}`;
    return row;
  },

  /** Until the commit pools stay as they are. */
  async lock(tx: Tx): Promise<PoolRow[]> {
    await tx.sql`lock table compute.address_pools in share row exclusive mode`;
    return poolStore.all(tx);
  },

  all: (tx: Tx): Promise<PoolRow[]> =>
    tx.sql<PoolRow[]>`select ${tx.sql.unsafe(poolColumns)} from compute.address_pools p order by p.name`,

  page: (tx: Tx, filter: { after?: string | undefined; limit: number }): Promise<ListedPool[]> => tx.sql<ListedPool[]>`
    select ${tx.sql.unsafe(listedPool)} from ${tx.sql.unsafe(poolJoined)}
    ${filter.after ? tx.sql`where p.name > ${filter.after} collate "C"` : tx.sql``} order by p.name collate "C" limit ${filter.limit}`,

  /** False when the name is taken. */
  async insert(tx: Tx, row: PoolRow): Promise<boolean> {
    const rows = await tx.sql`
      insert into compute.address_pools (id, name, description, range, interface, local, created_at, revision)
      values (${row.id}, ${row.name}, ${row.description}, ${row.range}, ${row.interface}, ${row.local}, ${row.createdAt}, ${row.revision})
      on conflict (name) do nothing returning id`;
    return rows.length > 0;
  },

  async update(tx: Tx, row: PoolRow): Promise<void> {
    await tx.sql`update compute.address_pools set name = ${row.name}, description = ${row.description}, range = ${row.range},
      interface = ${row.interface}, revision = revision + 1 where id = ${row.id}`;
  },

  async delete(tx: Tx, id: string): Promise<void> {
    await tx.sql`delete from compute.address_pools where id = ${id}`;
  },

  /** The pool has exactly these addresses; those outside of them must be free. */
  async setAddresses(tx: Tx, poolId: string, range: Ipv4Range): Promise<void> {
    const [first, last] = [formatIpv4(range.first), formatIpv4(range.last)];
    await tx.sql`delete from compute.pool_addresses where pool_id = ${poolId} and not address between ${first}::inet and ${last}::inet`;
    await tx.sql`insert into compute.pool_addresses (address, pool_id)
      select ${first}::inet + n, ${poolId} from generate_series(0, ${range.last - range.first}::bigint) n on conflict (address) do nothing`;
  },

  /** Of the pool's taken addresses those outside of a range; a few of them. */
  async takenOutside(tx: Tx, poolId: string, range: Ipv4Range): Promise<string[]> {
    const rows = await tx.sql<{ address: string }[]>`select host(address) as address from compute.pool_addresses
      where pool_id = ${poolId} and taken and not address between ${formatIpv4(range.first)}::inet and ${formatIpv4(range.last)}::inet
      order by address limit 5`;
    return rows.map(({ address }) => address);
  },

  /** Takes a free address: this one, or the one that was free for longest, of this pool or of any (external ones first). */
  async take(
    tx: Tx,
    wanted: { poolId?: string | undefined; address?: string | undefined },
  ): Promise<{ address: string; poolId: Id<"addressPool"> } | undefined> {
    const [row] = await tx.sql<{ address: string; poolId: Id<"addressPool"> }[]>`
      update compute.pool_addresses set taken = true where address = (
        select a.address from compute.pool_addresses a join compute.address_pools p on p.id = a.pool_id where not a.taken
          ${wanted.poolId ? tx.sql`and a.pool_id = ${wanted.poolId}` : tx.sql``}
          ${wanted.address ? tx.sql`and a.address = ${wanted.address}::inet` : tx.sql``}
        order by p.local, p.created_at, a.released_at nulls first, a.address limit 1 for update of a skip locked)
      returning host(address) as address, pool_id as "poolId"`;
    return row;
  },

  /** Whether a network of any project has some of these addresses. */
  async overlapsNetwork(tx: Tx, range: Ipv4Range): Promise<boolean> {
    const rows = await tx.sql`select 1 from compute.networks
      where host(range)::inet <= ${formatIpv4(range.last)}::inet and host(broadcast(range))::inet >= ${formatIpv4(range.first)}::inet limit 1`;
    return rows.length > 0;
  },

  /** The pool that an address is of, and whether it is taken. */
  async addressState(tx: Tx, address: string): Promise<{ poolId: string; taken: boolean } | undefined> {
    const [row] = await tx.sql<
      { poolId: string; taken: boolean }[]
    >`select pool_id as "poolId", taken from compute.pool_addresses where address = ${address}::inet`;
    return row;
  },

  async release(tx: Tx, address: string): Promise<void> {
    await tx.sql`update compute.pool_addresses set taken = false, released_at = now() where address = ${address}::inet`;
  },
};

const addressColumns = `a.id, a.organisation_id as "organisationId", a.project_id as "projectId", a.pool_id as "poolId",
  host(a.address) as address, a.description, a.port_id as "portId", a.created_at as "createdAt", a.revision`;
const listedAddress = `${addressColumns}, l.name as "poolName", l.local, p.instance_id as "instanceId", p.host_name as "instanceName",
  array(select b.id from compute.load_balancers b where b.address_id = a.id order by b.id) as "loadBalancerIds"`;
const addressJoined = `compute.addresses a join compute.address_pools l on l.id = a.pool_id left join compute.ports p on p.id = a.port_id`;

export const addressStore = {
  async find(tx: Tx, id: string): Promise<ListedAddress | undefined> {
    const [row] = await tx.sql<
      ListedAddress[]
    >`select ${tx.sql.unsafe(listedAddress)} from ${tx.sql.unsafe(addressJoined)} where a.id = ${id}`;
    return row;
  },

  page: (tx: Tx, filter: { projectId: string; after?: string | undefined; limit: number }): Promise<ListedAddress[]> => tx.sql<
    ListedAddress[]
  >`
    select ${tx.sql.unsafe(listedAddress)} from ${tx.sql.unsafe(addressJoined)} where a.project_id = ${filter.projectId}
      ${filter.after ? tx.sql`and a.id > ${filter.after}` : tx.sql``} order by a.id limit ${filter.limit}`,

  ofPort: (tx: Tx, portId: string): Promise<AddressRow[]> =>
    tx.sql<
      AddressRow[]
    >`select ${tx.sql.unsafe(addressColumns)} from compute.addresses a where a.port_id = ${portId} order by a.id`,

  async insert(tx: Tx, row: AddressRow): Promise<void> {
    await tx.sql`insert into compute.addresses (id, organisation_id, project_id, pool_id, address, description, port_id, created_at, revision)
      values (${row.id}, ${row.organisationId}, ${row.projectId}, ${row.poolId}, ${row.address}::inet, ${row.description}, ${row.portId},
        ${row.createdAt}, ${row.revision})`;
  },

  async update(tx: Tx, id: string, change: { description?: string; portId?: string | null }): Promise<void> {
    await tx.sql`update compute.addresses set revision = revision + 1
      ${change.description === undefined ? tx.sql`` : tx.sql`, description = ${change.description}`}
      ${change.portId === undefined ? tx.sql`` : tx.sql`, port_id = ${change.portId}`} where id = ${id}`;
  },

  async delete(tx: Tx, id: string): Promise<void> {
    await tx.sql`delete from compute.addresses where id = ${id}`;
  },
};
