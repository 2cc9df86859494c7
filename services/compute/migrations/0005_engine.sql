-- What the reconciler knows: the members of the engine as it saw them last, and what differs between records and engine.

create table compute.engine_members (
  name text primary key,
  address text not null,
  state text not null check (state in ('online', 'offline', 'evacuated')),
  message text not null default '',
  -- Since when it has been offline, which instances ran on it then, and whether they have been seen to.
  offline_since timestamptz,
  running text[] not null default '{}',
  failed_over boolean not null default false,
  seen_at timestamptz not null
);

create table compute.differences (
  id text primary key,
  kind text not null,
  resource_kind text not null,
  -- An id of ours where there is a record, else the name in the engine.
  resource_id text not null,
  resource_name text not null,
  organisation_id text,
  project_id text,
  member text,
  detail text not null,
  ignored boolean not null default false,
  operation_id text,
  first_seen_at timestamptz not null,
  last_seen_at timestamptz not null,
  constraint differences_once unique (kind, resource_kind, resource_id)
);
create index on compute.differences (first_seen_at desc, id desc);

alter table compute.differences enable row level security;
create policy tenant on compute.differences to khmara_tenant
  using (kernel.visible(organisation_id)) with check (kernel.visible(organisation_id));
