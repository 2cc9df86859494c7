import type { Tx } from "../../../../kernel/db/database.ts";
import type { PhoneLanguage } from "../../destinations/contract.ts";

/** Somebody who was promised to be called when it is their turn in a queue. */
export interface CallbackRow {
  /** Of the call in which it was promised. */
  callId: string;
  queueId: string;
  systemId: string;
  organisationId: string;
  number: string;
  name: string | null;
  language: PhoneLanguage;
  /** When they came into the queue. */
  since: Date;
  attempts: number;
  dueAt: Date;
}

export const callbackStore = {
  /** False when the number is to be called back by this queue already. */
  async insert(tx: Tx, row: CallbackRow): Promise<boolean> {
    const rows =
      await tx.sql`insert into voice.queue_callbacks (call_id, queue_id, system_id, organisation_id, number, name, language, since, attempts, due_at)
      values (${row.callId}, ${row.queueId}, ${row.systemId}, ${row.organisationId}, ${row.number}, ${row.name}, ${row.language}, ${row.since},
        ${row.attempts}, ${row.dueAt})
      on conflict (queue_id, number) do nothing returning call_id`;
    return rows.length > 0;
  },

  /** Of a queue, or of all queues of a phone system; by the time at which they came. */
  list: (tx: Tx, of: { queueId: string } | { systemId: string }): Promise<CallbackRow[]> => tx.sql<CallbackRow[]>`
    select call_id as "callId", queue_id as "queueId", system_id as "systemId", organisation_id as "organisationId", number, name, language, since,
      attempts, due_at as "dueAt"
    from voice.queue_callbacks where ${"queueId" in of ? tx.sql`queue_id = ${of.queueId}` : tx.sql`system_id = ${of.systemId}`} order by since limit 10000`,

  async remove(tx: Tx, callId: string): Promise<void> {
    await tx.sql`delete from voice.queue_callbacks where call_id = ${callId}`;
  },
};
