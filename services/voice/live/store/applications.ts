import type { Tx } from "../../../../kernel/db/database.ts";
import type { Id } from "../../../../kernel/ids.ts";
import type { Destination } from "../../destinations/contract.ts";

export interface ApplicationRow {
  id: Id<"phoneApplication">;
  organisationId: string;
  projectId: Id<"project">;
  systemId: Id<"phoneSystem">;
  name: string;
  url: string;
  /** Sealed: `applicationSecretPurpose`. */
  secret: Buffer;
  fallback: Destination;
  createdAt: Date;
  revision: number;
}

export const applicationSecretPurpose = (id: string): string => `voice.application:${id}`;

const columns = `id, organisation_id as "organisationId", project_id as "projectId", system_id as "systemId", name, url, secret, fallback,
  created_at as "createdAt", revision`;

export const applicationStore = {
  list: (tx: Tx, systemId: string, after: string | undefined, limit: number): Promise<ApplicationRow[]> => tx.sql<
    ApplicationRow[]
  >`
    select ${tx.sql.unsafe(columns)} from voice.applications
    where system_id = ${systemId} ${after === undefined ? tx.sql`` : tx.sql`and id > ${after}`} order by id limit ${limit}`,

  async find(tx: Tx, id: string, options: { lock?: boolean } = {}): Promise<ApplicationRow | undefined> {
    const [row] = await tx.sql<ApplicationRow[]>`select ${tx.sql.unsafe(columns)} from voice.applications where id = ${id}
      ${options.lock ? tx.sql`for update` : tx.sql``}`;
    return row;
  },

  /** False when the phone system has one of this name. */
  async insert(tx: Tx, row: ApplicationRow): Promise<boolean> {
    const rows = await tx.sql`
      insert into voice.applications (id, organisation_id, project_id, system_id, name, url, secret, fallback, created_at)
      values (${row.id}, ${row.organisationId}, ${row.projectId}, ${row.systemId}, ${row.name}, ${row.url}, ${row.secret}, ${tx.sql.json(row.fallback)}, ${row.createdAt})
      on conflict do nothing returning id`;
    return rows.length > 0;
  },

  async nameTaken(tx: Tx, systemId: string, name: string, exceptId: string): Promise<boolean> {
    const rows =
      await tx.sql`select 1 from voice.applications where system_id = ${systemId} and lower(name) = lower(${name}) and id <> ${exceptId}`;
    return rows.length > 0;
  },

  async update(tx: Tx, row: ApplicationRow): Promise<void> {
    await tx.sql`update voice.applications set name = ${row.name}, url = ${row.url}, fallback = ${tx.sql.json(row.fallback)}, revision = revision + 1
      where id = ${row.id}`;
  },

  async remove(tx: Tx, id: string): Promise<void> {
    await tx.sql`delete from voice.applications where id = ${id}`;
  },
};
