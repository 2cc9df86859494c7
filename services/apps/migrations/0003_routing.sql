-- Names, access, certificates and requests of apps: what the gateway is made from, and what it tells.

-- Of the whole cloud: one row.
create table apps.gateway_settings (
  only_one boolean primary key default true check (only_one),
  apps_domain text not null default 'localhost',
  acme_directory text,
  acme_email text,
  revision integer not null default 1,
  check ((acme_directory is null) = (acme_email is null))
);
insert into apps.gateway_settings default values;

-- The middle of <app>.<label>.<apps domain>. Slugs of projects are unique in their organisation alone: the first one has its own, others get more
-- behind it. Nothing secret is here, and a tenant must not be given what another one has: no row-level security.
create table apps.project_labels (
  project_id text primary key,
  slug text not null,
  label text not null constraint project_labels_label unique
);

create table apps.domains (
  id text primary key,
  organisation_id text not null,
  project_id text not null,
  app_id text not null,
  host text not null constraint domains_host unique,
  redirect_to text,
  problem text,
  checked_at timestamptz,
  created_at timestamptz not null
);
create index on apps.domains (app_id, id);

-- A wildcard has all names one below: nobody else may take one of them, nor a wildcard over theirs. It sees what the caller may not see, and
-- tells no more than that.
create function apps.domain_overlaps(wanted text, organisation text) returns boolean
language sql stable security definer set search_path = '' as $$
  select exists (
    select from apps.domains d where d.organisation_id <> organisation and (
      d.host = '*.' || substr(wanted, strpos(wanted, '.') + 1)
      or (wanted like '*.%' and substr(d.host, strpos(d.host, '.') + 1) = substr(wanted, 3)))
  )
$$;
create index on apps.domains (substr(host, strpos(host, '.') + 1));
create index on apps.domains (organisation_id);

-- No row: whoever comes is let in.
create table apps.access (
  app_id text primary key,
  organisation_id text not null,
  project_id text not null,
  https_only boolean not null,
  -- The names, and sealed: names with salts and hashes, as the gateway takes them.
  user_names text[] not null,
  users bytea,
  allow text[] not null,
  deny text[] not null,
  rate_requests integer,
  rate_seconds integer,
  maintenance boolean not null,
  maximum_body_bytes bigint,
  revision integer not null
);
create index on apps.access (organisation_id);

-- By host: the cloud's own (`internal`), and those of an ACME server. The authority itself is `authority` of host `*`. Keys are sealed.
create table apps.certificates (
  host text not null,
  issued_by text not null check (issued_by in ('authority', 'internal', 'acme')),
  certificate text not null,
  key bytea not null,
  expires_at timestamptz not null,
  renew_at timestamptz not null,
  primary key (host, issued_by)
);

-- What an ACME server is asked for, by host.
create table apps.acme_requests (
  host text primary key,
  directory text not null,
  problem text,
  failures integer not null default 0,
  next_at timestamptz not null
);
create table apps.acme_accounts (
  directory text primary key,
  email text not null,
  url text not null,
  key bytea not null
);
-- Answers that are waited for right now.
create table apps.acme_challenges (
  token text primary key,
  key_authorization text not null,
  created_at timestamptz not null default now()
);

-- Up to where the gateway's log has been counted: figures and position are written in one transaction.
create table apps.request_positions (
  log text primary key,
  position bigint not null,
  at timestamptz not null
);
create table apps.request_minutes (
  app_id text not null,
  organisation_id text not null,
  project_id text not null,
  at timestamptz not null,
  requests bigint not null,
  errors bigint not null,
  sent_bytes bigint not null,
  -- Counts of durations; the step of each is in requests/durations.ts.
  durations integer[] not null,
  primary key (app_id, at)
);
create index on apps.request_minutes (at);
create index on apps.request_minutes (organisation_id);

do $$
declare t text;
begin
  foreach t in array array['domains', 'access', 'request_minutes'] loop
    execute format('alter table apps.%I enable row level security', t);
    execute format('create policy tenant on apps.%I to khmara_tenant using (kernel.visible(organisation_id)) with check (kernel.visible(organisation_id))', t);
  end loop;
end $$;
-- No policy: none of a tenant's business.
alter table apps.acme_accounts enable row level security;
alter table apps.acme_challenges enable row level security;
alter table apps.request_positions enable row level security;
