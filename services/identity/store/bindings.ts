import type { Role } from "../../../kernel/contract.ts";
import type { Tx } from "../../../kernel/db/database.ts";
import { see } from "../../../kernel/db/visibility.ts";
import { containing, keeps, type NamePage } from "./tenancy.ts";

export interface BindingRow {
  id: string;
  principalKind: "user" | "service_account";
  principalId: string;
  principalName: string;
  role: Role;
  organisationId: string | null;
  projectId: string | null;
  createdAt: Date;
}

export interface MemberRow {
  kind: "user" | "service_account";
  id: string;
  name: string;
  sortName: string;
  email: string | null;
  state: "active" | "suspended";
  secondFactor: boolean;
  lastSignInAt: Date | null;
}

const bindingColumns = (tx: Tx) => tx.sql`
  b.id, case when b.user_id is null then 'service_account' else 'user' end as "principalKind", b.principal_id as "principalId",
  coalesce(u.name, s.name) as "principalName", b.role, b.organisation_id as "organisationId", b.project_id as "projectId",
  b.created_at as "createdAt"`;
const bindingTables = (tx: Tx) => tx.sql`
  identity.role_bindings b left join identity.users u on u.id = b.user_id left join identity.service_accounts s on s.id = b.service_account_id`;
const at = (tx: Tx, organisationId: string | undefined) =>
  organisationId === undefined ? tx.sql`b.organisation_id is null` : tx.sql`b.organisation_id = ${organisationId}`;

export const bindingStore = {
  /** False when the principal has this role there already. */
  insert: (
    tx: Tx,
    row: {
      id: string;
      principalId: string;
      role: Role;
      organisationId: string | undefined;
      projectId: string | undefined;
      createdAt: Date;
    },
  ): Promise<boolean> =>
    keeps(tx, "role_bindings_once", ({ sql }) => {
      const isUser = row.principalId.startsWith("usr_");
      return sql`insert into identity.role_bindings (id, user_id, service_account_id, role, organisation_id, project_id, created_at)
        values (${row.id}, ${isUser ? row.principalId : null}, ${isUser ? null : row.principalId}, ${row.role},
          ${row.organisationId ?? null}, ${row.projectId ?? null}, ${row.createdAt})`;
    }),

  async find(tx: Tx, id: string): Promise<BindingRow | undefined> {
    const [row] = await tx.sql<BindingRow[]>`select ${bindingColumns(tx)} from ${bindingTables(tx)} where b.id = ${id}`;
    return row;
  },

  async remove(tx: Tx, ids: string[]): Promise<void> {
    await tx.sql`delete from identity.role_bindings where id = any (${ids})`;
  },

  /** Of the cloud itself without an organisation; in the order in which they were made. */
  list: (tx: Tx, organisationId: string | undefined, after: string | undefined, limit: number): Promise<BindingRow[]> =>
    tx.sql<BindingRow[]>`
      select ${bindingColumns(tx)} from ${bindingTables(tx)}
      where ${at(tx, organisationId)} ${after ? tx.sql`and b.id > ${after}` : tx.sql``} order by b.id limit ${limit}`,

  ofPrincipal: (tx: Tx, principalId: string): Promise<BindingRow[]> =>
    tx.sql<
      BindingRow[]
    >`select ${bindingColumns(tx)} from ${bindingTables(tx)} where b.principal_id = ${principalId} order by b.id`,

  ofPrincipals: (tx: Tx, organisationId: string, principalIds: string[]): Promise<BindingRow[]> =>
    tx.sql<BindingRow[]>`
      select ${bindingColumns(tx)} from ${bindingTables(tx)}
      where b.organisation_id = ${organisationId} and b.principal_id = any (${principalIds}) order by b.id`,

  /**
   * The people who own an organisation (or the cloud) and are not suspended. Their rows stay locked, so that two owners who remove each
   * other line up and the second one finds itself to be the last.
   */
  async lockOwners(tx: Tx, organisationId: string | undefined): Promise<string[]> {
    const rows = await tx.sql<{ userId: string; active: boolean }[]>`
      select b.user_id as "userId", u.state = 'active' as active from identity.role_bindings b join identity.users u on u.id = b.user_id
      where ${at(tx, organisationId)} and b.project_id is null and b.role = 'owner' order by b.id for update of b`;
    return rows.filter((row) => row.active).map((row) => row.userId);
  },

  /** Whether the cloud has an owner. Everybody may know that, so from here on the transaction sees as the cloud itself. */
  async hasOwner(tx: Tx): Promise<boolean> {
    await see(tx, "system");
    const rows = await tx.sql`select 1 from identity.role_bindings where organisation_id is null and role = 'owner' limit 1`;
    return rows.length > 0;
  },

  async sharesOrganisation(tx: Tx, userId: string, organisationIds: string[]): Promise<boolean> {
    const rows = await tx.sql`
      select 1 from identity.role_bindings where user_id = ${userId} and organisation_id = any (${organisationIds}) limit 1`;
    return rows.length > 0;
  },

  members: (tx: Tx, organisationId: string, page: NamePage): Promise<MemberRow[]> =>
    tx.sql<MemberRow[]>`
      select * from (
        select 'user' as kind, u.id, u.name, lower(u.name) as "sortName", u.email, u.state, u.last_sign_in_at as "lastSignInAt",
          (exists (select from identity.totp t where t.user_id = u.id and t.confirmed_at is not null)
            or exists (select from identity.passkeys p where p.user_id = u.id)) as "secondFactor"
        from identity.users u
        where u.id in (select user_id from identity.role_bindings where organisation_id = ${organisationId})
        union all
        select 'service_account', s.id, s.name, lower(s.name), null, s.state, null, false
        from identity.service_accounts s
        where s.organisation_id = ${organisationId}
          and s.id in (select service_account_id from identity.role_bindings where organisation_id = ${organisationId})
      ) m
      where true
        ${page.search ? tx.sql`and (name ilike ${containing(page.search)} or email ilike ${containing(page.search)})` : tx.sql``}
        ${page.after ? tx.sql`and ("sortName", id) > (${page.after[0] as string}, ${page.after[1] as string})` : tx.sql``}
      order by "sortName", id limit ${page.limit}`,
};
