import type { Tx } from "../../../kernel/db/database.ts";
import { emit } from "../../../kernel/events.ts";
import type { Id } from "../../../kernel/ids.ts";
import { closeUsageSpans, openUsageSpan } from "../../../kernel/metering/journal.ts";
import { raisePlanVersion } from "../systems/store.ts";
import type { ExtensionSettings, PhoneDevice } from "./contract.ts";
import { withExtensionDefaults } from "./defaults.ts";

export interface ExtensionRow {
  id: Id<"extension">;
  systemId: Id<"phoneSystem">;
  organisationId: Id<"organisation">;
  projectId: Id<"project">;
  number: string;
  name: string;
  userId: Id<"user"> | null;
  settings: ExtensionSettings;
  /** argon2id. */
  voicemailPin: string | null;
  hotDeskPin: string | null;
  createdAt: Date;
  revision: number;
  /** A device of it is. */
  isRegistered: boolean;
}

const columns = `e.id, e.system_id as "systemId", e.organisation_id as "organisationId", e.project_id as "projectId", e.number, e.name,
  e.user_id as "userId", e.settings, e.voicemail_pin as "voicemailPin", e.hot_desk_pin as "hotDeskPin", e.created_at as "createdAt", e.revision,
  exists (select 1 from voice.registrations r where r.extension_id = e.id and r.expires_at > now()) as "isRegistered"`;

/** Settings that were stored before a field was there have its default. */
const open = (row: ExtensionRow): ExtensionRow => ({ ...row, settings: withExtensionDefaults(row.settings) });

export const systemOf = (row: { systemId: string; organisationId: string; projectId: string }) => ({
  id: row.systemId as Id<"phoneSystem">,
  organisationId: row.organisationId as Id<"organisation">,
  projectId: row.projectId as Id<"project">,
});

async function announce(tx: Tx, row: ExtensionRow): Promise<void> {
  await raisePlanVersion(tx, systemOf(row));
  await emit(tx, {
    type: "voice.extension.changed",
    organisationId: row.organisationId,
    projectId: row.projectId,
    payload: { extensionId: row.id, phoneSystemId: row.systemId, number: row.number },
  });
}

export const extensionStore = {
  async find(tx: Tx, id: string): Promise<ExtensionRow | undefined> {
    const [row] = await tx.sql<ExtensionRow[]>`select ${tx.sql.unsafe(columns)} from voice.extensions e where e.id = ${id}`;
    return row && open(row);
  },

  /** By number. `search`: in number and name. */
  async page(
    tx: Tx,
    filter: { systemId: string; search?: string | undefined; after?: string | undefined; limit: number },
  ): Promise<ExtensionRow[]> {
    const pattern = filter.search === undefined ? undefined : `%${filter.search.replace(/[\\%_]/g, "\\$&")}%`;
    const rows = await tx.sql<
      ExtensionRow[]
    >`select ${tx.sql.unsafe(columns)} from voice.extensions e where e.system_id = ${filter.systemId}
      ${pattern === undefined ? tx.sql`` : tx.sql`and (e.number like ${pattern} or e.name ilike ${pattern})`}
      ${filter.after === undefined ? tx.sql`` : tx.sql`and e.number > ${filter.after}`} order by e.number limit ${filter.limit}`;
    return rows.map(open);
  },

  /** All of a phone system, for its plan. */
  async all(tx: Tx, systemId: string): Promise<ExtensionRow[]> {
    const rows = await tx.sql<ExtensionRow[]>`
      select ${tx.sql.unsafe(columns)} from voice.extensions e where e.system_id = ${systemId} order by e.number`;
    return rows.map(open);
  },

  /** Those of a person, over all phone systems that the transaction may see. */
  async ofUser(tx: Tx, userId: string): Promise<ExtensionRow[]> {
    const rows = await tx.sql<ExtensionRow[]>`
      select ${tx.sql.unsafe(columns)} from voice.extensions e where e.user_id = ${userId} order by e.id`;
    return rows.map(open);
  },

  async numbers(tx: Tx, systemId: string): Promise<string[]> {
    const rows = await tx.sql<{ number: string }[]>`select number from voice.extensions where system_id = ${systemId}`;
    return rows.map(({ number }) => number);
  },

  /** False when the phone system has one of this number. */
  async insert(tx: Tx, row: ExtensionRow): Promise<boolean> {
    const rows = await tx.sql`
      insert into voice.extensions (id, system_id, organisation_id, project_id, number, name, user_id, settings, voicemail_pin, hot_desk_pin, created_at)
      values (${row.id}, ${row.systemId}, ${row.organisationId}, ${row.projectId}, ${row.number}, ${row.name}, ${row.userId},
        ${tx.sql.json(row.settings as never)}, ${row.voicemailPin}, ${row.hotDeskPin}, ${row.createdAt})
      on conflict (system_id, number) do nothing returning id`;
    if (rows.length === 0) return false;
    await openUsageSpan(tx, {
      id: row.id.replace(/^[a-z]+/, "use"),
      organisationId: row.organisationId,
      projectId: row.projectId,
      service: "voice",
      meter: "voice.extensions",
      unit: "extension",
      resource: { kind: "extension", id: row.id, name: row.number },
      from: row.createdAt,
      rate: 1,
    });
    await announce(tx, row);
    return true;
  },

  /** Also for the voice process, when a feature code changes what a person has set. Answers it with its new revision. */
  async update(tx: Tx, row: ExtensionRow): Promise<ExtensionRow> {
    await tx.sql`update voice.extensions set number = ${row.number}, name = ${row.name}, user_id = ${row.userId},
      settings = ${tx.sql.json(row.settings as never)}, voicemail_pin = ${row.voicemailPin}, hot_desk_pin = ${row.hotDeskPin},
      revision = revision + 1 where id = ${row.id}`;
    await announce(tx, row);
    return { ...row, revision: row.revision + 1 };
  },

  async delete(tx: Tx, row: ExtensionRow): Promise<void> {
    await tx.sql`delete from voice.extensions where id = ${row.id}`;
    await closeUsageSpans(tx, row.id, new Date());
    await announce(tx, row);
  },

  async numberIsTaken(tx: Tx, systemId: string, number: string, except: string): Promise<boolean> {
    return (
      (await tx.sql`select 1 from voice.extensions where system_id = ${systemId} and number = ${number} and id <> ${except}`)
        .length > 0
    );
  },
};

export interface DeviceRow {
  id: Id<"phoneDevice">;
  extensionId: Id<"extension">;
  systemId: Id<"phoneSystem">;
  organisationId: Id<"organisation">;
  projectId: Id<"project">;
  kind: PhoneDevice["kind"];
  label: string;
  maker: PhoneDevice["maker"];
  /** Twelve small hex digits. */
  macAddress: string | null;
  userName: string;
  /** Sealed. */
  password: Uint8Array;
  enabled: boolean;
  /** Who has signed in there (hot desking). */
  guestExtensionId: Id<"extension"> | null;
  /** SHA-256. */
  provisioningToken: string | null;
  provisioningAt: Date | null;
  /** The token itself, sealed; null also where it was made before it was kept. */
  provisioningSecret: Uint8Array | null;
  /** Until when the address of the site gives out its configuration. */
  awaitedUntil: Date | null;
  lampKeys: Id<"extension">[];
  lastRegisteredAt: Date | null;
  lastAddress: string | null;
  lastUserAgent: string | null;
  createdAt: Date;
  revision: number;
  isRegistered: boolean;
}

const deviceColumns = `d.id, d.extension_id as "extensionId", d.system_id as "systemId", d.organisation_id as "organisationId",
  d.project_id as "projectId", d.kind, d.label, d.maker, d.mac_address as "macAddress", d.user_name as "userName", d.password, d.enabled,
  d.guest_extension_id as "guestExtensionId", d.provisioning_token as "provisioningToken", d.provisioning_at as "provisioningAt",
  d.provisioning_secret as "provisioningSecret", d.awaited_until as "awaitedUntil", d.lamp_keys as "lampKeys", d.last_registered_at as "lastRegisteredAt",
  d.last_address as "lastAddress", d.last_user_agent as "lastUserAgent", d.created_at as "createdAt", d.revision,
  exists (select 1 from voice.registrations r where r.device_id = d.id and r.expires_at > now()) as "isRegistered"`;

async function announceDevice(tx: Tx, row: DeviceRow): Promise<void> {
  await raisePlanVersion(tx, systemOf(row));
  await emit(tx, {
    type: "voice.phone_device.changed",
    organisationId: row.organisationId,
    projectId: row.projectId,
    payload: { phoneDeviceId: row.id, extensionId: row.extensionId },
  });
}

export const deviceStore = {
  async find(tx: Tx, id: string): Promise<DeviceRow | undefined> {
    const [row] = await tx.sql<DeviceRow[]>`select ${tx.sql.unsafe(deviceColumns)} from voice.devices d where d.id = ${id}`;
    return row;
  },

  page: (tx: Tx, extensionId: string, after: string | undefined, limit: number): Promise<DeviceRow[]> => tx.sql<DeviceRow[]>`
    select ${tx.sql.unsafe(deviceColumns)} from voice.devices d where d.extension_id = ${extensionId}
      ${after === undefined ? tx.sql`` : tx.sql`and d.id > ${after}`} order by d.id limit ${limit}`,

  /** All of a phone system, for its plan. */
  all: (tx: Tx, systemId: string): Promise<DeviceRow[]> => tx.sql<DeviceRow[]>`
    select ${tx.sql.unsafe(deviceColumns)} from voice.devices d where d.system_id = ${systemId} order by d.id`,

  async browserOf(tx: Tx, extensionId: string): Promise<DeviceRow | undefined> {
    const [row] = await tx.sql<DeviceRow[]>`
      select ${tx.sql.unsafe(deviceColumns)} from voice.devices d where d.extension_id = ${extensionId} and d.kind = 'browser'`;
    return row;
  },

  async ofProvisioningToken(tx: Tx, hash: string): Promise<DeviceRow | undefined> {
    const [row] = await tx.sql<DeviceRow[]>`
      select ${tx.sql.unsafe(deviceColumns)} from voice.devices d where d.provisioning_token = ${hash}`;
    return row;
  },

  /** False when the phone system has one of this MAC address. */
  async insert(tx: Tx, row: DeviceRow): Promise<boolean> {
    const rows = await tx.sql`
      insert into voice.devices (id, extension_id, system_id, organisation_id, project_id, kind, label, maker, mac_address, user_name, password, lamp_keys, created_at)
      values (${row.id}, ${row.extensionId}, ${row.systemId}, ${row.organisationId}, ${row.projectId}, ${row.kind}, ${row.label}, ${row.maker},
        ${row.macAddress}, ${row.userName}, ${row.password}, ${row.lampKeys}, ${row.createdAt})
      on conflict do nothing returning id`;
    if (rows.length > 0) await announceDevice(tx, row);
    return rows.length > 0;
  },

  async macIsTaken(tx: Tx, systemId: string, macAddress: string, except: string): Promise<boolean> {
    return (
      (
        await tx.sql`select 1 from voice.devices where system_id = ${systemId} and mac_address = ${macAddress} and id <> ${except}`
      ).length > 0
    );
  },

  async update(tx: Tx, row: DeviceRow): Promise<DeviceRow> {
    await tx.sql`update voice.devices set label = ${row.label}, maker = ${row.maker}, mac_address = ${row.macAddress}, password = ${row.password},
      enabled = ${row.enabled}, provisioning_token = ${row.provisioningToken}, provisioning_at = ${row.provisioningAt},
      provisioning_secret = ${row.provisioningSecret}, awaited_until = ${row.awaitedUntil}, lamp_keys = ${row.lampKeys}, revision = revision + 1
      where id = ${row.id}`;
    await announceDevice(tx, row);
    return { ...row, revision: row.revision + 1 };
  },

  /** It is the phone of that extension now (hot desking), which has no other such; null: its owner's again. */
  async setGuest(tx: Tx, row: DeviceRow, extensionId: string | null): Promise<void> {
    await tx.sql`update voice.devices set guest_extension_id = null where guest_extension_id = ${extensionId} and id <> ${row.id}`;
    await tx.sql`update voice.devices set guest_extension_id = ${extensionId} where id = ${row.id}`;
    await announceDevice(tx, row);
  },

  /** For the voice process: what is noted of a registration is no change of the plan. */
  async noteRegistered(tx: Tx, id: string, seen: { at: Date; address: string; userAgent: string | undefined }): Promise<void> {
    await tx.sql`update voice.devices set last_registered_at = ${seen.at}, last_address = ${seen.address},
      last_user_agent = ${seen.userAgent?.slice(0, 200) ?? null} where id = ${id}`;
  },

  async delete(tx: Tx, row: DeviceRow): Promise<void> {
    await tx.sql`delete from voice.devices where id = ${row.id}`;
    await announceDevice(tx, row);
  },
};

/** What somebody who registers or calls proves to know. */
export interface SipCredential {
  systemId: string;
  extensionId: string;
  deviceId: string;
  kind: PhoneDevice["kind"];
  userName: string;
  /** Sealed; see `ha1Of` in credentials.ts. */
  password: Uint8Array;
  enabled: boolean;
  /** Of a browser: registrations end then at the latest. */
  expiresAt: Date | null;
}

export const credentialStore = {
  /** For the voice process: of a device, or of a browser that is not over. */
  async find(tx: Tx, systemId: string, userName: string): Promise<SipCredential | undefined> {
    const [row] = await tx.sql<SipCredential[]>`
      select d.system_id as "systemId", d.extension_id as "extensionId", d.id as "deviceId", d.kind, d.user_name as "userName", d.password, d.enabled,
        null::timestamptz as "expiresAt" from voice.devices d
        where d.system_id = ${systemId} and d.user_name = ${userName} and d.kind <> 'browser'
      union all
      select d.system_id, d.extension_id, d.id, d.kind, c.user_name, c.password, d.enabled, c.expires_at
        from voice.softphone_credentials c join voice.devices d on d.id = c.device_id
        where c.user_name = ${userName} and d.system_id = ${systemId} and c.expires_at > now()`;
    return row;
  },

  async insert(
    tx: Tx,
    device: DeviceRow,
    credential: { userName: string; password: Uint8Array; createdAt: Date; expiresAt: Date },
  ): Promise<void> {
    await tx.sql`insert into voice.softphone_credentials (user_name, device_id, organisation_id, project_id, password, created_at, expires_at)
      values (${credential.userName}, ${device.id}, ${device.organisationId}, ${device.projectId}, ${credential.password}, ${credential.createdAt},
        ${credential.expiresAt})`;
  },

  /** All but the newest so many of a device: a person has a few browsers, not hundreds. */
  async trim(tx: Tx, deviceId: string, keep: number): Promise<void> {
    await tx.sql`delete from voice.softphone_credentials where device_id = ${deviceId} and user_name not in
      (select user_name from voice.softphone_credentials where device_id = ${deviceId} order by created_at desc limit ${keep})`;
  },

  async forgetOver(tx: Tx): Promise<void> {
    await tx.sql`delete from voice.softphone_credentials where expires_at < now()`;
  },
};
