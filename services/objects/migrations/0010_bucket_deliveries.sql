-- Of which bucket and object a call told, and what was answered: for whoever looks at the bucket.
alter table objects.webhook_deliveries add column bucket_id text, add column key text, add column status integer;
create index on objects.webhook_deliveries (bucket_id, id desc);
