import type { Tx } from "../../../kernel/db/database.ts";
import { emit } from "../../../kernel/events.ts";
import type { Id } from "../../../kernel/ids.ts";
import type { PhoneContact } from "./contract.ts";

export interface ContactRow extends Pick<PhoneContact, "name" | "company" | "note" | "numbers" | "revision"> {
  id: Id<"phoneContact">;
  organisationId: Id<"organisation">;
  projectId: Id<"project">;
  systemId: Id<"phoneSystem">;
  createdAt: Date;
}

const columns = `id, organisation_id as "organisationId", project_id as "projectId", system_id as "systemId", name, company, note, numbers,
  created_at as "createdAt", revision`;

export const contactStore = {
  async find(tx: Tx, id: string): Promise<ContactRow | undefined> {
    const [row] = await tx.sql<ContactRow[]>`select ${tx.sql.unsafe(columns)} from voice.contacts where id = ${id}`;
    return row;
  },

  /** By name; all of them without a limit. */
  page: (
    tx: Tx,
    filter: { systemId: string; search?: string | undefined; after?: { name: string; id: string } | undefined; limit?: number },
  ): Promise<ContactRow[]> => tx.sql<ContactRow[]>`
    select ${tx.sql.unsafe(columns)} from voice.contacts where system_id = ${filter.systemId}
      ${
        filter.search
          ? tx.sql`and (position(lower(${filter.search}) in lower(name || ' ' || company)) > 0 or exists (
              select 1 from jsonb_array_elements(numbers) n where position(${filter.search.replace(/[\s().-]/g, "")} in n->>'number') > 0))`
          : tx.sql``
      }
      ${filter.after ? tx.sql`and (lower(name), id) > (lower(${filter.after.name}), ${filter.after.id})` : tx.sql``}
    order by lower(name), id ${filter.limit === undefined ? tx.sql`` : tx.sql`limit ${filter.limit}`}`,

  /** Who has this number: the name, with the company. */
  async nameOf(tx: Tx, systemId: string, e164: string): Promise<string | undefined> {
    const [row] = await tx.sql<{ name: string; company: string }[]>`
      select name, company from voice.contacts
      where system_id = ${systemId} and numbers @> ${tx.sql.json([{ number: e164 }])} order by created_at limit 1`;
    return row && (row.company === "" ? row.name : `${row.name} (${row.company})`);
  },

  async put(tx: Tx, row: ContactRow): Promise<void> {
    await tx.sql`
      insert into voice.contacts (id, organisation_id, project_id, system_id, name, company, note, numbers, created_at, revision)
      values (${row.id}, ${row.organisationId}, ${row.projectId}, ${row.systemId}, ${row.name}, ${row.company}, ${row.note},
        ${tx.sql.json(row.numbers as never)}, ${row.createdAt}, ${row.revision})
      on conflict (id) do update set name = excluded.name, company = excluded.company, note = excluded.note, numbers = excluded.numbers,
        revision = excluded.revision`;
  },

  async remove(tx: Tx, id: string): Promise<void> {
    await tx.sql`delete from voice.contacts where id = ${id}`;
  },

  tell: (tx: Tx, at: Pick<ContactRow, "organisationId" | "projectId" | "systemId">): Promise<void> =>
    emit(tx, {
      type: "voice.phone_contact.changed",
      organisationId: at.organisationId,
      projectId: at.projectId,
      payload: { phoneSystemId: at.systemId },
    }),
};
