import type { Tx } from "../../../../kernel/db/database.ts";
import type { ProjectPlace } from "../../parts.ts";

export interface CounterRow extends ProjectPlace {
  /** Of the port or load balancer. */
  id: string;
  resourceKind: string;
  resourceId: string;
  resourceName: string;
  epoch: string;
  receivedBytes: number;
  sentBytes: number;
  countedAt: Date;
  gone: boolean;
}

const columns = `id, organisation_id as "organisationId", project_id as "projectId", resource_kind as "resourceKind",
  resource_id as "resourceId", resource_name as "resourceName", epoch, received_bytes as "receivedBytes", sent_bytes as "sentBytes",
  counted_at as "countedAt", gone`;

export const counterStore = {
  async insert(
    tx: Tx,
    counter: ProjectPlace & Pick<CounterRow, "id" | "resourceKind" | "resourceId" | "resourceName">,
  ): Promise<void> {
    await tx.sql`insert into compute.traffic_counters (id, organisation_id, project_id, resource_kind, resource_id, resource_name, counted_at)
      values (${counter.id}, ${counter.organisationId}, ${counter.projectId}, ${counter.resourceKind}, ${counter.resourceId},
        ${counter.resourceName}, now())`;
  },

  async rename(tx: Tx, resourceId: string, name: string): Promise<void> {
    await tx.sql`update compute.traffic_counters set resource_name = ${name} where resource_id = ${resourceId}`;
  },

  async markGone(tx: Tx, id: string): Promise<void> {
    await tx.sql`update compute.traffic_counters set gone = true where id = ${id}`;
  },

  /** Of a project; nobody else counts them until the commit. */
  lock: (tx: Tx, projectId: string): Promise<CounterRow[]> =>
    tx.sql<
      CounterRow[]
    >`select ${tx.sql.unsafe(columns)} from compute.traffic_counters where project_id = ${projectId} order by id for update`,

  async gone(tx: Tx, projectId: string): Promise<string[]> {
    const rows = await tx.sql<{ id: string }[]>`select id from compute.traffic_counters where project_id = ${projectId} and gone`;
    return rows.map(({ id }) => id);
  },

  async counted(
    tx: Tx,
    id: string,
    now: { epoch: string; receivedBytes: number; sentBytes: number; countedAt: Date },
  ): Promise<void> {
    await tx.sql`update compute.traffic_counters set epoch = ${now.epoch}, received_bytes = ${now.receivedBytes},
      sent_bytes = ${now.sentBytes}, counted_at = ${now.countedAt} where id = ${id}`;
  },

  async forget(tx: Tx, ids: readonly string[]): Promise<void> {
    if (ids.length > 0) await tx.sql`delete from compute.traffic_counters where id in ${tx.sql(ids)}`;
  },
};
