import type { Tx } from "../../../../kernel/db/database.ts";
import type { Id } from "../../../../kernel/ids.ts";

export interface GroupRow {
  id: Id<"instanceGroup">;
  organisationId: Id<"organisation">;
  projectId: Id<"project">;
  name: string;
  policy: "anti_affinity" | "soft_anti_affinity";
  createdAt: Date;
  instances: number;
}

const columns = `id, organisation_id as "organisationId", project_id as "projectId", name, policy, created_at as "createdAt",
  (select count(*) from compute.instances i where i.group_id = g.id) as instances`;

export const groupStore = {
  /** Locked until the commit: placements in one group line up. */
  async lock(tx: Tx, id: string): Promise<GroupRow | undefined> {
    const [row] = await tx.sql<
      GroupRow[]
    >`select ${tx.sql.unsafe(columns)} from compute.instance_groups g where id = ${id} for update`;
    return row;
  },

  /** False when the project has one of that name. */
  async insert(tx: Tx, row: Omit<GroupRow, "instances">): Promise<boolean> {
    const rows = await tx.sql`insert into compute.instance_groups (id, organisation_id, project_id, name, policy, created_at)
      values (${row.id}, ${row.organisationId}, ${row.projectId}, ${row.name}, ${row.policy}, ${row.createdAt})
      on conflict (project_id, name) do nothing returning id`;
    return rows.length > 0;
  },

  async delete(tx: Tx, id: string): Promise<void> {
    await tx.sql`delete from compute.instance_groups where id = ${id}`;
  },

  page: (tx: Tx, filter: { projectId: string; after?: string | undefined; limit: number }): Promise<GroupRow[]> => tx.sql<
    GroupRow[]
  >`
    select ${tx.sql.unsafe(columns)} from compute.instance_groups g where project_id = ${filter.projectId}
      ${filter.after === undefined ? tx.sql`` : tx.sql`and name > ${filter.after} collate "C"`}
    order by name collate "C" limit ${filter.limit}`,
};
