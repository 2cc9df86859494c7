-- Mechanisms that every service uses. Ids are text (kernel/ids.ts); times are timestamptz in UTC.

create table kernel.settings (
  name text primary key,
  value jsonb not null,
  updated_at timestamptz not null default now()
);

-- A POST that is sent again with its key gets the first answer again (draft-ietf-httpapi-idempotency-key-header).
-- Written in the transaction of the request itself; the answer is encrypted, for it may hold a secret shown once.
create table kernel.idempotency_keys (
  principal_id text not null,
  key text not null,
  fingerprint text not null,
  status integer,
  response bytea,
  created_at timestamptz not null default now(),
  primary key (principal_id, key)
);
create index on kernel.idempotency_keys (created_at);

-- The live stream: kept for a day, so that a reader who was away can go on.
create table kernel.events (
  id text primary key,
  type text not null,
  organisation_id text,
  project_id text,
  payload jsonb not null,
  at timestamptz not null default now()
);
create index on kernel.events (at);
create index on kernel.events (organisation_id, at);

-- The audit log: one hash chain per organisation and one ('cloud') for what belongs to none. Rows are never changed.
create table kernel.audit_heads (
  chain text primary key,
  sequence bigint not null,
  hash text not null
);
create table kernel.audit_entries (
  id text primary key,
  chain text not null,
  sequence bigint not null,
  at timestamptz not null,
  actor_kind text not null,
  actor_id text,
  actor_name text not null,
  action text not null,
  organisation_id text,
  project_id text,
  resource_kind text not null,
  resource_id text not null,
  resource_name text,
  source_ip text,
  user_agent text,
  request_id text,
  before jsonb,
  after jsonb,
  hash text not null,
  unique (chain, sequence)
);
create index on kernel.audit_entries (organisation_id, at desc, id desc);
create index on kernel.audit_entries (resource_id);
create index on kernel.audit_entries (actor_id, at desc);

-- The usage journal. Facts that happened have from_at = to_at or a closed span; capacity that is still held has no to_at.
create table kernel.usage_records (
  id text primary key,
  organisation_id text not null,
  project_id text,
  service text not null,
  meter text not null,
  unit text not null,
  resource_kind text not null,
  resource_id text not null,
  resource_name text,
  from_at timestamptz not null,
  to_at timestamptz,
  -- For a counted fact the amount itself; for a span the rate held, to be multiplied by its seconds.
  quantity numeric not null,
  is_span boolean not null default false,
  recorded_at timestamptz not null default now(),
  check (to_at is null or to_at >= from_at),
  check (is_span or to_at is not null)
);
create index on kernel.usage_records (organisation_id, from_at desc, id desc);
create index on kernel.usage_records (resource_id, from_at desc);

-- Quotas: what a scope (an organisation or a project) may have, and what it has reserved.
create table kernel.quota_limits (
  scope_id text not null,
  organisation_id text not null,
  name text not null,
  limit_value bigint not null check (limit_value >= 0),
  primary key (scope_id, name)
);
create table kernel.quota_usage (
  scope_id text not null,
  organisation_id text not null,
  name text not null,
  used bigint not null check (used >= 0),
  primary key (scope_id, name)
);

-- Long-running work: every step is recorded before and after, so that a crash loses nothing.
create table kernel.operations (
  id text primary key,
  kind text not null,
  state text not null check (state in ('pending', 'running', 'undoing', 'succeeded', 'failed', 'cancelled')),
  organisation_id text,
  project_id text,
  resource_kind text,
  resource_id text,
  resource_name text,
  progress double precision not null default 0,
  message text,
  steps jsonb not null,
  input jsonb not null,
  -- What the steps hand on to each other and to their undo.
  memory jsonb not null default '{}',
  result jsonb,
  error jsonb,
  cancel_requested boolean not null default false,
  -- Who works on it, until when; after that another process may take it over.
  worker text,
  lease_until timestamptz,
  run_after timestamptz not null default now(),
  actor jsonb not null,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  finished_at timestamptz
);
create index on kernel.operations (organisation_id, created_at desc, id desc);
create index on kernel.operations (run_after) where state in ('pending', 'running', 'undoing');
create index on kernel.operations (resource_id) where state in ('pending', 'running', 'undoing');

do $$
declare t text;
begin
  foreach t in array array['events', 'audit_entries', 'usage_records', 'quota_limits', 'quota_usage', 'operations'] loop
    execute format('alter table kernel.%I enable row level security', t);
    execute format('create policy tenant on kernel.%I to khmara_tenant using (kernel.visible(organisation_id)) with check (kernel.visible(organisation_id))', t);
  end loop;
end $$;
