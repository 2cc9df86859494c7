import type { Tx } from "../../../../kernel/db/database.ts";
import type { Id } from "../../../../kernel/ids.ts";

export interface NetworkRow {
  id: Id<"network">;
  organisationId: Id<"organisation">;
  projectId: Id<"project">;
  name: string;
  description: string;
  cidr: string;
  dnsDomain: string;
  dnsServers: string[];
  internet: boolean;
  routed: boolean;
  isDefault: boolean;
  createdAt: Date;
  revision: number;
}

/** With how far it has come on the host. */
export interface ListedNetwork extends NetworkRow {
  ports: number;
  pending: boolean;
  error: string | null;
}

const columns = `n.id, n.organisation_id as "organisationId", n.project_id as "projectId", n.name, n.description, n.range::text as cidr,
  n.dns_domain as "dnsDomain", n.dns_servers as "dnsServers", n.internet, n.routed, n.is_default as "isDefault", n.created_at as "createdAt",
  n.revision`;
const listed = `${columns}, r.wanted > r.applied as pending, r.error,
  (select count(*)::int from compute.ports p where p.network_id = n.id) as ports`;

export const networkStore = {
  async find(tx: Tx, id: string): Promise<ListedNetwork | undefined> {
    const [row] = await tx.sql<ListedNetwork[]>`select ${tx.sql.unsafe(listed)} from compute.networks n
      join compute.routers r on r.project_id = n.project_id where n.id = ${id}`;
    return row;
  },

  page: (
    tx: Tx,
    filter: { projectId: string; search?: string | undefined; after?: string | undefined; limit: number },
  ): Promise<ListedNetwork[]> => tx.sql<ListedNetwork[]>`
    select ${tx.sql.unsafe(listed)} from compute.networks n join compute.routers r on r.project_id = n.project_id
    where n.project_id = ${filter.projectId}
      ${filter.search ? tx.sql`and strpos(n.name, ${filter.search.toLowerCase()}) > 0` : tx.sql``}
      ${filter.after ? tx.sql`and n.name > ${filter.after} collate "C"` : tx.sql``}
    order by n.name collate "C" limit ${filter.limit}`,

  /** Of a project, all of them. */
  of: (tx: Tx, projectId: string): Promise<NetworkRow[]> =>
    tx.sql<NetworkRow[]>`select ${tx.sql.unsafe(columns)} from compute.networks n where n.project_id = ${projectId}`,

  /** False when the name is taken in the project. */
  async insert(tx: Tx, row: NetworkRow): Promise<boolean> {
    const rows = await tx.sql`
      insert into compute.networks (id, organisation_id, project_id, name, description, range, dns_domain, dns_servers, internet, routed,
        is_default, created_at, revision)
      values (${row.id}, ${row.organisationId}, ${row.projectId}, ${row.name}, ${row.description}, ${row.cidr}::cidr, ${row.dnsDomain},
        ${row.dnsServers}, ${row.internet}, ${row.routed}, ${row.isDefault}, ${row.createdAt}, ${row.revision})
      on conflict (project_id, name) do nothing returning id`;
    return rows.length > 0;
  },

  async update(tx: Tx, row: NetworkRow): Promise<void> {
    await tx.sql`update compute.networks set name = ${row.name}, description = ${row.description}, dns_domain = ${row.dnsDomain},
      dns_servers = ${row.dnsServers}, internet = ${row.internet}, routed = ${row.routed}, revision = revision + 1 where id = ${row.id}`;
  },

  async delete(tx: Tx, id: string): Promise<void> {
    await tx.sql`delete from compute.networks where id = ${id}`;
  },

  /** The lowest address of the network that nothing has; undefined when it is full. */
  async freeAddress(tx: Tx, network: { id: string; cidr: string }): Promise<string | undefined> {
    const [row] = await tx.sql<{ ipv4: string }[]>`
      with taken as (
        select ipv4 from compute.ports where network_id = ${network.id}
        union all select listen_address from compute.load_balancers where network_id = ${network.id}
        union all select host(${network.cidr}::cidr)::inet + 1
      )
      select host(t.ipv4 + 1) as ipv4 from taken t
      where not exists (select 1 from taken o where o.ipv4 = t.ipv4 + 1) and t.ipv4 + 1 < host(broadcast(${network.cidr}::cidr))::inet
      order by t.ipv4 limit 1`;
    return row?.ipv4;
  },

  async addressTaken(tx: Tx, networkId: string, ipv4: string): Promise<boolean> {
    const rows = await tx.sql`
      select 1 from compute.ports where network_id = ${networkId} and ipv4 = ${ipv4}::inet
      union all select 1 from compute.load_balancers where network_id = ${networkId} and listen_address = ${ipv4}::inet`;
    return rows.length > 0;
  },
};
