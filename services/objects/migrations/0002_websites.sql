-- Buckets that are websites too: whoever comes sees their objects.
create table objects.websites (
  bucket_id text primary key references objects.buckets on delete cascade,
  organisation_id text not null,
  project_id text not null,
  -- As S3's WebsiteConfiguration says it: index and error document, or where everything is sent, and rules.
  configuration jsonb not null,
  created_at timestamptz not null
);
create index on objects.websites (project_id);
create index on objects.websites (organisation_id);

alter table objects.websites enable row level security;
create policy tenant on objects.websites to khmara_tenant using (kernel.visible(organisation_id)) with check (kernel.visible(organisation_id));
