-- What is said of a bucket in documents that are only read and replaced whole: tags, lifecycle rules.
create table objects.configurations (
  bucket_id text not null references objects.buckets on delete cascade,
  kind text not null check (kind in ('tags', 'lifecycle')),
  organisation_id text not null,
  document jsonb not null,
  primary key (bucket_id, kind)
);
create index on objects.configurations (organisation_id);

alter table objects.configurations enable row level security;
create policy tenant on objects.configurations to khmara_tenant using (kernel.visible(organisation_id)) with check (kernel.visible(organisation_id));
