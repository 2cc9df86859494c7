-- Buckets and what stands around them. The objects themselves are in the store (driver.ts), not here.

create table objects.buckets (
  id text primary key,
  organisation_id text not null,
  project_id text not null,
  -- One namespace for the whole cloud, as in S3.
  name text not null constraint buckets_name unique,
  -- Under this id the store keeps what was deleted into the trash.
  trash_bucket_id text not null unique,
  -- emptying and deleting: an operation is at it, nothing may be written meanwhile.
  state text not null default 'active' check (state in ('active', 'emptying', 'deleting')),
  created_at timestamptz not null,
  revision integer not null default 1,
  constraint buckets_project foreign key (organisation_id, project_id) references identity.projects (organisation_id, id)
);
create index on objects.buckets (project_id, name collate "C");
create index on objects.buckets (organisation_id);

-- Whose the buckets of the store are, trash included. A row outlives its bucket: usage is still to be written down, and a
-- put that was under way while the bucket was deleted leaves bytes that must go.
create table objects.store_buckets (
  id text primary key,
  bucket_id text not null,
  bucket_name text not null,
  organisation_id text not null,
  project_id text not null,
  dropped_at timestamptz
);
create index on objects.store_buckets (bucket_id);
create index on objects.store_buckets (dropped_at) where dropped_at is not null;

create table objects.trash_items (
  id text primary key,
  bucket_id text not null references objects.buckets on delete cascade,
  organisation_id text not null,
  names text[] not null,
  objects bigint not null default 0,
  size_bytes bigint not null default 0,
  -- filling, restoring and deleting: an operation is at it.
  state text not null default 'filling' check (state in ('filling', 'kept', 'restoring', 'deleting')),
  deleted_by text not null,
  deleted_at timestamptz not null,
  expires_at timestamptz not null
);
create index on objects.trash_items (bucket_id, deleted_at desc, id desc);
create index on objects.trash_items (expires_at);

-- What the store does not keep of an upload in parts that was begun here.
create table objects.uploads (
  id text primary key,
  bucket_id text not null references objects.buckets on delete cascade,
  organisation_id text not null,
  size_bytes bigint not null,
  part_size_bytes bigint not null,
  created_at timestamptz not null
);
create index on objects.uploads (bucket_id);
create index on objects.uploads (created_at);

create table objects.shares (
  id text primary key,
  bucket_id text not null references objects.buckets on delete cascade,
  organisation_id text not null,
  project_id text not null,
  key text not null,
  token_hash text not null unique,
  downloads bigint not null default 0,
  created_by text not null,
  created_at timestamptz not null,
  expires_at timestamptz not null,
  revoked_at timestamptz
);
create index on objects.shares (bucket_id, created_at desc, id desc);

-- Facts of the store that are in the usage journal and perhaps not acknowledged yet. Of no tenant.
create table objects.counted_facts (
  id text primary key
);

do $$
declare t text;
begin
  foreach t in array array['buckets', 'store_buckets', 'trash_items', 'uploads', 'shares'] loop
    execute format('alter table objects.%I enable row level security', t);
    execute format('create policy tenant on objects.%I to khmara_tenant using (kernel.visible(organisation_id)) with check (kernel.visible(organisation_id))', t);
  end loop;
  -- No policy: only the system sees it.
  alter table objects.counted_facts enable row level security;
end $$;
