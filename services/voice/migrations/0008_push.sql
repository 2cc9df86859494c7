-- As whom the cloud speaks to the push services of browsers (RFC 8292): one pair of keys for all.
create table voice.push_keys (
  is_single boolean primary key default true check (is_single),
  public_key text not null,
  -- Sealed.
  private_key bytea not null
);
alter table voice.push_keys enable row level security;
create policy tenant on voice.push_keys to khmara_tenant using (false);

-- Browsers that are told of calls while no tab of them is open (RFC 8030).
create table voice.push_subscriptions (
  id text primary key,
  organisation_id text not null,
  project_id text not null,
  extension_id text not null references voice.extensions on delete cascade,
  -- Who sat there: one who has the extension no more is told nothing.
  user_id text not null,
  endpoint_hash text not null,
  -- Sealed: its address and keys.
  subscription bytea not null,
  language text not null,
  created_at timestamptz not null default now(),
  constraint push_subscriptions_browser unique (extension_id, endpoint_hash)
);
create index on voice.push_subscriptions (organisation_id);

create table voice.pushes (
  id bigint generated always as identity primary key,
  organisation_id text not null,
  subscription_id text not null references voice.push_subscriptions on delete cascade,
  notice jsonb not null,
  attempts integer not null default 0,
  created_at timestamptz not null default now(),
  due_at timestamptz not null default now()
);
create index on voice.pushes (organisation_id);
create index on voice.pushes (subscription_id);
create index on voice.pushes (due_at);

do $$
declare t text;
begin
  foreach t in array array['push_subscriptions', 'pushes'] loop
    execute format('alter table voice.%I enable row level security', t);
    execute format('create policy tenant on voice.%I to khmara_tenant using (kernel.visible(organisation_id)) with check (kernel.visible(organisation_id))', t);
  end loop;
end $$;
