-- Images: of the whole cloud (no organisation) or of one project, and with which other projects they are shared.

create table compute.images (
  id text primary key,
  organisation_id text,
  project_id text,
  -- In byte order, as lists are.
  name text collate "C" not null,
  description text not null default '',
  -- Its alias in the engine.
  engine_name text not null unique,
  kind text not null check (kind in ('container', 'vm')),
  state text not null check (state in ('building', 'importing', 'ready', 'deleting', 'error')),
  state_reason text,
  operation_id text,
  -- The last sign of life of an upload, which has no operation: when it is old, the upload is dead.
  upload_seen_at timestamptz,
  architecture text,
  size_bytes bigint not null default 0,
  minimum_disk_bytes bigint not null default 0,
  default_user text not null,
  fingerprint text,
  visibility text not null check (visibility in ('private', 'shared', 'organisation', 'public')),
  source_kind text not null,
  source_name text not null,
  created_at timestamptz not null,
  revision integer not null default 1,
  constraint images_name unique nulls not distinct (project_id, name),
  constraint images_project foreign key (organisation_id, project_id) references identity.projects (organisation_id, id),
  check ((organisation_id is null) = (project_id is null))
);
create index on compute.images (organisation_id);
create index on compute.images (state) where state <> 'ready';
create index on compute.images (name) where visibility = 'public';

create table compute.image_shares (
  image_id text not null references compute.images on delete cascade,
  -- Whose the image is, so that they see with whom it is shared.
  owner_organisation_id text,
  organisation_id text not null,
  project_id text not null,
  primary key (image_id, project_id),
  foreign key (organisation_id, project_id) references identity.projects (organisation_id, id) on delete cascade
);
create index on compute.image_shares (project_id);

-- What is public is everybody's; what belongs to the cloud and is not, its administrators' (who see all).
alter table compute.image_shares enable row level security;
create policy tenant on compute.image_shares to khmara_tenant
  using (kernel.visible(organisation_id) or kernel.visible(owner_organisation_id))
  with check (kernel.visible(owner_organisation_id));
alter table compute.images enable row level security;
create policy tenant_read on compute.images for select to khmara_tenant
  using (
    visibility = 'public' or kernel.visible(organisation_id)
    or exists (select from compute.image_shares s where s.image_id = images.id and kernel.visible(s.organisation_id))
  );
create policy tenant_write on compute.images for all to khmara_tenant
  using (kernel.visible(organisation_id)) with check (kernel.visible(organisation_id));
