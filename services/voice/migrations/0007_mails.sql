-- What a phone system mails: written in the transaction of what it tells of, sent by a worker of the control plane.
create table voice.mails (
  id text primary key,
  organisation_id text not null,
  project_id text not null,
  system_id text not null references voice.systems on delete cascade,
  kind text not null,
  to_address text not null,
  content jsonb not null,
  state text not null default 'pending' check (state in ('pending', 'sent', 'failed')),
  attempts integer not null default 0,
  -- What the server said last.
  message text,
  created_at timestamptz not null default now(),
  due_at timestamptz not null default now(),
  tried_at timestamptz
);
create index on voice.mails (organisation_id);
create index on voice.mails (system_id, id);
create index on voice.mails (system_id, due_at) where state = 'pending';
create index on voice.mails (created_at);
alter table voice.mails enable row level security;
create policy tenant on voice.mails to khmara_tenant using (kernel.visible(organisation_id)) with check (kernel.visible(organisation_id));
