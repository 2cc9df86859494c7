import type { Tx } from "../../../../kernel/db/database.ts";
import type { Id } from "../../../../kernel/ids.ts";
import type { SecurityRule } from "../contract.ts";

export interface GroupRow {
  id: Id<"securityGroup">;
  organisationId: Id<"organisation">;
  projectId: Id<"project">;
  name: string;
  description: string;
  rules: SecurityRule[];
  isDefault: boolean;
  createdAt: Date;
  revision: number;
}
export interface ListedGroup extends GroupRow {
  ports: number;
}

const columns = `g.id, g.organisation_id as "organisationId", g.project_id as "projectId", g.name, g.description, g.rules,
  g.is_default as "isDefault", g.created_at as "createdAt", g.revision`;
const listed = `${columns}, (select count(*)::int from compute.ports p where p.security_group_ids @> array[g.id]) as ports`;

export const groupStore = {
  async find(tx: Tx, id: string): Promise<ListedGroup | undefined> {
    const [row] = await tx.sql<ListedGroup[]>`select ${tx.sql.unsafe(listed)} from compute.security_groups g where g.id = ${id}`;
    return row;
  },

  page: (
    tx: Tx,
    filter: { projectId: string; search?: string | undefined; after?: string | undefined; limit: number },
  ): Promise<ListedGroup[]> => tx.sql<ListedGroup[]>`
    select ${tx.sql.unsafe(listed)} from compute.security_groups g where g.project_id = ${filter.projectId}
      ${filter.search ? tx.sql`and strpos(lower(g.name), ${filter.search.toLowerCase()}) > 0` : tx.sql``}
      ${filter.after ? tx.sql`and g.name > ${filter.after} collate "C"` : tx.sql``}
    order by g.name collate "C" limit ${filter.limit}`,

  async default(tx: Tx, projectId: string): Promise<GroupRow | undefined> {
    const [row] = await tx.sql<
      GroupRow[]
    >`select ${tx.sql.unsafe(columns)} from compute.security_groups g where g.project_id = ${projectId} and g.is_default`;
    return row;
  },

  async named(tx: Tx, projectId: string, name: string): Promise<boolean> {
    const rows = await tx.sql`select 1 from compute.security_groups where project_id = ${projectId} and name = ${name}`;
    return rows.length > 0;
  },

  /** Which of these are of the project. */
  async known(tx: Tx, projectId: string, ids: readonly string[]): Promise<Set<string>> {
    if (ids.length === 0) return new Set();
    const rows = await tx.sql<
      { id: string }[]
    >`select id from compute.security_groups where project_id = ${projectId} and id in ${tx.sql(ids)}`;
    return new Set(rows.map(({ id }) => id));
  },

  /** Names of the groups with a rule that names this one; not itself. */
  async namedBy(tx: Tx, group: GroupRow): Promise<string[]> {
    const rows = await tx.sql<{ name: string }[]>`select name from compute.security_groups
      where project_id = ${group.projectId} and id <> ${group.id}
        and rules @> ${tx.sql.json([{ remote: { securityGroupId: group.id } }])} order by name limit 5`;
    return rows.map(({ name }) => name);
  },

  /** False when the name is taken in the project. */
  async insert(tx: Tx, row: GroupRow): Promise<boolean> {
    const rows = await tx.sql`
      insert into compute.security_groups (id, organisation_id, project_id, name, description, rules, is_default, created_at, revision)
      values (${row.id}, ${row.organisationId}, ${row.projectId}, ${row.name}, ${row.description}, ${tx.sql.json(row.rules as never)},
        ${row.isDefault}, ${row.createdAt}, ${row.revision})
      on conflict (project_id, name) do nothing returning id`;
    return rows.length > 0;
  },

  async update(tx: Tx, row: GroupRow): Promise<void> {
    await tx.sql`update compute.security_groups set name = ${row.name}, description = ${row.description},
      rules = ${tx.sql.json(row.rules as never)}, revision = revision + 1 where id = ${row.id}`;
  },

  async delete(tx: Tx, id: string): Promise<void> {
    await tx.sql`delete from compute.security_groups where id = ${id}`;
  },
};
