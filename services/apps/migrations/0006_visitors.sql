-- Who of this cloud may see an app, and the codes with which a visitor comes from the console's sign-in to it; which domains are proven to be one's own.

alter table apps.access
  add column sign_in text check (sign_in in ('project', 'organisation', 'chosen', 'cloud')),
  add column sign_in_users text[] not null default '{}';

-- Each is good once, for a minute, in the browser that began (whose state it was made for).
create table apps.visit_codes (
  code_hash text primary key,
  app_id text not null,
  session_id text not null,
  state_hash text not null,
  host text not null,
  expires_at timestamptz not null
);
create index on apps.visit_codes (expires_at);
-- No policy: none of a tenant's business.
alter table apps.visit_codes enable row level security;

alter table apps.gateway_settings add column trust_domains boolean not null default false;

-- What was there before was taken at its word.
alter table apps.domains add column proven_at timestamptz;
update apps.domains set proven_at = created_at;
-- Whoever only says that a name is theirs keeps it from nobody.
alter table apps.domains drop constraint domains_host;
create unique index domains_host on apps.domains (host) where proven_at is not null;
create unique index on apps.domains (organisation_id, host);
create index on apps.domains (checked_at) where proven_at is null;

create or replace function apps.domain_overlaps(wanted text, organisation text) returns boolean
language sql stable security definer set search_path = '' as $$
  select exists (
    select from apps.domains d where d.organisation_id <> organisation and d.proven_at is not null and (
      d.host = wanted
      or d.host = '*.' || substr(wanted, strpos(wanted, '.') + 1)
      or (wanted like '*.%' and substr(d.host, strpos(d.host, '.') + 1) = substr(wanted, 3)))
  )
$$;
