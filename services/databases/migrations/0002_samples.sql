-- How databases did: averages over a step of 30 or 300 seconds; `slot` is the time in steps since 1970.
create table databases.samples (
  database_id text not null references databases.databases on delete cascade,
  step integer not null,
  slot integer not null,
  organisation_id text not null,
  -- Of what it may use; absent in the first sample after a start, as the rate of transactions is.
  cpu_percent real,
  memory_bytes bigint not null,
  -- Of its volume, as last measured.
  disk_bytes bigint,
  connections real not null,
  transactions_per_second real,
  primary key (database_id, step, slot)
);
create index on databases.samples (step, slot);
create index on databases.samples (organisation_id);
alter table databases.samples enable row level security;
create policy tenant on databases.samples to khmara_tenant using (kernel.visible(organisation_id)) with check (kernel.visible(organisation_id));
