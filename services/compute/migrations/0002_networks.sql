-- Networks of projects: one router for each project that has a network, and what it is made from.

-- `wanted` grows with every change, in its transaction; `applied` is what the host is known to do. The row's lock lines up all changes
-- of a project's network.
create table compute.routers (
  project_id text primary key,
  organisation_id text not null,
  router_id text not null constraint routers_id unique,
  wanted bigint not null default 0,
  applied bigint not null default 0,
  error text,
  constraint routers_project foreign key (organisation_id, project_id) references identity.projects (organisation_id, id) on delete cascade
);
create index on compute.routers (project_id) where wanted > applied;

create table compute.networks (
  id text primary key,
  organisation_id text not null,
  project_id text not null references compute.routers,
  name text not null,
  description text not null default '',
  -- Ranges of one project never overlap; those of others may.
  range cidr not null,
  dns_domain text not null,
  dns_servers text[] not null default '{}',
  internet boolean not null default true,
  routed boolean not null default true,
  is_default boolean not null default false,
  created_at timestamptz not null,
  revision integer not null default 1,
  constraint networks_name unique (project_id, name)
);
create index on compute.networks (organisation_id);
create unique index networks_default on compute.networks (project_id) where is_default;

create table compute.security_groups (
  id text primary key,
  organisation_id text not null,
  project_id text not null references compute.routers,
  name text not null,
  description text not null default '',
  rules jsonb not null default '[]',
  is_default boolean not null default false,
  created_at timestamptz not null,
  revision integer not null default 1,
  constraint security_groups_name unique (project_id, name)
);
create index on compute.security_groups (organisation_id);
create unique index security_groups_default on compute.security_groups (project_id) where is_default;

create table compute.ports (
  id text primary key,
  organisation_id text not null,
  project_id text not null references compute.routers,
  network_id text not null references compute.networks,
  instance_id text not null,
  host_name text not null,
  ipv4 inet not null,
  mac_address text not null constraint ports_mac unique,
  -- Inside the guest: eth0, eth1, …
  position integer not null,
  security_group_ids text[] not null default '{}',
  -- Being taken out of its instance.
  leaving boolean not null default false,
  created_at timestamptz not null,
  revision integer not null default 1,
  constraint ports_ipv4 unique (network_id, ipv4),
  constraint ports_position unique (instance_id, position)
);
create index on compute.ports (project_id, id);
create index on compute.ports (organisation_id);
create index on compute.ports using gin (security_group_ids);

-- Pools are the whole cloud's: everybody may see them.
create table compute.address_pools (
  id text primary key,
  name text not null constraint address_pools_name unique,
  description text not null default '',
  range text not null,
  interface text,
  -- Reached from this machine alone.
  local boolean not null default false,
  created_at timestamptz not null,
  revision integer not null default 1
);

-- Every address of every pool. No tenant's: whoever allocates one must not see whose the others are, but that they are taken.
create table compute.pool_addresses (
  address inet primary key,
  pool_id text not null references compute.address_pools on delete cascade,
  taken boolean not null default false,
  -- The one that was free for longest is given next: nobody gets what was meant for the one before.
  released_at timestamptz
);
create index on compute.pool_addresses (pool_id, taken, released_at, address);

create table compute.addresses (
  id text primary key,
  organisation_id text not null,
  project_id text not null references compute.routers,
  pool_id text not null references compute.address_pools,
  address inet not null references compute.pool_addresses,
  description text not null default '',
  port_id text references compute.ports on delete set null,
  created_at timestamptz not null,
  revision integer not null default 1,
  constraint addresses_address unique (address)
);
create index on compute.addresses (project_id, id);
create index on compute.addresses (organisation_id);
create index on compute.addresses (port_id) where port_id is not null;

-- Ports of the host that are taken by forwards and load balancers of all tenants.
create table compute.host_ports (
  protocol text not null check (protocol in ('tcp', 'udp')),
  port integer not null,
  address inet not null,
  holder_id text not null,
  primary key (protocol, port, address)
);
create index on compute.host_ports (holder_id);

create table compute.port_forwards (
  id text primary key,
  organisation_id text not null,
  project_id text not null references compute.routers,
  port_id text not null references compute.ports,
  description text not null default '',
  protocol text not null check (protocol in ('tcp', 'udp')),
  listen_address inet not null,
  listen_port integer not null,
  target_port integer not null,
  created_at timestamptz not null,
  revision integer not null default 1
);
create index on compute.port_forwards (project_id, id);
create index on compute.port_forwards (organisation_id);
create index on compute.port_forwards (port_id);

create table compute.load_balancers (
  id text primary key,
  organisation_id text not null,
  project_id text not null references compute.routers,
  name text not null,
  description text not null default '',
  address_id text references compute.addresses,
  network_id text references compute.networks,
  -- 0.0.0.0: a port of the host.
  listen_address inet not null,
  listen_port integer not null,
  algorithm text not null check (algorithm in ('round_robin', 'least_connections', 'source')),
  check_interval_seconds integer not null,
  check_failures integer not null,
  created_at timestamptz not null,
  revision integer not null default 1,
  constraint load_balancers_name unique (project_id, name)
);
create index on compute.load_balancers (organisation_id);
create index on compute.load_balancers (address_id) where address_id is not null;
create index on compute.load_balancers (network_id) where network_id is not null;

create table compute.load_balancer_members (
  load_balancer_id text not null references compute.load_balancers on delete cascade,
  port_id text not null references compute.ports on delete cascade,
  target_port integer not null,
  weight integer not null,
  organisation_id text not null,
  primary key (load_balancer_id, port_id, target_port)
);
create index on compute.load_balancer_members (port_id);

-- What of each counter (of a port or a load balancer) is in the journal already. `gone`: read once more, then forgotten.
create table compute.traffic_counters (
  id text primary key,
  organisation_id text not null,
  project_id text not null,
  resource_kind text not null,
  resource_id text not null,
  resource_name text not null,
  epoch text not null default '',
  received_bytes bigint not null default 0,
  sent_bytes bigint not null default 0,
  counted_at timestamptz not null,
  gone boolean not null default false
);
create index on compute.traffic_counters (project_id);

-- What a project got without asking for it does not stand in the way of its deletion; what was made in it does.
create function compute.forget_defaults() returns trigger language plpgsql as $$
begin
  delete from compute.networks where project_id = old.project_id and is_default;
  delete from compute.security_groups where project_id = old.project_id and is_default;
  return old;
end $$;
create trigger forget_defaults before delete on compute.routers for each row execute function compute.forget_defaults();

do $$
declare t text;
begin
  foreach t in array array['routers', 'networks', 'security_groups', 'ports', 'addresses', 'port_forwards', 'load_balancers',
      'load_balancer_members', 'traffic_counters'] loop
    execute format('alter table compute.%I enable row level security', t);
    execute format('create policy tenant on compute.%I to khmara_tenant using (kernel.visible(organisation_id)) with check (kernel.visible(organisation_id))', t);
  end loop;
end $$;

-- So that floating addresses can be tried on every machine. Its range is of the shared space for carriers (RFC 6598): nobody's own.
insert into compute.address_pools (id, name, description, range, local, created_at) values
  ('apl_00000000000070008000000000000001', 'local', 'Addresses that only this machine reaches, to try floating addresses with.',
   '100.127.255.0/24', true, now());
insert into compute.pool_addresses (address, pool_id)
  select '100.127.255.0'::inet + n, 'apl_00000000000070008000000000000001' from generate_series(1, 254) n;
