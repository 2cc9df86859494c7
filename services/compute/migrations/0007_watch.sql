-- Metrics of instances and of the engine, alert rules and alerts.

-- What there are series of. Not tied to the instances table: an instance goes at once, its thousands of points when there is time.
create table compute.metric_series (
  id serial primary key,
  -- The id of an instance, `engine`, or `member:` and its name.
  key text not null unique,
  -- None for the engine: only those who administer the cloud see that.
  organisation_id text,
  -- The counters and the values as they were seen last.
  at timestamptz not null,
  cpu_seconds double precision,
  received_bytes double precision,
  sent_bytes double precision,
  cpu_percent real,
  memory_bytes real,
  memory_percent real,
  disk_bytes real,
  disk_percent real,
  received_per_second real,
  sent_per_second real,
  processes real,
  -- Of the engine and its members: what there is.
  cpus real,
  memory_limit_bytes bigint,
  disk_limit_bytes bigint
) with (fillfactor = 60);

-- One row for each series and step, values as means over the step. Slots are tens of seconds since 1970: they fit four bytes.
do $$
declare step integer;
begin
  foreach step in array array[10, 60, 900, 3600] loop
    execute format('create table compute.metrics_%s (
      series integer not null, slot integer not null,
      cpu_percent real, memory_bytes real, memory_percent real, disk_bytes real, disk_percent real,
      received_per_second real, sent_per_second real, processes real,
      primary key (series, slot))', step);
    execute format('create index on compute.metrics_%s (slot)', step);
  end loop;
end $$;

-- Up to which slot (that one not) each step is done.
create table compute.metric_progress (
  step integer primary key,
  slot integer not null
);
insert into compute.metric_progress select step, extract(epoch from now())::integer / 10 / (step / 10) * (step / 10)
  from unnest(array[10, 60, 900, 3600]) as step;

create table compute.alert_rules (
  id text primary key,
  organisation_id text not null,
  project_id text not null,
  name text not null,
  enabled boolean not null,
  metric text not null,
  comparison text not null check (comparison in ('above', 'below')),
  threshold double precision not null,
  resolve_threshold double precision not null,
  for_seconds integer not null,
  scope jsonb not null,
  webhook_url text,
  -- Sealed.
  webhook_secret bytea,
  created_at timestamptz not null,
  revision integer not null default 1,
  constraint alert_rules_name unique (project_id, name),
  constraint alert_rules_project foreign key (organisation_id, project_id) references identity.projects (organisation_id, id)
);
create index on compute.alert_rules (organisation_id);

-- Past the threshold, but not yet for long enough.
create table compute.alerts_pending (
  rule_id text not null references compute.alert_rules on delete cascade,
  instance_id text not null,
  began_at timestamptz not null,
  worst_value double precision not null,
  -- When it was past the threshold last: one look that saw nothing does not begin it anew.
  seen_at timestamptz not null,
  primary key (rule_id, instance_id)
);

create table compute.alerts (
  id text primary key,
  organisation_id text not null,
  project_id text not null,
  rule_id text references compute.alert_rules on delete set null,
  rule_name text not null,
  -- No foreign key: the history of an instance that is gone stays for its time.
  instance_id text not null,
  instance_name text not null,
  state text not null check (state in ('firing', 'resolved')),
  metric text not null,
  comparison text not null,
  threshold double precision not null,
  value double precision not null,
  worst_value double precision not null,
  last_value double precision not null,
  began_at timestamptz not null,
  fired_at timestamptz not null,
  -- When it was measured last, and since when it is on the good side.
  seen_at timestamptz not null,
  recovering_since timestamptz,
  resolved_at timestamptz,
  resolution text,
  acknowledged_at timestamptz,
  acknowledged_by text,
  check ((state = 'resolved') = (resolved_at is not null))
);
create index on compute.alerts (project_id, id);
create index on compute.alerts (organisation_id);
create index on compute.alerts (resolved_at) where resolved_at is not null;
create unique index alerts_firing on compute.alerts (rule_id, instance_id) where state = 'firing';

-- Calls of webhooks: written with the change that they tell of, made afterwards, again and again until one gets through.
create table compute.webhook_calls (
  id text primary key,
  organisation_id text not null,
  alert_id text not null references compute.alerts on delete cascade,
  url text not null,
  secret bytea not null,
  body text not null,
  state text not null default 'pending' check (state in ('pending', 'delivered', 'failed')),
  attempts integer not null default 0,
  message text,
  due_at timestamptz not null,
  tried_at timestamptz
);
create index on compute.webhook_calls (due_at) where state = 'pending';
create index on compute.webhook_calls (alert_id, id);
create index on compute.webhook_calls (organisation_id);

create table compute.watch_settings (
  only_one boolean primary key default true check (only_one),
  allowed_networks text[] not null default '{}',
  revision integer not null default 1
);
insert into compute.watch_settings default values;

do $$
declare t text;
begin
  foreach t in array array['metric_series', 'alert_rules', 'alerts', 'webhook_calls'] loop
    execute format('alter table compute.%I enable row level security', t);
    execute format('create policy tenant on compute.%I to khmara_tenant using (kernel.visible(organisation_id)) with check (kernel.visible(organisation_id))', t);
  end loop;
end $$;
