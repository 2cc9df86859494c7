import type { Tx } from "../../../../kernel/db/database.ts";
import { emitAll } from "../../../../kernel/events.ts";
import type { ActiveCall, QueueLive } from "../contract.ts";

export interface ActiveCallRow
  extends Omit<ActiveCall, "phoneSystemId" | "startedAt" | "answeredAt" | "fromName" | "toName" | "queueId"> {
  systemId: string;
  organisationId: string;
  projectId: string;
  processId: string;
  fromName: string | null;
  toName: string | null;
  queueId: string | null;
  startedAt: Date;
  answeredAt: Date | null;
}

export interface AgentActivity {
  queueId: string;
  extensionId: string;
  organisationId: string;
  state: "ringing" | "talking" | "wrap_up";
  since: Date;
}

const columns = `id, organisation_id as "organisationId", project_id as "projectId", system_id as "systemId", process_id as "processId", direction, state,
  from_number as "from", from_name as "fromName", to_number as "to", to_name as "toName", extension_ids as "extensionIds", queue_id as "queueId",
  recording, started_at as "startedAt", answered_at as "answeredAt"`;

/** By the names of the columns. */
const asStored = (row: ActiveCallRow) => ({
  id: row.id,
  organisation_id: row.organisationId,
  project_id: row.projectId,
  system_id: row.systemId,
  process_id: row.processId,
  direction: row.direction,
  state: row.state,
  from_number: row.from,
  from_name: row.fromName,
  to_number: row.to,
  to_name: row.toName,
  extension_ids: row.extensionIds,
  queue_id: row.queueId,
  recording: row.recording,
  started_at: row.startedAt,
  answered_at: row.answeredAt,
});

export const activeCallStore = {
  /** By id, which is by time. */
  list: (tx: Tx, systemId: string, after: string | undefined, limit: number): Promise<ActiveCallRow[]> => tx.sql<ActiveCallRow[]>`
    select ${tx.sql.unsafe(columns)} from voice.active_calls
    where system_id = ${systemId} ${after === undefined ? tx.sql`` : tx.sql`and id > ${after}`} order by id limit ${limit}`,

  async find(tx: Tx, id: string): Promise<ActiveCallRow | undefined> {
    const [row] = await tx.sql<ActiveCallRow[]>`select ${tx.sql.unsafe(columns)} from voice.active_calls where id = ${id}`;
    return row;
  },

  /** As they are now: makes them, or changes what may change. One statement for all of them, the same however many they are. */
  async put(tx: Tx, calls: readonly ActiveCallRow[]): Promise<void> {
    const rows = JSON.stringify(calls.map(asStored));
    await tx.sql`
      insert into voice.active_calls (id, organisation_id, project_id, system_id, process_id, direction, state, from_number, from_name, to_number, to_name,
        extension_ids, queue_id, recording, started_at, answered_at)
      select id, organisation_id, project_id, system_id, process_id, direction, state, from_number, from_name, to_number, to_name,
        extension_ids, queue_id, recording, started_at, answered_at
      from json_populate_recordset(null::voice.active_calls, ${rows}::text::json)
      on conflict (id) do update set state = excluded.state, to_number = excluded.to_number, to_name = excluded.to_name, extension_ids = excluded.extension_ids,
        queue_id = excluded.queue_id, recording = excluded.recording, answered_at = excluded.answered_at`;
  },

  async remove(tx: Tx, ids: string[]): Promise<void> {
    if (ids.length > 0) await tx.sql`delete from voice.active_calls where id = any(${ids})`;
  },

  async putAgent(tx: Tx, processId: string, row: AgentActivity): Promise<void> {
    await tx.sql`
      insert into voice.agent_activities (queue_id, extension_id, organisation_id, process_id, state, since)
      values (${row.queueId}, ${row.extensionId}, ${row.organisationId}, ${processId}, ${row.state}, ${row.since})
      on conflict (queue_id, extension_id) do update set state = excluded.state, since = excluded.since, process_id = excluded.process_id`;
  },

  async removeAgent(tx: Tx, processId: string, queueId: string, extensionId: string): Promise<void> {
    await tx.sql`delete from voice.agent_activities
      where queue_id = ${queueId} and extension_id = ${extensionId} and process_id = ${processId}`;
  },

  /** Whoever watches these queues looks anew. */
  async tellQueues(tx: Tx, queueIds: readonly string[]): Promise<void> {
    const systems = await tx.sql<{ id: string; organisationId: string; projectId: string }[]>`
      select distinct system_id as id, organisation_id as "organisationId", project_id as "projectId" from voice.elements
      where id = any(${queueIds as string[]}::text[])`;
    await emitAll(
      tx,
      systems.map(({ id, ...place }) => ({ type: "voice.presence.changed", ...place, payload: { phoneSystemId: id } })),
    );
  },

  /** What a process that is there no more has left. */
  async clear(tx: Tx, processId: string, systemId?: string): Promise<ActiveCallRow[]> {
    await tx.sql`delete from voice.agent_activities where process_id = ${processId}
      ${systemId === undefined ? tx.sql`` : tx.sql`and queue_id in (select id from voice.elements where system_id = ${systemId})`}`;
    return tx.sql<ActiveCallRow[]>`delete from voice.active_calls where process_id = ${processId}
      ${systemId === undefined ? tx.sql`` : tx.sql`and system_id = ${systemId}`} returning ${tx.sql.unsafe(columns)}`;
  },

  waiting: (tx: Tx, queueId: string): Promise<Pick<ActiveCallRow, "id" | "from" | "fromName" | "startedAt">[]> => tx.sql`
    select id, from_number as "from", from_name as "fromName", started_at as "startedAt" from voice.active_calls
    where queue_id = ${queueId} and state = 'queued' order by started_at limit 1000`,

  activities: (
    tx: Tx,
    queueId: string,
  ): Promise<{ extensionId: string; state: QueueLive["agents"][number]["state"]; since: Date }[]> => tx.sql`
    select extension_id as "extensionId", state, since from voice.agent_activities where queue_id = ${queueId} limit 1000`,

  /** Those of these extensions whose phones ring or speak, and which of the two. */
  async busy(tx: Tx, systemId: string): Promise<Map<string, "ringing" | "busy">> {
    const rows = await tx.sql<{ extensionId: string; ringing: boolean }[]>`
      select extension_id as "extensionId", bool_and(state = 'ringing') as ringing
      from voice.active_calls, unnest(extension_ids) extension_id where system_id = ${systemId} group by extension_id`;
    return new Map(rows.map(({ extensionId, ringing }) => [extensionId, ringing ? "ringing" : "busy"]));
  },
};
