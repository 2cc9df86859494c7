-- Past one machine: the node that a container is on, as the engine tells. Absent while there is one machine.
alter table apps.containers add column node text;
-- Whether its node is to be empty: another one takes its place, and then it goes.
alter table apps.containers add column leaving boolean not null default false;

-- Who vouches for nodes' engines and for us before them: one row, made with the first invitation. The key is sealed.
create table apps.node_authority (
  only_one boolean primary key default true check (only_one),
  certificate text not null,
  key bytea not null,
  created_at timestamptz not null default now()
);
alter table apps.node_authority enable row level security;
