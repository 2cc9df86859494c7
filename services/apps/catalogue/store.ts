import type { Actor } from "../../../kernel/contract.ts";
import type { Tx } from "../../../kernel/db/database.ts";
import { emit } from "../../../kernel/events.ts";
import type { Id } from "../../../kernel/ids.ts";
import type { InstallationState } from "./contract.ts";

export interface InstallationRow {
  id: Id<"installation">;
  organisationId: Id<"organisation">;
  projectId: Id<"project">;
  appId: Id<"app">;
  template: string;
  version: string;
  state: InstallationState;
  stateReason: string | null;
  databaseId: Id<"database"> | null;
  bucketId: Id<"bucket"> | null;
  bucketName: string | null;
  lastBackupId: Id<"appBackup"> | null;
  operationId: Id<"operation"> | null;
  createdBy: Actor;
  createdAt: Date;
  updatedAt: Date;
  revision: number;
}

export type InstallationChange = Partial<
  Pick<
    InstallationRow,
    "version" | "state" | "stateReason" | "databaseId" | "bucketId" | "bucketName" | "lastBackupId" | "operationId" | "updatedAt"
  >
>;

const names: Record<keyof InstallationChange, string> = {
  version: "version",
  state: "state",
  stateReason: "state_reason",
  databaseId: "database_id",
  bucketId: "bucket_id",
  bucketName: "bucket_name",
  lastBackupId: "last_backup_id",
  operationId: "operation_id",
  updatedAt: "updated_at",
};

const columns = `id, organisation_id as "organisationId", project_id as "projectId", app_id as "appId", template, version, state, state_reason as "stateReason",
  database_id as "databaseId", bucket_id as "bucketId", bucket_name as "bucketName", last_backup_id as "lastBackupId", operation_id as "operationId",
  created_by as "createdBy", created_at as "createdAt", updated_at as "updatedAt", revision`;

export const announce = (
  tx: Tx,
  row: Pick<InstallationRow, "id" | "appId" | "organisationId" | "projectId">,
  state: InstallationState | "removed",
): Promise<void> =>
  emit(tx, {
    type: "apps.installation.changed",
    organisationId: row.organisationId,
    projectId: row.projectId,
    payload: { installationId: row.id, appId: row.appId, state },
  });

export const installationStore = {
  async find(tx: Tx, id: string, options: { lock?: boolean } = {}): Promise<InstallationRow | undefined> {
    const [row] = await tx.sql<InstallationRow[]>`select ${tx.sql.unsafe(columns)} from apps.installations where id = ${id}
      ${options.lock ? tx.sql`for update` : tx.sql``}`;
    return row;
  },

  page: (
    tx: Tx,
    filter: { projectId: string; appId?: string | undefined; after?: string | undefined; limit: number },
  ): Promise<InstallationRow[]> => tx.sql<InstallationRow[]>`
    select ${tx.sql.unsafe(columns)} from apps.installations
    where project_id = ${filter.projectId} ${filter.appId === undefined ? tx.sql`` : tx.sql`and app_id = ${filter.appId}`}
      ${filter.after === undefined ? tx.sql`` : tx.sql`and id > ${filter.after}`}
    order by id limit ${filter.limit}`,

  async insert(tx: Tx, row: InstallationRow): Promise<void> {
    await tx.sql`insert into apps.installations (id, organisation_id, project_id, app_id, template, version, state, bucket_id, bucket_name, operation_id, created_by,
        created_at, updated_at)
      values (${row.id}, ${row.organisationId}, ${row.projectId}, ${row.appId}, ${row.template}, ${row.version}, ${row.state}, ${row.bucketId}, ${row.bucketName},
        ${row.operationId}, ${tx.sql.json(row.createdBy as never)}, ${row.createdAt}, ${row.updatedAt})`;
    await announce(tx, row, row.state);
  },

  async update(tx: Tx, row: InstallationRow, change: InstallationChange): Promise<void> {
    const values = Object.fromEntries(
      Object.entries(change).map(([key, value]) => [names[key as keyof InstallationChange], value as string | Date | null]),
    );
    await tx.sql`update apps.installations set ${tx.sql(values)}, revision = revision + 1 where id = ${row.id}`;
    await announce(tx, row, change.state ?? row.state);
  },
};
