-- Where a bucket is backed up to: a bucket of another S3.
create table objects.backup_targets (
  bucket_id text primary key references objects.buckets on delete cascade,
  organisation_id text not null,
  endpoint text not null,
  region text not null,
  target_bucket text not null,
  -- Empty, or with its slash.
  prefix text not null,
  access_key_id text not null,
  -- Sealed.
  secret bytea not null,
  path_style boolean not null,
  -- Null: only when somebody asks for it.
  schedule text,
  keep_days integer not null,
  keep_last integer not null,
  next_at timestamptz,
  created_at timestamptz not null default now(),
  revision integer not null default 1
);
create index on objects.backup_targets (organisation_id);
create index on objects.backup_targets (next_at) where next_at is not null;

create table objects.backups (
  id text primary key,
  bucket_id text not null references objects.buckets on delete cascade,
  organisation_id text not null,
  project_id text not null,
  state text not null check (state in ('creating', 'available', 'failed', 'deleting')),
  state_reason text,
  -- The name of its list there; found ones keep theirs.
  manifest text not null,
  automatic boolean not null,
  objects bigint,
  size_bytes bigint,
  sent_objects bigint,
  sent_bytes bigint,
  left_out bigint,
  verification text check (verification in ('running', 'passed', 'failed')),
  verification_message text,
  verified_at timestamptz,
  -- What works on it or from it; one at a time for a bucket.
  operation_id text,
  created_at timestamptz not null,
  finished_at timestamptz,
  constraint backups_manifest unique (bucket_id, manifest)
);
create index on objects.backups (bucket_id, created_at desc, id desc);
create index on objects.backups (organisation_id);

do $$
declare t text;
begin
  foreach t in array array['backup_targets', 'backups'] loop
    execute format('alter table objects.%I enable row level security', t);
    execute format('create policy tenant on objects.%I to khmara_tenant using (kernel.visible(organisation_id)) with check (kernel.visible(organisation_id))', t);
  end loop;
end $$;
