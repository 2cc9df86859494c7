import type { Tx } from "../../../../kernel/db/database.ts";
import { emit } from "../../../../kernel/events.ts";
import type { Id } from "../../../../kernel/ids.ts";
import type { AppState } from "../contract.ts";

export interface AppRow {
  id: Id<"app">;
  organisationId: Id<"organisation">;
  projectId: Id<"project">;
  name: string;
  description: string;
  state: AppState;
  stateReason: string | null;
  runtime: string | null;
  liveReleaseId: Id<"release"> | null;
  deployedAt: Date | null;
  protected: boolean;
  operationId: Id<"operation"> | null;
  /** A person's word; null: as the source says. */
  capabilities: string[] | null;
  runUser: string | null;
  /** Of a preview: the app that it is one of. */
  parentId: Id<"app"> | null;
  createdAt: Date;
  revision: number;
}

const columns = `a.id, a.organisation_id as "organisationId", a.project_id as "projectId", a.name, a.description, a.state, a.state_reason as "stateReason",
  a.runtime, a.live_release_id as "liveReleaseId", a.deployed_at as "deployedAt", a.protected, a.operation_id as "operationId", a.capabilities, a.run_user as "runUser",
  (select p.parent_id from apps.previews p where p.app_id = a.id) as "parentId", a.created_at as "createdAt", a.revision`;

/** `like` without its wildcards. */
const literally = (text: string): string => `%${text.toLowerCase().replace(/[\\%_]/g, "\\$&")}%`;

const announce = (
  tx: Tx,
  row: Pick<AppRow, "id" | "name" | "organisationId" | "projectId">,
  state: AppState | "deleted",
): Promise<void> =>
  emit(tx, {
    type: "apps.app.changed",
    organisationId: row.organisationId,
    projectId: row.projectId,
    payload: { appId: row.id, name: row.name, state },
  });

export const appStore = {
  async find(tx: Tx, id: string, options: { lock?: boolean } = {}): Promise<AppRow | undefined> {
    const [row] = await tx.sql<AppRow[]>`select ${tx.sql.unsafe(columns)} from apps.apps a where a.id = ${id}
      ${options.lock ? tx.sql`for update` : tx.sql``}`;
    return row;
  },

  named: (tx: Tx, name: string): Promise<AppRow[]> => tx.sql<AppRow[]>`
    select ${tx.sql.unsafe(columns)} from apps.apps a where a.name = ${name} order by a.id limit 1000`,

  of: (tx: Tx, ids: readonly string[]): Promise<AppRow[]> => tx.sql<AppRow[]>`
    select ${tx.sql.unsafe(columns)} from apps.apps a where a.id = any (${ids as string[]}::text[])`,

  /** By id, locked. */
  previewsOf: (tx: Tx, appId: string): Promise<AppRow[]> => tx.sql<AppRow[]>`
    select ${tx.sql.unsafe(columns)} from apps.apps a
    where a.id in (select p.app_id from apps.previews p where p.parent_id = ${appId}) order by a.id for update`,

  /** By name, of one project. */
  page: (
    tx: Tx,
    filter: { projectId: string; search?: string | undefined; previews: boolean; after?: string | undefined; limit: number },
  ): Promise<AppRow[]> => tx.sql<AppRow[]>`
    select ${tx.sql.unsafe(columns)} from apps.apps a
    where a.project_id = ${filter.projectId}
      ${filter.previews ? tx.sql`` : tx.sql`and not exists (select from apps.previews p where p.app_id = a.id)`}
      ${filter.search ? tx.sql`and a.name like ${literally(filter.search)}` : tx.sql``}
      ${filter.after === undefined ? tx.sql`` : tx.sql`and a.name > ${filter.after}`}
    order by a.name limit ${filter.limit}`,

  /** By id, of a project or all that the transaction may see. */
  list: (tx: Tx, filter: { projectId?: string; after?: string; limit: number }): Promise<AppRow[]> => tx.sql<AppRow[]>`
    select ${tx.sql.unsafe(columns)} from apps.apps a
    where true ${filter.projectId === undefined ? tx.sql`` : tx.sql`and a.project_id = ${filter.projectId}`}
      ${filter.after === undefined ? tx.sql`` : tx.sql`and a.id > ${filter.after}`}
    order by a.id limit ${filter.limit}`,

  /** False when the project has one of this name. */
  async insert(
    tx: Tx,
    row: Pick<AppRow, "id" | "organisationId" | "projectId" | "name" | "description" | "createdAt">,
  ): Promise<boolean> {
    const rows = await tx.sql`
      insert into apps.apps (id, organisation_id, project_id, name, description, state, created_at)
      values (${row.id}, ${row.organisationId}, ${row.projectId}, ${row.name}, ${row.description}, 'new', ${row.createdAt})
      on conflict do nothing returning id`;
    if (rows.length > 0) await announce(tx, row, "new");
    return rows.length > 0;
  },

  async update(
    tx: Tx,
    row: AppRow,
    change: Pick<AppRow, "description" | "protected" | "capabilities" | "runUser">,
  ): Promise<void> {
    await tx.sql`update apps.apps set description = ${change.description}, protected = ${change.protected},
      capabilities = ${change.capabilities}, run_user = ${change.runUser}, revision = revision + 1
      where id = ${row.id}`;
    await announce(tx, row, row.state);
  },

  /** Nothing happens where all is so already. */
  async setState(tx: Tx, row: AppRow, state: AppState, reason?: string): Promise<void> {
    if (row.state === state && row.stateReason === (reason ?? null)) return;
    await tx.sql`update apps.apps set state = ${state}, state_reason = ${reason ?? null}, revision = revision + 1 where id = ${row.id}`;
    await announce(tx, row, state);
  },

  async setOperation(tx: Tx, id: string, operationId: string | null): Promise<void> {
    await tx.sql`update apps.apps set operation_id = ${operationId}, revision = revision + 1 where id = ${id}`;
  },

  /** From now on requests go to this release; null: the app has none, as before its first one. */
  async setLive(
    tx: Tx,
    row: AppRow,
    live: {
      releaseId: string | null;
      runtime: string | null;
      state: AppState;
      stateReason: string | null;
      deployedAt: Date | null;
    },
  ): Promise<void> {
    await tx.sql`update apps.apps set live_release_id = ${live.releaseId}, runtime = ${live.runtime}, state = ${live.state},
      state_reason = ${live.stateReason}, deployed_at = ${live.deployedAt}, revision = revision + 1 where id = ${row.id}`;
    await announce(tx, row, live.state);
  },

  /** What an app shows has changed, though not its state: a deployment came or went. */
  async touch(tx: Tx, row: AppRow): Promise<void> {
    await tx.sql`update apps.apps set revision = revision + 1 where id = ${row.id}`;
    await announce(tx, row, row.state);
  },

  async nextNumber(tx: Tx, id: string, of: "deployment" | "release"): Promise<number> {
    const column = tx.sql.unsafe(`${of}_number`);
    const [row] = await tx.sql<
      { number: number }[]
    >`update apps.apps set ${column} = ${column} + 1 where id = ${id} returning ${column} as number`;
    return row?.number as number;
  },

  async delete(tx: Tx, row: AppRow): Promise<void> {
    await tx.sql`delete from apps.apps where id = ${row.id}`;
    await announce(tx, row, "deleted");
  },
};
