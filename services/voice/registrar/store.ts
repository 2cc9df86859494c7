import type { Sql, Tx } from "../../../kernel/db/database.ts";

/** A device at an address. */
export interface Location {
  id: string;
  organisationId: string;
  systemId: string;
  extensionId: string;
  deviceId: string;
  /** What a later REGISTER replaces: instance and reg-id (RFC 5626), or the contact's address. */
  binding: string;
  userName: string;
  /** The URI. */
  contact: string;
  transport: string;
  flow: string;
  address: string;
  port: number;
  path: string[];
  userAgent: string | null;
  callId: string;
  cseq: number;
  registeredAt: Date;
  expiresAt: Date;
}

/** As whom a phone may register, and with what. */
export interface AccountRow {
  systemId: string;
  organisationId: string;
  projectId: string;
  domain: string;
  extensionId: string;
  deviceId: string;
  userName: string;
  planVersion: number;
  /** Sealed. */
  password: Buffer;
  /** Of a browser, which has a password for some hours. */
  expiresAt: Date | null;
}

const columns = `id, organisation_id as "organisationId", system_id as "systemId", extension_id as "extensionId", device_id as "deviceId", binding,
  user_name as "userName", contact, transport, flow, address, port, path, user_agent as "userAgent", call_id as "callId", cseq,
  registered_at as "registeredAt", expires_at as "expiresAt"`;

export const registrarStore = {
  /** Devices that are enabled, and browsers' credentials that hold still. Without a domain, of any system. */
  accounts: (sql: Sql, userName: string, domain: string | undefined): Promise<AccountRow[]> => sql<AccountRow[]>`
    select s.id as "systemId", s.organisation_id as "organisationId", s.project_id as "projectId", s.domain, coalesce(d.guest_extension_id, d.extension_id) as "extensionId",
      d.id as "deviceId", a.user_name as "userName", a.password, a.expires_at as "expiresAt",
      s.plan_version::int as "planVersion"
    from (
      select id as device_id, user_name, password, null::timestamptz as expires_at from voice.devices where user_name = ${userName} and kind <> 'browser'
      union all
      select device_id, user_name, password, expires_at from voice.softphone_credentials where user_name = ${userName} and expires_at > now()) a
    join voice.devices d on d.id = a.device_id join voice.systems s on s.id = d.system_id
    where d.enabled ${domain === undefined ? sql`` : sql`and s.domain = ${domain}`} limit 2`,

  /** Of a phone system: what came by UDP can be called from anywhere, a connection only by whoever has it. */
  ofSystem: (tx: Tx, systemId: string, processId: string): Promise<Location[]> => tx.sql<Location[]>`
    select ${tx.sql.unsafe(columns)} from voice.registrations
    where system_id = ${systemId} and expires_at > now() and (transport = 'udp' or process_id = ${processId})`,

  async put(tx: Tx, row: Location, processId: string): Promise<void> {
    await tx.sql`
      insert into voice.registrations (id, organisation_id, system_id, extension_id, device_id, binding, user_name, contact, transport, flow, address,
        port, path, user_agent, call_id, cseq, process_id, registered_at, expires_at)
      values (${row.id}, ${row.organisationId}, ${row.systemId}, ${row.extensionId}, ${row.deviceId}, ${row.binding}, ${row.userName}, ${row.contact},
        ${row.transport}, ${row.flow}, ${row.address}, ${row.port}, ${row.path}, ${row.userAgent}, ${row.callId}, ${row.cseq}, ${processId}, ${row.registeredAt},
        ${row.expiresAt})
      on conflict (device_id, binding) do update set id = excluded.id, user_name = excluded.user_name, contact = excluded.contact,
        transport = excluded.transport, flow = excluded.flow, address = excluded.address, port = excluded.port, path = excluded.path,
        user_agent = excluded.user_agent, call_id = excluded.call_id, cseq = excluded.cseq, process_id = excluded.process_id, registered_at = excluded.registered_at,
        expires_at = excluded.expires_at`;
    await tx.sql`update voice.devices set last_registered_at = ${row.registeredAt}, last_address = ${row.address}, last_user_agent = ${row.userAgent}
      where id = ${row.deviceId}`;
  },

  async reassign(tx: Tx, id: string, extensionId: string): Promise<void> {
    await tx.sql`update voice.registrations set extension_id = ${extensionId} where id = ${id}`;
  },

  async remove(tx: Tx, ids: string[]): Promise<void> {
    if (ids.length > 0) await tx.sql`delete from voice.registrations where id = any(${ids})`;
  },

  /** Connections ended with the process that had them, and what is over is over. */
  async forget(tx: Tx, processId: string): Promise<void> {
    await tx.sql`delete from voice.registrations where (transport <> 'udp' and process_id = ${processId}) or expires_at < now()`;
  },
};
