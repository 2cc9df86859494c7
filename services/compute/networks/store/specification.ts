import type { Tx } from "../../../../kernel/db/database.ts";
import type { LoadBalancerSpec, RouterSpec, SecurityRule } from "../../driver.ts";

/** A router's records, read in one statement: they are of one moment. */
export interface RouterRecords {
  routerId: string;
  wanted: number;
  networks: {
    id: string;
    cidr: string;
    dnsDomain: string;
    dnsServers: string[];
    internet: boolean;
    routed: boolean;
  }[];
  ports: { id: string; networkId: string; macAddress: string; ipv4: string; hostName: string; securityGroupIds: string[] }[];
  securityGroups: { id: string; rules: SecurityRule[] }[];
  floatingAddresses: RouterSpec["floatingAddresses"];
  portForwards: RouterSpec["portForwards"];
  loadBalancers: LoadBalancerSpec[];
}

/**
 * What a project's router is to be. Only networks that something is in; a card that is being taken out counts until it is gone, and
 * what leads to it does not any more.
 */
export async function readRouter(tx: Tx, projectId: string): Promise<RouterRecords | undefined> {
  const [row] = await tx.sql<RouterRecords[]>`
    with r as (select * from compute.routers where project_id = ${projectId}),
      p as (select * from compute.ports where project_id = ${projectId}),
      b as (select * from compute.load_balancers where project_id = ${projectId})
    select r.router_id as "routerId", r.wanted,
      coalesce((select jsonb_agg(jsonb_build_object('id', n.id, 'cidr', n.range::text, 'dnsDomain', n.dns_domain,
          'dnsServers', n.dns_servers, 'internet', n.internet, 'routed', n.routed) order by n.id)
        from compute.networks n where n.project_id = ${projectId}
          and (n.id in (select network_id from p) or n.id in (select network_id from b))), '[]') as networks,
      coalesce((select jsonb_agg(jsonb_build_object('id', p.id, 'networkId', p.network_id, 'macAddress', p.mac_address,
          'ipv4', host(p.ipv4), 'hostName', p.host_name, 'securityGroupIds', p.security_group_ids) order by p.id) from p), '[]') as ports,
      coalesce((select jsonb_agg(jsonb_build_object('id', g.id, 'rules', g.rules) order by g.id)
        from compute.security_groups g where g.project_id = ${projectId}
          and g.id in (select unnest(security_group_ids) from p)), '[]') as "securityGroups",
      coalesce((select jsonb_agg(jsonb_build_object('address', host(a.address), 'portId', a.port_id) order by a.id)
        from compute.addresses a join p on p.id = a.port_id where not p.leaving), '[]') as "floatingAddresses",
      coalesce((select jsonb_agg(jsonb_build_object('protocol', f.protocol, 'listenAddress', host(f.listen_address),
          'listenPort', f.listen_port, 'portId', f.port_id, 'targetPort', f.target_port) order by f.id)
        from compute.port_forwards f join p on p.id = f.port_id where not p.leaving), '[]') as "portForwards",
      coalesce((select jsonb_agg(jsonb_build_object('id', b.id, 'listenAddress', host(b.listen_address), 'listenPort', b.listen_port,
          'algorithm', b.algorithm, 'check', jsonb_build_object('intervalSeconds', b.check_interval_seconds, 'failures', b.check_failures),
          'members', coalesce((select jsonb_agg(jsonb_build_object('portId', m.port_id, 'targetPort', m.target_port, 'weight', m.weight)
            order by m.port_id, m.target_port)
            from compute.load_balancer_members m join p on p.id = m.port_id
            where m.load_balancer_id = b.id and not p.leaving), '[]')) order by b.id)
        from b), '[]') as "loadBalancers"
    from r`;
  return row;
}
