-- The registry of images: what the repository of each app has. The bytes of blobs are files (registry/blobs.ts).

create table apps.registry_blobs (
  app_id text not null references apps.apps on delete cascade,
  digest text not null,
  organisation_id text not null,
  project_id text not null,
  size_bytes bigint not null,
  created_at timestamptz not null,
  -- When a client last was told that it is there: what it pushes next may name it.
  seen_at timestamptz not null,
  primary key (app_id, digest)
);
create index on apps.registry_blobs (digest);
create index on apps.registry_blobs (organisation_id);
create index on apps.registry_blobs (seen_at);

-- Byte for byte as they were pushed: their digest is of that.
create table apps.registry_manifests (
  app_id text not null references apps.apps on delete cascade,
  digest text collate "C" not null,
  organisation_id text not null,
  project_id text not null,
  media_type text not null,
  content bytea not null,
  size_bytes bigint not null,
  -- Digests that it names.
  blobs text[] not null,
  manifests text[] not null,
  subject text,
  artifact_type text,
  annotations jsonb,
  created_at timestamptz not null,
  primary key (app_id, digest)
);
create index on apps.registry_manifests (app_id, subject) where subject is not null;
create index on apps.registry_manifests (organisation_id);

create table apps.registry_tags (
  app_id text not null,
  name text collate "C" not null,
  organisation_id text not null,
  digest text collate "C" not null,
  updated_at timestamptz not null,
  primary key (app_id, name),
  foreign key (app_id, digest) references apps.registry_manifests on delete cascade
);
create index on apps.registry_tags (app_id, digest);
create index on apps.registry_tags (organisation_id);

create table apps.registry_uploads (
  id text primary key,
  app_id text not null references apps.apps on delete cascade,
  organisation_id text not null,
  project_id text not null,
  -- As it was after the last request that came to its end; the file is what holds.
  size_bytes bigint not null default 0,
  updated_at timestamptz not null
);
create index on apps.registry_uploads (app_id);
create index on apps.registry_uploads (organisation_id);
create index on apps.registry_uploads (updated_at);

do $$
declare t text;
begin
  foreach t in array array['registry_blobs', 'registry_manifests', 'registry_tags', 'registry_uploads'] loop
    execute format('alter table apps.%I enable row level security', t);
    execute format('create policy tenant on apps.%I to khmara_tenant using (kernel.visible(organisation_id)) with check (kernel.visible(organisation_id))', t);
  end loop;
end $$;
