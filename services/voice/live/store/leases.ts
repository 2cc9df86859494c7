import type { Tx } from "../../../../kernel/db/database.ts";

/** Which voice process serves which phone system: a row for each, which holds for some seconds and is renewed. */
export const leaseStore = {
  /** It is there, for those who share phone systems out; not while it drains. */
  async note(tx: Tx, processId: string, isThere: boolean): Promise<void> {
    if (isThere)
      await tx.sql`insert into voice.processes (id, seen_at) values (${processId}, now()) on conflict (id) do update set seen_at = now()`;
    else await tx.sql`delete from voice.processes where id = ${processId}`;
  },

  async processes(tx: Tx, heldSeconds: number): Promise<string[]> {
    const rows = await tx.sql<{ id: string }[]>`
      select id from voice.processes where seen_at > now() - make_interval(secs => ${heldSeconds}) order by id`;
    return rows.map(({ id }) => id);
  },

  /** All phone systems of the cloud, with who has them. */
  all: (tx: Tx): Promise<{ systemId: string; processId: string | null; isOver: boolean }[]> => tx.sql<
    { systemId: string; processId: string | null; isOver: boolean }[]
  >`select s.id as "systemId", v.process_id as "processId", coalesce(v.until < now(), true) as "isOver"
      from voice.systems s left join voice.served v on v.system_id = s.id`,

  /** Takes and renews; answers those that it has then. */
  async take(tx: Tx, processId: string, systemIds: string[], heldSeconds: number): Promise<string[]> {
    const rows = await tx.sql<{ systemId: string }[]>`
      insert into voice.served as v (system_id, organisation_id, process_id, until)
      select id, organisation_id, ${processId}, now() + make_interval(secs => ${heldSeconds}) from voice.systems
        where id = any(${systemIds}::text[]) order by id
      on conflict (system_id) do update set process_id = excluded.process_id, until = excluded.until
        where v.process_id = excluded.process_id or v.until < now()
      returning system_id as "systemId"`;
    return rows.map(({ systemId }) => systemId);
  },

  async release(tx: Tx, processId: string, systemIds?: string[]): Promise<void> {
    await tx.sql`delete from voice.served where process_id = ${processId}
      ${systemIds === undefined ? tx.sql`` : tx.sql`and system_id = any(${systemIds}::text[])`}`;
  },
};
