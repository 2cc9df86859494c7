import type { Tx } from "../../../../kernel/db/database.ts";
import type { Id } from "../../../../kernel/ids.ts";

export interface SshKeyRow {
  id: Id<"sshKey">;
  organisationId: Id<"organisation">;
  projectId: Id<"project">;
  name: string;
  type: string;
  fingerprint: string;
  publicKey: string;
  createdAt: Date;
}

const columns = `id, organisation_id as "organisationId", project_id as "projectId", name, type, fingerprint, public_key as "publicKey",
  created_at as "createdAt"`;

export const sshKeyStore = {
  async find(tx: Tx, id: string): Promise<SshKeyRow | undefined> {
    const [row] = await tx.sql<SshKeyRow[]>`select ${tx.sql.unsafe(columns)} from compute.ssh_keys where id = ${id} for update`;
    return row;
  },

  ofProject: (tx: Tx, projectId: string, ids: readonly string[]): Promise<SshKeyRow[]> => tx.sql<SshKeyRow[]>`
    select ${tx.sql.unsafe(columns)} from compute.ssh_keys where project_id = ${projectId} and id = any (${ids as string[]}::text[])`,

  /** False when the project has one of that name. */
  async insert(tx: Tx, row: SshKeyRow): Promise<boolean> {
    const rows =
      await tx.sql`insert into compute.ssh_keys (id, organisation_id, project_id, name, type, fingerprint, public_key, created_at)
      values (${row.id}, ${row.organisationId}, ${row.projectId}, ${row.name}, ${row.type}, ${row.fingerprint}, ${row.publicKey}, ${row.createdAt})
      on conflict (project_id, name) do nothing returning id`;
    return rows.length > 0;
  },

  async delete(tx: Tx, id: string): Promise<void> {
    await tx.sql`delete from compute.ssh_keys where id = ${id}`;
  },

  page: (tx: Tx, filter: { projectId: string; after?: string | undefined; limit: number }): Promise<SshKeyRow[]> => tx.sql<
    SshKeyRow[]
  >`
    select ${tx.sql.unsafe(columns)} from compute.ssh_keys where project_id = ${filter.projectId}
      ${filter.after === undefined ? tx.sql`` : tx.sql`and name > ${filter.after} collate "C"`}
    order by name collate "C" limit ${filter.limit}`,
};
