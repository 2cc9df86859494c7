import type { Tx } from "../../../../kernel/db/database.ts";

export interface Held {
  memoryBytes: number;
  cpus: number;
  since: Date;
}

export const usageStore = {
  /**
   * What containers of an app are wanted: of each process those of the release that has the most, as two releases are there at once only
   * while one takes over from the other.
   */
  async wanted(tx: Tx, appId: string): Promise<{ memoryBytes: number; cpus: number }> {
    const [row] = await tx.sql<{ memoryBytes: number; cpus: number }[]>`
      select coalesce(sum(memory), 0)::float8 as "memoryBytes", coalesce(sum(cpus), 0)::float8 as cpus from (
        select process, max(memory) as memory, max(cpus) as cpus from (
          select process, release_id, sum(memory_bytes) as memory, sum(cpus) as cpus from apps.containers
          where app_id = ${appId} and state <> 'draining' group by process, release_id
        ) by_release group by process
      ) by_process`;
    return row ?? { memoryBytes: 0, cpus: 0 };
  },

  async held(tx: Tx, appId: string): Promise<Held | undefined> {
    const [row] = await tx.sql<
      Held[]
    >`select memory_bytes as "memoryBytes", cpus, since from apps.held where app_id = ${appId} for update`;
    return row;
  },

  async setHeld(tx: Tx, app: { appId: string; organisationId: string }, held: Held | undefined): Promise<void> {
    if (!held) await tx.sql`delete from apps.held where app_id = ${app.appId}`;
    else
      await tx.sql`insert into apps.held (app_id, organisation_id, memory_bytes, cpus, since)
        values (${app.appId}, ${app.organisationId}, ${held.memoryBytes}, ${held.cpus}, ${held.since})
        on conflict (app_id) do update set memory_bytes = excluded.memory_bytes, cpus = excluded.cpus, since = excluded.since`;
  },

  /** One at a time for an app, whoever it is: containers are made, drained and counted. */
  async lock(tx: Tx, appId: string): Promise<void> {
    await tx.sql`select pg_advisory_xact_lock(hashtextextended(${`apps running ${appId}`}, 0))`;
  },
};
