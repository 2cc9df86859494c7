-- Volumes, snapshots of them and of instances, what makes these by the clock, and backups in buckets.

create table compute.volumes (
  id text primary key,
  organisation_id text not null,
  project_id text not null,
  -- In byte order, as lists are.
  name text collate "C" not null,
  engine_name text not null unique,
  description text not null default '',
  size_bytes bigint not null,
  used_bytes bigint,
  state text not null,
  state_reason text,
  labels jsonb not null default '{}',
  protected boolean not null default false,
  -- Empty for sure: no instance had it yet.
  pristine boolean not null default false,
  -- Checked at the commit: the instance's row may go before its volumes are set free, in one transaction.
  instance_id text references compute.instances deferrable initially deferred,
  mount_path text,
  operation_id text,
  created_at timestamptz not null,
  revision integer not null default 1,
  constraint volumes_name unique (project_id, name),
  constraint volumes_project foreign key (organisation_id, project_id) references identity.projects (organisation_id, id),
  check ((instance_id is null) = (mount_path is null))
);
create index on compute.volumes (organisation_id);
create unique index volumes_path on compute.volumes (instance_id, mount_path) where instance_id is not null;

create table compute.snapshot_schedules (
  id text primary key,
  organisation_id text not null,
  project_id text not null,
  instance_id text references compute.instances deferrable initially deferred,
  volume_id text references compute.volumes,
  source_id text not null generated always as (coalesce(instance_id, volume_id)) stored,
  name text not null,
  kind text not null check (kind in ('snapshot', 'backup')),
  frequency text not null check (frequency in ('hours', 'day', 'week')),
  every_hours integer,
  at text,
  weekday text,
  time_zone text not null,
  keep_last integer not null,
  keep_days integer,
  -- No foreign key: a bucket may go; the schedule then says so each time.
  bucket_id text,
  verify text not null check (verify in ('never', 'each', 'weekly')),
  verify_command text,
  enabled boolean not null,
  -- Null while it is not enabled.
  next_run_at timestamptz,
  last_state text check (last_state in ('running', 'succeeded', 'failed')),
  last_started_at timestamptz,
  last_finished_at timestamptz,
  last_message text,
  last_operation_id text,
  -- How often in a row it failed; the first few are tried again soon.
  failures integer not null default 0,
  verified_at timestamptz,
  created_at timestamptz not null,
  revision integer not null default 1,
  constraint snapshot_schedules_name unique (source_id, name),
  constraint snapshot_schedules_project foreign key (organisation_id, project_id) references identity.projects (organisation_id, id),
  check ((instance_id is null) <> (volume_id is null))
);
create index on compute.snapshot_schedules (organisation_id);
create index on compute.snapshot_schedules (project_id, id);
create index on compute.snapshot_schedules (next_run_at) where next_run_at is not null;

create table compute.snapshots (
  id text primary key,
  organisation_id text not null,
  project_id text not null,
  instance_id text references compute.instances deferrable initially deferred,
  volume_id text references compute.volumes,
  source_id text not null generated always as (coalesce(instance_id, volume_id)) stored,
  name text not null,
  engine_name text not null unique,
  description text not null default '',
  state text not null,
  state_reason text,
  disk_bytes bigint not null,
  used_bytes bigint,
  measured_at timestamptz,
  schedule_id text references compute.snapshot_schedules on delete set null,
  operation_id text,
  created_at timestamptz not null,
  revision integer not null default 1,
  constraint snapshots_name unique (source_id, name),
  constraint snapshots_project foreign key (organisation_id, project_id) references identity.projects (organisation_id, id),
  check ((instance_id is null) <> (volume_id is null))
);
create index on compute.snapshots (organisation_id);
create index on compute.snapshots (project_id, id);
create index on compute.snapshots (schedule_id) where schedule_id is not null;

create table compute.backups (
  id text primary key,
  organisation_id text not null,
  project_id text not null,
  -- No foreign key: backups outlive what they are of.
  source_kind text not null check (source_kind in ('instance', 'volume')),
  source_id text not null,
  source_name text not null,
  name text not null,
  description text not null default '',
  state text not null,
  state_reason text,
  bucket_id text not null,
  bucket_name text not null,
  key text not null,
  size_bytes bigint,
  sha256 text,
  disk_bytes bigint not null,
  -- Of an instance: kind, size and image, for a new one.
  instance jsonb,
  schedule_id text references compute.snapshot_schedules on delete set null,
  verification text check (verification in ('running', 'passed', 'failed')),
  verified_at timestamptz,
  verification_message text,
  operation_id text,
  created_at timestamptz not null,
  revision integer not null default 1,
  constraint backups_project foreign key (organisation_id, project_id) references identity.projects (organisation_id, id)
);
create index on compute.backups (organisation_id);
create index on compute.backups (project_id, id);
create index on compute.backups (source_id, id);
create index on compute.backups (schedule_id) where schedule_id is not null;

create table compute.backup_verifications (
  id text primary key,
  organisation_id text not null,
  backup_id text not null references compute.backups on delete cascade,
  state text not null check (state in ('running', 'passed', 'failed')),
  message text not null default '',
  log text not null default '',
  command text,
  -- The copy's name in the engine.
  engine_name text not null unique,
  started_at timestamptz not null,
  finished_at timestamptz
);
create index on compute.backup_verifications (backup_id, id);
create index on compute.backup_verifications (state) where state = 'running';
create index on compute.backup_verifications (organisation_id);

do $$
declare t text;
begin
  foreach t in array array['volumes', 'snapshots', 'snapshot_schedules', 'backups', 'backup_verifications'] loop
    execute format('alter table compute.%I enable row level security', t);
    execute format('create policy tenant on compute.%I to khmara_tenant using (kernel.visible(organisation_id)) with check (kernel.visible(organisation_id))', t);
  end loop;
end $$;
