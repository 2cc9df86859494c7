import type { Database, Sql, Tx } from "../../../kernel/db/database.ts";
import { type Bearer, bindingsOf } from "./sessions.ts";
import { type Owner, ownerColumn } from "./tokens.ts";

/** A person, a service account; or an app that uses a bucket. */
export type KeyOwner = Omit<Owner, "kind"> & { kind: Owner["kind"] | "app" };

export interface AccessKeyRow {
  id: string;
  name: string;
  accessKeyId: string;
  organisationId: string;
  projectId: string;
  owner: KeyOwner;
  /** The only bucket that it reaches; null: all of the project. */
  bucketId: string | null;
  readOnly: boolean;
  enabled: boolean;
  lastUsedAt: Date | null;
  createdAt: Date;
  revision: number;
}

export interface AccessKeyBearer extends Bearer {
  organisationId: string;
  projectId: string;
  secret: Buffer;
  readOnly: boolean;
  organisationSuspendedReason: string | null;
  bucketId: string | null;
  holderName: string | null;
}

/** Every process forgets what it remembers of keys when this is heard. */
const channel = "khmara_credentials";

const columns = (tx: Tx) => tx.sql`
  c.id, c.name, c.access_key_id as "accessKeyId", c.organisation_id as "organisationId", c.project_id as "projectId",
  case when c.holder_id is null then ${ownerColumn(tx, false)} else json_build_object('kind', 'app', 'id', c.holder_id, 'name', c.holder_name) end as owner,
  c.bucket_id as "bucketId", c.read_only as "readOnly", c.enabled, c.last_used_at as "lastUsedAt", c.created_at as "createdAt", c.revision`;

export const accessKeyStore = {
  async insert(
    tx: Tx,
    row: {
      id: string;
      name: string;
      accessKeyId: string;
      organisationId: string;
      projectId: string;
      userId: string | null;
      serviceAccountId: string | null;
      secret: Buffer;
      readOnly: boolean;
      createdAt: Date;
      bucketId?: string;
      holder?: { id: string; name: string };
    },
  ): Promise<void> {
    await tx.sql`insert into identity.access_keys
        (id, name, access_key_id, organisation_id, project_id, user_id, service_account_id, secret, read_only, created_at,
         bucket_id, holder_id, holder_name)
      values (${row.id}, ${row.name}, ${row.accessKeyId}, ${row.organisationId}, ${row.projectId}, ${row.userId}, ${row.serviceAccountId},
        ${row.secret}, ${row.readOnly}, ${row.createdAt}, ${row.bucketId ?? null}, ${row.holder?.id ?? null}, ${row.holder?.name ?? null})`;
  },

  async find(tx: Tx, id: string, lock = false): Promise<AccessKeyRow | undefined> {
    const [row] = await tx.sql<AccessKeyRow[]>`
      select ${columns(tx)} from identity.access_keys c where c.id = ${id} ${lock ? tx.sql`for update of c` : tx.sql``}`;
    return row;
  },

  async update(tx: Tx, id: string, change: { name: string; enabled: boolean; readOnly: boolean }): Promise<void> {
    await tx.sql`update identity.access_keys set name = ${change.name}, enabled = ${change.enabled}, read_only = ${change.readOnly},
      revision = revision + 1 where id = ${id}`;
  },

  async remove(tx: Tx, id: string): Promise<boolean> {
    const rows = await tx.sql`delete from identity.access_keys where id = ${id} returning id`;
    return rows.length > 0;
  },

  /** Newest first. */
  list: (tx: Tx, projectId: string, before: string | undefined, limit: number): Promise<AccessKeyRow[]> =>
    tx.sql<AccessKeyRow[]>`
      select ${columns(tx)} from identity.access_keys c
      where c.project_id = ${projectId} ${before ? tx.sql`and c.id < ${before}` : tx.sql``} order by c.id desc limit ${limit}`,

  /** Deletes the keys that somebody has in an organisation; answers how many in which project, for the quota. */
  removeOfOwner: (tx: Tx, organisationId: string, ownerId: string): Promise<{ projectId: string; keys: number }[]> =>
    tx.sql<{ projectId: string; keys: number }[]>`
      with gone as (
        delete from identity.access_keys
        where organisation_id = ${organisationId} and (user_id = ${ownerId} or service_account_id = ${ownerId}) returning project_id
      ) select project_id as "projectId", count(*)::int as keys from gone group by project_id order by project_id`,

  async countInProject(tx: Tx, projectId: string): Promise<number> {
    const [row] = await tx.sql<
      { keys: number }[]
    >`select count(*)::int as keys from identity.access_keys where project_id = ${projectId}`;
    return row?.keys ?? 0;
  },

  /** Whoever stands behind a key, in one query; undefined when it is disabled. */
  async bearer(sql: Sql, accessKeyId: string): Promise<AccessKeyBearer | undefined> {
    const [row] = await sql<AccessKeyBearer[]>`
      select c.id, c.last_used_at as "lastAt", c.organisation_id as "organisationId", c.project_id as "projectId", c.secret,
        c.read_only as "readOnly", o.suspended_reason as "organisationSuspendedReason",
        c.bucket_id as "bucketId", c.holder_name as "holderName",
        case when c.user_id is null then 'service_account' else 'user' end as kind, coalesce(u.id, s.id, c.id) as "principalId",
        coalesce(u.name, s.name, c.holder_name) as name, case when c.holder_id is null then coalesce(u.state, s.state) else 'active' end as state, u.suspended_reason as "suspendedReason",
        ${bindingsOf(sql, sql`coalesce(u.id, s.id)`)} as bindings
      from identity.access_keys c join identity.organisations o on o.id = c.organisation_id
        left join identity.users u on u.id = c.user_id left join identity.service_accounts s on s.id = c.service_account_id
      where c.access_key_id = ${accessKeyId} and c.enabled`;
    return row;
  },

  async used(sql: Sql, id: string, at: Date): Promise<void> {
    await sql`update identity.access_keys set last_used_at = ${at} where id = ${id}`;
  },

  /** Tells all processes, when this transaction commits, that a key, a role or a suspension has changed. */
  async tellChanged(tx: Tx): Promise<void> {
    await tx.sql`select pg_notify(${channel}, '')`;
  },

  listenForChanges: (database: Database, onChange: () => void, onReady: () => void): Promise<{ close(): Promise<void> }> =>
    database.listen(channel, onChange, onReady),
};
