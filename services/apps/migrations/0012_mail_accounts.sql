-- Accounts at outgoing mail servers, that apps send mail with.
create table apps.mail_accounts (
  id text primary key,
  organisation_id text not null,
  project_id text not null,
  name text collate "C" not null,
  description text not null,
  host text not null,
  port integer not null check (port between 1 and 65535),
  security text not null check (security in ('tls', 'starttls', 'none')),
  -- Empty: the server lets in without signing in.
  user_name text not null,
  -- Sealed, bound to the account; null without a user name.
  password bytea,
  sender text not null,
  created_at timestamptz not null,
  revision integer not null default 1,
  constraint mail_accounts_name unique (project_id, name),
  constraint mail_accounts_project foreign key (organisation_id, project_id) references identity.projects (organisation_id, id)
);
create index on apps.mail_accounts (organisation_id);
alter table apps.mail_accounts enable row level security;
create policy tenant on apps.mail_accounts to khmara_tenant using (kernel.visible(organisation_id)) with check (kernel.visible(organisation_id));

alter table apps.links drop constraint links_kind_check, add constraint links_kind_check check (kind in ('database', 'bucket', 'mail_account'));
