-- Who needs a bucket: it is not deleted while anybody does.
create table objects.holds (
  bucket_id text not null references objects.buckets on delete cascade,
  holder_id text not null,
  -- For people: "app shop".
  holder_name text not null,
  organisation_id text not null,
  primary key (bucket_id, holder_id)
);
create index on objects.holds (holder_id);
create index on objects.holds (organisation_id);

alter table objects.holds enable row level security;
create policy tenant on objects.holds to khmara_tenant using (kernel.visible(organisation_id)) with check (kernel.visible(organisation_id));
