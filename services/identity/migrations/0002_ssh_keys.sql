-- Public keys that people push code with. A key is one person's in the whole cloud: it alone says who comes. Of people, so without
-- row-level security, as users and passkeys are.
create table identity.ssh_keys (
  id text primary key,
  user_id text not null references identity.users on delete cascade,
  name text not null,
  type text not null,
  -- SHA256:… of the key itself.
  fingerprint text not null constraint ssh_keys_fingerprint unique,
  -- `type base64`, without a comment.
  public_key text not null,
  last_used_at timestamptz,
  created_at timestamptz not null
);
create index on identity.ssh_keys (user_id, id);
