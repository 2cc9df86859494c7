-- One address for all phones of a site: whoever asks there has to be awaited.
alter table voice.systems
  -- SHA-256.
  add column site_token text,
  add constraint systems_site unique (site_token);

alter table voice.devices
  -- The address of its configuration, sealed: its first configuration tells it to the phone.
  add column provisioning_secret bytea,
  -- Until when the address of the site gives out its configuration.
  add column awaited_until timestamptz,
  -- Extensions whose lamps its keys have, in their order.
  add column lamp_keys text[] not null default '{}';
