-- Where calls can go beside extensions. One table for all kinds: they are read whole with the plan of their phone system, and what is in their settings is
-- described by their contract (services/voice/elements/shapes).
create table voice.elements (
  id text primary key,
  organisation_id text not null,
  project_id text not null,
  system_id text not null references voice.systems on delete cascade,
  kind text not null,
  name text not null,
  number text collate "C",
  settings jsonb not null,
  -- PINs.
  sealed bytea,
  created_at timestamptz not null,
  revision integer not null default 1,
  constraint elements_project foreign key (organisation_id, project_id) references identity.projects (organisation_id, id),
  constraint elements_number unique (system_id, number)
);
create index on voice.elements (organisation_id);
create index on voice.elements (system_id, kind, lower(name), id);

-- How agents stand to their queues; no row: logged out. Who is an agent is in the queue's settings.
create table voice.queue_agents (
  queue_id text not null references voice.elements on delete cascade,
  extension_id text not null references voice.extensions on delete cascade,
  organisation_id text not null,
  system_id text not null,
  logged_in boolean not null,
  paused boolean not null,
  pause_reason text,
  changed_at timestamptz not null,
  primary key (queue_id, extension_id)
);
create index on voice.queue_agents (organisation_id);
create index on voice.queue_agents (system_id);
create index on voice.queue_agents (extension_id);

-- Sound: announcements, greetings, voicemails and recordings. In the database and not in a bucket, as it is nobody's but its owner's, and as it is written and
-- metered in the transaction of the call that it is of; in pieces, so that neither writing nor listening holds all of it.
create table voice.audio (
  id text primary key,
  organisation_id text not null,
  project_id text not null,
  system_id text not null references voice.systems on delete cascade,
  -- What it is the sound of.
  owner_id text not null,
  content_type text not null,
  size_bytes bigint not null,
  milliseconds bigint not null,
  sha256 text not null,
  created_at timestamptz not null
);
create index on voice.audio (organisation_id);
create index on voice.audio (system_id);
create index on voice.audio (owner_id);
create table voice.audio_pieces (
  audio_id text not null references voice.audio on delete cascade,
  -- From 0; each but the last has 256 KiB.
  number integer not null,
  organisation_id text not null,
  bytes bytea not null,
  primary key (audio_id, number)
);
-- It does not get smaller by compression; without it a piece is read without unpacking.
alter table voice.audio_pieces alter column bytes set storage external;

do $$
declare t text;
begin
  foreach t in array array['elements', 'queue_agents', 'audio', 'audio_pieces'] loop
    execute format('alter table voice.%I enable row level security', t);
    execute format('create policy tenant on voice.%I to khmara_tenant using (kernel.visible(organisation_id)) with check (kernel.visible(organisation_id))', t);
  end loop;
end $$;
