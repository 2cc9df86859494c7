import type { Actor } from "../../../kernel/contract.ts";
import type { Tx } from "../../../kernel/db/database.ts";
import type { Id } from "../../../kernel/ids.ts";
import type { AppLink } from "./contract.ts";

export interface LinkRow {
  id: Id<"appLink">;
  appId: Id<"app">;
  organisationId: string;
  projectId: Id<"project">;
  kind: AppLink["kind"];
  resourceId: string;
  resourceName: string;
  prefix: string;
  access: AppLink["access"];
  state: AppLink["state"];
  /** The name of the user, or the id of the access key. */
  credentialId: string;
  /** Sealed. */
  credential: Uint8Array | null;
  createdBy: Actor;
  createdAt: Date;
  changedAt: Date;
}

const columns = `l.id, l.app_id as "appId", l.organisation_id as "organisationId", l.project_id as "projectId", l.kind, l.resource_id as "resourceId",
  l.resource_name as "resourceName", l.prefix, l.access, l.state, l.credential_id as "credentialId", l.credential, l.created_by as "createdBy",
  l.created_at as "createdAt", l.changed_at as "changedAt"`;

export const linkStore = {
  async find(tx: Tx, id: string, options: { lock?: boolean } = {}): Promise<LinkRow | undefined> {
    const [row] = await tx.sql<LinkRow[]>`select ${tx.sql.unsafe(columns)} from apps.links l where l.id = ${id}
      ${options.lock ? tx.sql`for update` : tx.sql``}`;
    return row;
  },

  /** By id, so in the order in which they were made. */
  ofApp: (tx: Tx, appId: string, page: { after?: string | undefined; limit?: number } = {}): Promise<LinkRow[]> => tx.sql<
    LinkRow[]
  >`
    select ${tx.sql.unsafe(columns)} from apps.links l where l.app_id = ${appId}
      ${page.after === undefined ? tx.sql`` : tx.sql`and l.id > ${page.after}`}
    order by l.id ${page.limit === undefined ? tx.sql`` : tx.sql`limit ${page.limit}`}`,

  /** False when the app has one of this kind with this prefix. */
  async insert(tx: Tx, row: LinkRow): Promise<boolean> {
    const rows = await tx.sql`
      insert into apps.links (id, app_id, organisation_id, project_id, kind, resource_id, resource_name, prefix, access, state, credential_id, credential,
        created_by, created_at, changed_at)
      values (${row.id}, ${row.appId}, ${row.organisationId}, ${row.projectId}, ${row.kind}, ${row.resourceId}, ${row.resourceName}, ${row.prefix},
        ${row.access}, ${row.state}, ${row.credentialId}, ${row.credential === null ? null : Buffer.from(row.credential)},
        ${tx.sql.json(row.createdBy as never)}, ${row.createdAt}, ${row.changedAt})
      on conflict do nothing returning id`;
    return rows.length > 0;
  },

  async set(
    tx: Tx,
    id: string,
    change: Partial<Pick<LinkRow, "state" | "resourceName">> & { credential?: Uint8Array },
  ): Promise<void> {
    await tx.sql`update apps.links set state = coalesce(${change.state ?? null}, state), resource_name = coalesce(${change.resourceName ?? null}, resource_name),
      credential = coalesce(${change.credential === undefined ? null : Buffer.from(change.credential)}, credential), changed_at = now() where id = ${id}`;
  },

  async setCredentialId(tx: Tx, id: string, credentialId: string): Promise<void> {
    await tx.sql`update apps.links set credential_id = ${credentialId}, changed_at = now() where id = ${id}`;
  },

  async delete(tx: Tx, id: string): Promise<void> {
    await tx.sql`delete from apps.links where id = ${id}`;
  },

  /** Apps with links to look after: those that go, those left in the middle of being made, and all that are active. */
  all: (tx: Tx, filter: { after?: string | undefined; limit: number }): Promise<LinkRow[]> => tx.sql<LinkRow[]>`
    select ${tx.sql.unsafe(columns)} from apps.links l ${filter.after === undefined ? tx.sql`` : tx.sql`where l.id > ${filter.after}`}
    order by l.id limit ${filter.limit}`,

  /** Whether a release that runs, or is on its way to, has the variables of a link. */
  async isUsed(tx: Tx, { id, appId }: Pick<LinkRow, "id" | "appId">): Promise<boolean> {
    const rows = await tx.sql`select 1 from apps.releases r
      where r.app_id = ${appId} and r.links @> ${tx.sql.json([{ id }])}
        and (r.id in (select release_id from apps.started_releases where app_id = ${appId})
          or r.id in (select release_id from apps.deployments where app_id = ${appId} and finished_at is null and release_id is not null)) limit 1`;
    return rows.length > 0;
  },

  /** Names of apps that have a link to it, the going ones too. */
  appsOf: async (tx: Tx, resourceId: string, limit: number): Promise<string[]> =>
    (
      await tx.sql<{ name: string }[]>`select distinct a.name from apps.links l join apps.apps a on a.id = l.app_id
        where l.resource_id = ${resourceId} order by a.name limit ${limit}`
    ).map(({ name }) => name),

  /** Projects with an app that uses a bucket, the going ones too. */
  bucketProjects: async (tx: Tx): Promise<string[]> =>
    (await tx.sql<{ projectId: string }[]>`select distinct project_id as "projectId" from apps.links where kind = 'bucket'`).map(
      ({ projectId }) => projectId,
    ),
};
