import type { Role } from "../../../kernel/contract.ts";
import type { Sql, Tx } from "../../../kernel/db/database.ts";
import { see } from "../../../kernel/db/visibility.ts";

export interface InvitationRow {
  id: string;
  organisationId: string;
  organisationName: string;
  projectId: string | null;
  email: string;
  role: Role;
  state: "pending" | "accepted" | "revoked";
  invitedById: string;
  invitedByName: string;
  expiresAt: Date;
  createdAt: Date;
}

const columns = (tx: Tx) => tx.sql`
  i.id, i.organisation_id as "organisationId", o.name as "organisationName", i.project_id as "projectId", i.email, i.role, i.state,
  i.invited_by_id as "invitedById", i.invited_by_name as "invitedByName", i.expires_at as "expiresAt", i.created_at as "createdAt"`;
const tables = (tx: Tx) => tx.sql`identity.invitations i join identity.organisations o on o.id = i.organisation_id`;

export const invitationStore = {
  async insert(tx: Tx, row: Omit<InvitationRow, "state" | "organisationName"> & { tokenHash: string }): Promise<void> {
    await tx.sql`insert into identity.invitations
        (id, organisation_id, project_id, email, role, token_hash, invited_by_id, invited_by_name, expires_at, created_at)
      values (${row.id}, ${row.organisationId}, ${row.projectId}, ${row.email}, ${row.role}, ${row.tokenHash}, ${row.invitedById},
        ${row.invitedByName}, ${row.expiresAt}, ${row.createdAt})`;
  },

  async find(tx: Tx, id: string): Promise<InvitationRow | undefined> {
    const [row] = await tx.sql<InvitationRow[]>`select ${columns(tx)} from ${tables(tx)} where i.id = ${id} for update of i`;
    return row;
  },

  /** Whoever has the link has been let in to this one organisation: from here on the transaction sees it. */
  async openByToken(tx: Tx, tokenHash: string): Promise<InvitationRow | undefined> {
    await see(tx, "system");
    const [row] = await tx.sql<
      InvitationRow[]
    >`select ${columns(tx)} from ${tables(tx)} where i.token_hash = ${tokenHash} for update of i`;
    await see(tx, { organisationIds: row ? [row.organisationId] : [] });
    return row;
  },

  async hasPending(
    tx: Tx,
    row: { organisationId: string; projectId: string | null; email: string; role: Role },
    now: Date,
  ): Promise<boolean> {
    const rows = await tx.sql`
      select 1 from identity.invitations where organisation_id = ${row.organisationId} and project_id is not distinct from ${row.projectId}
        and email = ${row.email} and role = ${row.role} and state = 'pending' and expires_at > ${now} limit 1`;
    return rows.length > 0;
  },

  async setState(tx: Tx, id: string, state: "accepted" | "revoked"): Promise<void> {
    await tx.sql`update identity.invitations set state = ${state} where id = ${id}`;
  },

  /** What somebody who lost their place had invited to: else they could come back by a link of their own. */
  async revokeOf(tx: Tx, invitedById: string, organisationId: string | undefined): Promise<void> {
    await tx.sql`update identity.invitations set state = 'revoked' where invited_by_id = ${invitedById} and state = 'pending'
      ${organisationId ? tx.sql`and organisation_id = ${organisationId}` : tx.sql``}`;
  },

  /** Newest first. */
  list: (tx: Tx, organisationId: string, before: string | undefined, limit: number): Promise<InvitationRow[]> =>
    tx.sql<InvitationRow[]>`
      select ${columns(tx)} from ${tables(tx)}
      where i.organisation_id = ${organisationId} ${before ? tx.sql`and i.id < ${before}` : tx.sql``} order by i.id desc limit ${limit}`,

  async removeOld(sql: Sql, before: Date): Promise<void> {
    await sql`delete from identity.invitations where expires_at <= ${before}`;
  },
};

export const passwordResetStore = {
  async insert(
    tx: Tx,
    row: { tokenHash: string; userId: string; removesSecondFactor: boolean; expiresAt: Date; createdAt: Date },
  ): Promise<void> {
    await tx.sql`insert into identity.password_resets (token_hash, user_id, removes_second_factor, expires_at, created_at)
      values (${row.tokenHash}, ${row.userId}, ${row.removesSecondFactor}, ${row.expiresAt}, ${row.createdAt})`;
  },

  async exists(tx: Tx, tokenHash: string): Promise<boolean> {
    const rows = await tx.sql`select 1 from identity.password_resets where token_hash = ${tokenHash}`;
    return rows.length > 0;
  },

  async take(tx: Tx, tokenHash: string, now: Date): Promise<{ userId: string; removesSecondFactor: boolean } | undefined> {
    const [row] = await tx.sql<{ userId: string; removesSecondFactor: boolean; expiresAt: Date }[]>`
      delete from identity.password_resets where token_hash = ${tokenHash}
      returning user_id as "userId", removes_second_factor as "removesSecondFactor", expires_at as "expiresAt"`;
    return row && row.expiresAt > now ? row : undefined;
  },

  async removeOf(tx: Tx, userId: string): Promise<void> {
    await tx.sql`delete from identity.password_resets where user_id = ${userId}`;
  },

  async removeExpired(sql: Sql, now: Date): Promise<void> {
    await sql`delete from identity.password_resets where expires_at <= ${now}`;
  },
};
