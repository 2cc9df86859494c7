-- What each call took of the limits of the extension that made it or sent it on. Apart from the records of calls: those may be deleted before the month is over.
create table voice.extension_costs (
  call_id text not null,
  extension_id text not null references voice.extensions on delete cascade,
  system_id text not null references voice.systems on delete cascade,
  organisation_id text not null,
  project_id text not null,
  amount numeric(18, 6) not null,
  at timestamptz not null,
  primary key (call_id, extension_id)
);
create index on voice.extension_costs (organisation_id);
create index on voice.extension_costs (extension_id, at);
create index on voice.extension_costs (at);

alter table voice.extension_costs enable row level security;
create policy tenant on voice.extension_costs to khmara_tenant using (kernel.visible(organisation_id)) with check (kernel.visible(organisation_id));
