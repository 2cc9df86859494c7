-- Networks inside of which calls to the outside (webhooks, mail servers) may go all the same.
create table kernel.outbound_settings (
  only_one boolean primary key default true check (only_one),
  allowed_networks text[] not null default '{}',
  revision integer not null default 1
);
insert into kernel.outbound_settings default values;
