-- Managed databases: servers of their own in containers, their users, and their backups in buckets.
-- The authority that signs the servers' certificates; one row, which no tenant sees.
create table databases.authority (
  id integer primary key check (id = 1),
  certificate text not null,
  -- Sealed.
  key bytea not null
);
alter table databases.authority enable row level security;

create table databases.databases (
  id text primary key,
  organisation_id text not null,
  project_id text not null,
  name text collate "C" not null,
  engine text not null,
  version text not null,
  state text not null,
  state_reason text,
  memory_bytes bigint not null,
  cpus double precision not null,
  disk_bytes bigint not null,
  used_bytes bigint,
  read_only boolean not null default false,
  -- On the host, of the whole cloud; null until it is made.
  port integer,
  database_name text not null,
  owner_name text not null,
  -- Grows when its data are in a new volume: with an upgrade. Log of one says nothing of another.
  incarnation integer not null default 1,
  -- No foreign key: a bucket may go; backups then fail and say so.
  bucket_id text,
  bucket_name text,
  backup_hour integer not null,
  keep_days integer not null,
  next_backup_at timestamptz,
  recoverable_until timestamptz,
  certificate_until timestamptz,
  protected boolean not null default false,
  operation_id text,
  created_at timestamptz not null,
  revision integer not null default 1,
  constraint databases_name unique (project_id, name),
  constraint databases_port unique (port),
  constraint databases_project foreign key (organisation_id, project_id) references identity.projects (organisation_id, id)
);
create index on databases.databases (organisation_id);
create index on databases.databases (next_backup_at) where next_backup_at is not null;

create table databases.users (
  id text primary key,
  organisation_id text not null,
  project_id text not null,
  database_id text not null references databases.databases on delete cascade,
  name text collate "C" not null,
  access text not null check (access in ('owner', 'read_write', 'read_only')),
  state text not null check (state in ('creating', 'active', 'deleting')),
  created_at timestamptz not null,
  changed_at timestamptz not null,
  constraint users_name unique (database_id, name)
);
create index on databases.users (organisation_id);

create table databases.backups (
  id text primary key,
  organisation_id text not null,
  project_id text not null,
  -- No foreign key: backups outlive what they are of.
  database_id text not null,
  database_name text not null,
  -- As the server calls database and owner.
  inner_name text not null,
  owner_name text not null,
  version text not null,
  memory_bytes bigint not null,
  cpus double precision not null,
  disk_bytes bigint not null,
  state text not null,
  state_reason text,
  bucket_id text not null,
  bucket_name text not null,
  -- Of everything of this incarnation in the bucket; ends with a slash.
  prefix text not null,
  size_bytes bigint,
  sha256 text,
  -- The first and the last file of the log that it needs.
  first_log text,
  last_log text,
  automatic boolean not null,
  verification text check (verification in ('running', 'passed', 'failed')),
  verification_message text,
  verified_at timestamptz,
  operation_id text,
  created_at timestamptz not null,
  finished_at timestamptz,
  constraint backups_project foreign key (organisation_id, project_id) references identity.projects (organisation_id, id)
);
create index on databases.backups (organisation_id);
create index on databases.backups (project_id, id);
create index on databases.backups (database_id, id);
create index on databases.backups (prefix);

do $$
declare t text;
begin
  foreach t in array array['databases', 'users', 'backups'] loop
    execute format('alter table databases.%I enable row level security', t);
    execute format('create policy tenant on databases.%I to khmara_tenant using (kernel.visible(organisation_id)) with check (kernel.visible(organisation_id))', t);
  end loop;
end $$;
