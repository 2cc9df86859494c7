-- Copies of the disks of apps in buckets, and apps that were installed from templates.

create table apps.backups (
  id text primary key,
  organisation_id text not null,
  project_id text not null,
  -- Without a foreign key: a backup outlives its app.
  app_id text not null,
  app_name text not null,
  -- Of what ran when it was made.
  release_number integer,
  reason text not null check (reason in ('person', 'update', 'removal')),
  state text not null check (state in ('creating', 'available', 'deleting', 'error')),
  state_reason text,
  bucket_id text not null,
  bucket_name text not null,
  -- [{name, path, key, sizeBytes, sha256}], in the order in which they were made.
  disks jsonb not null default '[]',
  operation_id text,
  created_by jsonb not null,
  created_at timestamptz not null,
  finished_at timestamptz
);
create index on apps.backups (organisation_id);
create index on apps.backups (project_id, app_id, id);

create table apps.installations (
  id text primary key,
  organisation_id text not null,
  project_id text not null,
  app_id text not null unique references apps.apps on delete cascade,
  template text not null,
  -- Of the template, as it was installed or last updated.
  version text not null,
  state text not null check (state in ('installing', 'installed', 'updating', 'removing')),
  -- What went wrong last.
  state_reason text,
  -- A managed database that was made for it.
  database_id text,
  -- Where its backups go unless said otherwise.
  bucket_id text,
  bucket_name text,
  last_backup_id text,
  operation_id text,
  created_by jsonb not null,
  created_at timestamptz not null,
  updated_at timestamptz not null,
  revision integer not null default 1
);
create index on apps.installations (organisation_id);
create index on apps.installations (project_id, id);

do $$
declare t text;
begin
  foreach t in array array['backups', 'installations'] loop
    execute format('alter table apps.%I enable row level security', t);
    execute format('create policy tenant on apps.%I to khmara_tenant using (kernel.visible(organisation_id)) with check (kernel.visible(organisation_id))', t);
  end loop;
end $$;
