import type { Tx } from "../../../../kernel/db/database.ts";
import type { Id } from "../../../../kernel/ids.ts";

export interface ForwardRow {
  id: Id<"portForward">;
  organisationId: Id<"organisation">;
  projectId: Id<"project">;
  portId: Id<"port">;
  description: string;
  protocol: "tcp" | "udp";
  listenAddress: string;
  listenPort: number;
  targetPort: number;
  createdAt: Date;
  revision: number;
}
export interface ListedForward extends ForwardRow {
  instanceId: Id<"instance">;
  instanceName: string;
  targetAddress: string;
}

export interface BalancerRow {
  id: Id<"loadBalancer">;
  organisationId: Id<"organisation">;
  projectId: Id<"project">;
  name: string;
  description: string;
  addressId: Id<"address"> | null;
  networkId: Id<"network"> | null;
  listenAddress: string;
  listenPort: number;
  algorithm: "round_robin" | "least_connections" | "source";
  checkIntervalSeconds: number;
  checkFailures: number;
  createdAt: Date;
  revision: number;
}
export interface MemberRow {
  portId: Id<"port">;
  targetPort: number;
  weight: number;
}
export interface ListedMember extends MemberRow {
  instanceId: Id<"instance">;
  instanceName: string;
  address: string;
}
export interface ListedBalancer extends BalancerRow {
  members: ListedMember[];
}

type Protocol = "tcp" | "udp";

// Any fixed number: one tenant at a time chooses a port of the host.
const hostPortsLock = 7_240_114_311;

/** Ports of the host, of all tenants. */
export const hostPortStore = {
  /** Until the commit nobody else takes one. */
  async lock(tx: Tx): Promise<void> {
    await tx.sql`select pg_advisory_xact_lock(${hostPortsLock})`;
  },

  /** Whether another one stands in the way: on the same address, or one of both on all of them. */
  async taken(tx: Tx, protocol: Protocol, address: string, port: number): Promise<boolean> {
    const rows = await tx.sql`select 1 from compute.host_ports where protocol = ${protocol} and port = ${port}
      and (address = ${address}::inet or address = '0.0.0.0' or ${address} = '0.0.0.0')`;
    return rows.length > 0;
  },

  /** Of a range those that are taken on any address. */
  async takenIn(tx: Tx, protocol: Protocol, range: { from: number; to: number }): Promise<Set<number>> {
    const rows = await tx.sql<{ port: number }[]>`select port from compute.host_ports
      where protocol = ${protocol} and port between ${range.from} and ${range.to}`;
    return new Set(rows.map(({ port }) => port));
  },

  async take(tx: Tx, entry: { protocol: Protocol; address: string; port: number; holderId: string }): Promise<void> {
    await tx.sql`insert into compute.host_ports (protocol, port, address, holder_id)
      values (${entry.protocol}, ${entry.port}, ${entry.address}::inet, ${entry.holderId})`;
  },

  async release(tx: Tx, holderId: string): Promise<void> {
    await tx.sql`delete from compute.host_ports where holder_id = ${holderId}`;
  },
};

const forwardColumns = `f.id, f.organisation_id as "organisationId", f.project_id as "projectId", f.port_id as "portId", f.description,
  f.protocol, host(f.listen_address) as "listenAddress", f.listen_port as "listenPort", f.target_port as "targetPort",
  f.created_at as "createdAt", f.revision`;
const listedForward = `${forwardColumns}, p.instance_id as "instanceId", p.host_name as "instanceName", host(p.ipv4) as "targetAddress"`;
const forwardJoined = "compute.port_forwards f join compute.ports p on p.id = f.port_id";

export const forwardStore = {
  async find(tx: Tx, id: string): Promise<ListedForward | undefined> {
    const [row] = await tx.sql<
      ListedForward[]
    >`select ${tx.sql.unsafe(listedForward)} from ${tx.sql.unsafe(forwardJoined)} where f.id = ${id}`;
    return row;
  },

  page: (
    tx: Tx,
    filter: { projectId: string; instanceId?: string | undefined; after?: string | undefined; limit: number },
  ): Promise<ListedForward[]> => tx.sql<ListedForward[]>`
    select ${tx.sql.unsafe(listedForward)} from ${tx.sql.unsafe(forwardJoined)} where f.project_id = ${filter.projectId}
      ${filter.instanceId ? tx.sql`and p.instance_id = ${filter.instanceId}` : tx.sql``}
      ${filter.after ? tx.sql`and f.id > ${filter.after}` : tx.sql``} order by f.id limit ${filter.limit}`,

  ofPort: (tx: Tx, portId: string): Promise<ForwardRow[]> =>
    tx.sql<
      ForwardRow[]
    >`select ${tx.sql.unsafe(forwardColumns)} from compute.port_forwards f where f.port_id = ${portId} order by f.id`,

  async insert(tx: Tx, row: ForwardRow): Promise<void> {
    await tx.sql`insert into compute.port_forwards (id, organisation_id, project_id, port_id, description, protocol, listen_address,
        listen_port, target_port, created_at, revision)
      values (${row.id}, ${row.organisationId}, ${row.projectId}, ${row.portId}, ${row.description}, ${row.protocol},
        ${row.listenAddress}::inet, ${row.listenPort}, ${row.targetPort}, ${row.createdAt}, ${row.revision})`;
  },

  async delete(tx: Tx, id: string): Promise<void> {
    await tx.sql`delete from compute.port_forwards where id = ${id}`;
  },
};

const balancerColumns = `b.id, b.organisation_id as "organisationId", b.project_id as "projectId", b.name, b.description,
  b.address_id as "addressId", b.network_id as "networkId", host(b.listen_address) as "listenAddress", b.listen_port as "listenPort",
  b.algorithm, b.check_interval_seconds as "checkIntervalSeconds", b.check_failures as "checkFailures", b.created_at as "createdAt",
  b.revision`;
const listedBalancer = `${balancerColumns}, coalesce((select jsonb_agg(jsonb_build_object('portId', m.port_id, 'targetPort', m.target_port,
    'weight', m.weight, 'instanceId', p.instance_id, 'instanceName', p.host_name, 'address', host(p.ipv4)) order by p.host_name, m.port_id,
    m.target_port)
  from compute.load_balancer_members m join compute.ports p on p.id = m.port_id where m.load_balancer_id = b.id), '[]') as members`;

export const balancerStore = {
  async find(tx: Tx, id: string): Promise<ListedBalancer | undefined> {
    const [row] = await tx.sql<
      ListedBalancer[]
    >`select ${tx.sql.unsafe(listedBalancer)} from compute.load_balancers b where b.id = ${id}`;
    return row;
  },

  page: (
    tx: Tx,
    filter: { projectId: string; search?: string | undefined; after?: string | undefined; limit: number },
  ): Promise<ListedBalancer[]> => tx.sql<ListedBalancer[]>`
    select ${tx.sql.unsafe(listedBalancer)} from compute.load_balancers b where b.project_id = ${filter.projectId}
      ${filter.search ? tx.sql`and strpos(b.name, ${filter.search.toLowerCase()}) > 0` : tx.sql``}
      ${filter.after ? tx.sql`and b.name > ${filter.after} collate "C"` : tx.sql``}
    order by b.name collate "C" limit ${filter.limit}`,

  async named(tx: Tx, projectId: string, name: string): Promise<boolean> {
    const rows = await tx.sql`select 1 from compute.load_balancers where project_id = ${projectId} and name = ${name}`;
    return rows.length > 0;
  },

  /** Those of an address, or of a network. */
  listening: (tx: Tx, place: { addressId: string } | { networkId: string }): Promise<BalancerRow[]> => tx.sql<BalancerRow[]>`
    select ${tx.sql.unsafe(balancerColumns)} from compute.load_balancers b
    where ${"addressId" in place ? tx.sql`b.address_id = ${place.addressId}` : tx.sql`b.network_id = ${place.networkId}`} order by b.name`,

  /** Those that a port is a member of. */
  withMember: (tx: Tx, portId: string): Promise<BalancerRow[]> => tx.sql<BalancerRow[]>`
    select ${tx.sql.unsafe(balancerColumns)} from compute.load_balancers b
    where exists (select 1 from compute.load_balancer_members m where m.load_balancer_id = b.id and m.port_id = ${portId}) order by b.name`,

  /** False when the name is taken in the project. */
  async insert(tx: Tx, row: BalancerRow): Promise<boolean> {
    const rows = await tx.sql`
      insert into compute.load_balancers (id, organisation_id, project_id, name, description, address_id, network_id, listen_address,
        listen_port, algorithm, check_interval_seconds, check_failures, created_at, revision)
      values (${row.id}, ${row.organisationId}, ${row.projectId}, ${row.name}, ${row.description}, ${row.addressId}, ${row.networkId},
        ${row.listenAddress}::inet, ${row.listenPort}, ${row.algorithm}, ${row.checkIntervalSeconds}, ${row.checkFailures}, ${row.createdAt},
        ${row.revision})
      on conflict (project_id, name) do nothing returning id`;
    return rows.length > 0;
  },

  async update(tx: Tx, row: BalancerRow): Promise<void> {
    await tx.sql`update compute.load_balancers set name = ${row.name}, description = ${row.description}, algorithm = ${row.algorithm},
      check_interval_seconds = ${row.checkIntervalSeconds}, check_failures = ${row.checkFailures}, revision = revision + 1 where id = ${row.id}`;
  },

  async setMembers(tx: Tx, balancer: BalancerRow, members: readonly MemberRow[]): Promise<void> {
    await tx.sql`delete from compute.load_balancer_members where load_balancer_id = ${balancer.id}`;
    if (members.length === 0) return;
    await tx.sql`insert into compute.load_balancer_members ${tx.sql(
      members.map((member) => ({
        load_balancer_id: balancer.id,
        port_id: member.portId,
        target_port: member.targetPort,
        weight: member.weight,
        organisation_id: balancer.organisationId,
      })) as never,
    )}`;
  },

  async delete(tx: Tx, id: string): Promise<void> {
    await tx.sql`delete from compute.load_balancers where id = ${id}`;
  },
};
