import type { Sql, Tx } from "../../../kernel/db/database.ts";
import { type Bearer, bindingsOf } from "./sessions.ts";

export interface SshKeyRow {
  id: string;
  userId: string;
  name: string;
  type: string;
  fingerprint: string;
  publicKey: string;
  lastUsedAt: Date | null;
  createdAt: Date;
}

const columns = `id, user_id as "userId", name, type, fingerprint, public_key as "publicKey", last_used_at as "lastUsedAt",
  created_at as "createdAt"`;

export const sshKeyStore = {
  /** False when somebody has this key already. */
  async insert(tx: Tx, row: Omit<SshKeyRow, "lastUsedAt">): Promise<boolean> {
    const rows = await tx.sql`insert into identity.ssh_keys (id, user_id, name, type, fingerprint, public_key, created_at)
      values (${row.id}, ${row.userId}, ${row.name}, ${row.type}, ${row.fingerprint}, ${row.publicKey}, ${row.createdAt})
      on conflict (fingerprint) do nothing returning id`;
    return rows.length > 0;
  },

  async find(tx: Tx, userId: string, id: string): Promise<SshKeyRow | undefined> {
    const [row] = await tx.sql<SshKeyRow[]>`
      select ${tx.sql.unsafe(columns)} from identity.ssh_keys where id = ${id} and user_id = ${userId} for update`;
    return row;
  },

  async count(tx: Tx, userId: string): Promise<number> {
    const [row] = await tx.sql<
      { count: number }[]
    >`select count(*)::int as count from identity.ssh_keys where user_id = ${userId}`;
    return row?.count ?? 0;
  },

  /** Newest first. */
  list: (tx: Tx, userId: string, before: string | undefined, limit: number): Promise<SshKeyRow[]> => tx.sql<SshKeyRow[]>`
    select ${tx.sql.unsafe(columns)} from identity.ssh_keys where user_id = ${userId} ${before ? tx.sql`and id < ${before}` : tx.sql``}
    order by id desc limit ${limit}`,

  async remove(tx: Tx, id: string): Promise<void> {
    await tx.sql`delete from identity.ssh_keys where id = ${id}`;
  },

  /** The person behind a key, in one query. */
  async bearer(sql: Sql, fingerprint: string): Promise<(Bearer & { publicKey: string }) | undefined> {
    const [row] = await sql<(Bearer & { publicKey: string })[]>`
      select k.id, k.last_used_at as "lastAt", k.public_key as "publicKey", 'user' as kind, u.id as "principalId", u.name, u.state,
        u.suspended_reason as "suspendedReason", ${bindingsOf(sql, sql`u.id`)} as bindings
      from identity.ssh_keys k join identity.users u on u.id = k.user_id where k.fingerprint = ${fingerprint}`;
    return row;
  },

  async used(sql: Sql, id: string, at: Date): Promise<void> {
    await sql`update identity.ssh_keys set last_used_at = ${at} where id = ${id}`;
  },
};
