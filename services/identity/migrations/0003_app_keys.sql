-- Access keys that belong to something of the cloud, such as an app, instead of a person: for one bucket alone.
alter table identity.access_keys
  add column bucket_id text,
  add column holder_id text,
  -- For people: "app shop".
  add column holder_name text,
  drop constraint access_keys_check,
  add constraint access_keys_owner check (num_nonnulls(user_id, service_account_id, holder_id) = 1),
  add constraint access_keys_holder check (holder_id is null or (bucket_id is not null and holder_name is not null));
