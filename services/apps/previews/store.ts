import type { Tx } from "../../../kernel/db/database.ts";
import type { Id } from "../../../kernel/ids.ts";

export interface PreviewSettingsRow {
  appId: string;
  organisationId: string;
  enabled: boolean;
  branches: string[];
  lifeDays: number;
  most: number;
  revision: number;
}

export interface VariableRow {
  appId: string;
  name: string;
  organisationId: string;
  /** Sealed. */
  value: Uint8Array;
  isSecret: boolean;
  updatedAt: Date;
}

export interface PreviewRow {
  /** The preview itself. */
  appId: Id<"app">;
  parentId: Id<"app">;
  organisationId: string;
  projectId: string;
  branch: string;
  commit: string;
  expiresAt: Date;
  pushedAt: Date;
  createdAt: Date;
}

const columns = `p.app_id as "appId", p.parent_id as "parentId", p.organisation_id as "organisationId", p.project_id as "projectId", p.branch, p.commit,
  p.expires_at as "expiresAt", p.pushed_at as "pushedAt", p.created_at as "createdAt"`;

export const previewSettingsStore = {
  async find(tx: Tx, appId: string): Promise<PreviewSettingsRow | undefined> {
    const [row] = await tx.sql<
      PreviewSettingsRow[]
    >`select app_id as "appId", organisation_id as "organisationId", enabled, branches,
      life_days as "lifeDays", most, revision from apps.preview_settings where app_id = ${appId}`;
    return row;
  },

  async put(tx: Tx, row: PreviewSettingsRow): Promise<void> {
    await tx.sql`insert into apps.preview_settings (app_id, organisation_id, enabled, branches, life_days, most, revision)
      values (${row.appId}, ${row.organisationId}, ${row.enabled}, ${row.branches}, ${row.lifeDays}, ${row.most}, ${row.revision})
      on conflict (app_id) do update set enabled = excluded.enabled, branches = excluded.branches, life_days = excluded.life_days,
        most = excluded.most, revision = excluded.revision`;
  },
};

export const variableStore = {
  /** By name. */
  list: (tx: Tx, appId: string): Promise<VariableRow[]> => tx.sql<VariableRow[]>`
    select app_id as "appId", name, organisation_id as "organisationId", value, is_secret as "isSecret", updated_at as "updatedAt"
    from apps.preview_variables where app_id = ${appId} order by name`,

  async put(tx: Tx, row: VariableRow): Promise<void> {
    await tx.sql`insert into apps.preview_variables (app_id, name, organisation_id, value, is_secret, updated_at)
      values (${row.appId}, ${row.name}, ${row.organisationId}, ${Buffer.from(row.value)}, ${row.isSecret}, ${row.updatedAt})
      on conflict (app_id, name) do update set value = excluded.value, is_secret = excluded.is_secret, updated_at = excluded.updated_at`;
  },

  async delete(tx: Tx, appId: string, names: readonly string[]): Promise<void> {
    await tx.sql`delete from apps.preview_variables where app_id = ${appId} and name = any (${names as string[]}::text[])`;
  },
};

export const previewStore = {
  async find(tx: Tx, appId: string): Promise<PreviewRow | undefined> {
    const [row] = await tx.sql<PreviewRow[]>`select ${tx.sql.unsafe(columns)} from apps.previews p where p.app_id = ${appId}`;
    return row;
  },

  async of(tx: Tx, appIds: readonly string[]): Promise<Map<string, PreviewRow>> {
    if (appIds.length === 0) return new Map();
    const rows = await tx.sql<PreviewRow[]>`
      select ${tx.sql.unsafe(columns)} from apps.previews p where p.app_id = any (${appIds as string[]}::text[])`;
    return new Map(rows.map((row) => [row.appId, row]));
  },

  async ofBranch(tx: Tx, parentId: string, branch: string): Promise<PreviewRow | undefined> {
    const [row] = await tx.sql<PreviewRow[]>`
      select ${tx.sql.unsafe(columns)} from apps.previews p where p.parent_id = ${parentId} and p.branch = ${branch}`;
    return row;
  },

  async count(tx: Tx, parentId: string): Promise<number> {
    const [row] = await tx.sql<
      { count: number }[]
    >`select count(*)::int as count from apps.previews where parent_id = ${parentId}`;
    return row?.count ?? 0;
  },

  /** By branch. */
  page: (tx: Tx, filter: { parentId: string; after?: string | undefined; limit: number }): Promise<PreviewRow[]> => tx.sql<
    PreviewRow[]
  >`
    select ${tx.sql.unsafe(columns)} from apps.previews p where p.parent_id = ${filter.parentId}
      ${filter.after === undefined ? tx.sql`` : tx.sql`and p.branch > ${filter.after}`}
    order by p.branch limit ${filter.limit}`,

  /** Those whose time is over, and that do not go already. */
  expired: (tx: Tx, now: Date, limit: number): Promise<PreviewRow[]> => tx.sql<PreviewRow[]>`
    select ${tx.sql.unsafe(columns)} from apps.previews p join apps.apps a on a.id = p.app_id
    where p.expires_at <= ${now} and a.state <> 'deleting' and a.operation_id is null order by p.expires_at limit ${limit}`,

  async insert(tx: Tx, row: PreviewRow): Promise<void> {
    await tx.sql`insert into apps.previews
        (app_id, parent_id, organisation_id, project_id, branch, commit, expires_at, pushed_at, created_at)
      values (${row.appId}, ${row.parentId}, ${row.organisationId}, ${row.projectId}, ${row.branch}, ${row.commit}, ${row.expiresAt},
        ${row.pushedAt}, ${row.createdAt})`;
  },

  async pushed(tx: Tx, appId: string, { commit, expiresAt, pushedAt }: Pick<PreviewRow, "commit" | "expiresAt" | "pushedAt">) {
    await tx.sql`update apps.previews set commit = ${commit}, expires_at = ${expiresAt}, pushed_at = ${pushedAt} where app_id = ${appId}`;
  },

  async extend(tx: Tx, appId: string, expiresAt: Date): Promise<void> {
    await tx.sql`update apps.previews set expires_at = ${expiresAt} where app_id = ${appId}`;
  },
};
