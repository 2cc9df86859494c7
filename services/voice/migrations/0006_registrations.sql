-- A device at an address (RFC 3261 section 10). A connection ends with the voice process; what came by UDP outlives it.
create table voice.registrations (
  id text primary key,
  organisation_id text not null,
  system_id text not null references voice.systems on delete cascade,
  extension_id text not null,
  device_id text not null references voice.devices on delete cascade,
  -- +sip.instance and reg-id (RFC 5626), or the contact's address.
  binding text not null,
  -- As whom it registered: the device's user name, or that of a browser for some hours.
  user_name text not null,
  contact text not null,
  transport text not null,
  -- Where it came from, which is where calls go: `Source.flow` in sip/ports.ts.
  flow text not null,
  address text not null,
  port integer not null,
  path text[] not null,
  user_agent text,
  -- Of the last REGISTER: an older one that comes late changes nothing.
  call_id text not null,
  cseq bigint not null,
  -- Who has its connection.
  process_id text not null,
  registered_at timestamptz not null,
  expires_at timestamptz not null,
  constraint registrations_binding unique (device_id, binding)
);
create index on voice.registrations (system_id);
create index on voice.registrations (organisation_id);
create index on voice.registrations (extension_id);
create index on voice.registrations (expires_at);
alter table voice.registrations enable row level security;
create policy tenant on voice.registrations to khmara_tenant using (kernel.visible(organisation_id)) with check (kernel.visible(organisation_id));
