-- Lines of access logs on their way into the bucket that they are for.
create table objects.access_log_lines (
  id bigint generated always as identity primary key,
  -- The bucket that was asked, not the one that the lines go into.
  bucket_id text not null references objects.buckets on delete cascade,
  organisation_id text not null,
  lines text not null,
  written_at timestamptz not null default now()
);
create index on objects.access_log_lines (bucket_id, id);
create index on objects.access_log_lines (organisation_id);

alter table objects.access_log_lines enable row level security;
create policy tenant on objects.access_log_lines to khmara_tenant using (kernel.visible(organisation_id)) with check (kernel.visible(organisation_id));
