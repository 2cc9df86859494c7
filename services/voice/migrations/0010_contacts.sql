-- The phone book of a phone system: people outside.
create table voice.contacts (
  id text primary key,
  organisation_id text not null,
  project_id text not null,
  system_id text not null references voice.systems on delete cascade,
  name text not null,
  company text not null,
  note text not null,
  -- [{kind, number}], numbers as E.164.
  numbers jsonb not null,
  created_at timestamptz not null,
  revision integer not null default 1
);
create index on voice.contacts (organisation_id);
create index on voice.contacts (system_id, lower(name), id);
create index on voice.contacts using gin (numbers jsonb_path_ops);

alter table voice.contacts enable row level security;
create policy tenant on voice.contacts to khmara_tenant using (kernel.visible(organisation_id)) with check (kernel.visible(organisation_id));
