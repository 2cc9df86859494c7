import { brokenConstraint, type Tx } from "../../../../kernel/db/database.ts";
import type { Id } from "../../../../kernel/ids.ts";

export interface DiskRow {
  id: Id<"appDisk">;
  appId: Id<"app">;
  organisationId: string;
  projectId: string;
  name: string;
  path: string;
  createdAt: Date;
  deletingSince: Date | null;
}

const columns = `id, app_id as "appId", organisation_id as "organisationId", project_id as "projectId", name, path, created_at as "createdAt",
  deleting_since as "deletingSince"`;

export const diskStore = {
  async find(tx: Tx, id: string, options: { lock?: boolean } = {}): Promise<DiskRow | undefined> {
    const [row] = await tx.sql<
      DiskRow[]
    >`select ${tx.sql.unsafe(columns)} from apps.disks where id = ${id} ${options.lock ? tx.sql`for update` : tx.sql``}`;
    return row;
  },

  /** Without those that are being deleted. */
  ofApp: (tx: Tx, appId: string): Promise<DiskRow[]> =>
    tx.sql<
      DiskRow[]
    >`select ${tx.sql.unsafe(columns)} from apps.disks where app_id = ${appId} and deleting_since is null order by name`,

  allOfApp: (tx: Tx, appId: string): Promise<DiskRow[]> =>
    tx.sql<DiskRow[]>`select ${tx.sql.unsafe(columns)} from apps.disks where app_id = ${appId}`,

  page: (tx: Tx, filter: { appId: string; after?: string | undefined; limit: number }): Promise<DiskRow[]> =>
    tx.sql<DiskRow[]>`select ${tx.sql.unsafe(columns)} from apps.disks where app_id = ${filter.appId} and deleting_since is null
      ${filter.after === undefined ? tx.sql`` : tx.sql`and name > ${filter.after}`} order by name limit ${filter.limit}`,

  async insert(tx: Tx, row: DiskRow): Promise<void> {
    await tx.sql`insert into apps.disks (id, app_id, organisation_id, project_id, name, path, created_at)
      values (${row.id}, ${row.appId}, ${row.organisationId}, ${row.projectId}, ${row.name}, ${row.path}, ${row.createdAt})`;
  },

  async setDeleting(tx: Tx, id: string, at: Date | null): Promise<void> {
    await tx.sql`update apps.disks set deleting_since = ${at} where id = ${id}`;
  },

  /** Deletions that their process did not live to end. */
  left: (tx: Tx, before: Date): Promise<DiskRow[]> =>
    tx.sql<DiskRow[]>`select ${tx.sql.unsafe(columns)} from apps.disks where deleting_since < ${before}`,

  async remove(tx: Tx, id: string): Promise<boolean> {
    return (await tx.sql`delete from apps.disks where id = ${id} returning 1`).length > 0;
  },

  /** Containers, one-offs too, that have it. */
  async users(tx: Tx, disk: Pick<DiskRow, "id" | "appId">): Promise<number> {
    const having = tx.sql.json([{ disk: disk.id }] as never);
    const [row] = await tx.sql<
      { count: number }[]
    >`select ((select count(*) from apps.containers where app_id = ${disk.appId} and mounts @> ${having})
      + (select count(*) from apps.one_offs where app_id = ${disk.appId} and mounts @> ${having}))::int as count`;
    return row?.count ?? 0;
  },
};

/** What another disk of the app has already, when that is what went wrong. */
export const brokenDiskConstraint = (error: unknown): "name" | "path" | undefined =>
  ({ disks_name: "name", disks_path: "path" })[brokenConstraint(error) ?? ""] as "name" | "path" | undefined;
