-- Branches of an app that are looked at before they are merged. A preview is an app of its own, so that all that holds for apps holds for it;
-- here is what makes it one.

-- No row: an app has no previews.
create table apps.preview_settings (
  app_id text primary key references apps.apps on delete cascade,
  organisation_id text not null,
  enabled boolean not null,
  -- `*` stands for anything.
  branches text[] not null,
  life_days integer not null,
  most integer not null,
  revision integer not null
);
create index on apps.preview_settings (organisation_id);

-- Variables that previews have instead of the app's, or besides; sealed, bound to app and name.
create table apps.preview_variables (
  app_id text not null references apps.apps on delete cascade,
  name text collate "C" not null,
  organisation_id text not null,
  value bytea not null,
  is_secret boolean not null,
  updated_at timestamptz not null,
  primary key (app_id, name)
);
create index on apps.preview_variables (organisation_id);

create table apps.previews (
  -- The preview itself.
  app_id text primary key references apps.apps on delete cascade,
  -- Without a cascade: an app goes after its previews, whose containers nobody would know of otherwise.
  parent_id text not null references apps.apps,
  organisation_id text not null,
  project_id text not null,
  branch text collate "C" not null,
  commit text not null,
  expires_at timestamptz not null,
  pushed_at timestamptz not null,
  created_at timestamptz not null,
  constraint previews_branch unique (parent_id, branch)
);
create index on apps.previews (expires_at);
create index on apps.previews (organisation_id);

do $$
declare t text;
begin
  foreach t in array array['preview_settings', 'preview_variables', 'previews'] loop
    execute format('alter table apps.%I enable row level security', t);
    execute format('create policy tenant on apps.%I to khmara_tenant using (kernel.visible(organisation_id)) with check (kernel.visible(organisation_id))', t);
  end loop;
end $$;
