-- Jobs: a command run to its end, as an array of tasks, each in a hidden instance of its own.

create table compute.jobs (
  id text primary key,
  organisation_id text not null,
  project_id text not null,
  name text not null,
  state text not null check (state in ('queued', 'running', 'cancelling', 'succeeded', 'failed', 'cancelled')),
  state_reason text,
  -- No foreign keys: images and sizes may go while the record of what was made from them stays.
  image_id text not null,
  image_name text not null,
  size_id text,
  size_name text not null,
  vcpus integer not null,
  memory_bytes bigint not null,
  disk_bytes bigint not null,
  command jsonb,
  script text,
  -- Sealed: people put passwords into it. Gone when the job is finished.
  environment bytea,
  environment_names text[] not null default '{}',
  input_bucket_id text,
  input_bucket_name text,
  input_prefix text,
  output_bucket_id text,
  output_bucket_name text,
  output_prefix text,
  array_size integer not null,
  parallel integer,
  priority integer not null,
  maximum_retries integer not null,
  timeout_seconds integer not null,
  network_ids text[] not null default '{}',
  labels jsonb not null default '{}',
  created_by jsonb not null,
  -- How many tasks are in which state: a job may have ten thousand, and lists show the counts.
  queued integer not null,
  starting integer not null default 0,
  running integer not null default 0,
  uploading integer not null default 0,
  succeeded integer not null default 0,
  failed integer not null default 0,
  cancelled integer not null default 0,
  timed_out integer not null default 0,
  -- Since when its next task has found no room, though it could have it: after a while others wait for it.
  crowded_out_since timestamptz,
  created_at timestamptz not null,
  started_at timestamptz,
  finished_at timestamptz,
  revision integer not null default 1,
  check (queued >= 0 and starting >= 0 and running >= 0 and uploading >= 0),
  check ((command is null) <> (script is null)),
  constraint jobs_project foreign key (organisation_id, project_id) references identity.projects (organisation_id, id)
);
create index on compute.jobs (project_id, id);
create index on compute.jobs (organisation_id);
create index on compute.jobs (priority) where queued > 0;
create index on compute.jobs (finished_at) where finished_at is not null;

create table compute.tasks (
  id text primary key,
  organisation_id text not null,
  project_id text not null,
  job_id text not null references compute.jobs on delete cascade,
  index integer not null,
  state text not null default 'queued'
    check (state in ('queued', 'starting', 'running', 'uploading', 'succeeded', 'failed', 'cancelled', 'timed_out')),
  state_reason text,
  attempt integer not null default 0,
  retries_used integer not null default 0,
  interruptions integer not null default 0,
  exit_code integer,
  log_bytes bigint not null default 0,
  log_truncated boolean not null default false,
  output_objects integer not null default 0,
  output_bytes bigint not null default 0,
  attempts jsonb not null default '[]',
  waits_until timestamptz,
  -- The hidden instance of the attempt that is at work, and the operation that makes it.
  instance_id text,
  operation_id text,
  cancel_requested boolean not null default false,
  -- Which process looks after it, and until when it may be held for alive.
  lease_owner text,
  lease_until timestamptz,
  created_at timestamptz not null,
  started_at timestamptz,
  running_at timestamptz,
  finished_at timestamptz,
  unique (job_id, index),
  check ((state in ('starting', 'running', 'uploading')) = (instance_id is not null))
);
create index on compute.tasks (organisation_id);
create index on compute.tasks (lease_until) where state in ('starting', 'running', 'uploading');
create index on compute.tasks (job_id, index) where state = 'queued';

-- What the commands wrote, in pieces of up to 64 KiB and a little.
create table compute.task_logs (
  task_id text not null references compute.tasks on delete cascade,
  attempt integer not null,
  byte_offset bigint not null,
  organisation_id text not null,
  content bytea not null,
  primary key (task_id, attempt, byte_offset)
);

-- What jobs may use of the engine; one row.
create table compute.job_settings (
  only_one boolean primary key default true check (only_one),
  vcpu_percent integer not null default 100,
  memory_percent integer not null default 80,
  -- As the scheduler saw the engine last.
  vcpus double precision,
  memory_bytes bigint,
  revision integer not null default 1
);
insert into compute.job_settings default values;

do $$
declare t text;
begin
  foreach t in array array['jobs', 'tasks', 'task_logs'] loop
    execute format('alter table compute.%I enable row level security', t);
    execute format('create policy tenant on compute.%I to khmara_tenant using (kernel.visible(organisation_id)) with check (kernel.visible(organisation_id))', t);
  end loop;
end $$;
