import type { Tx } from "../../../../kernel/db/database.ts";
import type { Setting } from "../contract.ts";

export interface SettingRow {
  appId: string;
  name: string;
  organisationId: string;
  /** Sealed. */
  value: Uint8Array | null;
  isSecret: boolean;
  origin: Setting["origin"];
  inManifest: boolean;
  defaultValue: string | null;
  required: boolean;
  description: string | null;
  updatedAt: Date | null;
}

const columns = `s.app_id as "appId", s.name, s.organisation_id as "organisationId", s.value, s.is_secret as "isSecret", s.origin, s.in_manifest as "inManifest",
  s.default_value as "defaultValue", s.required, s.description, s.updated_at as "updatedAt"`;

export const settingStore = {
  /** By name. */
  list: (tx: Tx, appId: string, page: { after?: string | undefined; limit?: number } = {}): Promise<SettingRow[]> =>
    tx.sql<SettingRow[]>`
    select ${tx.sql.unsafe(columns)} from apps.settings s where s.app_id = ${appId}
      ${page.after === undefined ? tx.sql`` : tx.sql`and s.name > ${page.after}`}
    order by s.name ${page.limit === undefined ? tx.sql`` : tx.sql`limit ${page.limit}`}`,

  async put(tx: Tx, row: SettingRow): Promise<void> {
    await tx.sql`
      insert into apps.settings (app_id, name, organisation_id, value, is_secret, origin, in_manifest, default_value, required, description, updated_at)
      values (${row.appId}, ${row.name}, ${row.organisationId}, ${row.value === null ? null : Buffer.from(row.value)}, ${row.isSecret}, ${row.origin},
        ${row.inManifest}, ${row.defaultValue}, ${row.required}, ${row.description}, ${row.updatedAt})
      on conflict (app_id, name) do update set value = excluded.value, is_secret = excluded.is_secret, origin = excluded.origin,
        in_manifest = excluded.in_manifest, default_value = excluded.default_value, required = excluded.required,
        description = excluded.description, updated_at = excluded.updated_at`;
  },

  async delete(tx: Tx, appId: string, name: string): Promise<void> {
    await tx.sql`delete from apps.settings where app_id = ${appId} and name = ${name}`;
  },
};
