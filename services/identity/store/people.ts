import type { Tx } from "../../../kernel/db/database.ts";
import type { Locale } from "../contract.ts";
import { containing, keeps, type NamePage, type Sorted } from "./tenancy.ts";

export interface UserRow {
  id: string;
  email: string;
  name: string;
  locale: Locale;
  state: "active" | "suspended";
  suspendedReason: string | null;
  totpEnabled: boolean;
  passkeyCount: number;
  lastSignInAt: Date | null;
  createdAt: Date;
  revision: number;
}

export interface ServiceAccountRow {
  id: string;
  organisationId: string;
  name: string;
  description: string;
  state: "active" | "suspended";
  createdAt: Date;
  revision: number;
}

const userColumns = (tx: Tx) => tx.sql`
  u.id, u.email, u.name, u.locale, u.state, u.suspended_reason as "suspendedReason", u.last_sign_in_at as "lastSignInAt",
  u.created_at as "createdAt", u.revision,
  exists (select from identity.totp t where t.user_id = u.id and t.confirmed_at is not null) as "totpEnabled",
  (select count(*)::int from identity.passkeys p where p.user_id = u.id) as "passkeyCount"`;
const serviceAccountColumns = (tx: Tx) =>
  tx.sql`id, organisation_id as "organisationId", name, description, state, created_at as "createdAt", revision`;

export const userStore = {
  /** False when the e-mail address has an account. */
  insert: (
    tx: Tx,
    row: { id: string; email: string; name: string; locale: Locale; passwordHash: string; createdAt: Date },
  ): Promise<boolean> =>
    keeps(
      tx,
      "users_email",
      ({ sql }) => sql`insert into identity.users (id, email, name, locale, password_hash, created_at)
        values (${row.id}, ${row.email}, ${row.name}, ${row.locale}, ${row.passwordHash}, ${row.createdAt})`,
    ),

  async find(tx: Tx, id: string, lock = false): Promise<UserRow | undefined> {
    const [row] = await tx.sql<UserRow[]>`
      select ${userColumns(tx)} from identity.users u where u.id = ${id} ${lock ? tx.sql`for no key update of u` : tx.sql``}`;
    return row;
  },

  async findByEmail(tx: Tx, email: string): Promise<(UserRow & { passwordHash: string }) | undefined> {
    const [row] = await tx.sql<(UserRow & { passwordHash: string })[]>`
      select ${userColumns(tx)}, u.password_hash as "passwordHash" from identity.users u where u.email = ${email}`;
    return row;
  },

  async passwordHash(tx: Tx, id: string): Promise<string | undefined> {
    const [row] = await tx.sql<{ hash: string }[]>`select password_hash as hash from identity.users where id = ${id}`;
    return row?.hash;
  },

  async setPasswordHash(tx: Tx, id: string, hash: string): Promise<void> {
    await tx.sql`update identity.users set password_hash = ${hash} where id = ${id}`;
  },

  async signedIn(tx: Tx, id: string, at: Date): Promise<void> {
    await tx.sql`update identity.users set last_sign_in_at = ${at} where id = ${id}`;
  },

  async update(tx: Tx, id: string, change: { name: string; locale: Locale }): Promise<void> {
    await tx.sql`update identity.users set name = ${change.name}, locale = ${change.locale}, revision = revision + 1 where id = ${id}`;
  },

  /** A reason suspends, null resumes. */
  async setSuspended(tx: Tx, id: string, reason: string | null): Promise<void> {
    await tx.sql`update identity.users set state = ${reason === null ? "active" : "suspended"}, suspended_reason = ${reason},
      revision = revision + 1 where id = ${id}`;
  },

  list: (tx: Tx, state: string | undefined, page: NamePage): Promise<Sorted<UserRow>[]> =>
    tx.sql<Sorted<UserRow>[]>`
      select ${userColumns(tx)}, lower(u.name) as "sortName" from identity.users u
      where true ${state ? tx.sql`and u.state = ${state}` : tx.sql``}
        ${page.search ? tx.sql`and (u.name ilike ${containing(page.search)} or u.email ilike ${containing(page.search)})` : tx.sql``}
        ${page.after ? tx.sql`and (lower(u.name), u.id) > (${page.after[0] as string}, ${page.after[1] as string})` : tx.sql``}
      order by lower(u.name), u.id limit ${page.limit}`,
};

export const serviceAccountStore = {
  /** False when the organisation has one of this name. */
  insert: (
    tx: Tx,
    row: { id: string; organisationId: string; name: string; description: string; createdAt: Date },
  ): Promise<boolean> =>
    keeps(
      tx,
      "service_accounts_name",
      ({ sql }) => sql`insert into identity.service_accounts (id, organisation_id, name, description, created_at)
        values (${row.id}, ${row.organisationId}, ${row.name}, ${row.description}, ${row.createdAt})`,
    ),

  async find(tx: Tx, id: string, lock = false): Promise<ServiceAccountRow | undefined> {
    const [row] = await tx.sql<ServiceAccountRow[]>`
      select ${serviceAccountColumns(tx)} from identity.service_accounts where id = ${id} ${lock ? tx.sql`for no key update` : tx.sql``}`;
    return row;
  },

  /** False when the organisation has one of this name. */
  update: (tx: Tx, id: string, change: { name: string; description: string; state: string }): Promise<boolean> =>
    keeps(
      tx,
      "service_accounts_name",
      ({ sql }) => sql`update identity.service_accounts set name = ${change.name}, description = ${change.description},
        state = ${change.state}, revision = revision + 1 where id = ${id}`,
    ),

  /** Tokens and roles go with it; its access keys must be gone. */
  async remove(tx: Tx, id: string): Promise<void> {
    await tx.sql`delete from identity.service_accounts where id = ${id}`;
  },

  list: (tx: Tx, organisationId: string, page: NamePage): Promise<Sorted<ServiceAccountRow>[]> =>
    tx.sql<Sorted<ServiceAccountRow>[]>`
      select ${serviceAccountColumns(tx)}, lower(name) as "sortName" from identity.service_accounts
      where organisation_id = ${organisationId}
        ${page.after ? tx.sql`and (lower(name), id) > (${page.after[0] as string}, ${page.after[1] as string})` : tx.sql``}
      order by lower(name), id limit ${page.limit}`,
};
