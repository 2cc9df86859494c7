import type { Actor } from "../../../kernel/contract.ts";
import type { Tx } from "../../../kernel/db/database.ts";
import type { Id } from "../../../kernel/ids.ts";
import type { AppBackup, AppBackupState } from "./contract.ts";

export type BackupDisk = AppBackup["disks"][number];

export interface BackupRow {
  id: Id<"appBackup">;
  organisationId: string;
  projectId: Id<"project">;
  appId: Id<"app">;
  appName: string;
  releaseNumber: number | null;
  reason: AppBackup["reason"];
  state: AppBackupState;
  stateReason: string | null;
  bucketId: Id<"bucket">;
  bucketName: string;
  disks: BackupDisk[];
  operationId: Id<"operation"> | null;
  createdBy: Actor;
  createdAt: Date;
  finishedAt: Date | null;
}

const columns = `id, organisation_id as "organisationId", project_id as "projectId", app_id as "appId", app_name as "appName",
  release_number as "releaseNumber", reason, state, state_reason as "stateReason", bucket_id as "bucketId", bucket_name as "bucketName", disks,
  operation_id as "operationId", created_by as "createdBy", created_at as "createdAt", finished_at as "finishedAt"`;

export const backupStore = {
  async find(tx: Tx, id: string, options: { lock?: boolean } = {}): Promise<BackupRow | undefined> {
    const [row] = await tx.sql<BackupRow[]>`select ${tx.sql.unsafe(columns)} from apps.backups where id = ${id}
      ${options.lock ? tx.sql`for update` : tx.sql``}`;
    return row;
  },

  /** Newest first. */
  page: (
    tx: Tx,
    filter: { projectId: string; appId?: string | undefined; below?: string | undefined; limit: number },
  ): Promise<BackupRow[]> => tx.sql<BackupRow[]>`
    select ${tx.sql.unsafe(columns)} from apps.backups
    where project_id = ${filter.projectId} ${filter.appId === undefined ? tx.sql`` : tx.sql`and app_id = ${filter.appId}`}
      ${filter.below === undefined ? tx.sql`` : tx.sql`and id < ${filter.below}`}
    order by id desc limit ${filter.limit}`,

  async insert(tx: Tx, row: BackupRow): Promise<void> {
    await tx.sql`insert into apps.backups (id, organisation_id, project_id, app_id, app_name, release_number, reason, state, bucket_id, bucket_name, operation_id,
        created_by, created_at)
      values (${row.id}, ${row.organisationId}, ${row.projectId}, ${row.appId}, ${row.appName}, ${row.releaseNumber}, ${row.reason}, ${row.state}, ${row.bucketId},
        ${row.bucketName}, ${row.operationId}, ${tx.sql.json(row.createdBy as never)}, ${row.createdAt})`;
  },

  async setOperation(tx: Tx, id: string, operationId: string | null): Promise<void> {
    await tx.sql`update apps.backups set operation_id = ${operationId} where id = ${id}`;
  },

  async finish(tx: Tx, id: string, disks: readonly BackupDisk[]): Promise<void> {
    await tx.sql`update apps.backups set state = 'available', state_reason = null, disks = ${tx.sql.json(disks as never)}, finished_at = now() where id = ${id}`;
  },

  async fail(tx: Tx, id: string, reason: string): Promise<void> {
    await tx.sql`update apps.backups set state = 'error', state_reason = ${reason}, disks = '[]', finished_at = now() where id = ${id}`;
  },

  async setDeleting(tx: Tx, id: string): Promise<void> {
    await tx.sql`update apps.backups set state = 'deleting', finished_at = now() where id = ${id}`;
  },

  /** Deletions that their process did not live to end. */
  left: (tx: Tx, before: Date): Promise<BackupRow[]> =>
    tx.sql<
      BackupRow[]
    >`select ${tx.sql.unsafe(columns)} from apps.backups where state = 'deleting' and finished_at < ${before} order by id limit 100`,

  async remove(tx: Tx, id: string): Promise<boolean> {
    return (await tx.sql`delete from apps.backups where id = ${id} returning 1`).length > 0;
  },
};
