import type { Tx } from "../../../../kernel/db/database.ts";
import type { EngineFigures } from "../../media/engine.ts";

/** A lease, and a process that says nothing, hold for so long. */
export const heldSeconds = 15;

/** What a voice process tells of itself. */
export interface ProcessReport {
  /** Where browsers reach it without the control plane between. */
  webSocketUrl: string | null;
  calls: number;
  engine: EngineFigures;
}

export interface ProcessRow extends ProcessReport {
  id: string;
  seenAt: Date;
  isSilent: boolean;
  systems: number;
}

/** Which voice process serves which phone system: a row for each, which holds for some seconds and is renewed. */
export const leaseStore = {
  /** It is there, for those who share phone systems out; not while it drains. */
  async note(tx: Tx, processId: string, { webSocketUrl, calls, engine }: ProcessReport): Promise<void> {
    await tx.sql`insert into voice.processes (id, seen_at, web_socket_url, calls, engine)
      values (${processId}, now(), ${webSocketUrl}, ${calls}, ${tx.sql.json(engine as never)})
      on conflict (id) do update set seen_at = now(), web_socket_url = excluded.web_socket_url, calls = excluded.calls,
        engine = excluded.engine`;
    // One that was taken away for good.
    await tx.sql`delete from voice.processes where seen_at < now() - interval '1 day'`;
  },

  async leave(tx: Tx, processId: string): Promise<void> {
    await tx.sql`delete from voice.processes where id = ${processId}`;
  },

  /** By their names. `after` is the last that was seen before. */
  page: (tx: Tx, { after, limit }: { after: string; limit: number }): Promise<ProcessRow[]> =>
    tx.sql<ProcessRow[]>`
      select id, seen_at as "seenAt", seen_at < now() - make_interval(secs => ${heldSeconds}) as "isSilent",
        web_socket_url as "webSocketUrl", calls, engine,
        (select count(*)::int from voice.served v where v.process_id = p.id and v.until > now()) as systems
      from voice.processes p where id > ${after} order by id limit ${limit}`,

  /** Where browsers may try, whoever serves this phone system first; null: by the console's own address. */
  async doors(tx: Tx, systemId: string): Promise<(string | null)[]> {
    const rows = await tx.sql<{ webSocketUrl: string | null }[]>`
      select doors as "webSocketUrl" from voice.doors(${systemId}, ${heldSeconds})`;
    return rows.map(({ webSocketUrl }) => webSocketUrl);
  },

  async processes(tx: Tx): Promise<string[]> {
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
  async take(tx: Tx, processId: string, systemIds: string[]): Promise<string[]> {
    const rows = await tx.sql<{ systemId: string }[]>`
      insert into voice.served as v (system_id, organisation_id, process_id, until)
      select id, organisation_id, ${processId}, now() + make_interval(secs => ${heldSeconds}) from voice.systems
        where id = any(${systemIds}::text[]) order by id
      on conflict (system_id) do update set process_id = excluded.process_id, until = excluded.until
        where v.process_id = excluded.process_id or v.until < now()
      returning system_id as "systemId"`;
    return rows.map(({ systemId }) => systemId);
  },

  /** Agents who rest after a call do so no longer. */
  async release(tx: Tx, processId: string, systemIds?: string[]): Promise<void> {
    await tx.sql`delete from voice.served where process_id = ${processId}
      ${systemIds === undefined ? tx.sql`` : tx.sql`and system_id = any(${systemIds}::text[])`}`;
    // Only this process knew when they are to end.
    await tx.sql`delete from voice.agent_activities where process_id = ${processId} and state = 'wrap_up'
      ${systemIds === undefined ? tx.sql`` : tx.sql`and queue_id in (select id from voice.elements where system_id = any(${systemIds}::text[]))`}`;
  },
};
