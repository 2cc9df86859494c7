-- What became of calls: their records, voicemails, greetings and recordings. Nothing here refers to extensions, trunks or queues by a foreign key, but for what
-- goes with its extension: records outlive what they tell of.
create table voice.calls (
  id text primary key,
  organisation_id text not null,
  project_id text not null,
  system_id text not null references voice.systems on delete cascade,
  direction text not null check (direction in ('internal', 'inbound', 'outbound')),
  outcome text not null,
  from_number text not null,
  from_name text,
  to_number text not null,
  to_name text,
  extension_ids text[] not null,
  trunk_id text,
  phone_number_id text,
  queue_id text,
  -- Of the queue when the call was in it.
  service_level_seconds integer,
  country text,
  started_at timestamptz not null,
  answered_at timestamptz,
  ended_at timestamptz not null,
  wait_seconds double precision not null,
  talk_seconds double precision not null,
  cause integer,
  reason text,
  hung_up_by text check (hung_up_by in ('caller', 'called', 'system')),
  cost numeric,
  price numeric,
  currency text,
  quality jsonb,
  legs jsonb not null,
  constraint calls_project foreign key (organisation_id, project_id) references identity.projects (organisation_id, id)
);
create index on voice.calls (organisation_id);
create index on voice.calls (system_id, id);
create index on voice.calls (system_id, started_at);
create index on voice.calls using gin (extension_ids);

create table voice.voicemails (
  id text primary key,
  organisation_id text not null,
  project_id text not null,
  system_id text not null references voice.systems on delete cascade,
  extension_id text not null references voice.extensions on delete cascade,
  audio_id text not null,
  folder text not null check (folder in ('new', 'saved', 'deleted')),
  heard boolean not null,
  from_number text not null,
  from_name text,
  forwarded_by text,
  note text,
  call_id text,
  size_bytes bigint not null,
  milliseconds bigint not null,
  created_at timestamptz not null,
  deleted_at timestamptz,
  constraint voicemails_project foreign key (organisation_id, project_id) references identity.projects (organisation_id, id)
);
create index on voice.voicemails (organisation_id);
create index on voice.voicemails (system_id, id);
create index on voice.voicemails (extension_id, id);
create index on voice.voicemails (deleted_at) where deleted_at is not null;

create table voice.greetings (
  extension_id text not null references voice.extensions on delete cascade,
  kind text not null check (kind in ('unavailable', 'busy', 'name')),
  organisation_id text not null,
  project_id text not null,
  system_id text not null references voice.systems on delete cascade,
  audio_id text not null,
  size_bytes bigint not null,
  milliseconds bigint not null,
  created_at timestamptz not null,
  primary key (extension_id, kind)
);
create index on voice.greetings (organisation_id);
create index on voice.greetings (system_id);

create table voice.recordings (
  id text primary key,
  organisation_id text not null,
  project_id text not null,
  system_id text not null references voice.systems on delete cascade,
  call_id text,
  extension_ids text[] not null,
  from_number text not null,
  to_number text not null,
  audio_id text not null,
  size_bytes bigint not null,
  milliseconds bigint not null,
  sha256 text not null,
  legal_hold boolean not null default false,
  created_at timestamptz not null,
  constraint recordings_project foreign key (organisation_id, project_id) references identity.projects (organisation_id, id)
);
create index on voice.recordings (organisation_id);
create index on voice.recordings (system_id, id);
create index on voice.recordings (call_id);
create index on voice.recordings using gin (extension_ids);

-- Recorded words that are said in place of the ones that are shipped.
create table voice.own_prompts (
  system_id text not null references voice.systems on delete cascade,
  language text not null check (language in ('en', 'fr', 'uk')),
  prompt text collate "C" not null,
  organisation_id text not null,
  project_id text not null,
  audio_id text not null,
  file_name text not null,
  size_bytes bigint not null,
  milliseconds bigint not null,
  created_at timestamptz not null,
  primary key (system_id, language, prompt)
);
create index on voice.own_prompts (organisation_id);

do $$
declare t text;
begin
  foreach t in array array['calls', 'voicemails', 'greetings', 'recordings', 'own_prompts'] loop
    execute format('alter table voice.%I enable row level security', t);
    execute format('create policy tenant on voice.%I to khmara_tenant using (kernel.visible(organisation_id)) with check (kernel.visible(organisation_id))', t);
  end loop;
end $$;
