import type postgres from "postgres";
import type { Binding } from "../../../kernel/auth/principal.ts";
import type { Sql, Tx } from "../../../kernel/db/database.ts";

export type SignInMethod = "password" | "password_totp" | "password_recovery_code" | "passkey";

export interface SessionRow {
  id: string;
  sourceIp: string;
  userAgent: string;
  method: SignInMethod;
  createdAt: Date;
  lastSeenAt: Date;
  expiresAt: Date;
}

/** Who stands behind a credential, with all roles. */
export interface Bearer {
  /** Of the session or the token. */
  id: string;
  /** When it was last seen used. */
  lastAt: Date | null;
  kind: "user" | "service_account";
  principalId: string;
  name: string;
  state: "active" | "suspended";
  suspendedReason: string | null;
  bindings: { role: Binding["role"]; organisationId: string | null; projectId: string | null; suspendedReason: string | null }[];
}

/** All roles of a principal as JSON, each with the reason why its organisation is suspended, if it is. */
export const bindingsOf = (sql: Sql | Tx["sql"], principalId: postgres.Fragment): postgres.Fragment => sql`
  coalesce((select json_agg(json_build_object('role', b.role, 'organisationId', b.organisation_id, 'projectId', b.project_id,
      'suspendedReason', o.suspended_reason) order by b.id)
    from identity.role_bindings b left join identity.organisations o on o.id = b.organisation_id
    where b.principal_id = ${principalId}), '[]')`;

export const sessionStore = {
  async insert(tx: Tx, row: SessionRow & { userId: string; tokenHash: string }): Promise<void> {
    await tx.sql`insert into identity.sessions (id, user_id, token_hash, method, source_ip, user_agent, created_at, last_seen_at, expires_at)
      values (${row.id}, ${row.userId}, ${row.tokenHash}, ${row.method}, ${row.sourceIp}, ${row.userAgent}, ${row.createdAt},
        ${row.lastSeenAt}, ${row.expiresAt})`;
  },

  list: (
    tx: Tx,
    userId: string,
    live: { now: Date; idleSince: Date },
    before: string | undefined,
    limit: number,
  ): Promise<SessionRow[]> =>
    tx.sql<SessionRow[]>`
      select id, source_ip as "sourceIp", user_agent as "userAgent", method, created_at as "createdAt", last_seen_at as "lastSeenAt",
        expires_at as "expiresAt"
      from identity.sessions
      where user_id = ${userId} and expires_at > ${live.now} and last_seen_at > ${live.idleSince}
        ${before ? tx.sql`and id < ${before}` : tx.sql``}
      order by id desc limit ${limit}`,

  async remove(tx: Tx, userId: string, id: string): Promise<boolean> {
    const rows = await tx.sql`delete from identity.sessions where id = ${id} and user_id = ${userId} returning id`;
    return rows.length > 0;
  },

  async removeByToken(tx: Tx, tokenHash: string): Promise<void> {
    await tx.sql`delete from identity.sessions where token_hash = ${tokenHash}`;
  },

  /** All of a person, but for one. */
  async removeAll(tx: Tx, userId: string, except?: string): Promise<number> {
    const rows =
      await tx.sql`delete from identity.sessions where user_id = ${userId} and id is distinct from ${except ?? null} returning id`;
    return rows.length;
  },

  /** The person behind a session cookie, in one query. */
  async bearer(
    sql: Sql,
    tokenHash: string,
    live: { now: Date; idleSince: Date; before?: Date | undefined },
  ): Promise<Bearer | undefined> {
    const [row] = await sql<Bearer[]>`
      select s.id, s.last_seen_at as "lastAt", 'user' as kind, u.id as "principalId", u.name, u.state,
        u.suspended_reason as "suspendedReason", ${bindingsOf(sql, sql`u.id`)} as bindings
      from identity.sessions s join identity.users u on u.id = s.user_id
      where s.token_hash = ${tokenHash} and s.expires_at > ${live.now} and s.last_seen_at > ${live.idleSince}
        ${live.before ? sql`and s.created_at < ${live.before}` : sql``}`;
    return row;
  },

  /** When the cookie of sessions was first asked for by the name that it has over HTTPS: now, if never before. */
  async cookieRenamedAt(sql: Sql, now: Date): Promise<Date> {
    const [row] = await sql<{ value: string }[]>`
      insert into kernel.settings (name, value) values ('identity.cookie_renamed_at', ${sql.json(now.toISOString())})
      on conflict (name) do update set name = excluded.name returning value`;
    return new Date(row?.value as string);
  },

  /** The same by the id, which is no secret: for what a session has let somebody into. */
  async bearerById(
    sql: Sql,
    id: string,
    live: { now: Date; idleSince: Date },
  ): Promise<(Bearer & { email: string }) | undefined> {
    const [row] = await sql<(Bearer & { email: string })[]>`
      select s.id, s.last_seen_at as "lastAt", 'user' as kind, u.id as "principalId", u.name, u.email, u.state,
        u.suspended_reason as "suspendedReason", ${bindingsOf(sql, sql`u.id`)} as bindings
      from identity.sessions s join identity.users u on u.id = s.user_id
      where s.id = ${id} and s.expires_at > ${live.now} and s.last_seen_at > ${live.idleSince}`;
    return row;
  },

  /** A person or a service account, in one query. */
  async principal(sql: Sql, id: string): Promise<Bearer | undefined> {
    const [row] = await sql<Bearer[]>`
      select p.id, null as "lastAt", p.kind, p.id as "principalId", p.name, p.state, p.suspended_reason as "suspendedReason",
        ${bindingsOf(sql, sql`p.id`)} as bindings
      from (select id, 'user' as kind, name, state, suspended_reason from identity.users where id = ${id}
        union all select id, 'service_account', name, state, null from identity.service_accounts where id = ${id}) p`;
    return row;
  },

  async seen(sql: Sql, id: string, at: Date): Promise<void> {
    await sql`update identity.sessions set last_seen_at = ${at} where id = ${id}`;
  },

  async removeExpired(sql: Sql, live: { now: Date; idleSince: Date }): Promise<void> {
    await sql`delete from identity.sessions where expires_at <= ${live.now} or last_seen_at <= ${live.idleSince}`;
  },
};
