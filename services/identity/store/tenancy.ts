import { brokenConstraint, type Tx } from "../../../kernel/db/database.ts";

export interface OrganisationRow {
  id: string;
  name: string;
  slug: string;
  state: "active" | "suspended";
  suspendedReason: string | null;
  createdAt: Date;
  revision: number;
}

export interface ProjectRow {
  id: string;
  organisationId: string;
  name: string;
  slug: string;
  createdAt: Date;
  revision: number;
}

/** A page of a list that is sorted by name. */
export interface NamePage {
  search?: string | undefined;
  /** The lower-case name and the id of the last item of the page before. */
  after: (string | number)[] | undefined;
  limit: number;
}
export type Sorted<T> = T & { sortName: string };

/** For ILIKE, with its own wildcards taken literally. */
export const containing = (search: string): string => `%${search.replace(/[\\%_]/g, "\\$&")}%`;

const organisationColumns = (tx: Tx) =>
  tx.sql`id, name, slug, state, suspended_reason as "suspendedReason", created_at as "createdAt", revision`;
const projectColumns = (tx: Tx) =>
  tx.sql`id, organisation_id as "organisationId", name, slug, created_at as "createdAt", revision`;
const locked = (tx: Tx, lock: boolean) => (lock ? tx.sql`for no key update` : tx.sql``);

/** Runs an insert or update; false when the constraint was broken by it. The savepoint keeps the transaction usable. */
export async function keeps(tx: Tx, constraint: string, work: (tx: Tx) => Promise<unknown>): Promise<boolean> {
  try {
    await tx.sql.savepoint((sql) => work({ ...tx, sql }));
    return true;
  } catch (error) {
    if (brokenConstraint(error) === constraint) return false;
    throw error;
  }
}

/** False when something that is not ours to delete still refers to it. */
async function removesWhole(tx: Tx, work: (tx: Tx) => Promise<unknown>): Promise<boolean> {
  try {
    await tx.sql.savepoint((sql) => work({ ...tx, sql }));
    return true;
  } catch (error) {
    // foreign_key_violation
    if ((error as { code?: string }).code === "23503") return false;
    throw error;
  }
}

export const organisationStore = {
  /** False when the slug is taken. */
  insert: (tx: Tx, row: { id: string; name: string; slug: string; createdAt: Date }): Promise<boolean> =>
    keeps(
      tx,
      "organisations_slug",
      ({ sql }) =>
        sql`insert into identity.organisations (id, name, slug, created_at) values (${row.id}, ${row.name}, ${row.slug}, ${row.createdAt})`,
    ),

  async find(tx: Tx, id: string, lock = false): Promise<OrganisationRow | undefined> {
    const [row] = await tx.sql<OrganisationRow[]>`
      select ${organisationColumns(tx)} from identity.organisations where id = ${id} ${locked(tx, lock)}`;
    return row;
  },

  /** False when the slug is taken. */
  update: (tx: Tx, id: string, change: { name: string; slug: string }): Promise<boolean> =>
    keeps(
      tx,
      "organisations_slug",
      ({ sql }) =>
        sql`update identity.organisations set name = ${change.name}, slug = ${change.slug}, revision = revision + 1 where id = ${id}`,
    ),

  /** A reason suspends, null resumes. */
  async setSuspended(tx: Tx, id: string, reason: string | null): Promise<void> {
    await tx.sql`update identity.organisations set state = ${reason === null ? "active" : "suspended"}, suspended_reason = ${reason},
      revision = revision + 1 where id = ${id}`;
  },

  async hasProjects(tx: Tx, id: string): Promise<boolean> {
    const rows = await tx.sql`select 1 from identity.projects where organisation_id = ${id} limit 1`;
    return rows.length > 0;
  },

  /** With everything of ours that hangs on it, and its quotas. False when another service still has something of it. */
  remove: (tx: Tx, id: string): Promise<boolean> =>
    removesWhole(tx, async ({ sql }) => {
      await sql`delete from identity.organisations where id = ${id}`;
      await sql`delete from kernel.quota_usage where organisation_id = ${id}`;
      await sql`delete from kernel.quota_limits where organisation_id = ${id}`;
    }),

  /** `ids` undefined: all of the cloud. */
  list: (tx: Tx, ids: string[] | undefined, page: NamePage): Promise<Sorted<OrganisationRow>[]> =>
    tx.sql<Sorted<OrganisationRow>[]>`
      select ${organisationColumns(tx)}, lower(name) as "sortName" from identity.organisations
      where ${ids ? tx.sql`id = any (${ids})` : tx.sql`true`}
        ${page.search ? tx.sql`and (name ilike ${containing(page.search)} or slug ilike ${containing(page.search)})` : tx.sql``}
        ${page.after ? tx.sql`and (lower(name), id) > (${page.after[0] as string}, ${page.after[1] as string})` : tx.sql``}
      order by lower(name), id limit ${page.limit}`,
};

export const projectStore = {
  /** False when the organisation has a project with this slug. */
  insert: (tx: Tx, row: { id: string; organisationId: string; name: string; slug: string; createdAt: Date }): Promise<boolean> =>
    keeps(
      tx,
      "projects_slug",
      ({ sql }) => sql`insert into identity.projects (id, organisation_id, name, slug, created_at)
        values (${row.id}, ${row.organisationId}, ${row.name}, ${row.slug}, ${row.createdAt})`,
    ),

  async find(tx: Tx, id: string, lock = false): Promise<ProjectRow | undefined> {
    const [row] = await tx.sql<ProjectRow[]>`
      select ${projectColumns(tx)} from identity.projects where id = ${id} ${locked(tx, lock)}`;
    return row;
  },

  /** False when the organisation has a project with this slug. */
  update: (tx: Tx, id: string, change: { name: string; slug: string }): Promise<boolean> =>
    keeps(
      tx,
      "projects_slug",
      ({ sql }) =>
        sql`update identity.projects set name = ${change.name}, slug = ${change.slug}, revision = revision + 1 where id = ${id}`,
    ),

  /** Its access keys, roles and invitations go with it. False when another service still has something in it. */
  remove: (tx: Tx, id: string): Promise<boolean> =>
    removesWhole(tx, async ({ sql }) => {
      await sql`delete from identity.access_keys where project_id = ${id}`;
      await sql`delete from identity.projects where id = ${id}`;
      await sql`delete from kernel.quota_usage where scope_id = ${id}`;
      await sql`delete from kernel.quota_limits where scope_id = ${id}`;
    }),

  /** `ids` undefined: all of the organisation. */
  list: (tx: Tx, organisationId: string, ids: string[] | undefined, page: NamePage): Promise<Sorted<ProjectRow>[]> =>
    tx.sql<Sorted<ProjectRow>[]>`
      select ${projectColumns(tx)}, lower(name) as "sortName" from identity.projects
      where organisation_id = ${organisationId} ${ids ? tx.sql`and id = any (${ids})` : tx.sql``}
        ${page.search ? tx.sql`and (name ilike ${containing(page.search)} or slug ilike ${containing(page.search)})` : tx.sql``}
        ${page.after ? tx.sql`and (lower(name), id) > (${page.after[0] as string}, ${page.after[1] as string})` : tx.sql``}
      order by lower(name), id limit ${page.limit}`,

  ofOrganisations: (tx: Tx, organisationIds: string[]): Promise<ProjectRow[]> =>
    tx.sql<ProjectRow[]>`
      select ${projectColumns(tx)} from identity.projects where organisation_id = any (${organisationIds}) order by lower(name), id`,
};
