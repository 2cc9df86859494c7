-- Databases and buckets that apps use.
create table apps.links (
  id text primary key,
  app_id text not null references apps.apps on delete cascade,
  organisation_id text not null,
  project_id text not null,
  kind text not null check (kind in ('database', 'bucket')),
  resource_id text not null,
  resource_name text not null,
  -- Before the names of its variables; empty: none.
  prefix text not null,
  access text not null check (access in ('read_write', 'read_only')),
  -- deleting: no new release has it; what was made for it goes with the last release that does.
  state text not null check (state in ('creating', 'active', 'deleting')),
  -- The name of the user of the database, or the id of the access key, which were made for it.
  credential_id text not null,
  -- What lets in, sealed, bound to the link; null until it is there.
  credential bytea,
  created_by jsonb not null,
  created_at timestamptz not null,
  changed_at timestamptz not null
);
-- One that goes is in nobody's way.
create unique index links_names on apps.links (app_id, kind, prefix) where state <> 'deleting';
create index on apps.links (resource_id);
create index on apps.links (organisation_id);
alter table apps.links enable row level security;
create policy tenant on apps.links to khmara_tenant using (kernel.visible(organisation_id)) with check (kernel.visible(organisation_id));

-- [{id, names}]: which links gave which of its variables.
alter table apps.releases add column links jsonb not null default '[]';
