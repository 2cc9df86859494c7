-- Which capabilities containers keep, and as whom they run.

-- A person's word; null: as the source or the image says.
alter table apps.apps add column capabilities text[], add column run_user text;

alter table apps.releases
  add column capabilities text[] not null default '{}',
  -- null: as the image says.
  add column run_user text,
  -- {capabilities, user} of the source, without a person's word: what holds again when that is taken back.
  add column asked jsonb not null default '{"capabilities": []}';
