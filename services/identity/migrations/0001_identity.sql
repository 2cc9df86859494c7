-- Who exists, what they may do where, and how they prove who they are.

-- ── Tenancy ──

create table identity.organisations (
  id text primary key,
  name text not null,
  slug text not null constraint organisations_slug unique,
  state text not null default 'active' check (state in ('active', 'suspended')),
  suspended_reason text,
  created_at timestamptz not null,
  revision integer not null default 1,
  check ((state = 'suspended') = (suspended_reason is not null))
);

-- Tables of other services refer to projects without a cascade: what is not empty cannot be deleted.
create table identity.projects (
  id text primary key,
  organisation_id text not null references identity.organisations,
  name text not null,
  slug text not null,
  created_at timestamptz not null,
  revision integer not null default 1,
  constraint projects_slug unique (organisation_id, slug),
  unique (organisation_id, id)
);

-- ── People and machines ──

-- People belong to the cloud, not to a tenant: no row-level security here, nor on what is only theirs.
create table identity.users (
  id text primary key,
  email text not null constraint users_email unique check (email = lower(email)),
  name text not null,
  locale text not null default 'en',
  -- argon2id in the PHC string format.
  password_hash text not null,
  state text not null default 'active' check (state in ('active', 'suspended')),
  suspended_reason text,
  last_sign_in_at timestamptz,
  created_at timestamptz not null,
  revision integer not null default 1,
  check ((state = 'suspended') = (suspended_reason is not null))
);
create index on identity.users (lower(name), id);

create table identity.service_accounts (
  id text primary key,
  organisation_id text not null references identity.organisations on delete cascade,
  name text not null,
  description text not null default '',
  state text not null default 'active' check (state in ('active', 'suspended')),
  created_at timestamptz not null,
  revision integer not null default 1,
  constraint service_accounts_name unique (organisation_id, name),
  unique (organisation_id, id)
);

-- A role at the cloud (no organisation), an organisation, or a project of it.
create table identity.role_bindings (
  id text primary key,
  user_id text references identity.users on delete cascade,
  service_account_id text,
  principal_id text not null generated always as (coalesce(user_id, service_account_id)) stored,
  role text not null check (role in ('owner', 'admin', 'editor', 'viewer', 'billing')),
  organisation_id text references identity.organisations on delete cascade,
  project_id text,
  created_at timestamptz not null,
  check (num_nonnulls(user_id, service_account_id) = 1),
  check (project_id is null or organisation_id is not null),
  -- A service account has roles in its own organisation only.
  check (service_account_id is null or organisation_id is not null),
  foreign key (organisation_id, project_id) references identity.projects (organisation_id, id) on delete cascade,
  foreign key (organisation_id, service_account_id) references identity.service_accounts (organisation_id, id) on delete cascade,
  constraint role_bindings_once unique nulls not distinct (principal_id, role, organisation_id, project_id)
);
create index on identity.role_bindings (organisation_id, principal_id);
create index on identity.role_bindings (project_id);

create table identity.invitations (
  id text primary key,
  organisation_id text not null references identity.organisations on delete cascade,
  project_id text,
  email text not null check (email = lower(email)),
  role text not null,
  token_hash text not null unique,
  state text not null default 'pending' check (state in ('pending', 'accepted', 'revoked')),
  invited_by_id text not null,
  invited_by_name text not null,
  expires_at timestamptz not null,
  created_at timestamptz not null,
  foreign key (organisation_id, project_id) references identity.projects (organisation_id, id) on delete cascade
);
create index on identity.invitations (organisation_id, id);
create index on identity.invitations (expires_at);

-- ── Credentials ──

create table identity.sessions (
  id text primary key,
  user_id text not null references identity.users on delete cascade,
  token_hash text not null unique,
  method text not null check (method in ('password', 'password_totp', 'password_recovery_code', 'passkey')),
  source_ip text not null,
  user_agent text not null,
  created_at timestamptz not null,
  last_seen_at timestamptz not null,
  -- Its absolute end; it ends earlier when nobody uses it.
  expires_at timestamptz not null
);
create index on identity.sessions (user_id, id);
create index on identity.sessions (expires_at);

create table identity.api_tokens (
  id text primary key,
  user_id text references identity.users on delete cascade,
  service_account_id text,
  -- That of the service account; a person's own token belongs to no organisation.
  organisation_id text,
  name text not null,
  prefix text not null,
  token_hash text not null unique,
  scopes text[] not null,
  last_used_at timestamptz,
  expires_at timestamptz,
  created_at timestamptz not null,
  check (num_nonnulls(user_id, service_account_id) = 1),
  check ((service_account_id is null) = (organisation_id is null)),
  foreign key (organisation_id, service_account_id) references identity.service_accounts (organisation_id, id) on delete cascade
);
create index on identity.api_tokens (user_id, id);
create index on identity.api_tokens (service_account_id, id);

create table identity.access_keys (
  id text primary key,
  access_key_id text not null unique,
  organisation_id text not null,
  project_id text not null,
  user_id text references identity.users on delete cascade,
  service_account_id text,
  name text not null,
  -- Encrypted, not hashed: a signature can only be checked with the secret itself (AWS Signature Version 4).
  secret bytea not null,
  read_only boolean not null default false,
  enabled boolean not null default true,
  last_used_at timestamptz,
  created_at timestamptz not null,
  revision integer not null default 1,
  check (num_nonnulls(user_id, service_account_id) = 1),
  foreign key (organisation_id, project_id) references identity.projects (organisation_id, id),
  foreign key (organisation_id, service_account_id) references identity.service_accounts (organisation_id, id)
);
create index on identity.access_keys (project_id, id);
create index on identity.access_keys (user_id);
create index on identity.access_keys (service_account_id);

create table identity.totp (
  user_id text primary key references identity.users on delete cascade,
  secret bytea not null,
  confirmed_at timestamptz,
  -- RFC 6238, 5.2: a code is taken once, so the time step of the last one is remembered.
  last_used_step bigint not null default 0,
  created_at timestamptz not null
);

create table identity.recovery_codes (
  user_id text not null references identity.users on delete cascade,
  code_hash text not null,
  primary key (user_id, code_hash)
);

create table identity.passkeys (
  id text primary key,
  user_id text not null references identity.users on delete cascade,
  credential_id text not null constraint passkeys_credential unique,
  public_key bytea not null,
  counter bigint not null,
  transports text[] not null default '{}',
  rp_id text not null,
  name text not null,
  last_used_at timestamptz,
  created_at timestamptz not null
);
create index on identity.passkeys (user_id, id);

create table identity.webauthn_challenges (
  id text primary key,
  challenge text not null,
  -- Null when somebody signs in: only the answer tells who.
  user_id text references identity.users on delete cascade,
  rp_id text not null,
  expires_at timestamptz not null
);
create index on identity.webauthn_challenges (expires_at);

create table identity.password_resets (
  token_hash text primary key,
  user_id text not null references identity.users on delete cascade,
  -- For the one who is locked out of the second factor, too; only a person on the server itself can make such a link.
  removes_second_factor boolean not null default false,
  expires_at timestamptz not null,
  created_at timestamptz not null
);
create index on identity.password_resets (user_id);
create index on identity.password_resets (expires_at);

-- Failures by account and by address, as keyed hashes; shared by all processes.
create table identity.sign_in_attempts (
  subject text primary key,
  failures integer not null default 0,
  last_at timestamptz not null,
  blocked_until timestamptz
);
create index on identity.sign_in_attempts (last_at);

-- ── Row-level security: the second net behind authorize() ──

alter table identity.organisations enable row level security;
create policy tenant on identity.organisations to khmara_tenant using (kernel.visible(id)) with check (kernel.visible(id));

do $$
declare t text;
begin
  foreach t in array array['projects', 'service_accounts', 'role_bindings', 'invitations', 'access_keys'] loop
    execute format('alter table identity.%I enable row level security', t);
    execute format('create policy tenant on identity.%I to khmara_tenant using (kernel.visible(organisation_id)) with check (kernel.visible(organisation_id))', t);
  end loop;
end $$;

alter table identity.api_tokens enable row level security;
create policy tenant on identity.api_tokens to khmara_tenant
  using (organisation_id is null or kernel.visible(organisation_id)) with check (organisation_id is null or kernel.visible(organisation_id));
