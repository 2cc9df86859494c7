-- The page of one thing shows what was done with it.
create index on kernel.operations (resource_id, created_at desc);
