-- Instances and what they are made of. Ids are ours; the engine's name is `kh-` and the last hex digits of the id.

create table compute.sizes (
  id text primary key,
  name text not null constraint sizes_name unique,
  vcpus integer not null,
  memory_bytes bigint not null,
  disk_bytes bigint not null,
  price_per_hour numeric not null,
  retired boolean not null default false,
  revision integer not null default 1
);

-- What a new cloud offers; administrators change prices, retire these and add their own.
insert into compute.sizes (id, name, vcpus, memory_bytes, disk_bytes, price_per_hour)
select 'siz_' || replace(gen_random_uuid()::text, '-', ''), name, vcpus, memory_mib * 1048576, disk_gib * 1073741824, price
from (values
  ('nano', 1, 512::bigint, 5::bigint, 0.003),
  ('small', 1, 1024, 10, 0.005),
  ('medium', 2, 2048, 20, 0.009),
  ('large', 2, 4096, 40, 0.015),
  ('xlarge', 4, 8192, 80, 0.029),
  ('2xlarge', 8, 16384, 160, 0.056)
) as defaults (name, vcpus, memory_mib, disk_gib, price);

create table compute.ssh_keys (
  id text primary key,
  organisation_id text not null,
  project_id text not null,
  name text not null,
  type text not null,
  fingerprint text not null,
  public_key text not null,
  created_at timestamptz not null,
  constraint ssh_keys_name unique (project_id, name),
  constraint ssh_keys_project foreign key (organisation_id, project_id) references identity.projects (organisation_id, id)
);

create table compute.instance_groups (
  id text primary key,
  organisation_id text not null,
  project_id text not null,
  name text not null,
  policy text not null check (policy in ('anti_affinity', 'soft_anti_affinity')),
  created_at timestamptz not null,
  constraint instance_groups_name unique (project_id, name),
  constraint instance_groups_project foreign key (organisation_id, project_id) references identity.projects (organisation_id, id)
);

create table compute.instances (
  id text primary key,
  organisation_id text not null,
  project_id text not null,
  -- In byte order, as lists are.
  name text collate "C" not null,
  engine_name text not null unique,
  description text not null default '',
  kind text not null check (kind in ('container', 'vm')),
  state text not null,
  state_reason text,
  size_id text references compute.sizes on delete set null,
  size_name text not null,
  vcpus integer not null,
  memory_bytes bigint not null,
  disk_bytes bigint not null,
  -- No foreign key: an image may go while what was made from it stays.
  image_id text,
  image_name text not null,
  group_id text references compute.instance_groups,
  labels jsonb not null default '{}',
  protected boolean not null default false,
  auto_restart boolean not null default true,
  restart_needed boolean not null default false,
  -- Of a job or a restore drill: in no list and no quota.
  hidden boolean not null default false,
  -- {kind, id, name}: under whose name its usage is written down instead of its own.
  usage_of jsonb,
  member text,
  ssh_key_ids text[] not null default '{}',
  -- The keys themselves: a rebuild needs them, also when they were deleted since.
  ssh_public_keys text[] not null default '{}',
  -- cloud-init's, sealed: people write secrets into it.
  user_data bytea,
  created_at timestamptz not null,
  started_at timestamptz,
  -- Since when the spans of usage that are open now are open: processors and memory; root disk.
  running_from timestamptz,
  held_from timestamptz,
  -- The moment of the last change of power, by the engine's clock: what the engine tells of earlier ones is old.
  power_at timestamptz,
  -- Automatic restarts since it last ran for a while, and when the next one is due.
  restarts integer not null default 0,
  restart_at timestamptz,
  revision integer not null default 1,
  constraint instances_project foreign key (organisation_id, project_id) references identity.projects (organisation_id, id)
);
create unique index instances_name on compute.instances (project_id, name) where not hidden;
create index on compute.instances (project_id, id);
create index on compute.instances (organisation_id);
create index on compute.instances (restart_at) where restart_at is not null;
create index on compute.instances (state);
create index on compute.instances (group_id) where group_id is not null;

-- Sizes are the whole cloud's: everybody may see them.
do $$
declare t text;
begin
  foreach t in array array['ssh_keys', 'instance_groups', 'instances'] loop
    execute format('alter table compute.%I enable row level security', t);
    execute format('create policy tenant on compute.%I to khmara_tenant using (kernel.visible(organisation_id)) with check (kernel.visible(organisation_id))', t);
  end loop;
end $$;
-- The same as kernel.visible(), with the settings read once per statement instead of once per row: these lists are long.
alter policy tenant on compute.instances using (
  (select coalesce(current_setting('khmara.all', true) = 'on', false))
  or organisation_id = any ((select string_to_array(current_setting('khmara.organisations', true), ','))::text[])
);
