-- How far the reading of all stored bytes has come. One row.
create table objects.verification (
  only_one boolean primary key default true check (only_one),
  -- Since when somebody waits for it to begin.
  asked_at timestamptz,
  -- Null: none is under way.
  started_at timestamptz,
  -- Where the store goes on.
  position text,
  objects bigint not null default 0,
  total_objects bigint not null default 0,
  size_bytes bigint not null default 0,
  orphan_files_removed bigint not null default 0,
  -- Of the last one that came to its end.
  finished_at timestamptz
);
-- No policy: only the system sees it.
alter table objects.verification enable row level security;

-- What the disk has damaged.
create table objects.damaged_objects (
  -- In the store; the trash of a bucket is one of its own there.
  store_bucket_id text not null references objects.store_buckets on delete cascade,
  key text not null,
  -- Empty where there are no versions.
  version_id text not null,
  bucket_id text not null,
  organisation_id text not null,
  problem text not null,
  found_at timestamptz not null,
  seen_at timestamptz not null,
  primary key (store_bucket_id, key, version_id)
);
create index on objects.damaged_objects (bucket_id, key collate "C", version_id);
create index on objects.damaged_objects (organisation_id);
alter table objects.damaged_objects enable row level security;
create policy tenant on objects.damaged_objects to khmara_tenant using (kernel.visible(organisation_id)) with check (kernel.visible(organisation_id));
