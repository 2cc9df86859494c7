-- Which kinds there are is said by BucketConfiguration alone: each new one would otherwise need a migration that knows all others.
alter table objects.configurations drop constraint configurations_kind_check;

-- What an organisation's administrators have forbidden of all its buckets, whatever these say themselves.
create table objects.organisation_access (
  organisation_id text primary key,
  public_blocked boolean not null
);
alter table objects.organisation_access enable row level security;
create policy tenant on objects.organisation_access to khmara_tenant using (kernel.visible(organisation_id)) with check (kernel.visible(organisation_id));
