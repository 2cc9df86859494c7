import type { Tx } from "../../../../kernel/db/database.ts";
import type { Id } from "../../../../kernel/ids.ts";
import type { ProjectPlace } from "../../parts.ts";

export interface PortRow {
  id: Id<"port">;
  organisationId: Id<"organisation">;
  projectId: Id<"project">;
  networkId: Id<"network">;
  instanceId: Id<"instance">;
  hostName: string;
  ipv4: string;
  macAddress: string;
  position: number;
  securityGroupIds: Id<"securityGroup">[];
  leaving: boolean;
  createdAt: Date;
  revision: number;
}
export interface ListedPort extends PortRow {
  networkName: string;
  dnsDomain: string;
  addressId: Id<"address"> | null;
  floatingAddress: string | null;
}

const columns = `p.id, p.organisation_id as "organisationId", p.project_id as "projectId", p.network_id as "networkId",
  p.instance_id as "instanceId", p.host_name as "hostName", host(p.ipv4) as ipv4, p.mac_address as "macAddress", p.position,
  p.security_group_ids as "securityGroupIds", p.leaving, p.created_at as "createdAt", p.revision`;
const listed = `${columns}, n.name as "networkName", n.dns_domain as "dnsDomain", a.id as "addressId", a.address as "floatingAddress"`;
const joined = `compute.ports p join compute.networks n on n.id = p.network_id
  left join lateral (select id, host(address) as address from compute.addresses a where a.port_id = p.id order by a.id limit 1) a on true`;

export const portStore = {
  async find(tx: Tx, id: string, options: { lock?: boolean } = {}): Promise<ListedPort | undefined> {
    const [row] = await tx.sql<ListedPort[]>`select ${tx.sql.unsafe(listed)} from ${tx.sql.unsafe(joined)} where p.id = ${id}
      ${options.lock ? tx.sql`for update of p` : tx.sql``}`;
    return row;
  },

  page: (
    tx: Tx,
    filter: {
      projectId: string;
      search?: string | undefined;
      networkId?: string | undefined;
      instanceId?: string | undefined;
      groupId?: string | undefined;
      after?: string | undefined;
      limit: number;
    },
  ): Promise<ListedPort[]> => tx.sql<ListedPort[]>`
    select ${tx.sql.unsafe(listed)} from ${tx.sql.unsafe(joined)} where p.project_id = ${filter.projectId}
      ${filter.search ? tx.sql`and (strpos(p.host_name, ${filter.search.toLowerCase()}) > 0 or starts_with(host(p.ipv4), ${filter.search}))` : tx.sql``}
      ${filter.networkId ? tx.sql`and p.network_id = ${filter.networkId}` : tx.sql``}
      ${filter.instanceId ? tx.sql`and p.instance_id = ${filter.instanceId}` : tx.sql``}
      ${filter.groupId ? tx.sql`and p.security_group_ids @> array[${filter.groupId}]` : tx.sql``}
      ${filter.after ? tx.sql`and p.id > ${filter.after}` : tx.sql``}
    order by p.id limit ${filter.limit}`,

  /** Of these instances, in the order of their cards; not those that are being taken out. */
  of: (tx: Tx, instanceIds: readonly string[]): Promise<ListedPort[]> =>
    instanceIds.length === 0
      ? Promise.resolve([])
      : tx.sql<ListedPort[]>`select ${tx.sql.unsafe(listed)} from ${tx.sql.unsafe(joined)}
          where p.instance_id in ${tx.sql(instanceIds)} and not p.leaving order by p.instance_id, p.position`,

  /** Where an instance's cards are; undefined when it has none. */
  async place(tx: Tx, instanceId: string): Promise<ProjectPlace | undefined> {
    const [row] = await tx.sql<ProjectPlace[]>`
      select organisation_id as "organisationId", project_id as "projectId" from compute.ports where instance_id = ${instanceId} limit 1`;
    return row;
  },

  /** Of one instance, leaving ones too; locked until the commit. */
  lockAll: (tx: Tx, instanceId: string): Promise<PortRow[]> =>
    tx.sql<
      PortRow[]
    >`select ${tx.sql.unsafe(columns)} from compute.ports p where p.instance_id = ${instanceId} order by p.position for update`,

  async insert(tx: Tx, row: PortRow): Promise<void> {
    await tx.sql`insert into compute.ports (id, organisation_id, project_id, network_id, instance_id, host_name, ipv4, mac_address,
        position, security_group_ids, leaving, created_at, revision)
      values (${row.id}, ${row.organisationId}, ${row.projectId}, ${row.networkId}, ${row.instanceId}, ${row.hostName}, ${row.ipv4}::inet,
        ${row.macAddress}, ${row.position}, ${row.securityGroupIds}, ${row.leaving}, ${row.createdAt}, ${row.revision})`;
  },

  async setGroups(tx: Tx, id: string, securityGroupIds: readonly string[]): Promise<void> {
    await tx.sql`update compute.ports set security_group_ids = ${[...securityGroupIds]}, revision = revision + 1 where id = ${id}`;
  },

  async setLeaving(tx: Tx, id: string, leaving: boolean): Promise<void> {
    await tx.sql`update compute.ports set leaving = ${leaving}, revision = revision + 1 where id = ${id}`;
  },

  async rename(tx: Tx, instanceId: string, hostName: string): Promise<PortRow[]> {
    return tx.sql<PortRow[]>`update compute.ports p set host_name = ${hostName}, revision = revision + 1
      where instance_id = ${instanceId} returning ${tx.sql.unsafe(columns)}`;
  },

  async delete(tx: Tx, id: string): Promise<void> {
    await tx.sql`delete from compute.ports where id = ${id}`;
  },
};
