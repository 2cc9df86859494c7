import type { Actor } from "../../../../kernel/contract.ts";
import type { Tx } from "../../../../kernel/db/database.ts";
import { emit } from "../../../../kernel/events.ts";
import type { Id } from "../../../../kernel/ids.ts";
import type { DeploymentSource, DeploymentState } from "../contract.ts";
import type { DeploymentRequest } from "../requests.ts";

export interface DeploymentRow {
  id: Id<"deployment">;
  organisationId: Id<"organisation">;
  projectId: Id<"project">;
  appId: Id<"app">;
  number: number;
  kind: "build" | "release";
  state: DeploymentState;
  error: string | null;
  source: DeploymentSource;
  request: DeploymentRequest;
  runtime: string | null;
  releaseId: Id<"release"> | null;
  releaseNumber: number | null;
  operationId: Id<"operation"> | null;
  turnAt: Date | null;
  createdBy: Actor;
  createdAt: Date;
  startedAt: Date | null;
  finishedAt: Date | null;
}

const columns = `d.id, d.organisation_id as "organisationId", d.project_id as "projectId", d.app_id as "appId", d.number, d.kind, d.state, d.error, d.source,
  d.request, d.runtime, d.release_id as "releaseId", d.release_number as "releaseNumber", d.operation_id as "operationId", d.turn_at as "turnAt",
  d.created_by as "createdBy", d.created_at as "createdAt", d.started_at as "startedAt", d.finished_at as "finishedAt"`;

const announce = (tx: Tx, row: DeploymentRow, state: DeploymentState): Promise<void> =>
  emit(tx, {
    type: "apps.deployment.changed",
    organisationId: row.organisationId,
    projectId: row.projectId,
    payload: { deploymentId: row.id, appId: row.appId, state },
  });

export const deploymentStore = {
  async find(tx: Tx, id: string, options: { lock?: boolean } = {}): Promise<DeploymentRow | undefined> {
    const [row] = await tx.sql<DeploymentRow[]>`select ${tx.sql.unsafe(columns)} from apps.deployments d where d.id = ${id}
      ${options.lock ? tx.sql`for update` : tx.sql``}`;
    return row;
  },

  /** Newest first; `below` is a number. */
  page: (tx: Tx, filter: { appId: string; below?: number | undefined; limit: number }): Promise<DeploymentRow[]> =>
    tx.sql<DeploymentRow[]>`
    select ${tx.sql.unsafe(columns)} from apps.deployments d
    where d.app_id = ${filter.appId} ${filter.below === undefined ? tx.sql`` : tx.sql`and d.number < ${filter.below}`}
    order by d.number desc limit ${filter.limit}`,

  /** Oldest first. */
  unfinished: (tx: Tx, appIds: readonly string[]): Promise<DeploymentRow[]> => tx.sql<DeploymentRow[]>`
    select ${tx.sql.unsafe(columns)} from apps.deployments d
    where d.app_id = any (${appIds as string[]}::text[]) and d.finished_at is null order by d.number`,

  /** Whether anything is being built, in the whole cloud. */
  isBuilding: async (tx: Tx): Promise<boolean> =>
    (await tx.sql`select 1 from apps.deployments where finished_at is null and state = 'building' limit 1`).length > 0,

  /** Which of these are not over. */
  async unfinishedOf(tx: Tx, ids: readonly string[]): Promise<Set<string>> {
    const rows = await tx.sql<
      { id: string }[]
    >`select id from apps.deployments where id = any (${ids as string[]}::text[]) and finished_at is null`;
    return new Set(rows.map(({ id }) => id));
  },

  /** Which of these are there at all. */
  async present(tx: Tx, ids: readonly string[]): Promise<Set<string>> {
    const rows = await tx.sql<{ id: string }[]>`select id from apps.deployments where id = any (${ids as string[]}::text[])`;
    return new Set(rows.map(({ id }) => id));
  },

  async ids(tx: Tx, appId: string): Promise<string[]> {
    const rows = await tx.sql<{ id: string }[]>`select id from apps.deployments where app_id = ${appId}`;
    return rows.map(({ id }) => id);
  },

  async insert(tx: Tx, row: DeploymentRow): Promise<void> {
    await tx.sql`
      insert into apps.deployments (id, organisation_id, project_id, app_id, number, kind, state, source, request, operation_id, created_by, created_at)
      values (${row.id}, ${row.organisationId}, ${row.projectId}, ${row.appId}, ${row.number}, ${row.kind}, ${row.state},
        ${tx.sql.json(row.source as never)}, ${tx.sql.json(row.request as never)}, ${row.operationId}, ${tx.sql.json(row.createdBy as never)}, ${row.createdAt})`;
    await announce(tx, row, row.state);
  },

  async giveTurn(tx: Tx, id: string): Promise<void> {
    await tx.sql`update apps.deployments set turn_at = now() where id = ${id}`;
  },

  /** Nothing happens when it is there already. */
  async setState(tx: Tx, row: DeploymentRow, state: DeploymentState, facts: { runtime?: string } = {}): Promise<void> {
    if (row.state === state && facts.runtime === undefined) return;
    await tx.sql`update apps.deployments set state = ${state}, started_at = coalesce(started_at, now()),
      runtime = coalesce(${facts.runtime ?? null}, runtime) where id = ${row.id}`;
    await announce(tx, row, state);
  },

  async setRelease(tx: Tx, id: string, release: { id: string; number: number; runtime: string }): Promise<void> {
    await tx.sql`update apps.deployments set release_id = ${release.id}, release_number = ${release.number}, runtime = ${release.runtime} where id = ${id}`;
  },

  async forgetRelease(tx: Tx, id: string): Promise<void> {
    await tx.sql`update apps.deployments set release_id = null, release_number = null where id = ${id}`;
  },

  async finish(tx: Tx, row: DeploymentRow, state: DeploymentState, error?: string): Promise<void> {
    await tx.sql`update apps.deployments set state = ${state}, error = ${error ?? null}, finished_at = now() where id = ${row.id}`;
    await announce(tx, row, state);
  },
};
