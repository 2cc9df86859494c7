-- Phone systems, their extensions with devices, numbers, trunks, outbound routes and rates. What people set is in `settings`, as the contracts say.
create table voice.systems (
  id text primary key,
  organisation_id text not null,
  project_id text not null,
  name text not null,
  domain text collate "C" not null,
  settings jsonb not null,
  -- Grows in the transaction of each change that calls depend on; the channel voice_plan tells of it.
  plan_version bigint not null default 1,
  created_at timestamptz not null,
  revision integer not null default 1,
  constraint systems_project unique (project_id),
  constraint systems_domain unique (domain),
  constraint systems_place foreign key (organisation_id, project_id) references identity.projects (organisation_id, id)
);
create index on voice.systems (organisation_id);

-- Apart from the system: calls change it, and change no plan.
create table voice.balances (
  system_id text primary key references voice.systems on delete cascade,
  organisation_id text not null,
  project_id text not null,
  balance numeric(18, 6) not null default 0
);

create table voice.credits (
  id text primary key,
  system_id text not null references voice.systems on delete cascade,
  organisation_id text not null,
  project_id text not null,
  kind text not null check (kind in ('top_up', 'call', 'correction')),
  amount numeric(18, 6) not null,
  balance numeric(18, 6) not null,
  note text,
  -- A call is charged once.
  call_id text unique,
  by_actor jsonb,
  at timestamptz not null
);
create index on voice.credits (system_id, id);
create index on voice.credits (system_id, at) where kind = 'call';

create table voice.extensions (
  id text primary key,
  system_id text not null references voice.systems on delete cascade,
  organisation_id text not null,
  project_id text not null,
  number text collate "C" not null,
  name text not null,
  user_id text,
  settings jsonb not null,
  -- argon2id.
  voicemail_pin text,
  hot_desk_pin text,
  created_at timestamptz not null,
  revision integer not null default 1,
  constraint extensions_number unique (system_id, number)
);
create index on voice.extensions (organisation_id);
create index on voice.extensions (user_id) where user_id is not null;

create table voice.devices (
  id text primary key,
  extension_id text not null references voice.extensions on delete cascade,
  system_id text not null references voice.systems on delete cascade,
  organisation_id text not null,
  project_id text not null,
  kind text not null check (kind in ('browser', 'desk', 'app')),
  label text not null,
  maker text not null,
  mac_address text,
  user_name text collate "C" not null,
  -- Sealed: configurations and digests are made of it.
  password bytea not null,
  enabled boolean not null default true,
  -- Who has signed in there (hot desking): the phone is that extension's meanwhile.
  guest_extension_id text references voice.extensions on delete set null,
  -- SHA-256.
  provisioning_token text,
  provisioning_at timestamptz,
  last_registered_at timestamptz,
  last_address text,
  last_user_agent text,
  created_at timestamptz not null,
  revision integer not null default 1,
  constraint devices_user_name unique (system_id, user_name),
  constraint devices_mac_address unique (system_id, mac_address),
  constraint devices_provisioning unique (provisioning_token)
);
create index on voice.devices (extension_id);
create index on voice.devices (guest_extension_id) where guest_extension_id is not null;
create index on voice.devices (organisation_id);
-- One for all browsers of an extension; what each registers with is below.
create unique index devices_browser on voice.devices (extension_id) where kind = 'browser';

create table voice.softphone_credentials (
  user_name text collate "C" primary key,
  device_id text not null references voice.devices on delete cascade,
  organisation_id text not null,
  project_id text not null,
  password bytea not null,
  created_at timestamptz not null,
  expires_at timestamptz not null
);
create index on voice.softphone_credentials (device_id);
create index on voice.softphone_credentials (expires_at);

create table voice.trunks (
  id text primary key,
  system_id text not null references voice.systems on delete cascade,
  organisation_id text not null,
  project_id text not null,
  name text collate "C" not null,
  settings jsonb not null,
  -- Sealed: it is said to the provider.
  password bytea,
  created_at timestamptz not null,
  revision integer not null default 1,
  constraint trunks_name unique (system_id, name)
);
create index on voice.trunks (organisation_id);

-- As the voice process sees them.
create table voice.trunk_states (
  trunk_id text primary key references voice.trunks on delete cascade,
  organisation_id text not null,
  project_id text not null,
  state text not null,
  reason text,
  at timestamptz not null
);

create table voice.numbers (
  id text primary key,
  system_id text not null references voice.systems on delete cascade,
  organisation_id text not null,
  project_id text not null,
  number text collate "C" not null,
  settings jsonb not null,
  created_at timestamptz not null,
  revision integer not null default 1,
  constraint numbers_number unique (system_id, number)
);
create index on voice.numbers (organisation_id);
create index on voice.numbers (number);

create table voice.outbound_routes (
  id text primary key,
  system_id text not null references voice.systems on delete cascade,
  organisation_id text not null,
  project_id text not null,
  name text collate "C" not null,
  settings jsonb not null,
  created_at timestamptz not null,
  revision integer not null default 1,
  constraint outbound_routes_name unique (system_id, name)
);
create index on voice.outbound_routes (organisation_id);

create table voice.rates (
  id text primary key,
  system_id text not null references voice.systems on delete cascade,
  organisation_id text not null,
  project_id text not null,
  -- Whose costs; null: prices of the system.
  trunk_id text references voice.trunks on delete cascade,
  prefix text collate "C" not null,
  label text not null,
  per_minute numeric(15, 6) not null,
  connection_fee numeric(15, 6) not null,
  first_seconds integer not null,
  step_seconds integer not null,
  constraint rates_prefix unique nulls not distinct (system_id, trunk_id, prefix)
);
create index on voice.rates (trunk_id);

do $$
declare t text;
begin
  foreach t in array array['systems', 'balances', 'credits', 'extensions', 'devices', 'softphone_credentials', 'trunks', 'trunk_states',
    'numbers', 'outbound_routes', 'rates'] loop
    execute format('alter table voice.%I enable row level security', t);
    execute format('create policy tenant on voice.%I to khmara_tenant using (kernel.visible(organisation_id)) with check (kernel.visible(organisation_id))', t);
  end loop;
end $$;
