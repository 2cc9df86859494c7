-- Commands that run by the clock, and what became of them.
create table apps.cron_jobs (
  id text primary key,
  app_id text not null references apps.apps on delete cascade,
  organisation_id text not null,
  project_id text not null,
  name text collate "C" not null,
  -- manifest: as the live release says; what a person made stays over releases.
  origin text not null check (origin in ('manifest', 'person')),
  schedule text not null,
  time_zone text not null,
  command text not null,
  timeout_seconds integer not null,
  -- What happens when the one before still runs.
  concurrency text not null check (concurrency in ('skip', 'allow')),
  paused boolean not null default false,
  -- When it runs next; null: never by itself, as it is paused or its date never comes.
  next_at timestamptz,
  created_at timestamptz not null,
  revision integer not null default 1,
  constraint cron_jobs_name unique (app_id, name)
);
create index on apps.cron_jobs (next_at) where next_at is not null;
create index on apps.cron_jobs (organisation_id);

create table apps.cron_runs (
  id text primary key,
  job_id text not null references apps.cron_jobs on delete cascade,
  app_id text not null,
  organisation_id text not null,
  project_id text not null,
  state text not null check (state in ('starting', 'running', 'succeeded', 'failed', 'timed_out', 'cancelled', 'skipped')),
  -- Whose word it began by: null by the clock.
  started_by jsonb,
  -- For when it was meant.
  due_at timestamptz not null,
  release_id text,
  release_number integer,
  engine_name text,
  started_at timestamptz,
  finished_at timestamptz,
  exit_code integer,
  -- Why it failed or was skipped, for people.
  reason text,
  -- The end of what it wrote.
  output text not null default '',
  truncated boolean not null default false,
  cancel_asked boolean not null default false
);
-- What came due once runs once, however many look.
create unique index cron_runs_due on apps.cron_runs (job_id, due_at) where started_by is null;
create index on apps.cron_runs (job_id, id);
create index on apps.cron_runs (app_id) where finished_at is null;
create index on apps.cron_runs (organisation_id);

do $$
declare t text;
begin
  foreach t in array array['cron_jobs', 'cron_runs'] loop
    execute format('alter table apps.%I enable row level security', t);
    execute format('create policy tenant on apps.%I to khmara_tenant using (kernel.visible(organisation_id)) with check (kernel.visible(organisation_id))', t);
  end loop;
end $$;

alter table apps.releases add column cron jsonb not null default '[]';

alter table apps.one_offs drop constraint one_offs_kind_check, add constraint one_offs_kind_check check (kind in ('run', 'release', 'cron'));
