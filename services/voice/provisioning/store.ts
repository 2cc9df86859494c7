import type { Tx } from "../../../kernel/db/database.ts";
import { type DeviceRow, deviceStore } from "../extensions/store.ts";

/** The address of all phones of a site, and who is awaited there. None of it is in the plan of calls. */
export const siteStore = {
  async set(tx: Tx, systemId: string, tokenHash: string | null): Promise<void> {
    await tx.sql`update voice.systems set site_token = ${tokenHash} where id = ${systemId}`;
  },

  async awaited(tx: Tx, tokenHash: string, macAddress: string): Promise<DeviceRow | undefined> {
    const [row] = await tx.sql<{ id: string }[]>`
      select d.id from voice.devices d join voice.systems s on s.id = d.system_id
      where s.site_token = ${tokenHash} and d.mac_address = ${macAddress} and d.awaited_until > now()`;
    return row && deviceStore.find(tx, row.id);
  },

  async await(tx: Tx, deviceId: string, until: Date): Promise<void> {
    await tx.sql`update voice.devices set awaited_until = ${until} where id = ${deviceId}`;
  },

  async awaitNoLongerThan(tx: Tx, deviceId: string, until: Date): Promise<void> {
    await tx.sql`update voice.devices set awaited_until = least(awaited_until, ${until}) where id = ${deviceId}`;
  },
};
