import type { Sql, Tx } from "../../../kernel/db/database.ts";
import { type Bearer, bindingsOf } from "./sessions.ts";

export interface Owner {
  kind: "user" | "service_account";
  id: string;
  name: string;
}

export interface ApiTokenRow {
  id: string;
  name: string;
  prefix: string;
  owner: Owner;
  organisationId: string | null;
  scopes: string[];
  lastUsedAt: Date | null;
  expiresAt: Date | null;
  createdAt: Date;
}

/** A credential's own table is `c`. */
export const ownerColumn = (tx: Tx, named = true) => tx.sql`
  json_build_object('kind', case when c.user_id is null then 'service_account' else 'user' end, 'id', coalesce(c.user_id, c.service_account_id),
    'name', coalesce((select name from identity.users where id = c.user_id),
      (select name from identity.service_accounts where id = c.service_account_id))) ${named ? tx.sql`as owner` : tx.sql``}`;
const columns = (tx: Tx) => tx.sql`
  c.id, c.name, c.prefix, ${ownerColumn(tx)}, c.organisation_id as "organisationId", c.scopes, c.last_used_at as "lastUsedAt",
  c.expires_at as "expiresAt", c.created_at as "createdAt"`;

export const apiTokenStore = {
  async insert(
    tx: Tx,
    row: Omit<ApiTokenRow, "owner" | "lastUsedAt"> & {
      userId: string | null;
      serviceAccountId: string | null;
      tokenHash: string;
    },
  ): Promise<void> {
    await tx.sql`insert into identity.api_tokens
        (id, user_id, service_account_id, organisation_id, name, prefix, token_hash, scopes, expires_at, created_at)
      values (${row.id}, ${row.userId}, ${row.serviceAccountId}, ${row.organisationId}, ${row.name}, ${row.prefix}, ${row.tokenHash},
        ${row.scopes}, ${row.expiresAt}, ${row.createdAt})`;
  },

  async find(tx: Tx, id: string): Promise<ApiTokenRow | undefined> {
    const [row] = await tx.sql<ApiTokenRow[]>`select ${columns(tx)} from identity.api_tokens c where c.id = ${id}`;
    return row;
  },

  async remove(tx: Tx, id: string): Promise<void> {
    await tx.sql`delete from identity.api_tokens where id = ${id}`;
  },

  /** Newest first. */
  list: (tx: Tx, ownerId: string, before: string | undefined, limit: number): Promise<ApiTokenRow[]> =>
    tx.sql<ApiTokenRow[]>`
      select ${columns(tx)} from identity.api_tokens c
      where ${ownerId.startsWith("usr_") ? tx.sql`c.user_id = ${ownerId}` : tx.sql`c.service_account_id = ${ownerId}`}
        ${before ? tx.sql`and c.id < ${before}` : tx.sql``}
      order by c.id desc limit ${limit}`,

  /** Whoever stands behind a token, in one query. */
  async bearer(sql: Sql, tokenHash: string, now: Date): Promise<(Bearer & { scopes: string[] }) | undefined> {
    const [row] = await sql<(Bearer & { scopes: string[] })[]>`
      select c.id, c.last_used_at as "lastAt", c.scopes, case when c.user_id is null then 'service_account' else 'user' end as kind,
        coalesce(u.id, s.id) as "principalId", coalesce(u.name, s.name) as name, coalesce(u.state, s.state) as state,
        u.suspended_reason as "suspendedReason", ${bindingsOf(sql, sql`coalesce(u.id, s.id)`)} as bindings
      from identity.api_tokens c left join identity.users u on u.id = c.user_id
        left join identity.service_accounts s on s.id = c.service_account_id
      where c.token_hash = ${tokenHash} and (c.expires_at is null or c.expires_at > ${now})`;
    return row;
  },

  async used(sql: Sql, id: string, at: Date): Promise<void> {
    await sql`update identity.api_tokens set last_used_at = ${at} where id = ${id}`;
  },

  async removeExpired(sql: Sql, before: Date): Promise<void> {
    await sql`delete from identity.api_tokens where expires_at <= ${before}`;
  },
};
