-- What runs of apps. Records say what there should be; nothing is read back from the engine into them but addresses and health.
-- No foreign keys to apps: what is on the engine has to be taken away before its record may go.

create table apps.processes (
  app_id text not null,
  name text collate "C" not null,
  organisation_id text not null,
  project_id text not null,
  -- As the newest release has it.
  command text,
  -- Part of the newest release; those that are not keep their scale for a rollback.
  in_release boolean not null default true,
  count integer not null check (count >= 0),
  memory_bytes bigint not null,
  cpus double precision not null,
  autoscale_minimum integer,
  autoscale_maximum integer,
  autoscale_cpu_percent integer,
  -- When automatic scaling last changed the count.
  scaled_at timestamptz,
  revision integer not null default 1,
  primary key (app_id, name)
);
create index on apps.processes (organisation_id);

-- Releases that are meant to run, from start to retire: before it, nothing of a release is made by itself.
create table apps.started_releases (
  release_id text primary key,
  app_id text not null,
  organisation_id text not null,
  project_id text not null,
  started_at timestamptz not null
);
create index on apps.started_releases (app_id);
create index on apps.started_releases (organisation_id);

create table apps.containers (
  engine_name text primary key,
  app_id text not null,
  release_id text not null,
  release_number integer not null,
  organisation_id text not null,
  project_id text not null,
  process text collate "C" not null,
  number integer not null,
  memory_bytes bigint not null,
  cpus double precision not null,
  -- [{disk, volume, path}], as they were when it was made.
  mounts jsonb not null default '[]',
  state text not null default 'starting' check (state in ('starting', 'healthy', 'unhealthy', 'draining')),
  state_reason text,
  -- Of its latest start.
  address text,
  port integer not null,
  -- Ends that nobody asked for, since it was last well for a while.
  crashes integer not null default 0,
  created_at timestamptz not null,
  draining_since timestamptz,
  constraint containers_number unique (app_id, process, number)
);
create index on apps.containers (release_id);
create index on apps.containers (organisation_id);

-- What is held in the journal of usage for an app now.
create table apps.held (
  app_id text primary key,
  organisation_id text not null,
  memory_bytes bigint not null,
  cpus double precision not null,
  since timestamptz not null
);

-- Containers that run one command: of a person (run), of a deployment (release).
create table apps.one_offs (
  engine_name text primary key,
  app_id text not null,
  organisation_id text not null,
  project_id text not null,
  kind text not null check (kind in ('run', 'release')),
  release_id text not null,
  -- Of the quota, given back with the row.
  memory_bytes bigint not null,
  mounts jsonb not null default '[]',
  -- Whoever looks after it says so every few seconds.
  seen_at timestamptz not null
);
create index on apps.one_offs (app_id);
create index on apps.one_offs (organisation_id);

create table apps.disks (
  id text primary key,
  app_id text not null,
  organisation_id text not null,
  project_id text not null,
  name text collate "C" not null,
  path text not null,
  created_at timestamptz not null,
  -- The volume is being taken away.
  deleting_since timestamptz,
  constraint disks_name unique (app_id, name),
  constraint disks_path unique (app_id, path)
);
create index on apps.disks (organisation_id);

-- Averages over a step of 15 or 300 seconds; `slot` is the time in steps since 1970.
create table apps.samples (
  app_id text not null,
  step integer not null,
  slot integer not null,
  process text collate "C" not null,
  container integer not null,
  organisation_id text not null,
  -- Of what it may use; absent in the first sample of a container.
  cpu_percent real,
  memory_bytes bigint not null,
  primary key (app_id, step, slot, process, container)
);
create index on apps.samples (step, slot);

do $$
declare t text;
begin
  foreach t in array array['processes', 'started_releases', 'containers', 'held', 'one_offs', 'disks', 'samples'] loop
    execute format('alter table apps.%I enable row level security', t);
    execute format('create policy tenant on apps.%I to khmara_tenant using (kernel.visible(organisation_id)) with check (kernel.visible(organisation_id))', t);
  end loop;
end $$;
