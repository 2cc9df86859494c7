-- Apps, what was deployed to them, and their settings.

create table apps.apps (
  id text primary key,
  organisation_id text not null,
  project_id text not null,
  -- In byte order, as lists are.
  name text collate "C" not null,
  description text not null default '',
  state text not null check (state in ('new', 'running', 'failing', 'stopped', 'deleting')),
  state_reason text,
  runtime text,
  live_release_id text,
  deployed_at timestamptz,
  protected boolean not null default false,
  -- A start, stop or deletion that is at work: no deployment begins meanwhile.
  operation_id text,
  -- The last numbers that were given.
  deployment_number integer not null default 0,
  release_number integer not null default 0,
  created_at timestamptz not null,
  revision integer not null default 1,
  constraint apps_name unique (project_id, name),
  constraint apps_project foreign key (organisation_id, project_id) references identity.projects (organisation_id, id)
);
create index on apps.apps (organisation_id);

create table apps.deployments (
  id text primary key,
  organisation_id text not null,
  project_id text not null,
  app_id text not null references apps.apps on delete cascade,
  number integer not null,
  -- build: it may take minutes and waits for a place; release: what it needs is there.
  kind text not null check (kind in ('build', 'release')),
  state text not null check (state in
    ('queued', 'building', 'releasing', 'starting', 'switching', 'succeeded', 'failed', 'cancelled', 'superseded')),
  error text,
  source jsonb not null,
  -- What is to be done: deploying/requests.ts.
  request jsonb not null,
  runtime text,
  release_id text,
  release_number integer,
  operation_id text,
  -- Since when it is this one's turn; null while it waits for those before.
  turn_at timestamptz,
  created_by jsonb not null,
  created_at timestamptz not null,
  started_at timestamptz,
  finished_at timestamptz,
  constraint deployments_number unique (app_id, number)
);
-- One of an app at a time.
create unique index deployments_turn on apps.deployments (app_id) where turn_at is not null and finished_at is null;
create index on apps.deployments (app_id) where finished_at is null;
create index on apps.deployments (organisation_id);

-- Immutable; what an image is needed for is told by apps.images.
create table apps.releases (
  id text primary key,
  organisation_id text not null,
  project_id text not null,
  app_id text not null references apps.apps on delete cascade,
  number integer not null,
  deployment_id text not null,
  image_id text not null,
  image_bytes bigint not null,
  runtime text not null,
  source jsonb not null,
  processes jsonb not null,
  port integer not null,
  health_check jsonb not null,
  release_command text,
  disks jsonb not null,
  -- All of it as one sealed text, bound to the release.
  environment bytea not null,
  setting_names text[] not null,
  created_by jsonb not null,
  created_at timestamptz not null,
  constraint releases_number unique (app_id, number)
);
create index on apps.releases (organisation_id);
create index on apps.releases (app_id, image_id);

-- Images that are kept for releases: counted in the quota and metered from here.
create table apps.images (
  app_id text not null references apps.apps on delete cascade,
  image_id text not null,
  organisation_id text not null,
  project_id text not null,
  size_bytes bigint not null,
  created_at timestamptz not null,
  primary key (app_id, image_id)
);
create index on apps.images (organisation_id);

create table apps.settings (
  app_id text not null references apps.apps on delete cascade,
  name text collate "C" not null,
  organisation_id text not null,
  -- What a person, a link or chance gave it; bound to app and name.
  value bytea,
  is_secret boolean not null,
  origin text not null check (origin in ('person', 'manifest', 'link')),
  -- What the manifest says of it; its default is no secret.
  in_manifest boolean not null default false,
  default_value text,
  required boolean not null default false,
  description text,
  updated_at timestamptz,
  primary key (app_id, name)
);
create index on apps.settings (organisation_id);

do $$
declare t text;
begin
  foreach t in array array['apps', 'deployments', 'releases', 'images', 'settings'] loop
    execute format('alter table apps.%I enable row level security', t);
    execute format('create policy tenant on apps.%I to khmara_tenant using (kernel.visible(organisation_id)) with check (kernel.visible(organisation_id))', t);
  end loop;
end $$;
