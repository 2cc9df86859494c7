-- What goes on now, as the voice process writes it; it clears what is its own when it starts.
create table voice.active_calls (
  id text primary key,
  organisation_id text not null,
  project_id text not null,
  system_id text not null references voice.systems on delete cascade,
  process_id text not null,
  direction text not null,
  state text not null,
  from_number text not null,
  from_name text,
  to_number text not null,
  to_name text,
  extension_ids text[] not null,
  queue_id text,
  recording boolean not null,
  started_at timestamptz not null,
  answered_at timestamptz
);
create index on voice.active_calls (organisation_id);
create index on voice.active_calls (system_id, id);
create index on voice.active_calls (process_id);

-- What agents of queues do, as far as the switchboard alone knows it (ringing, talking, wrap_up).
create table voice.agent_activities (
  queue_id text not null references voice.elements on delete cascade,
  extension_id text not null references voice.extensions on delete cascade,
  organisation_id text not null,
  process_id text not null,
  state text not null,
  since timestamptz not null,
  primary key (queue_id, extension_id)
);
create index on voice.agent_activities (organisation_id);
create index on voice.agent_activities (extension_id);

-- Callers of queues who were promised to be called when it is their turn.
create table voice.queue_callbacks (
  call_id text primary key,
  queue_id text not null references voice.elements on delete cascade,
  system_id text not null references voice.systems on delete cascade,
  organisation_id text not null,
  number text not null,
  name text,
  language text not null,
  since timestamptz not null,
  attempts integer not null,
  due_at timestamptz not null
);
create index on voice.queue_callbacks (organisation_id);
-- Whoever asks twice is called once.
create unique index on voice.queue_callbacks (queue_id, number);
create index on voice.queue_callbacks (system_id);

-- What the control plane asks of the voice process, and its answer.
create table voice.commands (
  id text primary key,
  organisation_id text not null,
  system_id text not null references voice.systems on delete cascade,
  kind text not null,
  input jsonb not null,
  state text not null check (state in ('waiting', 'taken', 'done', 'failed')),
  -- done: what came of it; failed: code and message.
  result jsonb,
  created_at timestamptz not null default now()
);
create index on voice.commands (organisation_id);
create index on voice.commands (system_id);
create index on voice.commands (created_at);
create index on voice.commands (created_at) where state = 'waiting';

create table voice.applications (
  id text primary key,
  organisation_id text not null,
  project_id text not null,
  system_id text not null references voice.systems on delete cascade,
  name text not null,
  url text not null,
  secret bytea not null,
  fallback jsonb not null,
  created_at timestamptz not null default now(),
  revision integer not null default 1,
  constraint applications_project foreign key (organisation_id, project_id) references identity.projects (organisation_id, id)
);
create index on voice.applications (organisation_id);
create unique index applications_name on voice.applications (system_id, lower(name));

create table voice.webhooks (
  id text primary key,
  organisation_id text not null,
  project_id text not null,
  system_id text not null references voice.systems on delete cascade,
  name text not null,
  url text not null,
  secret bytea not null,
  events text[] not null,
  enabled boolean not null,
  created_at timestamptz not null default now(),
  revision integer not null default 1,
  constraint webhooks_project foreign key (organisation_id, project_id) references identity.projects (organisation_id, id)
);
create index on voice.webhooks (organisation_id);
create index on voice.webhooks (system_id, id);

create table voice.webhook_deliveries (
  id text primary key,
  webhook_id text not null references voice.webhooks on delete cascade,
  organisation_id text not null,
  event text not null,
  body text not null,
  state text not null default 'pending' check (state in ('pending', 'delivered', 'failed')),
  attempts integer not null default 0,
  message text,
  created_at timestamptz not null default now(),
  due_at timestamptz not null default now(),
  tried_at timestamptz
);
create index on voice.webhook_deliveries (organisation_id);
create index on voice.webhook_deliveries (webhook_id, id);
create index on voice.webhook_deliveries (due_at) where state = 'pending';
create index on voice.webhook_deliveries (created_at);

-- Voice processes that run; several share the phone systems of one cloud.
create table voice.processes (
  id text primary key,
  seen_at timestamptz not null,
  -- Where browsers reach it without the control plane between.
  web_socket_url text,
  calls integer not null default 0,
  -- What its media engine has to do: workers and rtpengine hosts.
  engine jsonb not null
);
alter table voice.processes enable row level security;
-- The cloud's own.
create policy tenant on voice.processes to khmara_tenant using (false);

-- Who serves a phone system, and until when unless it says so again.
create table voice.served (
  system_id text primary key references voice.systems on delete cascade,
  organisation_id text not null,
  process_id text not null,
  until timestamptz not null
);
create index on voice.served (organisation_id);
create index on voice.served (process_id);

-- Where browsers may try, whoever serves this phone system first; null: by the console's own address. It is all that tenants learn of processes.
create function voice.doors(phone_system text, held_seconds int) returns setof text
language sql stable security definer set search_path = '' as $$
  select p.web_socket_url from voice.processes p
    left join voice.served v on v.process_id = p.id and v.system_id = phone_system and v.until > now()
  where p.seen_at > now() - make_interval(secs => held_seconds) order by v.system_id is null, p.id
$$;

do $$
declare t text;
begin
  foreach t in array array['served', 'active_calls', 'agent_activities', 'queue_callbacks', 'commands', 'applications', 'webhooks', 'webhook_deliveries'] loop
    execute format('alter table voice.%I enable row level security', t);
    execute format('create policy tenant on voice.%I to khmara_tenant using (kernel.visible(organisation_id)) with check (kernel.visible(organisation_id))', t);
  end loop;
end $$;
