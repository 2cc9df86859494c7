-- Chat between two extensions of a phone system.
create table voice.conversations (
  id text primary key,
  organisation_id text not null,
  project_id text not null,
  system_id text not null references voice.systems on delete cascade,
  -- The smaller id first: one conversation for two.
  first_id text not null references voice.extensions on delete cascade,
  second_id text not null references voice.extensions on delete cascade,
  last_message_id text not null,
  constraint conversations_two unique (first_id, second_id),
  check (first_id < second_id)
);
create index on voice.conversations (organisation_id);
create index on voice.conversations (system_id);
create index on voice.conversations (first_id, last_message_id);
create index on voice.conversations (second_id, last_message_id);

create table voice.messages (
  id text primary key,
  organisation_id text not null,
  project_id text not null,
  conversation_id text not null references voice.conversations on delete cascade,
  from_id text not null,
  to_id text not null,
  text text not null,
  created_at timestamptz not null,
  delivered_at timestamptz,
  read_at timestamptz
);
create index on voice.messages (organisation_id);
create index on voice.messages (conversation_id, id);
create index on voice.messages (to_id, id) where delivered_at is null;
create index on voice.messages (to_id, conversation_id) where read_at is null;

do $$
declare t text;
begin
  foreach t in array array['conversations', 'messages'] loop
    execute format('alter table voice.%I enable row level security', t);
    execute format('create policy tenant on voice.%I to khmara_tenant using (kernel.visible(organisation_id)) with check (kernel.visible(organisation_id))', t);
  end loop;
end $$;
