import type { Tx } from "../../../../kernel/db/database.ts";
import { emit } from "../../../../kernel/events.ts";
import type { Id } from "../../../../kernel/ids.ts";

export interface AgentRow {
  queueId: Id<"callQueue">;
  queueName: string;
  organisationId: Id<"organisation">;
  projectId: Id<"project">;
  systemId: Id<"phoneSystem">;
  extensionId: Id<"extension">;
  extensionName: string;
  extensionNumber: string;
  priority: number;
  loggedIn: boolean;
  paused: boolean;
  pauseReason: string | null;
  changedAt: Date | null;
}
export type AgentChange = Pick<AgentRow, "loggedIn" | "paused" | "pauseReason">;

export const agentStore = {
  /** Of a queue, or the queues of extensions; by queue and number. */
  page: (
    tx: Tx,
    filter: {
      queueId?: string | undefined;
      extensionIds?: readonly string[] | undefined;
      after?: { queueId: string; number: string } | undefined;
      limit: number;
    },
  ): Promise<AgentRow[]> => tx.sql<AgentRow[]>`
    select e.id as "queueId", e.name as "queueName", e.organisation_id as "organisationId", e.project_id as "projectId", e.system_id as "systemId",
      x.id as "extensionId", x.name as "extensionName", x.number as "extensionNumber", (a->>'priority')::int as priority,
      coalesce(s.logged_in, false) as "loggedIn", coalesce(s.paused, false) as paused, s.pause_reason as "pauseReason", s.changed_at as "changedAt"
    from voice.elements e cross join jsonb_array_elements(e.settings->'agents') a
      join voice.extensions x on x.id = a->>'extension'
      left join voice.queue_agents s on s.queue_id = e.id and s.extension_id = x.id
    where e.kind = 'callQueue'
      ${filter.queueId === undefined ? tx.sql`` : tx.sql`and e.id = ${filter.queueId}`}
      ${filter.extensionIds === undefined ? tx.sql`` : tx.sql`and x.id = any (${filter.extensionIds as string[]}::text[])`}
      ${filter.after === undefined ? tx.sql`` : tx.sql`and (e.id, x.number) > (${filter.after.queueId}, ${filter.after.number})`}
    order by e.id, x.number limit ${filter.limit}`,

  async find(tx: Tx, queueId: string, extensionId: string): Promise<AgentRow | undefined> {
    const [row] = await agentStore.page(tx, { queueId, extensionIds: [extensionId], limit: 1 });
    return row;
  },

  async set(tx: Tx, agent: AgentRow, state: AgentChange): Promise<void> {
    await tx.sql`
      insert into voice.queue_agents (queue_id, extension_id, organisation_id, system_id, logged_in, paused, pause_reason, changed_at)
      values (${agent.queueId}, ${agent.extensionId}, ${agent.organisationId}, ${agent.systemId}, ${state.loggedIn}, ${state.paused},
        ${state.pauseReason}, now())
      on conflict (queue_id, extension_id) do update set logged_in = excluded.logged_in, paused = excluded.paused,
        pause_reason = excluded.pause_reason, changed_at = excluded.changed_at`;
    await emit(tx, {
      type: "voice.element.changed",
      organisationId: agent.organisationId,
      projectId: agent.projectId,
      payload: { kind: "callQueue", id: agent.queueId, phoneSystemId: agent.systemId },
    });
  },

  /** Of those who are no agents of it any more. */
  forget: (tx: Tx, queueId: string, kept: readonly string[]): Promise<unknown> =>
    tx.sql`delete from voice.queue_agents where queue_id = ${queueId} and not extension_id = any (${kept as string[]}::text[])`,
};
