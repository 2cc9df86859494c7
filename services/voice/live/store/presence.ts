import type { Tx } from "../../../../kernel/db/database.ts";
import type { ExtensionPresence, QueueLive } from "../contract.ts";
import { activeCallStore } from "./activeCalls.ts";
import { commandStore } from "./commands.ts";

/** What the registrar's and the records' tables say of who is there, and how a queue's day went. */
export const presenceStore = {
  /** How many devices of each of these extensions are registered; those without any are left out. */
  async registeredDevices(tx: Tx, extensionIds: string[]): Promise<Map<string, number>> {
    if (extensionIds.length === 0) return new Map();
    const rows = await tx.sql<{ extensionId: string; devices: number }[]>`
      select extension_id as "extensionId", count(distinct device_id)::int as devices from voice.registrations
      where extension_id = any(${extensionIds}) and expires_at > now() group by extension_id`;
    return new Map(rows.map(({ extensionId, devices }) => [extensionId, devices]));
  },

  /** Whether each of these extensions of a phone system can be reached now, and on how many devices. */
  async of(
    tx: Tx,
    systemId: string,
    extensions: readonly { id: string; doNotDisturb: boolean }[],
  ): Promise<Map<string, Pick<ExtensionPresence, "presence" | "registeredDevices">>> {
    const ids = extensions.map(({ id }) => id);
    const [busy, devices] = await Promise.all([activeCallStore.busy(tx, systemId), presenceStore.registeredDevices(tx, ids)]);
    return new Map(
      extensions.map(({ id, doNotDisturb }) => {
        const registeredDevices = devices.get(id) ?? 0;
        const reached = busy.get(id) ?? (doNotDisturb ? "do_not_disturb" : "available");
        return [id, { presence: registeredDevices === 0 ? "offline" : reached, registeredDevices }];
      }),
    );
  },

  /** Those agents of a queue whose phones can be reached. */
  async registeredOfQueue(tx: Tx, queueId: string): Promise<Set<string>> {
    const rows = await tx.sql<{ extensionId: string }[]>`
      select distinct r.extension_id as "extensionId" from voice.registrations r
      where r.expires_at > now() and r.extension_id in (
        select a->>'extension' from voice.elements e cross join jsonb_array_elements(e.settings->'agents') a where e.id = ${queueId})`;
    return new Set(rows.map(({ extensionId }) => extensionId));
  },

  /** Since midnight in the phone system's time zone. */
  async queueToday(tx: Tx, systemId: string, queueId: string, timeZone: string): Promise<QueueLive["today"]> {
    const [row] = await tx.sql<QueueLive["today"][]>`
      select (count(*) filter (where outcome <> 'callback'))::int as offered,
        count(*) filter (where outcome = 'answered')::int as answered,
        count(*) filter (where outcome = 'abandoned')::int as abandoned,
        count(*) filter (where outcome = 'answered' and wait_seconds <= coalesce(service_level_seconds, 0))::int as "inTime",
        coalesce(avg(wait_seconds) filter (where outcome <> 'callback'), 0)::float8 as "averageWaitSeconds"
      from voice.calls where system_id = ${systemId} and queue_id = ${queueId}
        and started_at >= date_trunc('day', now() at time zone ${timeZone}) at time zone ${timeZone}`;
    return row as QueueLive["today"];
  },

  forgetCommands: (tx: Tx): Promise<void> => commandStore.forget(tx, 3600),
};
