-- Where events of buckets are sent: notifications of buckets name them.
create table objects.webhooks (
  id text primary key,
  organisation_id text not null,
  project_id text not null,
  -- Part of the ARN by which a bucket's document names it.
  name text not null,
  url text not null,
  -- Sealed.
  secret bytea not null,
  enabled boolean not null default true,
  created_at timestamptz not null default now(),
  revision integer not null default 1,
  constraint webhooks_name unique (project_id, name),
  constraint webhooks_project foreign key (organisation_id, project_id) references identity.projects (organisation_id, id)
);
create index on objects.webhooks (organisation_id);

create table objects.webhook_deliveries (
  id text primary key,
  webhook_id text not null references objects.webhooks on delete cascade,
  organisation_id text not null,
  event text not null,
  body text not null,
  state text not null default 'pending' check (state in ('pending', 'delivered', 'failed')),
  attempts integer not null default 0,
  message text,
  due_at timestamptz not null default now(),
  created_at timestamptz not null default now(),
  tried_at timestamptz
);
create index on objects.webhook_deliveries (webhook_id, id desc);
create index on objects.webhook_deliveries (due_at) where state = 'pending';
create index on objects.webhook_deliveries (created_at);
create index on objects.webhook_deliveries (organisation_id);

do $$
declare t text;
begin
  foreach t in array array['webhooks', 'webhook_deliveries'] loop
    execute format('alter table objects.%I enable row level security', t);
    execute format('create policy tenant on objects.%I to khmara_tenant using (kernel.visible(organisation_id)) with check (kernel.visible(organisation_id))', t);
  end loop;
end $$;
