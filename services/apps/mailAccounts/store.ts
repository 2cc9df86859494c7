import type { Tx } from "../../../kernel/db/database.ts";
import { emit } from "../../../kernel/events.ts";
import type { Id } from "../../../kernel/ids.ts";
import type { MailSecurity } from "./contract.ts";

export interface MailAccountRow {
  id: Id<"mailAccount">;
  organisationId: Id<"organisation">;
  projectId: Id<"project">;
  name: string;
  description: string;
  host: string;
  port: number;
  security: MailSecurity;
  /** Empty: without signing in. */
  userName: string;
  /** Sealed; null without a user name. */
  password: Uint8Array | null;
  sender: string;
  createdAt: Date;
  revision: number;
}
export type ListedMailAccount = MailAccountRow & { linkedApps: number };

const columns = `m.id, m.organisation_id as "organisationId", m.project_id as "projectId", m.name, m.description, m.host, m.port, m.security,
  m.user_name as "userName", m.password, m.sender, m.created_at as "createdAt", m.revision`;
const listed = `${columns}, (select count(*)::int from apps.links l where l.resource_id = m.id) as "linkedApps"`;

const announce = (
  tx: Tx,
  row: Pick<MailAccountRow, "id" | "name" | "organisationId" | "projectId">,
  state: "there" | "deleted",
): Promise<void> =>
  emit(tx, {
    type: "apps.mail_account.changed",
    organisationId: row.organisationId,
    projectId: row.projectId,
    payload: { mailAccountId: row.id, name: row.name, state },
  });

const bytes = (sealed: Uint8Array | null): Buffer | null => (sealed === null ? null : Buffer.from(sealed));

export const mailAccountStore = {
  /** `lock`: "change" for whoever changes or deletes it, "use" for whoever links it, which may be several at once. */
  async find(tx: Tx, id: string, options: { lock?: "change" | "use" } = {}): Promise<ListedMailAccount | undefined> {
    const lock = { change: tx.sql`for update of m`, use: tx.sql`for share of m`, none: tx.sql`` }[options.lock ?? "none"];
    const [row] = await tx.sql<
      ListedMailAccount[]
    >`select ${tx.sql.unsafe(listed)} from apps.mail_accounts m where m.id = ${id} ${lock}`;
    return row;
  },

  /** By name, of one project. */
  page: (tx: Tx, filter: { projectId: string; after?: string | undefined; limit: number }): Promise<ListedMailAccount[]> =>
    tx.sql<ListedMailAccount[]>`
      select ${tx.sql.unsafe(listed)} from apps.mail_accounts m
      where m.project_id = ${filter.projectId} ${filter.after === undefined ? tx.sql`` : tx.sql`and m.name > ${filter.after}`}
      order by m.name limit ${filter.limit}`,

  /** False when the project has one of this name. */
  async insert(tx: Tx, row: MailAccountRow): Promise<boolean> {
    const rows = await tx.sql`
      insert into apps.mail_accounts (id, organisation_id, project_id, name, description, host, port, security, user_name, password, sender, created_at)
      values (${row.id}, ${row.organisationId}, ${row.projectId}, ${row.name}, ${row.description}, ${row.host}, ${row.port}, ${row.security},
        ${row.userName}, ${bytes(row.password)}, ${row.sender}, ${row.createdAt})
      on conflict do nothing returning id`;
    if (rows.length > 0) await announce(tx, row, "there");
    return rows.length > 0;
  },

  async update(tx: Tx, row: MailAccountRow): Promise<void> {
    await tx.sql`
      update apps.mail_accounts set description = ${row.description}, host = ${row.host}, port = ${row.port}, security = ${row.security},
        user_name = ${row.userName}, password = ${bytes(row.password)}, sender = ${row.sender}, revision = revision + 1 where id = ${row.id}`;
    await announce(tx, row, "there");
  },

  async delete(tx: Tx, row: MailAccountRow): Promise<void> {
    await tx.sql`delete from apps.mail_accounts where id = ${row.id}`;
    await announce(tx, row, "deleted");
  },
};
